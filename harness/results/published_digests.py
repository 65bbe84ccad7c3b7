"""``digests.csv``: what the facts of published studies were, kept apart from the ledgers that they are of.

A ledger's own digest changes with it where somebody rewrites both. This list is written once, when studies are
published, and what has changed since is a line in a review.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import HarnessError, UsageError
from harness.core.files import write_text
from harness.ledger.reader import read_status
from harness.ledger.store import Store

FILE = "digests.csv"
_COLUMNS = ["study", "cell_id", "facts_digest"]


def write_digests(folder: Path) -> Path:
    """Write the list of all finished cells of the studies in `folder`, each of them read and verified.

    Raises:
        LedgerError: a ledger is damaged, or not what its digests state.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for index in sorted(folder.glob("*/index.json")):
        store = Store(index.parent)
        ids = sorted({entry.cell_id for entry in store.index() if store.is_finished(entry.cell_id)})
        rows.writerows([index.parent.name, cell_id, store.ledger(cell_id).facts_digest] for cell_id in ids)
    write_text(folder / FILE, text.getvalue())
    return folder / FILE


def not_as_published(folder: Path) -> list[str]:
    """What is not as ``digests.csv`` in `folder` says, a line for each cell; none where there is no such file.

    Compared is what ledgers state of themselves, which whoever reads them verifies.

    Raises:
        UsageError: the file is damaged.
    """
    return list(_changes(folder)) if (folder / FILE).is_file() else []


def _changes(folder: Path) -> Iterator[str]:
    for study, cell_id, published in _read(folder / FILE):
        where = f"{study}, cell {cell_id}"
        ledger = folder / study / "cells" / cell_id / "ledger"
        if not ledger.is_dir():
            yield f"{where}: is in {FILE} and has no ledger: restore {ledger}"
            continue
        try:
            stated = read_status(ledger).get("facts_digest")
        except HarnessError as error:
            yield f"{where}: {error}"
            continue
        if stated != published:
            yield f"{where}: its facts are not those that were published: restore {ledger}, or renew {folder / FILE}"


def _read(path: Path) -> list[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        if header != _COLUMNS:
            raise ValueError(f"its columns are not {', '.join(_COLUMNS)}")
        return [(study, cell_id, digest) for study, cell_id, digest in rows]
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path}: damaged ({error}); restore it") from error
