"""Papers against their results: what is stale, what is missing, what was typed and is wrong, and what is left alone."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.cli import app
from harness.core.errors import UsageError
from harness.papers.verify import Finding, verify
from reports.latex.macros import macros, write_macros
from reports.tables.read import read_tables
from tests.report_tables import write_tables

HEAD = "\\documentclass{article}\n\\input{numbers}\n\\begin{document}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(tmp_path / "results" / "tables")
    write_macros(read_tables(tmp_path / "results" / "tables"), tmp_path / "results" / "numbers.tex")
    return tmp_path / "results"


@pytest.fixture
def truth(folder: Path) -> dict[str, str]:
    return {macro.name: macro.text.replace("\u00a0", " ") for macro in macros(read_tables(folder / "tables"))}


def paper(folder: Path, body: str, *, has_copy: bool = True) -> Path:
    path = folder.parent / "paper" / "paper.tex"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + body + "\n\\end{document}\n", encoding="utf-8")
    if has_copy:
        shutil.copy(folder / "numbers.tex", path.parent)
    return path


def findings(folder: Path, body: str) -> list[Finding]:
    return list(verify(paper(folder, body), folder).findings)


def line(folder: Path, body: str) -> str:
    (found,) = findings(folder, body)
    assert found.line == 4, "the first line of the body"
    return found.text


def change_accuracy(folder: Path, by: float) -> None:
    """The tables of another run: every accuracy otherwise."""
    path = folder / "tables" / "methods.csv"
    frame = pd.read_csv(path)
    is_score = frame["quantity"].str.endswith("_accuracy")
    frame.loc[is_score, ["mean", "low", "high"]] += by
    frame.to_csv(path, index=False)


# --- Macros ---


def test_a_paper_of_macros_is_well(folder: Path) -> None:
    found = verify(
        paper(folder, r"QuantFL 6-bit reaches \QuickstartQuantFLSixBitTestAccuracy{} of test accuracy."), folder
    )
    assert found.findings == ()
    assert (found.n_files, found.n_uses, found.found) == (2, 1, ())


def test_a_stale_copy_is_told_with_its_line_and_both_values(folder: Path) -> None:
    path = paper(folder, "")
    change_accuracy(folder, -0.02)
    found = [each for each in verify(path, folder).findings if each.file.endswith("paper/numbers.tex")]
    copied = (path.parent / "numbers.tex").read_text(encoding="utf-8").splitlines()
    assert len(found) >= 12
    for each in found:
        assert copied[each.line - 1].startswith(rf"\newcommand{{{each.text.split()[0]}}}")
        assert "in the tables; copy numbers.tex again" in each.text
    (own,) = (each for each in verify(path, folder).findings if each.file.endswith("results/numbers.tex"))
    assert "are not those of the tables beside it; `harness report" in own.text


def test_a_copy_that_is_not_included_is_looked_at_all_the_same(folder: Path) -> None:
    path = paper(folder, "")
    path.write_text("\\documentclass{article}", encoding="utf-8")
    copy = path.parent / "numbers.tex"
    copy.write_text(copy.read_text(encoding="utf-8").replace(r"{94", r"{49", 1), encoding="utf-8")
    assert len(verify(path, folder).findings) == 1


def test_macros_that_there_are_not_are_told_with_the_nearest(folder: Path, truth: dict[str, str]) -> None:
    name = "QuickstartQuantFLSixBitTestAccuracy"
    told = line(folder, r"\QuickstartQuantFLSixBitTestAcuracy{} was reached.")
    there = macros_text(folder, name)
    assert told.startswith(r"\QuickstartQuantFLSixBitTestAcuracy is no macro of these results")
    assert told.endswith(rf"; did you mean \{name} ({there})?")


def macros_text(folder: Path, name: str) -> str:
    return next(macro.text for macro in macros(read_tables(folder / "tables")) if macro.name == name)


def test_the_authors_own_macros_are_theirs(folder: Path) -> None:
    assert findings(folder, r"\newcommand{\QuickstartMine}{x}\QuickstartMine and \quickstart and \Quickstarts") == []


def test_a_macro_that_is_gone_is_told_where_the_copy_has_it(folder: Path) -> None:
    path = paper(folder, "")
    with (path.parent / "numbers.tex").open("a", encoding="utf-8") as file:
        file.write("\\newcommand{\\QuickstartOldMethodTotalBits}{3~Mbit}\n")
    (found,) = verify(path, folder).findings
    assert "is in no table any more" in found.text


# --- Typed by hand ---


def test_a_typed_number_that_differs_is_told_with_the_macro(folder: Path, truth: dict[str, str]) -> None:
    name = "QuickstartQuantFLSixBitTotalBitsSaving"
    assert truth[name] == "40.5 %"
    told = line(folder, r"QuantFL 6-bit sends 41.5\,\% fewer total bits than fp32.")
    assert told.startswith('"41.5 %" is typed by hand; total bits ')
    assert "of QuantFL 6-bit is" in told
    assert "QuickstartQuantFLSixBitTotalBits" in told


RIGHT = (
    r"QuantFL 6-bit sends 40.5\,\% fewer total bits than fp32.",
    r"QuantFL 6-bit sends $40\%$ fewer total bits.",
    r"QuantFL 6-bit sends 40.49 per cent fewer total bits.",
    r"QuantFL 6-bit changes total bits by $-40.5\,\%$.",
    r"QuantFL 6-bit sends \SI{40.5}{\percent} fewer total bits.",
    r"\textbf{QuantFL 6-bit} cuts the uplink by 81.0~\%.",
)
OPEN = (
    ("QuantFL 6-bit sends 41.5 fewer packets.", ["no unit and no word that names a result"]),
    (r"In 2019, 41.5\,\% fewer total bits were sent.", ["names no method of the tables"]),
    (r"QuantFL 6-bit is 41.5\,\% of all runs.", ["no word that names a result"]),
    (r"QuantFL 6-bit sends 30\,\% fewer total bits than in \cite{a}.", ["its sentence cites others"]),
    ("QuantFL 6-bit has 4,810 parameters.", ["no unit and no word that names a result"]),
)
ALONE = (
    r"QuantFL 6-bit sends 41.5\,\% fewer total bits. % harness: ignore",
    r"% QuantFL 6-bit sends 41.5\,\% fewer total bits.",
    r"\includegraphics[width=0.5\textwidth]{QuantFL 6-bit accuracy 3 \%}",
)


@pytest.mark.parametrize("body", RIGHT)
def test_right_numbers_are_no_finding_and_are_counted(body: str, folder: Path) -> None:
    found = verify(paper(folder, body), folder)
    assert [each.kind for each in found.found] == ["agrees"]


@pytest.mark.parametrize(("body", "reasons"), OPEN)
def test_what_quotes_no_result_is_told_as_not_checked(body: str, reasons: list[str], folder: Path) -> None:
    found = verify(paper(folder, body), folder).found
    assert [(each.kind, each.text.partition(": ")[2]) for each in found] == [("not checked", each) for each in reasons]


@pytest.mark.parametrize("body", ALONE)
def test_what_is_no_text_is_left_alone(body: str, folder: Path) -> None:
    assert verify(paper(folder, body), folder).found == ()


def test_each_kind_of_number_is_compared_in_its_own_unit(folder: Path, truth: dict[str, str]) -> None:
    accuracy = float(truth["QuickstartFpThreeTwoTestAccuracy"].removesuffix(" %"))
    assert findings(folder, rf"The test accuracy of fp32 is {accuracy:.1f}\,\%.") == []
    assert "test accuracy of fp32 is" in line(folder, rf"The test accuracy of fp32 is {accuracy - 1:.1f}\,\%.")
    bits = float(truth["QuickstartFpThreeTwoUplinkBits"].split()[0])
    assert findings(folder, f"fp32 sends {bits} Mbit on the uplink, or {1000 * bits:.0f} kbit.") == []
    assert r"write \QuickstartFpThreeTwoUplinkBits" in line(folder, f"fp32 sends {bits + 3:.2f} Mbit on the uplink.")
    joules = truth["QuickstartFpThreeTwoDeviceEnergyLte"]
    assert findings(folder, f"On LTE, the device energy of fp32 is {joules}.") == []
    amount, unit = joules.split()
    wrong = f"{1.5 * float(amount.replace(',', '')):.0f} {unit}"
    assert "(lte)" in line(folder, f"On LTE, the device energy of fp32 is {wrong}.")
    assert findings(folder, "The device energy of fp32 is filtered to 17 mJ.") == [], (
        "no radio is named, and there are two"
    )


def test_a_line_of_a_longer_sentence_is_its_own(folder: Path) -> None:
    (found,) = findings(folder, "We find that\nQuantFL 6-bit,\nafter all, sends\n41.5\\,\\% fewer\ntotal bits.")
    assert found.line == 7


def test_cells_of_tables_are_compared_under_their_heading(folder: Path, truth: dict[str, str]) -> None:
    accuracy = float(truth["QuickstartEFSignSGDTestAccuracy"].removesuffix(" %"))
    rows = [
        f"fp32 & {truth['QuickstartFpThreeTwoTestAccuracy'].removesuffix(' %')} & 61.64",
        f"EF-SignSGD & {accuracy + 2:.1f} & 1",
    ]
    body = "\\begin{tabular}{lrr}\nMethod & Test accuracy & Uplink \\\\\n & \\% & Mbit \\\\ \\midrule\n"
    found = findings(folder, body + " \\\\\n".join(rows) + " \\\\\n\\end{tabular}")
    assert [each.line for each in found] == [8, 8]
    assert f'"{accuracy + 2:.1f}" is typed by hand; test accuracy of EF-SignSGD is' in found[0].text
    assert "uplink bits of EF-SignSGD" in found[1].text


def test_a_name_within_another_is_not_named(folder: Path) -> None:
    tables = folder.parent / "other" / "tables"
    write_tables(tables, names=("fp32", "QuantFL", "QuantFL 6-bit", "EF"))
    found = verify(paper(folder, r"QuantFL 6-bit cuts the uplink by 80.9\,\%.", has_copy=False), tables.parent).findings
    assert found
    assert all("of QuantFL 6-bit" in each.text for each in found)


# --- What can be wrong with the files ---


@pytest.mark.parametrize("name", ["gone.tex", "."])
def test_a_paper_that_cannot_be_read_is_one_line(name: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        verify(folder / name, folder)


def test_results_without_tables_are_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no tables; `harness report"):
        verify(paper(folder, ""), tmp_path)


def test_files_that_include_each_other_end_and_missing_ones_are_left_out(folder: Path) -> None:
    path = paper(folder, r"\input{part} \include{nowhere}")
    (path.parent / "part.tex").write_bytes(b"\\input{paper}\n\xff QuantFL 6-bit sends 41.5\\% fewer total bits.\n")
    (found,) = verify(path, folder).findings
    assert (Path(found.file).name, found.line) == ("part.tex", 2)


def test_exit_codes_and_lines_of_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = paper(folder, r"QuantFL 6-bit sends 41.5\,\% fewer total bits.")
    assert app.run(["verify", str(path), str(folder)]) == 4
    out, err = capsys.readouterr()
    assert out.startswith(f"{path}:4: ")
    assert err.startswith(f"error: {path}: numbers typed by hand: 0 agree, 1 differs, 0 not checked; 0 macros stale")
    path.write_text(r"\QuickstartFpThreeTwoTotalBits and 3 others", encoding="utf-8")
    assert app.run(["verify", str(path), str(folder)]) == 0
    out = capsys.readouterr().out
    assert f'{path}:1: not checked: "3": no unit and no word that names a result' in out
    assert "0 agree, 0 differ, 1 not checked; 0 macros stale or missing (2 files, 1 uses of macros" in out
    assert "as in" not in out
    assert app.run(["verify", "--strict", str(path), str(folder)]) == 4
    assert "1 not checked" in capsys.readouterr().err
