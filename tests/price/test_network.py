"""Network side: published whole figures, what is inside each mode, and every number with a source."""

import re
from pathlib import Path

import pytest

import harness.price.assumptions.data
from harness.core.coefficients import load
from harness.core.errors import UsageError
from harness.core.prices import Coefficient
from harness.price.assumptions.network import Mode, Network, NetworkKind, j_per_mbit, line_w, network, pue, server_w

FOLDER = Path(harness.price.assumptions.data.__file__).parent


def total_kwh_per_gb(kind: NetworkKind, mode: Mode) -> tuple[float, float, float]:
    """Low, typical and high of access and core together; 450 J/Mbit are a kWh/GB."""
    found = network(kind, mode)
    parts = found.access_j_per_mbit, found.core_j_per_mbit
    low, typical, high = (sum(getattr(part, end) for part in parts) / 450 for end in ("low", "typical", "high"))
    return low, typical, high


def test_a_kilowatt_hour_per_gigabyte_is_450_microjoules_per_bit() -> None:
    """3.6e6 J over 8e9 bit; a megabit has 1e6 of them."""
    assert j_per_mbit(1.0) / 1e6 == pytest.approx(450e-6)


@pytest.mark.parametrize(("rate_mbps", "published_w"), [(4, 7.3), (40, 62)])
def test_power_of_a_mobile_line_as_published(rate_mbps: float, published_w: float) -> None:
    """Malmodin 2020 prints both."""
    assert line_w("mobile", rate_mbps) == pytest.approx(published_w, rel=0.01)


def test_intensity_of_a_fixed_line_as_published() -> None:
    """Malmodin 2020: 0.0011 kWh/GB at 40 Mbit/s. 20 W over 40 Mbit/s are 0.5 J/Mbit."""
    assert line_w("fixed", 40) / 40 / 450 == pytest.approx(0.0011, abs=0.00005)


def test_fixed_streaming_session_as_published() -> None:
    """Carbon Trust 2021, Table 4: 20 Wh an hour in the network and 71 Wh in the router, at 3 GB an hour."""
    found = network("fixed", "average")
    assert found.core_j_per_mbit.typical / 450 * 3 * 1000 == pytest.approx(20, rel=0.05)
    assert found.access_j_per_mbit.typical / 450 * 3 * 1000 == pytest.approx(71, rel=0.1)


def test_fixed_transport_meets_the_halving_of_another_study() -> None:
    """Aslan et al. 2018: 0.06 kWh/GB in 2015, halving every two years; three halvings to 2021 leave 0.0075."""
    assert network("fixed", "average").core_j_per_mbit.typical / 450 == pytest.approx(0.06 / 2**3, rel=0.2)


def test_fixed_average_meets_two_other_studies() -> None:
    """With the router: 0.03 kWh/GB (EU 2020) and 0.036 (ADEME and ARCEP 2022)."""
    low, typical, high = total_kwh_per_gb("fixed", "average")
    assert low < 0.03 < high
    assert low < 0.036 < high
    assert typical == pytest.approx(0.03, rel=0.1)


def test_mobile_average_spans_the_published_totals() -> None:
    """0.1 (Carbon Trust 2021), 0.14 (EU 2020), 0.24 of radio access at 73 % of all (GSMA 2021): 0.329 kWh/GB."""
    low, typical, high = total_kwh_per_gb("mobile", "average")
    assert (low, typical, high) == pytest.approx((0.1, 0.14, 0.24 / 0.73), rel=1e-3)
    assert network("mobile", "average").access_j_per_mbit.high / 450 == pytest.approx(0.24, rel=0.01)
    assert low < 0.249 < high, "ADEME and ARCEP 2022 lies between"


def test_parts_of_the_mobile_average_are_known_no_better_than_their_total() -> None:
    found = network("mobile", "average")
    assert found.access_j_per_mbit.drawn_with == found.core_j_per_mbit.drawn_with == "mobile.total_kwh_per_gb"


@pytest.mark.parametrize(("kind", "published"), [("mobile", 0.0034), ("fixed", 0.00011)])
def test_marginal_intensity_as_published(kind: NetworkKind, published: float) -> None:
    assert total_kwh_per_gb(kind, "marginal")[1] == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize("kind", ["fixed", "mobile"])
def test_a_marginal_slope_is_what_one_more_megabit_a_second_adds_to_the_line(kind: NetworkKind) -> None:
    found = network(kind, "marginal")
    slope = found.access_j_per_mbit.typical + found.core_j_per_mbit.typical
    assert line_w(kind, 11) - line_w(kind, 10) == pytest.approx(slope)


def test_modes_differ_by_the_factors_that_the_module_states() -> None:
    ratio = {kind: total_kwh_per_gb(kind, "average")[1] / total_kwh_per_gb(kind, "marginal")[1] for kind in KINDS}
    assert ratio == {"mobile": pytest.approx(41, abs=1), "fixed": pytest.approx(283, abs=1)}


KINDS: tuple[NetworkKind, ...] = ("fixed", "mobile")
MODES: tuple[Mode, ...] = ("average", "marginal")
NETWORKS = [network(kind, mode) for kind in KINDS for mode in MODES]


@pytest.mark.parametrize("found", NETWORKS, ids=lambda found: found.title)
def test_each_mode_rests_on_rows_of_its_own_and_says_what_is_inside(found: Network) -> None:
    others = {row.name for other in NETWORKS if other is not found for row in other.inputs()}
    assert not others & {row.name for row in found.inputs()}
    assert {found.access_j_per_mbit.unit, found.core_j_per_mbit.unit} == {"J/Mbit"}
    assert found.access_j_per_mbit.name == f"{found.kind}.{found.mode}_access_j_per_mbit"
    assert "access is" in found.notes[0].text
    assert ("allocated" in found.notes[1].text) == (found.mode == "average")


@pytest.mark.parametrize(("kind", "mode", "message"), [("wifi", "average", "kind"), ("fixed", "both", "mode")])
def test_an_unknown_network_is_one_line_with_what_is_allowed(kind: str, mode: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^network {message} must be .* or "):
        network(kind, mode)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^rate_mbps must be"):
        line_w("mobile", -1)


def test_the_server_is_that_of_the_published_study() -> None:
    """Yousefpour et al. 2023: 45 W times 1.09 are 49.05 W."""
    assert server_w().typical * pue().typical == pytest.approx(49.05)
    assert pue().low >= 1


@pytest.mark.parametrize("row", load(FOLDER / "network.csv").values(), ids=lambda row: row.name)
def test_every_number_has_a_source_in_the_bibliography(row: Coefficient) -> None:
    keys = re.findall(r"^@\w+\{(\w+),", (FOLDER / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert row.source in {*keys, "judgement"}
    assert row.locator
    assert row.is_verified == (row.basis == "primary"), "verified means read in the named source"
