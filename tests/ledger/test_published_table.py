"""Published tables: read as they stand, every mistake pointed at, and turned into ledgers of the stated bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.api.types import is_numeric_dtype

from harness.core.errors import SpecError, UsageError
from harness.ledger.external_logger import OpenLedger
from harness.ledger.external_runs import NOT_RECORDED, is_open_ledger, read_open
from harness.ledger.published_table import MAX_PAYLOADS, TableRow, ledger_of, ledgers_of, parse_table, read_table
from harness.parsing.csv_text import records_of

HEADER = "method,rounds,clients,bytes_up,bytes_down,accuracy"


def error_of(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_table(text, "t.csv")
    return str(caught.value)


def row_error(cells: str, header: str = HEADER) -> str:
    return error_of(f"{header}\n{cells}\n")


def test_a_table_is_read_in_the_order_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f'{HEADER}\nFedAvg,100,10,1600000,1600000,0.912\n\n"QSGD, 4 bit",100,10,2.2e5,1600000,\n')
    assert read_table(path) == [
        TableRow("FedAvg", 100, 10, 1_600_000, 1_600_000, 0.912, 10),
        TableRow("QSGD, 4 bit", 100, 10, 220_000, 1_600_000, None, 10),
    ]


def test_columns_may_come_in_any_order_with_the_optional_ones() -> None:
    text = (
        "source; accuracy; Bytes_Down; bytes_up; clients; rounds; method; population; seed; broadcast\n"
        "Table 2; .5; 3; 2; 4; 7; A; 9; 5; yes\n"
    )
    assert parse_table(text, "t.csv") == [TableRow("A", 7, 4, 2, 3, 0.5, 9, 5, True, "Table 2")]


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(("\ufeff" + f"{HEADER}\r\nA,1,1,1,1,\r\n").encode())
    assert [row.method for row in read_table(path)] == ["A"]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "👩‍🚀 FedRocket", 'say ""hi""', "a, b", "Ł=½·σ²", "5'' disk"]
)
def test_names_stay_as_typed(name: str) -> None:
    (row,) = parse_table(f'{HEADER}\n"{name}",1,1,1,1,0.5\n', "t.csv")
    assert row.method == name.replace('""', '"')


@given(name=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12))
def test_every_visible_name_makes_the_trip(name: str) -> None:
    quoted = name.replace('"', '""')
    (row,) = parse_table(f'{HEADER}\n"{quoted}",1,1,1,1,0.5\n', "t.csv")
    assert row.method == name and ledger_of(row).cell["method"]["name"] == name


def test_a_cell_is_pointed_at_by_its_line_and_column() -> None:
    #       column 1 2345678901234567890123
    assert error_of(f'{HEADER}\n"A, ""b""\n c",1,x,1,1,0.5').splitlines() == [
        "t.csv:2:1 method: it holds a line break or another control character",
        't.csv:3:7 clients: "x" is no whole number; write it without separators or units, e.g. 1600000',
    ]
    assert row_error('5" disk, 1,  -3,1,1,').startswith("t.csv:2:14 clients: -3 is out of range")


def test_all_mistakes_are_told_at_once() -> None:
    text = f"{HEADER}\nA,0,1,1,1,91.2\nB,1,1,1.5 MB,1,\nC,1,1\n"
    assert error_of(text).splitlines() == [
        "t.csv:2:3 rounds: 0 is out of range; allowed: 1 to 1e+18",
        "t.csv:2:11 accuracy: 91.2 is no share from 0 to 1. Did you mean 0.912?",
        't.csv:3:7 bytes_up: "1.5 MB" is no whole number; write it without separators or units, e.g. 1600000',
        "t.csv:4:1 3 cells, the first line names 6 columns; put a cell that holds the separator in quotes",
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (f"{HEADER},popultion", 't.csv:1:52 unknown column "popultion"; allowed: '),
        (f"{HEADER},popultion", "Did you mean population?"),
        (f"{HEADER},seed,Seed", "t.csv:1:57 a second column seed"),
        ("method,rounds,clients,bytes_up", "t.csv:1:1 missing columns bytes_down, accuracy"),
        ("method,rounds,clients,bytes_up,byte_down,accuracy", "Did you mean bytes_down?"),
    ],
)
def test_columns_must_be_known_and_complete(header: str, told: str) -> None:
    assert told in error_of(f"{header}\n")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("A,1,1,0,0,0.5", "bytes_up: 0, and so is bytes_down: there is nothing to price"),
        ("A,1,1,1.5,1,0.5", "bytes_up: 1.5 is no whole number"),
        ("A,1,1,1e400,1,0.5", "out of range"),
        ("A,1,1,1e999999,1,0.5", "is no whole number"),
        ("A,1,1,,1,0.5", 'bytes_up: "" is no whole number'),
        ("A,1,1,1,1,nan", "accuracy: nan is no share"),
        ("A,1,1,1,1,good", 'accuracy: "good" is no number'),
        (",1,1,1,1,0.5", "method: it is empty"),
        (f"A,{MAX_PAYLOADS},1,1,1,0.5", "rounds: 5,000,000 rounds of 1 clients are 10,000,000 payloads"),
    ],
)
def test_a_run_that_cannot_be_is_refused(cells: str, told: str) -> None:
    error = row_error(cells)
    assert told in error and "\n" not in error


def test_a_round_has_no_more_clients_than_there_are() -> None:
    error = row_error("A,1,10,1,1,0.5,9", f"{HEADER},population")
    assert error == "t.csv:2:16 population: 9 is less than the 10 clients of a round"


def test_two_runs_need_something_that_tells_them_apart() -> None:
    text = f"{HEADER},seed\nA,1,1,1,1,0.5,0\nA,1,1,1,1,0.5,1\nB,1,1,1,1,0.5,\nB,2,1,1,1,0.5,0\n"
    with pytest.raises(SpecError) as caught:
        parse_table(text, "t.csv")
    assert [problem.line for problem in caught.value.problems] == [5]
    assert '"B", seed 0 stands in line 4 already' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.csv: is empty"),
        (HEADER, "t.csv: has no row"),
        (f'{HEADER}\n"A,1,1,1,1,0.5\n', "t.csv:2: is no CSV"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(text: str, told: str) -> None:
    error = error_of(text)
    assert error.startswith(told) and "\n" not in error


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(f"{HEADER}\nMéthode,1,1,1,1,0.5".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_table(tmp_path / "latin.csv")


def test_a_ledger_holds_what_the_row_states() -> None:
    # 3 rounds of 2 clients out of 3, who take turns: (0, 1), (2, 0), (1, 2).
    ledger = ledger_of(TableRow("A", 3, 2, 100, 400, 0.75, 3, seed=4, source="Table 2"))
    sent = ledger.transfers.groupby("direction")["payload_bytes"].agg(["sum", "count"])
    assert sent.to_dict("index") == {
        "downlink": {"sum": 2400, "count": 6},
        "uplink": {"sum": 600, "count": 6},
    }
    down = ledger.transfers[ledger.transfers["direction"] == "downlink"]
    assert list(zip(down["round"], down["client"], strict=True)) == [(1, 0), (1, 1), (2, 2), (2, 0), (3, 1), (3, 2)]
    assert ledger.transfers["round"].is_monotonic_increasing
    assert ledger.scores.to_dict("records") == [{"round": 3, "split": "test", "metric": "accuracy", "value": 0.75}]
    assert ledger.cell["seed"] == 4 and ledger.cell["source"] == "Table 2"
    assert ledger.cell["task"]["clients"] == 3


def test_what_the_table_does_not_say_stays_unknown() -> None:
    ledger = ledger_of(TableRow("A", 1, 1, 1, 1, None, 1))
    assert is_open_ledger(ledger) and ledger.host.cpu_model == ledger.reading.meter == NOT_RECORDED
    assert ledger.reading.cpu_seconds != ledger.reading.cpu_seconds  # NaN: unknown, not 0
    assert ledger.host.gemm_gflops != ledger.host.gemm_gflops and ledger.reading.cpu_j is None
    assert ledger.windows.empty and ledger.scores.empty
    assert ledger.windows["cpu_seconds"].dtype == ledger.scores["value"].dtype == "float64"


def test_a_direction_without_bytes_has_no_payload() -> None:
    ledger = ledger_of(TableRow("A", 2, 2, 100, 0, None, 2))
    assert set(ledger.transfers["direction"]) == {"uplink"}


@pytest.mark.parametrize(("broadcast", "distinct"), [(False, 6), (True, 3)])
def test_only_a_stated_broadcast_makes_payloads_equal(broadcast: bool, distinct: int) -> None:
    transfers = ledger_of(TableRow("A", 3, 2, 1, 1, None, 2, broadcast=broadcast)).transfers
    down, up = (transfers[transfers["direction"] == way]["payload_digest"] for way in ("downlink", "uplink"))
    assert down.nunique() == distinct and up.nunique() == 6 and not set(down) & set(up)


def test_ledgers_of_a_table_keep_order_and_are_told_apart() -> None:
    rows = [
        TableRow("B", 1, 1, 1, 1, None, 1),
        TableRow("A", 1, 1, 1, 1, None, 1),
        TableRow("A", 1, 1, 1, 1, None, 1, 1),
    ]
    found = ledgers_of(rows)
    assert [name for name, _ in found] == ["B", "A", "A"]
    assert len({ledger.cell_id for _, ledger in found}) == 3
    assert found[0][1].cell_id == ledgers_of(rows)[0][1].cell_id


def test_columns_are_typed_like_those_of_our_own_ledgers(tmp_path: Path) -> None:
    with OpenLedger(tmp_path, method="A") as ledger:
        ledger.transfer(1, 0, "uplink", 5)
        ledger.score(1, "test", "accuracy", 0.5)
    ((_, logged),) = read_open(tmp_path)
    stated = ledger_of(TableRow("A", 1, 1, 5, 0, 0.5, 1))
    for table in ("transfers", "windows", "scores", "shadows", "statistics"):
        ours, theirs = getattr(logged, table), getattr(stated, table)
        assert list(ours.columns) == list(theirs.columns)
        for column in ours.columns:
            assert is_numeric_dtype(ours[column]) == is_numeric_dtype(theirs[column]), f"{table}.{column}"


def test_places_are_the_same_with_and_without_quotes() -> None:
    plain, quoted = (records_of(f"a,b,c\n  x,,  \n,1 ,2{end}", "t.csv") for end in ("", '\n"z",,'))
    assert quoted[:3] == plain
    text = "a;b\r\n 1;  \r\n;2\r\n"
    found = [[(cell.line, cell.column) for cell in record] for record in records_of(text, "t.csv")]
    assert found == [[(1, 1), (1, 3)], [(2, 2), (2, 6)], [(3, 1), (3, 2)]]


def test_places_are_those_of_the_file() -> None:
    records = records_of('a ;  b;"c;""d"" ";\n\n ;e', "t.csv")
    assert [[(cell.text, cell.line, cell.column) for cell in record] for record in records] == [
        [("a", 1, 1), ("b", 1, 6), ('c;"d"', 1, 8), ("", 1, 19)],
        [("", 3, 2), ("e", 3, 3)],
    ]
