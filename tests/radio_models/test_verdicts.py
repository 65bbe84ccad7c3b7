"""Technologies kept out of rankings: their published figures, and numbers worked out by hand."""

import math
import re
from pathlib import Path

import pytest

import radio_models
from radio_models import reproductions as formulas
from radio_models.verdicts import inputs, verdicts

BIBLIOGRAPHY = (Path(radio_models.__file__).parent / "references.bib").read_text(encoding="utf-8")


def test_a_3g_packet_as_published() -> None:
    """Huang et al. 2012 give 7.38 J; by hand 0.5821 x 0.6594 + 8.0882 x 0.8039 + 0.8242 x 0.6013 = 7.3815 J."""
    assert formulas.umts_packet_j() == pytest.approx(7.3815, rel=0.002)
    assert formulas.umts_packet_j() == pytest.approx(7.38, rel=0.002)


def test_50_kb_over_3g_and_gsm_as_published() -> None:
    """Balasubramanian et al. 2009: 0.025 x 50 + 3.5 + 0.62 x 12.5 = 12.5 J; 0.036 x 50 + 1.7 + 0.25 x 6 = 5.0 J."""
    assert formulas.handset_2009_j("g3", 50) == pytest.approx(12.5, rel=0.001)
    assert formulas.handset_2009_j("gsm", 50) == pytest.approx(5.0, rel=0.001)


def test_the_tail_is_most_of_a_small_3g_transfer() -> None:
    assert 0.62 * 12.5 / formulas.handset_2009_j("g3", 50) == pytest.approx(0.62, abs=0.001)


def test_sigfox_carries_1680_bytes_a_day() -> None:
    """12 B x 140; 1 MB is 83,333.3 messages, so 83,334, in 595.2 days."""
    assert formulas.sigfox_bytes_per_day() == 1680
    assert formulas.sigfox_messages(1_000_000) == 83_334
    assert formulas.sigfox_days(1_000_000) == pytest.approx(595.24, abs=0.01)
    assert formulas.sigfox_messages(0) == 1


def test_the_duty_cycle_explains_sigfox_messages() -> None:
    """36 s an hour are 6 messages of 6 s, 144 a day; 140 are sold."""
    assert formulas.sigfox_duty_cycle_messages_per_day() == 144


def test_iridium_by_hand() -> None:
    """2400 mAh over 0.48 are 5000 messages; at 100 min each 8333 h, 0.951 years. 1 MB is 2941.2 messages."""
    assert formulas.iridium_years(2400, 100) == pytest.approx(0.95, abs=0.005)
    assert formulas.iridium_messages(1_000_000) == 2942
    assert formulas.iridium_mah(340) == pytest.approx(0.48)


def test_first_order_radio_by_hand() -> None:
    """2000 bit: at 50 m 50 + 0.01 x 2500 = 75 nJ a bit; at 100 m 50 + 1.3e-6 x 1e8 = 180 nJ; received 50 nJ."""
    assert formulas.first_order_tx_j(2000, 50) == pytest.approx(0.00015, rel=1e-9)
    assert formulas.first_order_tx_j(2000, 100) == pytest.approx(0.00036, rel=1e-9)
    assert formulas.first_order_rx_j(2000) == pytest.approx(0.0001, rel=1e-9)
    assert formulas.first_order_tx_2000_j(2000, 100) == pytest.approx(0.0021, rel=1e-9)


def test_the_two_laws_of_loss_meet_where_heights_and_wavelength_say() -> None:
    """4 pi x 1.5 m x 1.5 m / (c / 914 MHz) = 86.2 m, against sqrt(10 / 0.0013) = 87.7 m."""
    published_m = 4 * math.pi * 1.5 * 1.5 / (299_792_458 / 914e6)
    assert published_m == pytest.approx(86.2, abs=0.01)
    crossover_m = formulas.first_order_crossover_m()
    assert crossover_m == pytest.approx(87.706, abs=0.001)
    assert formulas.first_order_tx_j(1, crossover_m * (1 - 1e-9)) == pytest.approx(
        formulas.first_order_tx_j(1, crossover_m * (1 + 1e-9))
    )


def test_shannon_capacity_by_hand() -> None:
    """Loss at 250 m 128.1 - 22.64 = 105.46 dB; 10 dBm - 105.46 + 174 - 56.02 = 22.52 dB, a ratio of 178.6.

    0.4 x log2(179.6) = 2.995 Mbit/s; 28.1 kbit take 9.38 ms, 93.8 uJ at 10 mW.
    """
    rate_mbps = formulas.shannon_rate_mbps(0.4e6, 0.01, 250)
    assert rate_mbps == pytest.approx(2.9952, rel=0.001)
    assert 28_100 / (1e6 * rate_mbps) == pytest.approx(9.38e-3, rel=0.001)
    assert formulas.shannon_upload_j(28_100, 0.4e6, 0.01, 250) == pytest.approx(93.8e-6, rel=0.001)


def test_a_macro_base_station_idle_and_full() -> None:
    """6 x 130 = 780 W; 6 x (130 + 4.7 x 20) = 1344 W."""
    assert formulas.macro_w(0) == pytest.approx(780, rel=1e-9)
    assert formulas.macro_w(1) == pytest.approx(1344, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: formulas.first_order_tx_j(2000, -3), "distance_m must be at least 0, got -3"),
        (lambda: formulas.first_order_tx_2000_j(2000, -3), "distance_m must be at least 0, got -3"),
        (lambda: formulas.first_order_tx_j(2000, math.nan), "distance_m must be at least 0, got nan"),
        (lambda: formulas.first_order_rx_j(-1), "bits must be at least 0, got -1"),
        (lambda: formulas.shannon_rate_mbps(0, 0.01, 250), "bandwidth_hz must be above 0, got 0"),
        (lambda: formulas.shannon_rate_mbps(1e6, 0.01, -250), "distance_m must be above 0, got -250"),
        (lambda: formulas.shannon_rate_mbps(1e6, -0.01, 250), "radiated_w must be at least 0, got -0.01"),
        (lambda: formulas.sigfox_days(-1), "payload_bytes must be at least 0, got -1"),
        (lambda: formulas.iridium_mah(-1), "payload_bytes must be at least 0, got -1"),
        (lambda: formulas.handset_2009_j("g4", 50), "technology must be g3 or gsm, got 'g4'"),
        (lambda: formulas.macro_w(1.5), "load must be between 0 and 1, got 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()  # type: ignore[operator]


def test_published_figures_are_reproduced_with_the_error_that_is_printed() -> None:
    """Sigfox is 144 of 140 messages, Iridium 0.951 of 0.95 years, the crossover 87.7 of 86.2 m, macro 1344 of 1350."""
    errors = {verdict.kind: verdict.error for verdict in verdicts()}
    assert errors.pop("shannon") is None
    assert errors == pytest.approx(
        {
            "umts": 0.0,
            "g3": 0.0,
            "gsm": 0.0,
            "sigfox": 4 / 140,
            "iridium": 0.001,
            "first_order": 0.0175,
            "macro": -6 / 1350,
        },
        abs=0.001,
    )


def test_every_verdict_says_why_and_names_a_source_of_the_bibliography() -> None:
    for verdict in verdicts():
        assert verdict.why_not
        assert verdict.figure
        assert f"{{{verdict.source}," in BIBLIOGRAPHY


def test_every_row_of_the_table_has_its_source_in_the_bibliography() -> None:
    assert inputs()
    for row in inputs():
        assert f"{{{row.source}," in BIBLIOGRAPHY, row.name
