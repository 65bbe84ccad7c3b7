"""Finished cells with other content whose digests are right again: a ledger that was written so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.files import write_json
from harness.ledger.integrity import STATUS_FILE, sealed, tables_digest


def reseal(ledger: Path) -> None:
    """Give the cell in `ledger`, the folder of its status and tables, the digests of what lies there."""
    status = json.loads((ledger / STATUS_FILE).read_text(encoding="utf-8"))
    status.pop("record_digests", None)
    facts = (pd.read_parquet(ledger / f"{name}.parquet") for name in ("transfers", "scores"))
    write_json(ledger / STATUS_FILE, sealed(ledger, status | {"facts_digest": tables_digest(*facts)}))


def with_table(ledger: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Put what `change` makes of a table in its place."""
    path = ledger / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    reseal(ledger)


def with_status(ledger: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` work on the status."""
    status = json.loads((ledger / STATUS_FILE).read_text(encoding="utf-8"))
    change(status)
    write_json(ledger / STATUS_FILE, status)
    reseal(ledger)


def on_another_machine(ledger: Path, machine: str = "another") -> None:
    """Let the cell have run on a machine of that name."""
    with_status(ledger, lambda status: status["host"].update(machine=machine))
