"""Writes the tables and reports of priced runs."""

import json
import shutil
from pathlib import Path

from harness.commands.price import Priced
from harness.core.errors import UsageError
from harness.core.files import write_json, write_text
from harness.ledger.external_runs import is_open
from harness.ledger.store import Store


def report_folder(source: Path, out: Path | None) -> Path:
    """Where the reports of a priced source go: `out`, or the folder itself, or ``results/<stem>`` of a table.

    Raises:
        UsageError: it is a table, and the folder holds other runs.
    """
    from harness.results.runs_of_others import is_table

    if not is_table(source):
        return out or source
    folder = out or Path("results") / source.stem
    if is_open(folder) or (folder / "spec.yaml").exists():
        raise UsageError(f"{folder}: holds results of other runs than {source}; name another folder with --out")
    return folder


def write_tables(priced: Priced, folder: Path) -> Path:
    """Write ``tables/`` into `folder`, in place of what an earlier call wrote. Returns the tables folder.

    Raises:
        UsageError: `folder` holds something that is not ours.
    """
    Store(folder).check_folder()
    tables, draft = folder / "tables", folder / ".tables"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, frame in priced.frames.items():
        frame.to_csv(draft / f"{name}.csv", index=False)
    write_json(draft / "context.json", priced.context)
    write_text(draft / "what_if.json", json.dumps(priced.what_if(), ensure_ascii=False, separators=(",", ":")) + "\n")
    shutil.rmtree(tables, ignore_errors=True)
    draft.rename(tables)
    return tables


def render(tables: Path, folder: Path, venue_name: str = "ieee") -> list[Path]:
    """Write the reports of a tables folder into `folder`. Returns what was written: files, and the figures' folder.

    Args:
        tables: a folder of tables.
        folder: where reports go.
        venue_name: whose columns figures are as wide as, see `reports.figures.venues`.

    Raises:
        UsageError: there is no such venue.
    """
    from harness.commands.plugin_sections import extra_sections
    from reports.build import report_of
    from reports.figures.files import write_figures
    from reports.figures.venues import venue
    from reports.latex.fragment import write_latex
    from reports.latex.macros import write_macros
    from reports.latex.paper import build_paper
    from reports.page.html import write_html
    from reports.page.markdown import write_markdown
    from reports.statement_files import write_statements
    from reports.tables.read import read_tables
    from reports.texts.bibliography import write_bibtex

    chosen = venue(venue_name)
    read = read_tables(tables)
    report = report_of(read, extra_sections(read.context))
    folder.mkdir(parents=True, exist_ok=True)
    names = ("report.md", "report.html", "report.tex", "numbers.tex", "references.bib")
    sheet, page, paper, numbers, sources = (folder / name for name in names)
    write_markdown(report, sheet)
    write_html(report, page)
    write_latex(build_paper(read), paper, chosen)
    write_macros(read, numbers)
    write_bibtex(read, sources)
    stated = write_statements(read, folder)
    return [page, sheet, paper, numbers, sources, *stated, write_figures(report, folder, chosen)]
