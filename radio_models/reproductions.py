"""Holds formulas of technologies that stay out of rankings, each over the rows ``verdict.*`` of coefficients.csv.

What they reproduce, and why no ranking names them, is in `radio_models.verdicts`. An argument out of its
range is refused with a `ValueError` that begins with its name.

References:
    Huang et al., "A Close Examination of Performance and Power Characteristics of 4G LTE Networks", MobiSys 2012.
    Balasubramanian, Balasubramanian, Venkataramani, "Energy Consumption in Mobile Phones", IMC 2009.
    Gomez et al., "On the Energy Performance of Iridium Satellite IoT Technology", Sensors 2021.
    Heinzelman, Chandrakasan, Balakrishnan, HICSS 2000 and IEEE Transactions on Wireless Communications 2002.
    Yang et al., "Energy Efficient Federated Learning over Wireless Communication Networks", IEEE TWC 2021.
    Auer et al., "How Much Energy is Needed to Run a Wireless Network?", IEEE Wireless Communications 2011.
"""

import math
from functools import partial

from radio_models.coefficients import default

_value = partial(default, "verdict")

_HOURS_PER_DAY = 24
_HOURS_PER_YEAR = 8766


def umts_packet_j() -> float:
    """Joules of one packet over 3G in 2012: promotion, DCH tail, FACH tail.

    >>> round(umts_packet_j(), 4)
    7.3815
    """
    states = ("umts_promotion", "umts_dch_tail", "umts_fach_tail")
    return sum(_value(f"{state}_w") * _value(f"{state}_s") for state in states)


def handset_2009_j(technology: str, kilobytes: float) -> float:
    """Joules of one transfer by a handset of 2009 with its whole tail.

    Args:
        technology: ``g3`` or ``gsm``.
        kilobytes: size of the transfer, kB, at least 0.

    >>> handset_2009_j("g3", 50), handset_2009_j("gsm", 50)
    (12.5, 5.0)
    """
    if technology not in ("g3", "gsm"):
        raise ValueError(f"technology must be g3 or gsm, got {technology!r}")
    _refuse_negative("kilobytes", kilobytes)
    moving_j = _value(f"{technology}_j_per_kb") * kilobytes + _value(f"{technology}_fixed_j")
    return moving_j + _value(f"{technology}_tail_w") * _value(f"{technology}_tail_s")


def sigfox_messages(payload_bytes: int) -> int:
    """Uplink messages that a payload takes, without any header for putting it together again; 1 for 0 bytes.

    >>> sigfox_messages(1_000_000)
    83334
    """
    _refuse_negative("payload_bytes", payload_bytes)
    return max(1, math.ceil(payload_bytes / _value("sigfox_message_bytes")))


def sigfox_days(payload_bytes: int) -> float:
    """Days that a payload takes at the most messages a day.

    >>> round(sigfox_days(1_000_000), 1)
    595.2
    """
    return sigfox_messages(payload_bytes) / _value("sigfox_messages_per_day")


def sigfox_bytes_per_day() -> float:
    """The most bytes that a client can send in a day."""
    return _value("sigfox_message_bytes") * _value("sigfox_messages_per_day")


def sigfox_duty_cycle_messages_per_day() -> float:
    """Messages a day that the duty cycle leaves, whole ones in each hour."""
    return math.floor(_value("sigfox_duty_cycle") * 3600 / _value("sigfox_message_s")) * _HOURS_PER_DAY


def iridium_messages(payload_bytes: int) -> int:
    """Short-burst messages that a payload takes from a terminal; 1 for 0 bytes.

    >>> iridium_messages(1_000_000)
    2942
    """
    _refuse_negative("payload_bytes", payload_bytes)
    return max(1, math.ceil(payload_bytes / _value("iridium_message_bytes")))


def iridium_mah(payload_bytes: int) -> float:
    """Milliampere-hours that a payload takes at most."""
    return iridium_messages(payload_bytes) * _value("iridium_message_mah")


def iridium_years(battery_mah: float, minutes_between: float) -> float:
    """Years that a battery lasts, at least, at one message every so many minutes (of 8766 hours)."""
    return battery_mah / _value("iridium_message_mah") * minutes_between / 60 / _HOURS_PER_YEAR


def first_order_tx_j(bits: float, distance_m: float) -> float:
    """Joules that sending takes in the first-order radio model of 2002.

    Args:
        bits: sent, at least 0.
        distance_m: to the receiver, m, at least 0; the loss grows with its square below `first_order_crossover_m` and
            with its fourth power from there on.

    Raises:
        ValueError: an argument is negative or NaN.

    >>> round(first_order_tx_j(2000, 50), 9), round(first_order_tx_j(2000, 100), 9)
    (0.00015, 0.00036)
    """
    _refuse_negative("bits", bits)
    _refuse_negative("distance_m", distance_m)
    if distance_m < first_order_crossover_m():
        amplifier = _value("first_order_free_space_j_per_bit_m2") * distance_m**2
    else:
        amplifier = _value("first_order_multipath_j_per_bit_m4") * distance_m**4
    return bits * (_value("first_order_electronics_j_per_bit") + amplifier)


def first_order_tx_2000_j(bits: float, distance_m: float) -> float:
    """The same in the version of 2000, whose loss grows with the square of the distance everywhere.

    >>> round(first_order_tx_2000_j(2000, 100), 9)
    0.0021
    """
    _refuse_negative("bits", bits)
    _refuse_negative("distance_m", distance_m)
    amplifier = _value("first_order_amplifier_2000_j_per_bit_m2") * distance_m**2
    return bits * (_value("first_order_electronics_j_per_bit") + amplifier)


def first_order_rx_j(bits: float) -> float:
    """Joules that receiving takes in the first-order radio model.

    >>> round(first_order_rx_j(2000), 9)
    0.0001
    """
    _refuse_negative("bits", bits)
    return bits * _value("first_order_electronics_j_per_bit")


def first_order_crossover_m() -> float:
    """Distance at which the two laws of loss meet, m."""
    return math.sqrt(_value("first_order_free_space_j_per_bit_m2") / _value("first_order_multipath_j_per_bit_m4"))


def shannon_rate_mbps(bandwidth_hz: float, radiated_w: float, distance_m: float) -> float:
    """Capacity of a channel with the path loss of Yang et al., without shadowing, Mbit/s.

    Args:
        bandwidth_hz: of the client, Hz, above 0.
        radiated_w: radiated power, W, at least 0.
        distance_m: to the base station, m, above 0.

    Raises:
        ValueError: an argument is out of its range or NaN.

    >>> round(shannon_rate_mbps(0.4e6, 0.01, 250), 3)
    2.995
    """
    _refuse_negative("radiated_w", radiated_w)
    for name, value in (("bandwidth_hz", bandwidth_hz), ("distance_m", distance_m)):
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value:g}")
    loss_db = _value("shannon_loss_at_1_km_db") + _value("shannon_loss_per_decade_db") * math.log10(distance_m / 1000)
    noise_w = _value("shannon_noise_w_per_hz") * bandwidth_hz
    return bandwidth_hz * math.log2(1 + radiated_w * 10 ** (-loss_db / 10) / noise_w) / 1e6


def shannon_upload_j(bits: float, bandwidth_hz: float, radiated_w: float, distance_m: float) -> float:
    """Joules radiated while bits are sent at the capacity; a device takes more, by one to three orders of magnitude."""
    _refuse_negative("bits", bits)
    return radiated_w * bits / (1e6 * shannon_rate_mbps(bandwidth_hz, radiated_w, distance_m))


def macro_w(load: float) -> float:
    """Watts of a macro base station.

    Args:
        load: share of the largest radiated power, 0 to 1.

    Raises:
        ValueError: `load` is not in [0, 1].

    >>> macro_w(0), macro_w(1)
    (780.0, 1344.0)
    """
    if not 0 <= load <= 1:
        raise ValueError(f"load must be between 0 and 1, got {load:g}")
    transceiver_w = _value("macro_idle_w") + _value("macro_slope") * load * _value("macro_radiated_w")
    return _value("macro_n_transceivers") * transceiver_w


def _refuse_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} must be at least 0, got {value:g}")
