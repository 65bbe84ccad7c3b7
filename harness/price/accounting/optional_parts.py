"""Computes the costs that a total may include or leave out: provisioning, standby, the network and the server.

All of it is computed; whether a total has it is an assumption. Average intensities of a network allocate what it takes
anyway; marginal ones are what it takes on top. The two are never added.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import pandas as pd

from harness.core.prices import PRICES, Coefficient
from harness.core.types import Float64, Int64
from harness.ledger.ledger import Ledger
from harness.price.accounting.group_usage import Party
from harness.price.accounting.radio_usage import CARRIED, Usage, awake_s, by_round
from harness.price.accounting.sessions import session_s
from harness.price.accounting.terms import Component, Factor, Term
from harness.price.accounting.timeline import Schedule, Turns
from harness.price.assumptions.deployment import Group
from harness.price.assumptions.network import Mode, network, server_w

Extra = Literal["provisioning", "standby", "network_average", "network_marginal", "server"]
"""Optional parts of a total. At most one of the two of the network is in it."""

Cast = Literal["unicast", "multicast"]
"""Whether a network carries what many clients receive alike once for each, or once."""

MODE_OF: Mapping[Extra, Mode] = {"network_average": "average", "network_marginal": "marginal"}

_MBIT = ("uplink_mbit", "downlink_mbit")
_LINK_SECONDS = ("uplink_s", "downlink_s", "wait_s")


def inputs(groups: Iterable[Group], pue: Coefficient) -> list[Coefficient]:
    """The rows that the network and the server rest on; `pue` is that of the server's data centre."""
    kinds = dict.fromkeys(group.radio.access for group in groups)
    sides = [network(kind, mode) for kind in kinds for mode in get_args(Mode)]
    return [*(row for side in sides for row in side.inputs()), server_w(), pue]


def extra_terms(
    party: Party,
    ledger: Ledger,
    turns: Turns,
    usage: Usage,
    prices: Mapping[str, Factor],
    schedule: Schedule,
    cast: Cast,
) -> dict[Extra, tuple[Term, ...]]:
    """The terms of the optional parts of one group, all but the server's."""
    mbit = network_mbit(party, ledger, usage, schedule.n_rounds, cast)
    return {
        "provisioning": tuple(provisioning_terms(party, ledger, prices, schedule.n_rounds)),
        "standby": tuple(standby_terms(party, turns, usage, prices, schedule)),
        **{key: network_terms(party, mbit, mode) for key, mode in MODE_OF.items()},
    }


def network_terms(party: Party, mbit: Float64, mode: Mode) -> tuple[Term, ...]:
    """What access and core take for the megabits of one group, as `network_mbit` gives them."""
    side = network(party.group.radio.access, mode)
    parts: dict[Component, Coefficient] = {"access": side.access_j_per_mbit, "core": side.core_j_per_mbit}
    return tuple(
        Term(component, party.number, "mbit", mbit, (Factor(price),), party.n_clients)
        for component, price in parts.items()
    )


def server_terms(schedule: Schedule, pue: Coefficient) -> tuple[Term, ...]:
    """The server, while rounds run; it belongs to no group and is counted with the first."""
    return (Term("server", 0, "round_s", schedule.round_s, (Factor(server_w()), Factor(pue))),)


def provisioning_terms(
    party: Party, ledger: Ledger, prices: Mapping[str, Factor], n_rounds: int, scale: float = 1.0
) -> Iterable[Term]:
    """What clients were given before round 1, as if each had fetched it over the air in a session of its own.

    `scale` is what the payloads are multiplied by.
    """
    given = ledger.transfers[ledger.transfers["round"] == 0]
    n_bytes = given.groupby("client")["payload_bytes"].sum()
    n_bytes = n_bytes[party.clients[n_bytes.index.to_numpy(np.int64)]]
    if n_bytes.empty:
        return
    radio = party.group.radio
    carriage = radio.carry(np.rint(scale * n_bytes.to_numpy(np.float64)).astype(np.int64), "downlink")
    sums = {name: float(getattr(carriage, name).sum()) for name in CARRIED}
    for name, amount in {"sessions": len(n_bytes), "tail_s": len(n_bytes) * radio.tail_s, **sums}.items():
        amounts = np.zeros(n_rounds + 1)
        amounts[0] = amount
        yield Term("provisioning", party.number, name, amounts, (prices[PRICES[name]],), party.n_clients)


def standby_terms(
    party: Party, turns: Turns, usage: Usage, prices: Mapping[str, Factor], schedule: Schedule
) -> Iterable[Term]:
    """Radios at rest, and devices that are awake for their radio or sleep: of every client, taking part or not."""
    all_s = int(party.clients.sum()) * schedule.period_s
    setup_s = session_s(party.group.radio)
    on_link_s = np.sum([usage[way][name] for way in usage for name in _LINK_SECONDS], axis=0)
    on_link_s = on_link_s + setup_s * np.sum([usage[way]["sessions"] for way in usage], axis=0)
    compute_s = by_round(turns.round[party.chosen], party.compute_s, schedule.n_rounds)
    device = party.group.device
    amounts = {
        "rest_s": (all_s - awake_s(usage, setup_s), prices["rest_w"]),
        "device_awake_s": (on_link_s, Factor(device.idle_w)),
        "device_asleep_s": (all_s - on_link_s - compute_s, Factor(device.sleep_w)),
    }
    for name, (seconds, price) in amounts.items():
        # A tail that runs on into the next round, or a late client, may take more than a round has.
        yield Term("standby", party.number, name, np.maximum(seconds, 0.0), (price,), party.n_clients)


def network_mbit(party: Party, ledger: Ledger, usage: Usage, n_rounds: int, cast: Cast, scale: float = 1.0) -> Float64:
    """Megabits that a network carries for one group, by round: float64 of shape (n_rounds + 1,).

    `scale` is what payloads were multiplied by before they were carried as `usage` says.
    """
    mbit = {way: np.sum([usage[way][name] for name in _MBIT], axis=0) for way in usage}
    if cast == "unicast":
        return np.asarray(mbit["downlink"] + mbit["uplink"], dtype=np.float64)
    rounds, n_bytes = _sent_once(ledger, party.clients.tobytes())
    n_bytes = n_bytes if scale == 1.0 else np.rint(scale * n_bytes).astype(np.int64)
    down = by_round(rounds, party.group.radio.carry(n_bytes, "downlink").downlink_mbit, n_rounds)
    # What receivers send back is theirs alone.
    return np.asarray(down + usage["downlink"]["uplink_mbit"] + mbit["uplink"], dtype=np.float64)


@lru_cache(maxsize=16)
def _sent_once(ledger: Ledger, clients: bytes) -> tuple[Int64, Int64]:
    """Rounds and bytes of the payloads that some clients (a mask, as bytes) receive, each as often as it is sent."""
    sent = ledger.transfers[(ledger.transfers["direction"] == "downlink") & (ledger.transfers["round"] > 0)]
    sent = sent[np.frombuffer(clients, dtype=bool)[sent["client"].to_numpy(np.int64)]]
    once = distinct_payloads(sent)
    return once["round"].to_numpy(np.int64), once["payload_bytes"].to_numpy(np.int64)


def distinct_payloads(downlinks: pd.DataFrame) -> pd.DataFrame:
    """Payloads that are on the air if one that several clients of a round receive alike is sent once."""
    # Two payloads of one client are two, even if they are equal.
    copies = downlinks.assign(copy=downlinks.groupby(["round", "client", "payload_digest"]).cumcount())
    return copies.drop_duplicates(["round", "payload_digest", "copy"])
