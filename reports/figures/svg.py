"""Prepares SVG for pages and folders: colours that follow a theme, and a third of matplotlib's bytes.

Only the inside of tags is changed: names are drawn as text between them and may look like anything.
"""

import re

THEMED = {
    "#ffffff": "paper",
    "#1a2029": "ink",
    "#5b6472": "muted",
    "#8b93a1": "faint",
    "#dfe3e9": "hairline",
    "#22262e": "series-0",
    "#0072b2": "series-1",
    "#d55e00": "series-2",
    "#009e73": "series-3",
    "#cc79a7": "series-4",
    "#e69f00": "series-5",
    "#56b4e9": "series-6",
}
"""Colours of the style and the CSS variables that stand for them in a themed page."""

_TAG = re.compile(r"<[^<>]*>")
_LONG_NUMBER = re.compile(r"(?<![\w.#-])-?\d+\.\d{3,}(?![\w.])")
_STYLE = re.compile(r' style="([^"]*)"')
_RULES = "</style>"


def themed(text: str, prefix: str) -> str:
    """An SVG for inlining: colours as CSS variables, identifiers unique in a page by `prefix`, no XML prolog."""
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _themed_tag(tag.group(), prefix), text)
    return re.sub(r'<svg [^<>]*viewBox="([^"]*)"[^<>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)


def slim(text: str, prefix: str) -> str:
    """An SVG with coordinates to a hundredth of a point, and each style written once, as a class."""
    classes: dict[str, str] = {}

    def shorter(tag: re.Match[str]) -> str:
        short = _LONG_NUMBER.sub(lambda number: _rounded(number.group()), tag.group())
        return _STYLE.sub(
            lambda style: f' class="{classes.setdefault(style.group(1), f"{prefix}-{len(classes)}")}"', short
        )

    text = re.sub(r">\s*\n\s*<(?!/?(?:text|tspan))", ">\n<", _TAG.sub(shorter, text))
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    return text.replace(_RULES, rules + _RULES, 1)


def _rounded(number: str) -> str:
    value = float(number)
    short = f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"
    return (short.rstrip("0").rstrip(".") or "0") if float(short) else number


def _themed_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = re.sub(r'((?:xlink:)?href="|url\()#', rf"\g<1>#{prefix}-", tag)
    tag = tag.replace("'DejaVu Sans'", "var(--sans)").replace("xlink:href", "href")
    for colour, variable in THEMED.items():
        tag = tag.replace(colour, f"var(--{variable})")
    return tag
