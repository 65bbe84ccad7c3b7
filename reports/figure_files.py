"""The figures of a report as files: SVG and PDF, each at the width of a page and of one column of a paper."""

from pathlib import Path

from reports import figures
from reports.document import Report
from reports.files import write_bytes, write_text

FOLDER = "figures"
"""Name of the folder beside a report."""

_WIDTHS = {"": figures.WIDE_IN, "_column": figures.COLUMN_IN}


def file_stem(key: str, *, is_column: bool = False) -> str:
    """Path of a figure relative to its report, without extension.

    >>> file_stem("accuracy_bits", is_column=True)
    'figures/accuracy_bits_column'
    """
    return f"{FOLDER}/{key}_column" if is_column else f"{FOLDER}/{key}"


def write_figures(report: Report, folder: Path) -> Path:
    """Write every figure into ``figures/`` in `folder`: ``<key>.*`` is 7.2 inches wide, ``<key>_column.*`` 3.5.

    Returns:
        The folder of the figures.

    Raises:
        EnvironmentLacksError: a file cannot be written.
    """
    for figure in report.figures():
        for suffix, width_in in _WIDTHS.items():
            stem = folder / FOLDER / f"{figure.key}{suffix}"
            write_text(stem.with_suffix(".svg"), figures.svg(figure, width_in))
            write_bytes(stem.with_suffix(".pdf"), figures.pdf(figure, width_in))
    return folder / FOLDER
