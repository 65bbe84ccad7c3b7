"""Sessions and tails, by hand and as laws that hold for every radio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.prices import Carriage
from harness.core.types import Direction
from harness.price.accounting.radio_usage import Transfers, Usage, awake_s, reduce

WAYS: tuple[Direction, Direction] = ("downlink", "uplink")


def transfers(*moves: tuple[int, int, float, float]) -> Transfers:
    """Transfers as (client, round, start, seconds), 1 Mbit up each."""
    client, number, start, seconds = (np.array(column) for column in zip(*moves, strict=True)) if moves else ([],) * 4
    n = len(moves)
    ones, zeros = np.ones(n), np.zeros(n)
    carriage = Carriage(np.asarray(seconds, float), np.asarray(seconds, float), zeros, zeros, ones, zeros, ones)
    start_s = np.asarray(start, float)
    return Transfers(np.asarray(client, np.int64), np.asarray(number, np.int64), start_s, carriage, zeros)


def total(usage: Usage, quantity: str) -> float:
    return float(sum(usage[way][quantity].sum() for way in WAYS))


def test_a_transfer_within_the_tail_opens_no_session_and_cuts_the_tail_short() -> None:
    """Down 0 to 1 s, up 4 to 5 s: a tail of 3 s, then a whole one of 10 s."""
    usage = reduce({"downlink": transfers((0, 1, 0.0, 1.0)), "uplink": transfers((0, 1, 4.0, 1.0))}, 10.0, 1)
    assert [usage[way]["sessions"][1] for way in WAYS] == [1.0, 0.0]
    assert [usage[way]["tail_s"][1] for way in WAYS] == [3.0, 10.0]
    assert awake_s(usage, 0.0).tolist() == [0.0, 15.0]
    assert awake_s(usage, 0.25).tolist() == [0.0, 15.25], "and the session that it opens"


def test_a_transfer_just_as_the_tail_ends_opens_a_session() -> None:
    for gap, sessions in ((9.999, 1.0), (10.0, 2.0)):
        usage = reduce(
            {"downlink": transfers(), "uplink": transfers((0, 1, 0.0, 1.0), (0, 2, 1.0 + gap, 1.0))}, 10.0, 2
        )
        assert total(usage, "sessions") == sessions


def test_clients_do_not_share_a_radio() -> None:
    usage = reduce({"downlink": transfers(), "uplink": transfers(*((c, 1, 0.1 * c, 1.0) for c in range(3)))}, 10.0, 1)
    assert usage["uplink"]["sessions"].tolist() == [0.0, 3.0]
    assert usage["uplink"]["tail_s"].tolist() == [0.0, 30.0]
    assert usage["uplink"]["uplink_mbit"].tolist() == [0.0, 3.0]


def test_the_tail_into_the_next_round_belongs_to_the_transfer_before_it() -> None:
    down = transfers((0, 1, 0.0, 1.0), (0, 2, 8.0, 1.0))
    usage = reduce({"downlink": down, "uplink": transfers((0, 1, 2.0, 1.0))}, 10.0, 2)
    assert usage["downlink"]["tail_s"].tolist() == [0.0, 1.0, 10.0]
    assert usage["uplink"]["tail_s"].tolist() == [0.0, 5.0, 0.0]
    assert total(usage, "sessions") == 1.0


def test_overlapping_transfers_of_one_client_are_back_to_back() -> None:
    usage = reduce({"downlink": transfers((0, 1, 0.0, 5.0)), "uplink": transfers((0, 1, 1.0, 1.0))}, 2.0, 1)
    assert usage["downlink"]["tail_s"][1] == 0.0
    assert total(usage, "sessions") == 1.0


def test_no_transfers_are_no_usage() -> None:
    usage = reduce({"downlink": transfers(), "uplink": transfers()}, 10.0, 3)
    assert all(not amounts.any() and len(amounts) == 4 for way in WAYS for amounts in usage[way].values())


@given(
    gaps=st.lists(st.floats(0.0, 30.0), min_size=2, max_size=20),
    tail_s=st.floats(0.0, 20.0),
    session=st.floats(0.0, 10.0),
    watt=st.floats(0.0, 5.0),
)
def test_merging_transfers_never_costs_more_than_sessions_of_their_own(
    gaps: list[float], tail_s: float, session: float, watt: float
) -> None:
    """Whatever the prices, transfers of one client cost at most as many whole sessions and tails as there are."""
    starts = np.cumsum(gaps) + np.arange(len(gaps))
    moves = transfers(*((0, number + 1, float(start), 1.0) for number, start in enumerate(starts)))
    usage = reduce({"downlink": transfers(), "uplink": moves}, tail_s, len(gaps))
    apart_j = len(gaps) * (session + tail_s * watt)
    assert total(usage, "sessions") * session + total(usage, "tail_s") * watt <= apart_j * (1 + 1e-12)
    assert total(usage, "sessions") >= 1.0
    assert total(usage, "tail_s") >= tail_s * (1 - 1e-12)


def test_order_of_clients_in_time_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    moves = [(client, number, 100.0 * number + rng.uniform(0, 50), 1.0) for client in range(5) for number in (1, 2, 3)]
    alone = [
        reduce({"downlink": transfers(), "uplink": transfers(*(m for m in moves if m[0] == c))}, 30.0, 3)
        for c in range(5)
    ]
    together = reduce({"downlink": transfers(), "uplink": transfers(*moves)}, 30.0, 3)
    for quantity in ("sessions", "tail_s", "uplink_mbit"):
        assert total(together, quantity) == pytest.approx(sum(total(usage, quantity) for usage in alone))
