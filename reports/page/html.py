"""Writes a report as one offline HTML page: styles, figures and one script inside, no request.

The script draws the section “What if”; the page says all else without it. Its hash is in the page's content policy,
so that nothing else in the page can run, no matter what names contain.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.core.files import write_text
from reports.document import Report
from reports.figures import draw
from reports.texts.numbers import clean


@dataclass(frozen=True)
class _Drawn:
    """A figure at both widths; the stylesheet shows the one that fits."""

    wide: Markup
    narrow: Markup


def render_html(report: Report) -> str:
    """The page as text, byte-identical for equal reports."""
    drawn = {
        figure.key: _Drawn(
            _inline(draw.svg(figure, draw.WIDE_IN, is_themed=True)),
            _inline(draw.svg(figure, draw.COLUMN_IN, is_themed=True)),
        )
        for figure in report.figures()
    }
    with resources.as_file(resources.files("reports.page.templates")) as folder:
        environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, keep_trailing_newline=True,
        )  # fmt: skip
        environment.filters["clean"] = clean
        files = ("style.css", "what_if.js", "what_if_page.js")
        style, *scripts = ((folder / name).read_text(encoding="utf-8") for name in files)
        script = "".join(scripts)
        template = environment.get_template("report.html.j2")
        return template.render(
            report=report,
            drawn=drawn,
            style=_inline(style),
            data=_inline(_script_safe(report.what_if)),
            script=_inline(script),
            policy=_policy(script if report.what_if else ""),
        )


def write_html(report: Report, path: Path) -> None:
    """Write the page to `path`.

    Raises:
        OSError: `path` cannot be written.
    """
    write_text(path, render_html(report))


def _policy(script: str) -> str:
    """The content policy: nothing from anywhere, and no script but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    own = f" script-src 'sha256-{digest}';" if script else ""
    return f"default-src 'none';{own} style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _script_safe(text: str) -> str:
    """JSON that cannot end the element around it, nor open a comment there."""
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _inline(ours: str) -> Markup:
    """Text of ours that is markup already: the stylesheet, or SVG in which matplotlib escaped every name."""
    return Markup(ours)  # noqa: S704 - names inside were escaped by the SVG writer; a test feeds hostile ones
