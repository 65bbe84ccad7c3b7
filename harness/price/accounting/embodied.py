"""Charges a run with its share of the carbon of making a device.

Which share is a convention, not a measurement, and moves the result by more than any range here; so the rule is printed
wherever its result is. By default nothing is charged: a device that its owner has anyway is made once, whatever runs on
it. The other rules charge by time, as the Software Carbon Intensity specification does (ISO/IEC 21031:2024, M = TE x
time share x resource share), with the whole device as the resource.

References:
    Pirson, Bol, "Assessing the Embodied Carbon Footprint of IoT Edge Devices with a Bottom-Up Life-Cycle Approach",
    arXiv:2105.02082, 2021: sums over blocks may be low by a factor of two.
"""

from typing import Literal, get_args

from harness.core.prices import Coefficient
from harness.price.accounting.terms import NOTHING, Bounds
from harness.price.assumptions.data import coefficients
from harness.price.assumptions.devices import Device

Rule = Literal["excluded", "calendar", "active"]
"""How much of a device's manufacture a run is charged with."""

RULES: tuple[Rule, ...] = get_args(Rule)

_G_PER_KG = 1000.0
_S_PER_H = 3600.0
_H_PER_DAY = 24.0
_DAYS_PER_YEAR = 365.25
_TEXTS: dict[Rule, str] = {
    "excluded": "manufacture of devices: not charged (a device that its owner has anyway)",
    "calendar": "manufacture of devices: charged by the calendar, busy seconds over those of its years in service",
    "active": "manufacture of devices: charged by use, busy seconds over those in which it is used at all",
}


def embodied_g(device: Device, busy_s: float, rule: Rule) -> Bounds:
    """Grams of CO2-equivalent of the manufacture of devices of one kind that a run is charged with.

    Args:
        device: the devices.
        busy_s: seconds in which they were busy with the run, all of them together, at least 0.
        rule: how their manufacture is allocated.

    Raises:
        ValueError: `busy_s` is negative, or there is no such rule.

    >>> from harness.price.assumptions.devices import device
    >>> round(embodied_g(device("phone"), 60.0, "calendar").typical, 4)
    0.0336
    """
    if not busy_s >= 0:
        raise ValueError(f"busy_s must be at least 0, got {busy_s:g}")
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if rule == "excluded":
        return NOTHING
    made_kg, years, hours = inputs(device)

    def grams(kg: float, years: float, hours_per_day: float) -> float:
        in_use_s = years * _DAYS_PER_YEAR * (hours_per_day if rule == "active" else _H_PER_DAY) * _S_PER_H
        return kg * _G_PER_KG * busy_s / in_use_s

    return Bounds(
        low=grams(made_kg.low, years.high, hours.high),
        typical=grams(made_kg.typical, years.typical, hours.typical),
        high=grams(made_kg.high, years.low, hours.low),
    )


def inputs(device: Device) -> tuple[Coefficient, Coefficient, Coefficient]:
    """Carbon of making the device (kgCO2e), its years in service, and its hours of use a day."""
    rows = coefficients("embodied")
    return (
        rows[f"{device.kind}.embodied_kg"],
        rows[f"{device.kind}.lifetime_years"],
        rows[f"{device.kind}.hours_per_day"],
    )


def rule_text(rule: Rule) -> str:
    """The rule in words, printed with every figure that follows from it.

    >>> rule_text("excluded")
    'manufacture of devices: not charged (a device that its owner has anyway)'
    """
    return _TEXTS[rule]
