"""What goes into a paper: it compiles, says what the tables say, and cites what it uses."""

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from harness.commands.render import render
from harness.parts.registry import names
from harness.price.accounting.assumptions import assumptions_of
from harness.results.citations import entries, references
from harness.spec.load import benchmark_names, load_spec, packaged
from reports.document import Report, Table
from reports.latex.escape import escape
from reports.latex.fragment import render_latex, write_latex
from reports.latex.macros import macros, render_macros
from reports.latex.paper import build_paper
from reports.latex.results import results
from reports.tables.read import Tables, read_tables
from reports.texts.bibliography import bibtex
from tests.report_extras import CONTRAST_NAMES, add_extras
from tests.report_tables import NAMES, write_tables

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    r"50 % of a_b & #1 ~ ^ \ {x} $y$",
    "\\input{/etc/passwd} \\end{table*} \\\\[4pt]",
    "[1] *star* \"q\" `t` 'a' <b> | a--b",
    "− µ é ß Ω → “x” 𝛼 模型 🦊",
    "QuantFL_6-bit",
    "QuantFL-6_bit",
    "L" * 200,
    "مرحبا שלום `id` $(id) %n",
    "\u202egnol\n% comment\x00",
)
CLASSES = {"article": ("{article}", "plain"), "IEEEtran": ("[conference]{IEEEtran}", "IEEEtran")}
MACRO = re.compile(r"^\\newcommand\{\\([A-Za-z]+)\}\{(.*)\}% (.*); raw (\S+)(?: (\S+))?$")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return read_tables(folder)


class Hostile(NamedTuple):
    """Rendered reports of methods that try to break out of their table, and what `render` says it has written."""

    folder: Path
    written: list[Path]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    folder = tmp_path_factory.mktemp("hostile")
    tables = add_extras(write_tables(folder / "tables", names=HOSTILE, n_seeds=2, context={"name": "a_b.c-1"}))
    return Hostile(folder, render(tables, folder))


def require_tex() -> None:
    for program in ("pdflatex", "bibtex"):
        if shutil.which(program) is None:
            reason = f"no {program} on PATH"
            if os.environ.get("CI") == "true":
                pytest.fail(f"CI must compile the LaTeX: {reason}")
            pytest.skip(reason)


def tex(folder: Path, *command: str) -> str:
    """Run a TeX program; its output if all went well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def compiled(folder: Path, document_class: str, style: str, text: str = "") -> str:
    """The log of the last run over a document that takes in everything a report gives."""
    lines = [
        rf"\documentclass{document_class}",
        r"\usepackage{booktabs,graphicx}",
        r"\input{numbers}",
        r"\begin{document}",
        text,
        r"\input{report}",
        rf"\bibliographystyle{{{style}}}",
        r"\bibliography{references}",
        r"\end{document}",
    ]
    (folder / "main.tex").write_text("\n".join(lines), encoding="utf-8")
    latex = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape")
    # The runs before the last only write what the next one reads.
    tex(folder, *latex, "-draftmode", "main")
    warnings = tex(folder, "bibtex", "main")
    assert "Warning" not in warnings, warnings
    tex(folder, *latex, "-draftmode", "main")
    return tex(folder, *latex, "main")


@pytest.mark.parametrize("name", CLASSES)
def test_a_paper_of_hostile_names_compiles(name: str, hostile: Hostile, tmp_path: Path) -> None:
    require_tex()
    folder = tmp_path / "paper"
    shutil.copytree(hostile.folder, folder, ignore=shutil.ignore_patterns("tables"))
    every = "\n\n".join(
        rf"\{macro.name}{{}}, ${{\{macro.name}}}$" for macro in macros(read_tables(hostile.folder / "tables"))
    )
    log = compiled(folder, *CLASSES[name], text=every)
    assert "undefined" not in log
    assert "multiply" not in log
    assert "Float too large" not in log
    assert not re.search(r"Overfull \\hbox \((?:[2-9]\d|\d{3,})", log[log.index("(./report.tex") :])


def test_text_prints_as_it_stands() -> None:
    assert escape("50 % & a_b #1") == r"50 \% \& a\_b \#1"
    assert escape("\\{}~^") == r"\textbackslash{}\{\}\textasciitilde{}\textasciicircum{}"
    assert escape("\u22123.1\u00a0\u00b5g") == r"\ensuremath{-}3.1~\ensuremath{\mu}g"
    assert escape("a--b [x]*") == "a-{}-b {[}x{]}{*}"
    assert escape("é ü ç ñ") == r"""{\'{e}} {\"{u}} {\c{c}} {\~{n}}"""
    assert escape("模\n🦊") == r"{\ttfamily U+6A21} {\ttfamily U+1F98A}"
    assert escape("CO2e") == r"CO\ensuremath{_2}e"
    assert all(character.isascii() for name in HOSTILE for character in escape(name))


def parsed(text: str) -> dict[str, tuple[str, str, float]]:
    """Macros of a numbers.tex: text, meaning and raw number by name."""
    found = {}
    for line in text.splitlines():
        if line.startswith("\\"):
            match = MACRO.match(line)
            assert match, line
            assert match.group(1) not in found
            found[match.group(1)] = (match.group(2), match.group(3), float(match.group(4)))
    return found


def number(text: str) -> float:
    """The number in the LaTeX of a macro."""
    plain = text.replace(r"\ensuremath{-}", "-").replace(",", "").split("~")[0]
    return float(plain)


def expected(folder: Path) -> dict[str, float]:
    """Raw numbers straight from the CSV files, by the end of the macro's name, for one method and radio."""
    frames = {name: pd.read_csv(folder / f"{name}.csv") for name in ("cells", "pairs", "breakdown")}
    cells = frames["cells"][frames["cells"]["method"] == "QuantFL 6-bit"]
    pairs = frames["pairs"][frames["pairs"]["method"] == "QuantFL 6-bit"]
    rows = frames["breakdown"][frames["breakdown"]["method"] == "QuantFL 6-bit"]
    wifi = rows[(rows["radio"] == "wifi") & (rows["grid"] == "DEU")]

    def pair(quantity: str, column: str = "estimate", **where: str) -> float:
        chosen = pairs[pairs["quantity"] == quantity]
        for key, value in where.items():
            chosen = chosen[chosen[key] == value]
        return float(chosen[column].iloc[0])

    return {
        "TotalBits": cells["total_bits"].mean(),
        "MulticastTotalBits": cells["multicast_total_bits"].mean(),
        "TestAccuracy": cells["test_accuracy"].mean(),
        "TotalBitsChange": pair("total_bits"),
        "TotalBitsSaving": pair("total_bits"),
        "TestAccuracyDifference": pair("test_accuracy"),
        "TestAccuracyDifferenceLow": pair("test_accuracy", "low"),
        "TestAccuracyDifferenceHigh": pair("test_accuracy", "high"),
        "PassThroughWifi": pair("pass_through", radio="wifi"),
        "RadioEnergyChangeWifi": pair("radio_energy_j", radio="wifi"),
        "CarbonChangeWifiDEU": pair("carbon_g", radio="wifi", grid="DEU"),
        "DeviceEnergyWifi": wifi["energy_j"].sum() / 3,
        "DeviceEnergyWifiHigh": wifi["energy_high_j"].sum() / 3,
        "CarbonWifiDEU": wifi["carbon_g"].sum() / 3,
        "CarbonWifiDEULow": wifi["carbon_low_g"].sum() / 3,
        "UplinkEnergyWifi": wifi[wifi["component"] == "uplink"]["energy_j"].sum() / 3,
    }


def test_macros_equal_the_tables(folder: Path, tables: Tables) -> None:
    found = parsed(render_macros(tables))
    for end, value in expected(folder).items():
        assert found[f"QuickstartQuantFLSixBit{end}"][2] == pytest.approx(value), end


def test_every_macro_prints_its_raw_number(tables: Tables) -> None:
    """Two significant digits for projected numbers, so half a unit of the second digit is the most they may be off."""
    scales = {"Mbit": 1e6, "kJ": 1e3, "J": 1.0, "mg": 1e-3, "g": 1.0, "": 1.0}
    found = parsed(render_macros(tables))
    assert len(found) > 300
    for name, (text, meaning, raw) in found.items():
        base = name.removesuffix("Low").removesuffix("High")
        unit = found[base][0].split("~")[1] if "~" in found[base][0] else ""
        if "saving" in meaning:
            value = 1 - number(text) / 100
        elif "change to" in meaning:
            value = 1 + number(text) / 100
        elif unit == r"\%" or "difference" in meaning:
            value = number(text) / 100
        else:
            value = number(text) * scales[unit]
        assert value == pytest.approx(raw, rel=0.051, abs=6e-4), name


def test_contrasts_have_macros_in_points_and_factors(tmp_path: Path) -> None:
    folder = add_extras(write_tables(tmp_path))
    found = parsed(render_macros(read_tables(folder)))
    rows = pd.read_csv(folder / "contrasts.csv").set_index("name")
    assert found["QuickstartInteractionContrast"][2] == pytest.approx(rows.loc["interaction", "estimate"])
    assert found["QuickstartInteractionContrastHigh"][2] == pytest.approx(rows.loc["interaction", "high"])
    text, meaning, raw = found["QuickstartUplinkContrast"]
    assert (text, raw) == ("0.190", pytest.approx(math.exp(rows.loc["uplink", "estimate"])))
    assert "contrast in uplink bits: QuantFL 6-bit ÷ fp32" in meaning
    assert found["QuickstartQuantFLSixBitTotalBitsAsAnsChange"][2] == pytest.approx(
        0.9 * (11.7152 + 61.64) / 123.28, rel=0.01
    )
    paper = render_latex(build_paper(read_tables(folder)))
    for label in ("tab:quickstart-contrasts", "tab:quickstart-budgets", "tab:quickstart-shadows"):
        assert rf"\label{{{label}}}" in paper
    assert r"\label{fig:quickstart-update_statistics}" in paper


def test_macro_names_hold_letters_and_stay_when_methods_come_and_go(folder: Path, tmp_path: Path) -> None:
    every = {macro.name for macro in macros(read_tables(folder))}
    fewer = write_tables(tmp_path, names=NAMES[:2])
    assert {macro.name for macro in macros(read_tables(fewer))} <= every
    assert all(re.fullmatch("[A-Za-z]+", name) for name in every)


def test_names_that_would_collide_get_letters_of_their_own(hostile: Path) -> None:
    tables = read_tables(hostile.folder / "tables")
    found = [macro.name for macro in macros(tables)]
    assert len(found) == len(set(found))
    assert all(re.fullmatch("[A-Za-z]+", name) for name in found)
    assert {result.path[1] for result in results(tables)} == {*HOSTILE, *CONTRAST_NAMES}
    totals = [name for name in found if re.match("ABCOneQuantFLSixBitX[a-z]{5}TotalBits$", name)]
    assert len(totals) == 2


def test_numbers_are_printed_as_in_the_report(tables: Tables) -> None:
    paper = render_latex(build_paper(tables))
    found = parsed(render_macros(tables))
    for end in ("TotalBits", "TotalBitsChange", "TestAccuracy", "DeviceEnergyLte", "CarbonWifiDEU", "PassThroughWifi"):
        text = found[f"QuickstartQuantFLSixBit{end}"][0]
        printed = text if text.endswith("%") else text.split("~")[0]
        either = rf"{re.escape(printed)}|\\textbf\{{{re.escape(printed)}\}}"
        assert re.search(rf"& ({either}) (&|\\\\)", paper), end


def cited(paper: str) -> set[str]:
    return {key for group in re.findall(r"\\cite\{([^}]*)\}", paper) for key in group.split(",")}


def test_the_bibliography_holds_exactly_what_is_cited(tables: Tables) -> None:
    text = bibtex(tables)
    keys = re.findall(r"^@\w+\{(\w+),$", text, re.MULTILINE)
    assert set(keys) == cited(render_latex(build_paper(tables)))
    assert len(keys) == len(set(keys)) == 5
    assert "keywords" not in text


@pytest.mark.parametrize("name", benchmark_names())
def test_a_packaged_benchmark_cites_all_its_sources(name: str, tmp_path: Path) -> None:
    spec = load_spec(packaged(name))
    assumptions, resolved = assumptions_of(spec.scenarios), spec.resolved()
    context = {
        "references": references(spec, assumptions),
        "methods": resolved["methods"],
        "task": resolved["task"],
        "coefficients": [asdict(row) for row in assumptions.coefficients()],
        "grids": [asdict(grid) for grid in assumptions.grids],
        "device": {"kind": spec.scenarios.device},
        "meter": {"kind": f"{spec.meter} 3.3.2 (offline)"},
    }
    methods = [method.name for method in spec.methods]
    radios = [deployment.name for deployment in assumptions.deployments]
    # What is cited follows from the definition; two methods with finished cells are enough to build all sentences.
    failed = [(name, 0) for name in methods[2:]]
    tables = read_tables(
        write_tables(tmp_path, names=methods, n_seeds=1, failed=failed, radios=radios, context=context)
    )
    keys = [entry["key"] for entry in context["references"]]
    assert len(keys) > 8
    assert set(keys) == cited(render_latex(build_paper(tables)))


def test_a_report_without_sources_cites_nothing(tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path, context={"references": None}))
    assert cited(render_latex(build_paper(tables))) == set()
    assert "@misc" not in bibtex(tables)


def test_every_part_with_a_paper_is_in_a_bibliography() -> None:
    known = {part for entry in entries().values() for part in entry.cited_by}
    unpublished = {"float32", "exact_vectors"}
    assert {f"codec:{kind}" for kind in names("codec") if kind not in unpublished} <= known
    assert {f"server:{kind}" for kind in names("server")} <= known
    assert {"task:mnist", "task:digits", "meter:codecarbon", "grid:table"} <= known


def test_methods_text_names_meter_marks_pause_and_mode(tables: Tables) -> None:
    paper = " ".join(render_latex(build_paper(tables)).split())
    for words in (
        r"are estimated (E1) (meter: codecarbon",
        "Of 3 coefficients 2 were read in the named source (verified) and 1 were not",
        "lie 60~s of pause",
        "downlink payloads are sent unicast",
        "every one at its high end",
        r"after the abstract of Herath et al., arXiv 2603.17507",
        r"t intervals on their logarithms",
        r"Radio model: LTE handset 2012~\cite{huang2012}.",
    ):
        assert words in paper


MANY = ("fp32", *(f"QuantFL {i} levels, error feedback, width" for i in range(51)))


@pytest.fixture(scope="module")
def long_paper(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of 52 methods with all that only some definitions ask for."""
    folder = write_tables(tmp_path_factory.mktemp("many"), names=MANY, n_seeds=2)
    return build_paper(read_tables(add_extras(folder, "over_the_air")))


def test_long_tables_are_continued(long_paper: Report) -> None:
    paper = render_latex(long_paper)
    assert r"\label{tab:quickstart-results-2}" in paper
    rows = {row.partition(" & ")[0] for row in paper.splitlines()}
    wrapped = r"    \parbox[t]{11em}{\raggedright %s\strut}"
    assert {"    fp32", *(wrapped % name for name in MANY[1:])} <= rows


@pytest.mark.parametrize("name", CLASSES)
def test_tables_of_many_methods_fit_on_their_pages(name: str, long_paper: Report, tmp_path: Path) -> None:
    require_tex()
    sections = tuple(replace(part, blocks=tuple(b for b in part.blocks if isinstance(b, Table)))
                     for part in long_paper.sections)  # fmt: skip
    document = [
        rf"\documentclass{CLASSES[name][0]}",
        r"\usepackage{booktabs,graphicx}\begin{document}",
        render_latex(replace(long_paper, sections=sections)),
        r"\end{document}",
    ]
    (tmp_path / "main.tex").write_text("\n".join(document), encoding="utf-8")
    log = tex(tmp_path, "pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main")
    assert "main.pdf" in log
    assert "Float too large" not in log


@pytest.mark.parametrize(
    "case",
    [
        {"names": ("fp32",)},
        {"n_seeds": 1},
        {"radios": ()},
        {"has_joules": False},
        {"names": ("a", "b"), "n_seeds": 1, "failed": [("a", 0), ("b", 0)]},
        {"context": dict.fromkeys(("task", "federation", "coefficients", "grids", "device", "meter", "testbed"))},
    ],
)
def test_no_gap_breaks_the_paper(case: Mapping[str, object], tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path, **case))  # type: ignore[arg-type]
    paper = render_latex(build_paper(tables))
    assert "nan" not in re.findall(r"\w+", paper)
    assert paper.count(r"\begin{tabular}") == paper.count(r"\end{tabular}") >= 1
    render_macros(tables)


_RENDERING = """
import sys
from pathlib import Path
from harness.commands.render import render
render(*map(Path, sys.argv[1:]))
print("torch" in sys.modules)
"""


def test_everything_is_built_without_torch_and_byte_identical_when_built_again(
    hostile: Hostile, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", _RENDERING, str(hostile.folder / "tables"), str(tmp_path)]
    done = subprocess.run(arguments, check=True, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]
    assert [path.name for path in hostile.written] == [
        "report.html", "report.md", "report.tex", "numbers.tex", "references.bib",
        "checklist.md", "checklist.tex", "model_card.md", "model_card.tex", "figures",
    ]  # fmt: skip
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 9 + 4 * 5
    assert {path.suffix for path in files} == {".html", ".md", ".tex", ".bib", ".svg", ".pdf", ".csv"}
    for path in files:
        assert (tmp_path / path).read_bytes() == (hostile.folder / path).read_bytes(), path
    for path in (tmp_path / "figures").glob("*.pdf"):
        assert b"CreationDate" not in path.read_bytes()


def test_a_paper_that_cannot_be_written_is_one_line(tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="cannot be written"):
        write_latex(build_paper(tables), tmp_path / "file" / "report.tex")
