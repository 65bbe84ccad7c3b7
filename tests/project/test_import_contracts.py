"""The import contracts: facts, prices and reports stay apart, and a new folder must be given its floor."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import REPOSITORY

PACKAGES = ("harness", "baselines", "quantfl", "radio_models", "reports")

PLANTED = {
    "training to prices": ("harness/run/federation/rounds.py", "import harness.price.accounting.terms"),
    "reports to the ledger": ("reports/tables/lookup.py", "import harness.ledger.store"),
    "a codec to a task": ("baselines/topk.py", "import harness.run.tasks.settings"),
    "prices to training": ("harness/price/accounting/terms.py", "import harness.run.cell"),
    "tables to training": ("harness/tables/pairs.py", "from harness.run.cell import cell_id"),
    "prices to reports": ("harness/price/accounting/terms.py", "import reports.tables.lookup"),
    "a radio to the wire": ("radio_models/lte.py", "import harness.wire.frame"),
    "training to radios": ("harness/run/federation/link.py", "import radio_models.lte"),
    "a radio to a codec": ("radio_models/lte.py", "import baselines.topk"),
    "an import inside a function": (
        "harness/run/federation/rounds.py",
        "def planted() -> None:\n    from harness.price.accounting import terms",
    ),
    "a folder without a floor": ("harness/annex/__init__.py", ""),
    "a module at the root": ("harness/annex.py", ""),
    "a folder of reports without a floor": ("reports/annex/__init__.py", ""),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The sources and the contracts."""
    root = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    yield root
    shutil.rmtree(root)


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_sources_keep_the_contracts(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0 and "0 broken" in done.stdout, done.stdout


@pytest.mark.parametrize(("path", "line"), PLANTED.values(), ids=PLANTED)
def test_a_planted_import_breaks_a_contract(copy: Path, path: str, line: str) -> None:
    file = copy / path
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before or ''}\n\n{line}\n", encoding="utf-8")
    try:
        done = lint(copy)
    finally:
        if before is not None:
            file.write_text(before, encoding="utf-8")
        elif file.name == "__init__.py":
            shutil.rmtree(file.parent)
        else:
            file.unlink()
    assert done.returncode == 1 and re.search(r"[1-9] broken", done.stdout), done.stdout


def test_at_the_root_stand_rooms_and_the_names_that_users_import() -> None:
    modules = {path.name for path in (REPOSITORY / "harness").glob("*.py")}
    assert modules == {"__init__.py", "__main__.py", "open_ledger.py", "flower_ledger.py"}
