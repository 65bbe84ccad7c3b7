"""Writes the figures of a report: SVG and PDF at the width of a page and of one column of a paper, and CSV."""

from pathlib import Path

from harness.core.files import write_bytes, write_text
from reports.document import Report
from reports.figures import draw
from reports.figures.data import figure_csv
from reports.figures.venues import IEEE, Venue

FOLDER = "figures"
"""Name of the folder beside a report."""


def file_stem(key: str, *, is_column: bool = False) -> str:
    """Path of a figure relative to its report, without extension.

    >>> file_stem("accuracy_bits", is_column=True)
    'figures/accuracy_bits_column'
    """
    return f"{FOLDER}/{key}_column" if is_column else f"{FOLDER}/{key}"


def write_figures(report: Report, folder: Path, venue: Venue = IEEE) -> Path:
    """Write every figure into ``figures/`` in `folder`: ``<key>.*`` as wide as a page, ``<key>_column.*`` as a column.

    Its data are in the same folder as ``<key>.csv``.

    Returns:
        The folder of the figures.

    Raises:
        OSError: a file cannot be written.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for figure in report.figures():
        write_text(folder / FOLDER / f"{figure.key}.csv", figure_csv(figure))
        for suffix, width_in in {"": venue.page_in, "_column": venue.column_in}.items():
            stem = folder / FOLDER / f"{figure.key}{suffix}"
            write_text(stem.with_suffix(".svg"), draw.svg(figure, width_in))
            write_bytes(stem.with_suffix(".pdf"), draw.pdf(figure, width_in))
    return folder / FOLDER
