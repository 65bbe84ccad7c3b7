"""Holds the communication formulas of papers on the carbon of federated learning, as named models.

Each is linear in the bits that go up and the bits that come down, so that it is two prices a bit; they are here to be
printed next to our radios, and price nothing themselves. Where a paper writes one size for both directions, each
direction has its own here; for equal sizes the result is the paper's.

References:
    Qiu et al., "A First Look into the Carbon Footprint of Federated Learning", JMLR 2023.
    Wu et al., "Sustainable AI: Environmental Implications, Challenges and Opportunities", MLSys 2022.
    Savazzi et al., "A Framework for Energy and Carbon Footprint Analysis of Distributed and Federated Edge Learning",
    PIMRC 2021.
    Barbieri et al., "A Carbon Tracking Model for Federated Learning", 2023.
    Yousefpour et al., "Green Federated Learning", 2023, with the elements of Vishwanath et al., IEEE JSAC 2015.
    Tapp et al., "Standardized Methods and Recommendations for Green Federated Learning", 2026.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.core.coefficients import combine
from harness.core.prices import Coefficient
from radio_models.coefficients import row, set_by_user

_J_PER_KWH = 3.6e6
_BITS_PER_GB = 8e9
_BITS_PER_GIB = 8 * 2**30

_row = partial(row, "formula")


@dataclass(frozen=True)
class Formula:
    """How a paper turns bits into joules.

    Attributes:
        kind: short name.
        title: name for a table.
        form: the formula in the paper's own terms.
        source: key of the BibTeX entry of the paper.
        what_it_misses: in words.
        uplink: price of a bit from a client, J/bit.
        downlink: price of a bit to a client, J/bit.
        rows: rows of the table that the prices come from.
        grid: the paper's own grams a kilowatt-hour; None if it has none.
    """

    kind: str
    title: str
    form: str
    source: str
    what_it_misses: str
    uplink: Coefficient
    downlink: Coefficient
    rows: tuple[Coefficient, ...]
    grid: Coefficient | None = None

    def joules(self, uplink_bits: float, downlink_bits: float) -> float:
        """Joules by the typical numbers.

        Args:
            uplink_bits: bits that clients send, at least 0.
            downlink_bits: bits that clients receive, each client's counted, at least 0.

        Raises:
            ValueError: an argument is negative or NaN.
        """
        for name, bits in (("uplink_bits", uplink_bits), ("downlink_bits", downlink_bits)):
            if not bits >= 0:
                raise ValueError(f"{name} must be at least 0, got {bits:g}")
        return self.uplink.typical * uplink_bits + self.downlink.typical * downlink_bits

    def grams(self, uplink_bits: float, downlink_bits: float) -> float | None:
        """Grams of CO2e at the paper's own grid; None if it has none."""
        if self.grid is None:
            return None
        return self.joules(uplink_bits, downlink_bits) / _J_PER_KWH * self.grid.typical

    def inputs(self) -> tuple[Coefficient, ...]:
        """The rows that the formula rests on, each with its own source."""
        return self.rows if self.grid is None else (*self.rows, self.grid)


@dataclass(frozen=True)
class Worked:
    """A worked example of a formula.

    Attributes:
        description: what is computed.
        expected: number that was published, or worked out by hand.
        computed: what the formula gives.
        unit: of both.
        is_published: whether `expected` is printed in the paper.
    """

    description: str
    expected: float
    computed: float
    unit: str
    is_published: bool


def formulas(rate_up_mbps: float | None = None, rate_down_mbps: float | None = None) -> tuple[Formula, ...]:
    """All formulas, in the order in which they are printed.

    Args:
        rate_up_mbps: uplink rate for those that go by time, Mbit/s, above 0; None for the rate of a household's line.
        rate_down_mbps: downlink rate, likewise.

    Raises:
        ValueError: a rate is not above 0.

    >>> [formula.kind for formula in formulas()]
    ['qiu', 'wu', 'savazzi_threshold', 'savazzi_mesh', 'barbieri', 'yousefpour', 'tapp', 'tapp_as_coded']
    """
    rates = _rate("rate_up_mbps", rate_up_mbps), _rate("rate_down_mbps", rate_down_mbps)
    return (*_by_time(*rates), *_by_efficiency(), _by_element(), *_by_gigabyte())


def j_per_bit(kwh_per_gb: float) -> float:
    """Joules a bit of kilowatt-hours a gigabyte of 1e9 bytes.

    >>> j_per_bit(1.0)
    0.00045
    """
    return kwh_per_gb * _J_PER_KWH / _BITS_PER_GB


def saving_factor(communication_share: float, size_ratio: float) -> float:
    """By what factor the carbon of a task falls if all that it communicates becomes smaller.

    Args:
        communication_share: share of the carbon that communication has, 0 to 1.
        size_ratio: old size over new size, above 0.

    >>> round(saving_factor(0.6, 32 / 8), 2)
    1.82
    """
    return 1 / (1 - communication_share + communication_share / size_ratio)


def worked() -> tuple[Worked, ...]:
    """Worked examples, at least one for each formula.

    >>> all(abs(example.computed / example.expected - 1) < 0.002 for example in worked())
    True
    """
    by_kind = {formula.kind: formula for formula in formulas(20, 100)}
    mbit = 1e6
    examples = [
        ("qiu", "80 Mbit up at 20 and down at 100 Mbit/s, 3 + 7.5 W", 80 * mbit, 80 * mbit, 50.4),
        ("wu", "80 Mbit up at 20 and down at 100 Mbit/s, 3 + 7.5 W", 80 * mbit, 80 * mbit, 50.4),
        ("savazzi_threshold", "1 Mbit at 50 kbit/J", mbit, 0, 20.0),
        ("savazzi_mesh", "1 Mbit at 200 kbit/J", mbit, 0, 5.0),
        ("barbieri", "1 Mbit at 25 kbit/J", mbit, 0, 40.0),
        ("yousefpour", "1 Gbit through 37 + 18.3 + 2 x 12.6 nJ/bit", 1000 * mbit, 0, 80.5),
    ]
    return (
        *(
            Worked(f"{kind}: {text}", expected, by_kind[kind].joules(uplink, downlink), "J", False)
            for kind, text, uplink, downlink, expected in examples
        ),
        Worked(
            "yousefpour: factor in carbon of 8 instead of 32 bits where communication has 60 %",
            1.82,
            saving_factor(0.6, 32 / 8),
            "1",
            True,
        ),
        *(
            Worked(f"{kind}: 10 MB up and down", expected, by_kind[kind].grams(8e7, 8e7) or 0.0, "g", False)
            for kind, expected in (("tapp", 0.095), ("tapp_as_coded", 0.088476))
        ),
    )


def _rate(name: str, rate_mbps: float | None) -> Coefficient:
    if rate_mbps is None:
        return _row(name)
    if not rate_mbps > 0:
        raise ValueError(f"{name} must be above 0, got {rate_mbps:g}")
    return set_by_user(_row(name), rate_mbps)


def _price(kind: str, direction: str, formula: Callable[..., float], *inputs: Coefficient) -> Coefficient:
    return combine(f"formula.{kind}_{direction}_j_per_bit", "J/bit", formula, *inputs)


def _by_time(rate_up: Coefficient, rate_down: Coefficient) -> tuple[Formula, ...]:
    powers = _row("wu_device_w"), _row("wu_router_w")

    def formula(kind: str, title: str, form: str, source: str, misses: str) -> Formula:
        up, down = (
            _price(
                kind, direction, lambda device_w, router_w, mbps: (device_w + router_w) / (1e6 * mbps), *powers, rate
            )
            for direction, rate in (("uplink", rate_up), ("downlink", rate_down))
        )
        return Formula(kind, title, form, source, misses, up, down, (*powers, rate_up, rate_down))

    return (
        formula(
            "qiu",
            "Qiu et al. 2023",
            "S (1/U + 1/D) (e_router + e_idle) per client and round",
            "qiu2023",
            "base station, core and tail; its powers depend on the device, here they are those of Wu et al.",
        ),
        formula(
            "wu",
            "Wu et al. 2022",
            "(device + router power) x (upload + download time)",
            "wu2022",
            "everything behind the router, and tails; one power for every device and rate",
        ),
    )


def _by_efficiency() -> tuple[Formula, ...]:
    def formula(kind: str, title: str, source: str, misses: str, efficiency: Coefficient) -> Formula:
        up, down = (
            _price(kind, direction, lambda kbit_per_j: 1 / (1e3 * kbit_per_j), efficiency)
            for direction in ("uplink", "downlink")
        )
        return Formula(kind, title, "bits / (bits per joule)", source, misses, up, down, (efficiency,))

    fixed = "costs that do not grow with bits: sessions, tails, idle time"
    return (
        formula(
            "savazzi_threshold",
            "Savazzi et al. 2021, threshold",
            "savazzi2021",
            f"{fixed}; the server's PUE on the downlink is left out",
            _row("savazzi_threshold_kbit_per_j"),
        ),
        formula(
            "savazzi_mesh",
            "Savazzi et al. 2021, mesh",
            "savazzi2021",
            f"{fixed}; in a mesh there is no server, and both ends are clients",
            _row("savazzi_mesh_kbit_per_j"),
        ),
        formula("barbieri", "Barbieri et al. 2023, threshold", "barbieri2023", fixed, _row("barbieri_kbit_per_j")),
    )


def _by_element() -> Formula:
    names = ("edge_router_nj_per_bit", "gateway_nj_per_bit", "core_router_nj_per_bit", "n_core_routers")
    rows = tuple(map(_row, names))
    up, down = (
        _price("yousefpour", direction, lambda edge, gateway, core, n: (edge + gateway + n * core) * 1e-9, *rows)
        for direction in ("uplink", "downlink")
    )
    return Formula(
        kind="yousefpour",
        title="Yousefpour et al. 2023, network",
        form="bits x (edge router + gateway + n core routers); phone: current x 3.8 V x time; server: 45 W x PUE 1.09",
        source="yousefpour2023",
        what_it_misses="cellular access and tails; the phone's and the server's own terms go by time and are left out",
        uplink=up,
        downlink=down,
        rows=rows,
    )


def _by_gigabyte() -> tuple[Formula, ...]:
    intensity, grid = _row("tapp_kwh_per_gb"), _row("tapp_g_per_kwh")

    def formula(kind: str, title: str, misses: str, bits_per_unit: float) -> Formula:
        up, down = (
            _price(kind, direction, lambda kwh: kwh * _J_PER_KWH / bits_per_unit, intensity)
            for direction in ("uplink", "downlink")
        )
        return Formula(kind, title, "2 x GB x I x CI", "tapp2026", misses, up, down, (intensity,), grid)

    misses = "the client's radio, and all that does not grow with bits; takes the downlink to be as large as the uplink"
    return (
        formula("tapp", "Tapp et al. 2026", misses, _BITS_PER_GB),
        formula(
            "tapp_as_coded",
            "Tapp et al. 2026, as coded",
            f"{misses}; divides bytes by 2^30 where the intensity is per 10^9, so 6.9 % too low",
            _BITS_PER_GIB,
        ),
    )
