"""Parts and sections of other packages: found, refused, broken, and run from the command line."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.audit.codecs import all_codecs
from harness.cli import listing
from harness.commands.plugin_sections import extra_sections
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.ledger.store import Store
from harness.parts import entry_points as plugins
from harness.parts import registry
from harness.run.cell import cell_id
from harness.spec.json_schema import spec_schema
from reports.build import report_of
from reports.tables.read import read_tables
from tests.report_tables import write_tables
from tests.runs import REPOSITORY, harness, planned, tiny, write_spec

CODEC = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.core.types import Update
from harness.wire.body import BodyReader, float32_bytes


@dataclass(frozen=True)
class Mean:
    \"\"\"The mean of all entries.\"\"\"

    factor: float = 1.0
    kind: ClassVar[str] = "{kind}"
    wire_id: ClassVar[int] = 101

    def __post_init__(self):
        if self.factor <= 0:
            raise ValueError(f"factor must be above 0 (got {{self.factor}})")

    def nominal_bits(self, layout):
        return 32 / layout.size

    def init(self, layout):
        return None

    def encode(self, update, state, rng, agreed):
        return float32_bytes(np.array([update.values.mean()], dtype=np.float32)), state

    def decode(self, body, layout, agreed):
        reader = BodyReader(body)
        (mean,) = reader.float32(1, "the mean")
        reader.finish()
        return Update(np.full(layout.size, mean, dtype=np.float32), layout)
"""
RADIO = """
from dataclasses import dataclass
from typing import ClassVar

from radio_models.constant import ConstantPerBit


@dataclass(frozen=True)
class Pigeon(ConstantPerBit):
    \"\"\"A carrier pigeon.\"\"\"

    kind: ClassVar[str] = "pigeon"
    title: ClassVar[str] = "Carrier pigeon"

    def coefficients(self):
        return ConstantPerBit().coefficients()

    def inputs(self):
        return ConstantPerBit().inputs()
"""
SECTION = """
from reports.document import Paragraph, Section


def coo(tables):
    \"\"\"What pigeons say.\"\"\"
    return Section("coo", "Of pigeons", (Paragraph(f"{len(tables.cells)} cells flew <home>."),))


def falls(tables):
    raise RuntimeError("off the\\nroof")
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package as far as Python can tell: its module and its metadata lie in a folder of the path."""
    site = tmp_path / "installed"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules: list[str] = []

    def call(name: str, source: str, entry_points: str) -> Path:
        (site / f"{name}.py").write_text(source, encoding="utf-8")
        metadata = site / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        modules.append(name)
        plugins._found.cache_clear()
        plugins._source.cache_clear()
        return site

    yield call
    plugins._found.cache_clear()
    plugins._source.cache_clear()
    for name in modules:
        sys.modules.pop(name, None)


def test_a_plug_in_is_listed_built_described_and_in_the_schema(install: Install) -> None:
    install("tiny_codecs", CODEC.format(kind="tiny"), "[harness.codecs]\ntiny = tiny_codecs:Mean\n")
    assert dict(listing.rows("codecs"))["tiny"] == "The mean of all entries. (from tiny_codecs 1.0)"
    part = registry.build("codec", {"kind": "tiny", "factor": 2.0})
    assert registry.describe(part) == {"kind": "tiny", "factor": 2.0}
    assert registry.build("codec", registry.describe(part)) == part
    with pytest.raises(UsageError, match=r"codec\.factor: must be above 0|factor must be above 0"):
        registry.build("codec", {"kind": "tiny", "factor": 0.0})
    assert '"const": "tiny"' in str(spec_schema()).replace("'", '"')
    wrapped = registry.build("codec", {"kind": "error_feedback", "inner": "tiny"})
    assert registry.build("codec", registry.describe(wrapped)) == wrapped


def test_another_source_is_another_cell(install: Install) -> None:
    site = install("tiny_versions", CODEC.format(kind="tiny"), "[harness.codecs]\ntiny = tiny_versions:Mean\n")
    (cell,) = planned(tiny([{"name": "mean", "uplink": "tiny"}]))
    (other,) = planned(tiny())
    before, unchanged = cell.cell_id, other.cell_id
    (site / "tiny_versions.py").write_text(CODEC.format(kind="tiny") + "\n# changed\n", encoding="utf-8")
    plugins._source.cache_clear()
    assert cell_id(cell.cell) != before
    assert cell_id(other.cell) == unchanged


def test_a_name_of_ours_is_refused_in_one_line(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(
        "thieves", CODEC.format(kind="topk"), "[harness.codecs]\ntopk = thieves:Mean\nquantfl-paper = thieves:Mean\n"
    )
    assert registry.load("codec", "topk").__module__ == "baselines.topk"
    assert registry.names("codec") == list(registry.TABLES["codec"])
    first, second = plugins.refused("codec", registry.taken("codec"))
    assert first == (
        "refused: quantfl-paper: the harness has a codec of this name; the package must choose another "
        "(package thieves 1.0, entry point harness.codecs: quantfl-paper = thieves:Mean)"
    )
    assert second.startswith("refused: topk: ")
    listing.print_list("codecs")
    assert "refused: topk" in capsys.readouterr().out


def test_two_plug_ins_of_one_name_are_both_refused(install: Install) -> None:
    for package in ("one", "two"):
        install(f"rival_{package}", CODEC.format(kind="tiny"), f"[harness.codecs]\ntiny = rival_{package}:Mean\n")
    assert "tiny" not in registry.names("codec")
    lines = plugins.refused("codec", registry.taken("codec"))
    assert len(lines) == 2
    assert all("rival_one 1.0, rival_two 1.0 all bring it; uninstall all but one" in line for line in lines)


BROKEN = {
    "raises": ("raise RuntimeError('no\\nlicence')", "RuntimeError: no licence"),
    "is no Python": ("def (", "SyntaxError"),
    "lacks the class": ("", "AttributeError"),
    "is no dataclass": ("Mean = 3", "it is no class with @dataclass(frozen=True)"),
    "leaves Python": ("raise SystemExit(3)", "SystemExit: 3"),
    "has another kind": (CODEC.format(kind="other"), 'its kind is "other", which must be the name of the entry point'),
    "lacks methods": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mean:\n    kind = 'tiny'\n    wire_id = 9",
        "it lacks decode, encode, init, nominal_bits of Codec",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plug_in_is_one_line_and_breaks_nothing_else(case: str, install: Install) -> None:
    source, why = BROKEN[case]
    install("broken", source, "[harness.codecs]\ntiny = broken:Mean\n")
    with pytest.raises(EnvironmentLacksError) as caught:
        registry.build("codec", "tiny")
    line = str(caught.value)
    assert line.startswith("codec tiny cannot be loaded: ")
    assert why in line
    assert line.endswith("(package broken 1.0, entry point harness.codecs: tiny = broken:Mean)")
    assert "\n" not in line
    # Lists, schemas, audits and other definitions go on.
    assert why in dict(listing.rows("codecs"))["tiny"]
    assert "topk" in dict(listing.rows("codecs"))
    spec_schema()
    codecs, left_out = all_codecs()
    assert "tiny" in left_out
    assert len(codecs) > 10
    assert planned(tiny())


def test_a_section_that_fails_is_a_line_in_its_report(install: Install, tmp_path: Path) -> None:
    lines = "[harness.sections]\ncoo = pigeons:coo\nfalls = pigeons:falls\ngone = pigeons:nothing\nnone = pigeons:NO\n"
    install("pigeons", SECTION + "\nNO = 3\n", lines)
    tables = read_tables(write_tables(tmp_path / "tables"))
    report = report_of(tables, extra_sections(tables.context))
    found = {section.key: str(section.blocks[0]) for section in report.sections}
    assert "12 cells flew <home>." in found["coo"]
    assert (
        "The section falls could not be made: RuntimeError: off the roof (package pigeons 1.0" in found["extra-falls"]
    )
    assert "AttributeError" in found["extra-gone"]
    assert "it is no function" in found["extra-none"]
    assert dict(listing.rows("sections"))["coo"] == "What pigeons say. (from pigeons 1.0)"


def test_a_package_with_a_codec_a_radio_and_a_section_runs_from_the_command_line(
    install: Install, tmp_path: Path
) -> None:
    points = (
        "[harness.codecs]\ntiny = pkg:Mean\n[harness.radios]\npigeon = pkg:Pigeon\n[harness.sections]\ncoo = pkg:coo\n"
    )
    site = install("pkg", CODEC.format(kind="tiny") + RADIO + SECTION, points)
    shutil.copytree(site, tmp_path / "site", dirs_exist_ok=True)  # where the runner looks first
    methods = [{"name": "fp32"}, {"name": "mean", "uplink": {"kind": "tiny", "factor": 0.5}}]
    path = write_spec(tiny(methods, scenarios={"radios": ["lte", "pigeon"], "grids": ["NOR"]}), tmp_path)
    assert str(REPOSITORY)
    done = harness("compare", path, "--out", tmp_path / "out", "--jobs", "2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    sheet = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Carrier pigeon" in done.stdout
    assert "2 cells flew" in sheet
    store = Store(tmp_path / "out")
    (entry,) = (entry for entry in store.index() if entry.method == "mean")
    sent = store.ledger(entry.cell_id).transfers
    assert set(sent[sent["direction"] == "uplink"]["payload_bytes"]) == {16}
    listed = harness("list", "radios", folder=tmp_path)
    assert "A carrier pigeon. (from pkg 1.0)" in " ".join(listed.stdout.split())
