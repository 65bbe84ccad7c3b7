"""Numbers typed by hand: no wrong one is called right, whatever it is dressed as, and what was not checked is told."""

from collections import Counter
from pathlib import Path

import pytest

from harness.papers.verify import Finding, verify
from tests.report_tables import write_tables

HEAD = "\\documentclass{article}\n\\usepackage[margin=2cm]{geometry}\n\\begin{document}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(tmp_path / "results" / "tables")
    return tmp_path / "results"


def told(folder: Path, body: str) -> list[Finding]:
    path = folder.parent / "paper.tex"
    path.write_text(HEAD + body + "\n\\end{document}\n", encoding="utf-8")
    return list(verify(path, folder).found)


def kinds(folder: Path, body: str) -> list[str]:
    return [each.kind for each in told(folder, body)]


PLANTED = r"""
On Wi-Fi, the device energy of fp32 is \SI{71}{\joule}.
The carbon of fp32 on Wi-Fi in Germany is \qty{7.5}{\milli\gram}.
EF-SignSGD saves 96.7\,\% of the uplink bits.
The reference sends 123.3~Mbit in total.
On Wi-Fi, EF-SignSGD takes 50~J of device energy.
QuantFL 6-bit sends \qty{12.9}{\mega\bit} on the uplink.
The carbon of fp32 on Wi-Fi in Germany is 0.57~mg.
On Wi-Fi, the device energy of fp32 is \SI{71}{\kilo\joule}.
QuantFL 6-bit cuts the uplink by 96.7\,\% and EF-SignSGD by 81.0\,\%.
EF-SignSGD sends 48.3\,\% more total bits.
fp32 sends 118.3~Mbit in total.
\begin{table}\caption{Scores on the test set.}
\begin{tabular}{l@{}r}
Method & Accuracy [\%] \\ \midrule
EF-SignSGD & 92.6 \\
QuantFL 6-bit & 93.6 \\
\end{tabular}\end{table}
"""
RIGHT = ("71 J", "7.5 mg", "96.7 %", "123.3 Mbit", "92.6")


def test_of_fourteen_planted_numbers_no_wrong_one_is_called_right(folder: Path) -> None:
    found = told(folder, PLANTED)
    agreeing = [each.text.split('"')[1] for each in found if each.kind == "agrees"]
    assert agreeing == list(RIGHT), "all five right ones, in the order of the text, and none of the nine wrong ones"
    assert Counter(each.kind for each in found) == {"agrees": 5, "differs": 9}
    assert [each.line for each in found] == [5, 6, 7, 8, 9, 10, 11, 12, 13, 13, 14, 15, 19, 20]


TRAPS = (
    "On Wi-Fi, signSGD takes 71~J of device energy, fp32 more.",
    "On Wi-Fi, signSGD takes 71~J of device energy against fp32.",
    "fp32 takes 71~J on Wi-Fi, and EF-SignSGD, too, takes 71~J there.",
    r"On Wi-Fi, fp32 and QuantFL 6-bit take \SI{52}{\joule} and \SI{71}{\joule} of device energy.",
    r"fp32 saves 40.5\,\% of the total bits against QuantFL 6-bit.",
    r"Against EF-SignSGD, QuantFL 6-bit saves 40.5\,\% of the total bits.",
    r"QuantFL 6-bit saves 40.5\,\% of the total bits vs. EF-SignSGD.",
    r"QuantFL 6-bit does not save 40.5\,\% of the total bits.",
    r"QuantFL 6-bit saves more than 40.5\,\% of the total bits.",
    r"QuantFL 6-bit costs 40.5\,\% of the total bits.",
    r"The total bits of QuantFL 6-bit rise by 40.5\,\%.",
    r"The total bits of QuantFL 6-bit fall to 40.5\,\%.",
    r"QuantFL 6-bit saves 40.5\,\% of the clients.",
    r"QuantFL 6-bit saves 40.5\,\% of the uplink bits.",
    r"QuantFL 6-bit saves energy and total bits by 40.5\,\% each on Wi-Fi.",
    r"QuantFL 8-bit saves 40.5\,\% of the total bits.",
    r"EF-QuantFL 6-bit saves 40.5\,\% of the total bits.",
    r"QuantFL 6-bit raises the test accuracy of EF-SignSGD by 2.03 points.",
    r"EF-SignSGD gains 2.03 points of test accuracy.",
    "On Wi-Fi, the carbon of fp32 in France is 7.5~mg.",
    "On Wi-Fi, the carbon of fp32 is 7.5~mg.",
    "On Bluetooth, the device energy of fp32 is 71~J.",
    "The device energy of fp32 is 71~J.",
    "On LTE, the device energy of fp32 is 71~J.",
    "On Wi-Fi, fp32 takes 71~J of device energy per round.",
    "On Wi-Fi, QuantFL 6-bit saves 52~J of device energy.",
    "On Wi-Fi, the uplink energy of fp32 is 71~J.",
    "On Wi-Fi, the device energy of fp32 is 71~Wh.",
    "On Wi-Fi, fp32 takes 54~J of device energy.",
    "fp32 sends 61.64~Mbit.",
    "fp32 sends 61.64~Mbit/s on the uplink.",
    r"fp32 sends \SI{61.64}{\mega\bit\per\second} on the uplink.",
    r"fp32 sends \SI{61.64}{\mega\byte} on the uplink.",
    "fp32 reaches an accuracy of 94.0\\,\\%.",
    "fp32 reaches a test accuracy of 94.0\\,\\%.",
    r"\begin{tabular}{lr} & fp32 \\ \hline Device energy on Wi-Fi (kJ) & 71 \\ \end{tabular}",
    r"\begin{tabular}{lr} Method & Energy (\si{\kilo\joule}), Wi-Fi \\ \hline fp32 & 71 \\ \end{tabular}",
    r"\begin{tabular}{lr} Method & Total bits (\%) \\ \hline EF-SignSGD & 48.3 \\ \end{tabular}",
    r"\newcommand{\ours}{EF-SignSGD} On Wi-Fi, \ours{} takes 71~J of device energy, fp32 less.",
)


@pytest.mark.parametrize("body", TRAPS)
def test_traps_are_never_called_right(body: str, folder: Path) -> None:
    found = kinds(folder, body)
    assert found, "what is not checked is told"
    assert "agrees" not in found


READ = (
    r"On Wi-Fi, fp32 takes \SI{71}{\joule} and QuantFL 6-bit \SI{52}{\joule} of device energy.",
    "On Wi-Fi, the device energy of fp32 is 71~J (54 to 100).",
    r"On Wi-Fi, the device energy of fp32 is between 54 and 100~J.",
    r"On Wi-Fi, the device energy of fp32 is \SIrange{54}{100}{\joule}.",
    r"QuantFL 6-bit reduces the total traffic from \num{123.3}~Mbit to \num{73.37}~Mbit.",
    r"Compared with fp32, QuantFL 6-bit sends \qty{40.5}{\percent} fewer total bits.",
    r"\newcommand{\ours}{QuantFL 6-bit} \ours{} saves 40.5\,\% of the total bits, and 81.0\,\% on the uplink.",
    "EF-SignSGD loses 2.03 points of test accuracy.",
    "On Wi-Fi, the carbon of fp32 is 0.57~mg in Norway and 7.5~mg in Germany.",
    r"fp32 sends $1.233\times10^{8}$ bits in total, or \SI{15.4}{\mega\byte}.",
    r"\begin{tabular}{lrr} & \multicolumn{2}{c}{Device energy (J)} \\ & LTE & Wi-Fi \\ \midrule fp32 & 1,100 & 71 \\"
    r" EF-SignSGD & 1,100 & 49 (36--75) \\ \end{tabular}",
    r"\begin{tabular}{lr} & fp32 \\ \hline Test accuracy (\%) & 94.7 \\ Total bits (Mbit) & 123.3 \\ \end{tabular}",
    r"\begin{tabular}{lr} Method & Total bits saved (\%) \\ \hline EF-SignSGD & 48.3 \\ \end{tabular}",
)


@pytest.mark.parametrize("body", READ)
def test_what_is_said_plainly_agrees(body: str, folder: Path) -> None:
    found = told(folder, body)
    assert {each.kind for each in found} == {"agrees"}, found


SILENT = (
    r"See Section 3, Figs.~2 and 3, Table~\ref{t} and Eq.~(4) of CIFAR-10 on 5G, in 2019. \vspace{2pt}",
    r"\url{a.b/1} $x_{12}$ \verb|1.7 kJ| \includegraphics[width=0.5\textwidth]{f1} \cite{a1} 1st",
    "\\begin{verbatim}\n1.7 kJ\n\\end{verbatim}",
)


@pytest.mark.parametrize("body", SILENT)
def test_what_is_no_number_of_the_text_is_passed_over(body: str, folder: Path) -> None:
    assert told(folder, body) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("We ran it 17 times.", "unit times is no result's"),
        (r"fp32 trains for \SI{3}{\hour}.", "unit h is no result's"),
        ("On Wi-Fi, the carbon of fp32 in France is 7.5~mg.", "a country that was not priced"),
        ("On Wi-Fi, fp32 and EF-SignSGD take 71~J of device energy.", "names two methods: EF-SignSGD, fp32"),
        ("fp32 sends 61.64~Mbit.", "3 results would fit"),
        ("fp32 sends 25,60 Mbit in total.", "a comma that separates no thousands"),
        ("fp32 has $94.7\\pm0.2$ as its test accuracy.", "a half-width; tables give both ends"),
    ],
)
def test_reasons_are_told_in_plain_words(body: str, reason: str, folder: Path) -> None:
    assert any(each.kind == "not checked" and reason in each.text for each in told(folder, body)), told(folder, body)


TWIN = r"""
% wrong on purpose: saved 99 % of total bits by EF-SignSGD
EF-SignSGD saves \SI{48.3}{\percent} of the total bits.
EF-SignSGD saves $48.3\%$ of the total bits, and $96.7\,\%$ on the uplink.
EF-SignSGD saves \qty{60}{\percent} of the total bits.
EF-SignSGD reduces total traffic from \num{123.3}~Mbit to \num{99.9}~Mbit.
fp32 has a test accuracy of $94.7\,\%$ and EF-SignSGD $95.0\%$ test accuracy.
fp32 sends 123,30 Mbit in total.
fp32 sends \SI{61.64e6}{\bit} on the uplink.
fp32 takes \SI{71}{\joule} of device energy on Wi-Fi.
fp32 takes 99 J of device energy on wifi.
fp32 emits 0.57\,mg CO\textsubscript{2}e of carbon on wifi in NOR.
fp32 emits \SI{0.83}{\milli\gram} of carbon on wifi in NOR.
"""


def test_units_of_siunitx_are_read_and_the_references_own_numbers_are_known(folder: Path) -> None:
    found = [(each.line, each.kind) for each in told(folder, TWIN)]
    right, wrong = "agrees", "differs"
    assert found == [
        *((6, right), (7, right), (7, right), (8, wrong), (9, right), (9, wrong), (10, right), (10, wrong)),
        *((11, "not checked"), (12, right), (13, right), (14, wrong), (15, right), (16, wrong)),
    ]
