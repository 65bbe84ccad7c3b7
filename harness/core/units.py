"""Holds the constants and the only conversions between units. Joules and seconds inside, kWh only at display."""

BITS_PER_BYTE = 8
BITS_PER_MBIT = 1_000_000
J_PER_KWH = 3_600_000.0


def bits_from_bytes(n_bytes: int) -> int:
    """Bits in `n_bytes` bytes.

    >>> bits_from_bytes(3)
    24
    """
    return BITS_PER_BYTE * n_bytes


def mbit_from_bits(bits: float) -> float:
    """Megabits (1e6 bit) in `bits` bits.

    >>> mbit_from_bits(8_000_000)
    8.0
    """
    return bits / BITS_PER_MBIT


def g_from_j(joules: float, g_per_kwh: float) -> float:
    """Grams of CO2-equivalent of `joules` at a grid intensity.

    >>> g_from_j(3_600_000.0, 381.0)
    381.0
    """
    return joules / J_PER_KWH * g_per_kwh


def j_from_kwh(kwh: float) -> float:
    """Joules in `kwh` kilowatt-hours.

    >>> j_from_kwh(1.0)
    3600000.0
    """
    return kwh * J_PER_KWH
