"""Describes client devices: their rates of computing, power, memory and battery.

Three rates, because work does not scale alike: products of matrices with floating-point units, work entry by entry with
memory, coding of symbols with a core's integer speed. How the work of a cell becomes seconds is in
`harness.price.accounting.device_projection`. All of that is a projection (uncertainty class P).

Power is that of the whole device with its radio off; what a radio takes comes on top.

Checks that are no part of the numbers: a Jetson Nano that runs a YOLOv5n detector takes 0.154 mWh a frame at 12.34
frames a second, 6.84 W (arXiv:2207.06150). MLPerf Tiny gives energies of inference in 8-bit integers, 0.5 to 0.8
nJ per multiply-add on the Cortex-M7 here; training in float32 takes several times that, and no such figure enters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.coefficients import combine
from harness.core.errors import UsageError
from harness.core.prices import Coefficient
from harness.core.types import Work
from harness.parsing.problems import did_you_mean
from harness.price.assumptions.data import coefficients

EVIDENCE = "P"
"""Uncertainty class of every projected joule: not measured, not estimated from this machine's power."""

J_PER_WH = 3600.0

_TITLES = {
    "raspberry_pi_4": "Raspberry Pi 4",
    "raspberry_pi_5": "Raspberry Pi 5 (8 GB)",
    "phone": "smartphone",
    "esp32_s3": "ESP32-S3",
    "cortex_m7": "Cortex-M7 (STM32H7A3)",
    "jetson_nano": "Jetson Nano",
}
_FRAMEWORK = ("raspberry_pi_4", "raspberry_pi_5", "phone", "jetson_nano")
"""Devices with an operating system and the memory that a framework for training needs."""

_BATTERY_OF = {
    ("phone", "rechargeable"): "phone",
    ("esp32_s3", "rechargeable"): "18650",
    ("esp32_s3", "primary"): "aa_lisocl2",
    ("cortex_m7", "rechargeable"): "18650",
    ("cortex_m7", "primary"): "aa_lisocl2",
}
_BATTERIES = {
    "aa_lisocl2": "AA lithium thionyl chloride cell",
    "cr2032": "CR2032 coin cell",
    "18650": "18650 lithium-ion cell",
    "phone": "smartphone battery",
    "thingy91": "Thingy:91 battery",
    "lpwan_2400mah": "battery of 2400 mAh at 3.0 V",
}


@dataclass(frozen=True)
class Device:
    """A device to project computing to.

    Attributes:
        kind: name in the spec.
        title: name in reports.
        gflops: rate of dense arithmetic, Gflop/s; float64 on all cores of boards and phones, float32 on the GPU of a
            Jetson and on one core of a microcontroller, as the row says.
        copy_gb_per_s: rate of one core in copying memory, bytes read plus bytes written, 1e9 B/s.
        coremark: CoreMark of one core.
        active_w: power of the whole device while it computes, W.
        idle_w: power while it is awake and waits, W.
        sleep_w: power while it sleeps between its turns, W; that of its lowest state with memory kept.
        ram_bytes: memory, bytes.
        scales: by how much projected seconds may be off, as a factor, by kind of work.
        host_coremark: CoreMark of one thread of the host, an assumption: it is not measured there.
        runs_framework: whether it trains with a framework as the host does, or with loops of its own.
    """

    kind: str
    title: str
    gflops: Coefficient
    copy_gb_per_s: Coefficient
    coremark: Coefficient
    active_w: Coefficient
    idle_w: Coefficient
    sleep_w: Coefficient
    ram_bytes: Coefficient
    scales: Mapping[Work, Coefficient] = field(hash=False)
    host_coremark: Coefficient
    runs_framework: bool

    @property
    def seconds_scale(self) -> Coefficient:
        """By how much projected seconds of training may be off, as a factor."""
        return self.scales["dense"]

    def rate(self, work: Work) -> Coefficient:
        """The rate that a kind of work scales with.

        >>> device("raspberry_pi_4").rate("dense").typical
        11.889
        """
        return {"dense": self.gflops, "memory": self.copy_gb_per_s, "serial": self.coremark}[work]

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows that the projection rests on."""
        rates = (self.gflops, self.copy_gb_per_s, self.coremark)
        return (
            *rates,
            self.active_w,
            self.idle_w,
            self.sleep_w,
            self.ram_bytes,
            *self.scales.values(),
            self.host_coremark,
        )


@dataclass(frozen=True)
class Battery:
    """What a device can draw from one charge, or from one primary cell.

    Attributes:
        name: name in the spec.
        title: name in reports.
        energy_wh: printed energy, Wh.
        usable: share of it that the device gets, 0 to 1.
    """

    name: str
    title: str
    energy_wh: Coefficient
    usable: Coefficient

    @property
    def usable_j(self) -> Coefficient:
        """Joules that the device gets.

        >>> round(battery("aa_lisocl2").usable_j.typical)
        28642
        """
        return combine(
            f"{self.name}.usable_j", "J", lambda wh, share: wh * J_PER_WH * share, self.energy_wh, self.usable
        )

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows behind it."""
        return self.energy_wh, self.usable


def names() -> list[str]:
    """Devices that can be named in a spec.

    >>> names()[:2]
    ['raspberry_pi_4', 'raspberry_pi_5']
    """
    return list(_TITLES)


def device(name: str) -> Device:
    """The device called `name`.

    Raises:
        UsageError: there is no such device.
    """
    _check("device", name, _TITLES)
    rows = coefficients("devices")
    own = {
        field: rows[f"{name}.{field}"]
        for field in ("gflops", "copy_gb_per_s", "coremark", "active_w", "idle_w", "sleep_w", "ram_bytes")
    }
    scales: dict[Work, Coefficient] = {
        "dense": rows["work.dense_scale"],
        "memory": rows["work.memory_scale"],
        "serial": rows["work.serial_scale"],
    }
    return Device(
        kind=name,
        title=_TITLES[name],
        **own,
        scales=scales,
        host_coremark=rows["host.coremark"],
        runs_framework=name in _FRAMEWORK,
    )


def battery_names() -> list[str]:
    """Batteries that can be named in a spec.

    >>> battery_names()[:3]
    ['aa_lisocl2', 'cr2032', '18650']
    """
    return list(_BATTERIES)


def battery(name: str) -> Battery:
    """The battery called `name`.

    Raises:
        UsageError: there is no such battery.
    """
    _check("battery", name, _BATTERIES)
    rows = coefficients("batteries")
    return Battery(name, _BATTERIES[name], rows[f"{name}.energy_wh"], rows[f"{name}.usable"])


def battery_of(device: Device, supply: str) -> Battery | None:
    """The battery that a device with some power supply usually has; None if it has none, or no usual one.

    Args:
        device: the device.
        supply: ``mains``, ``rechargeable``, ``primary`` or ``harvested``.

    >>> battery_of(device("esp32_s3"), "primary").name, battery_of(device("raspberry_pi_4"), "mains")
    ('aa_lisocl2', None)
    """
    name = _BATTERY_OF.get((device.kind, supply))
    return None if name is None else battery(name)


def _check(what: str, name: str, known: Mapping[str, str]) -> None:
    if name not in known:
        hint = did_you_mean(str(name), known)
        raise UsageError(f"{what} {name!r} is unknown (known: {', '.join(known)}).{hint}")
