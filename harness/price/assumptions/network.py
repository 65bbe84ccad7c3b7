"""Prices the network behind the radio: joules per megabit in access and core, and the server while rounds run.

Two modes, which answer different questions and are never mixed. ``average`` shares out all that a network takes,
idle equipment included, by traffic: for footprints. ``marginal`` is the slope of the power of a line with its rate:
what one more or one less megabit changes; the power of the idle line is left out because it is taken anyway.
They differ by a factor of about 40 on mobile and 280 on fixed networks.

What is inside each, so that nothing is charged twice (the radio of the client is in neither):

- fixed, average: access is the router at home; core is all of the operator's network, the access line included,
  because the source does not part them.
- fixed, marginal: access is the line and the equipment at home; core is the rest.
- mobile, average: access is the radio access network; core is the rest of the operator's energy (core network, its own
  data centres, other).
- mobile, marginal: access is the radio access network; core is the rest.

1 kWh/GB is 450 J/Mbit, and 1 W per Mbit/s is 1 J/Mbit.

References:
    Carbon Trust, "Carbon Impact of Video Streaming", 2021, Table 3.
    European Commission, "ICT Impact Study", 2020.
    GSMA Intelligence, "Going Green: Benchmarking the Energy Efficiency of Mobile", 2021.
    Malmodin, "The Power Consumption of Mobile and Fixed Network Data Services", Electronics Goes Green 2020.
    Yousefpour et al., "Green Federated Learning", arXiv:2303.14604.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.core.coefficients import combine
from harness.core.errors import UsageError
from harness.core.notes import Note, remarks
from harness.core.prices import Coefficient
from harness.core.units import J_PER_KWH
from harness.price.assumptions.data import coefficients

NetworkKind = Literal["fixed", "mobile"]
"""A line behind a gateway, or a mobile operator's network."""

Mode = Literal["average", "marginal"]
"""A share of all that the network takes, or what one more megabit adds to it."""

MBIT_PER_GB = 8_000.0

_NOTES: Mapping[tuple[NetworkKind, Mode], str] = {
    ("fixed", "average"): "access is the router at home, core the operator's whole network with the access line",
    ("fixed", "marginal"): "access is the line and the equipment at home, core the rest of the network",
    ("mobile", "average"): "access is the radio access network, core the rest of the operator's energy",
    ("mobile", "marginal"): "access is the radio access network, core the rest of the network",
}
_MODE_NOTES: Mapping[Mode, str] = {
    "average": "average intensities share out idle equipment: a difference between methods is allocated, not avoided",
    "marginal": "marginal slopes leave out idle equipment: a total is no footprint",
}


@dataclass(frozen=True)
class Network:
    """What a network takes to carry traffic between a client's radio or gateway and the server.

    Attributes:
        kind: fixed or mobile.
        mode: average or marginal.
        title: name in reports.
        access_j_per_mbit: joules in the access network for each megabit carried, either way.
        core_j_per_mbit: joules in everything behind it, up to the server.
        rows: the table rows that both rest on.
        notes: caveats printed with the numbers.
    """

    kind: NetworkKind
    mode: Mode
    title: str
    access_j_per_mbit: Coefficient
    core_j_per_mbit: Coefficient
    rows: tuple[Coefficient, ...]
    notes: tuple[Note, ...]

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows that both coefficients rest on."""
        return self.rows


def network(kind: str, mode: str) -> Network:
    """A network in one of the two modes.

    Args:
        kind: ``fixed`` or ``mobile``.
        mode: ``average`` or ``marginal``.

    Raises:
        UsageError: there is no such kind or mode.

    >>> network("mobile", "marginal").access_j_per_mbit.typical
    1.5
    >>> round(network("mobile", "average").access_j_per_mbit.typical, 2)
    45.99
    """
    for name, value, allowed in (("kind", kind, get_args(NetworkKind)), ("mode", mode, get_args(Mode))):
        if value not in allowed:
            raise UsageError(f"network {name} must be {' or '.join(allowed)}, got {value!r}")
    which: NetworkKind = "fixed" if kind == "fixed" else "mobile"
    if mode == "marginal":
        return _marginal(which)
    return _average_fixed() if which == "fixed" else _average_mobile()


def j_per_mbit(kwh_per_gb: float) -> float:
    """Joules per megabit (1e6 bit) of kilowatt-hours per gigabyte (1e9 byte).

    >>> j_per_mbit(1.0)
    450.0
    """
    return kwh_per_gb * J_PER_KWH / MBIT_PER_GB


def line_w(kind: NetworkKind, rate_mbps: float) -> float:
    """Typical power of one active line with all of the network behind it, idle equipment included, W.

    Its slope is the ``marginal`` mode. Malmodin 2020, sections 4.5 and 5.

    Args:
        kind: fixed or mobile.
        rate_mbps: rate of the line, Mbit/s, at least 0.

    >>> round(line_w("fixed", 40), 6)
    20.0
    """
    if not rate_mbps >= 0:
        raise ValueError(f"rate_mbps must be at least 0, got {rate_mbps}")
    rows = coefficients("network")
    return sum(
        rows[f"{kind}.idle_{part}_w"].typical + rows[f"{kind}.marginal_{part}_j_per_mbit"].typical * rate_mbps
        for part in ("access", "core")
    )


def server_w() -> Coefficient:
    """Power of the server while rounds run, before the losses of its data centre, W."""
    return coefficients("network")["server.power_w"]


def pue(value: float | None = None) -> Coefficient:
    """Power usage effectiveness: joules of the data centre per joule of its servers, at least 1.

    Args:
        value: one of the user's own, a point; None takes the table's.

    >>> pue().typical, pue(1.4).high
    (1.09, 1.4)
    """
    row = coefficients("network")["server.pue"]
    if value is None:
        return row
    return replace(
        row,
        low=value,
        typical=value,
        high=value,
        source="judgement",
        locator="set in the definition",
        basis="judgement",
        range_basis="point: a value of the user's",
        is_verified=False,
    )


def _marginal(kind: NetworkKind) -> Network:
    rows = coefficients("network")
    parts = rows[f"{kind}.marginal_access_j_per_mbit"], rows[f"{kind}.marginal_core_j_per_mbit"]
    return _assembled(kind, "marginal", parts, parts)


def _average_fixed() -> Network:
    router, transport = (
        coefficients("network")["fixed.home_router_kwh_per_gb"],
        coefficients("network")["fixed.transport_kwh_per_gb"],
    )
    parts = _average("fixed", "access", j_per_mbit, router), _average("fixed", "core", j_per_mbit, transport)
    return _assembled("fixed", "average", parts, (router, transport))


def _average_mobile() -> Network:
    rows = coefficients("network")["mobile.total_kwh_per_gb"], coefficients("network")["mobile.access_share"]
    # Both parts rise and fall with the total, or their sum would be better known than the total itself.
    parts = (
        _average("mobile", "access", lambda total, share: j_per_mbit(total) * share, *rows, drawn_with=rows[0].name),
        _average(
            "mobile", "core", lambda total, share: j_per_mbit(total) * (1 - share), *rows, drawn_with=rows[0].name
        ),
    )
    return _assembled("mobile", "average", parts, rows)


def _average(
    kind: NetworkKind, part: str, formula: Callable[..., float], *rows: Coefficient, drawn_with: str = ""
) -> Coefficient:
    return combine(f"{kind}.average_{part}_j_per_mbit", "J/Mbit", formula, *rows, drawn_with=drawn_with)


def _assembled(
    kind: NetworkKind, mode: Mode, parts: tuple[Coefficient, Coefficient], rows: tuple[Coefficient, ...]
) -> Network:
    access, core = parts
    notes = remarks([_NOTES[kind, mode], _MODE_NOTES[mode]])
    return Network(kind, mode, f"{kind.capitalize()} network, {mode}", access, core, rows, notes)
