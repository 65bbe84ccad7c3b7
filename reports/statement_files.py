"""Writes the statements about computing to files: Markdown to read and edit, LaTeX to put into a paper."""

from pathlib import Path

from reports.latex.fragment import write_latex
from reports.page.markdown import write_markdown
from reports.sections.statements import compute_checklist, model_card
from reports.tables.read import Tables


def write_statements(tables: Tables, folder: Path) -> list[Path]:
    """Write ``checklist`` and ``model_card``, each as ``.md`` and ``.tex``, into `folder`. Returns what was written.

    Raises:
        OSError: a file cannot be written.
    """
    written = []
    for name, report in {"checklist": compute_checklist(tables), "model_card": model_card(tables)}.items():
        sheet, paper = folder / f"{name}.md", folder / f"{name}.tex"
        write_markdown(report, sheet)
        write_latex(report, paper)
        written += [sheet, paper]
    return written
