"""Client devices: what the computing of a client would take on them.

Host seconds are never device seconds. CPU seconds of the host become flops at the host's measured matrix rate of one
thread, and seconds again at the device's rate with all its cores. That is a projection (uncertainty class P).
"""

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core.coefficients import load
from harness.core.errors import UsageError
from harness.core.types import Coefficient

EVIDENCE = "P"
"""Uncertainty class of every projected joule: not measured, not estimated from this machine's power."""

_TITLES = {"raspberry_pi_4": "Raspberry Pi 4", "raspberry_pi_5": "Raspberry Pi 5 (8 GB)"}


@dataclass(frozen=True)
class Device:
    """A device to project computing to.

    Attributes:
        kind: name in the spec.
        title: name in reports.
        gflops: float64 matrix rate with all cores, Gflop/s.
        active_w: power of the whole device while it computes, W.
        seconds_scale: by how much the projected seconds may be off, as a factor.
    """

    kind: str
    title: str
    gflops: Coefficient
    active_w: Coefficient
    seconds_scale: Coefficient

    def seconds(self, host_cpu_s: float, host_gflops: float) -> float:
        """Seconds on the device for work that took the host `host_cpu_s` CPU seconds in one thread.

        Args:
            host_cpu_s: CPU seconds, at least 0.
            host_gflops: matrix rate of one thread of the host, Gflop/s, above 0.

        Raises:
            ValueError: the host's rate is unknown.

        >>> round(device("raspberry_pi_4").seconds(2.0, 11.889), 9)
        2.0
        """
        if not host_gflops > 0:
            raise ValueError(f"the matrix rate of the host is {host_gflops}: its seconds cannot be projected")
        return host_cpu_s * host_gflops / self.gflops.typical

    def inputs(self) -> tuple[Coefficient, ...]:
        """The table rows that the projection rests on."""
        return self.gflops, self.active_w, self.seconds_scale


def names() -> list[str]:
    """Devices that can be named in a spec.

    >>> names()
    ['raspberry_pi_4', 'raspberry_pi_5']
    """
    return list(_TITLES)


def device(name: str) -> Device:
    """The device called `name`.

    Raises:
        UsageError: there is no such device.
    """
    if name not in _TITLES:
        close = difflib.get_close_matches(str(name).lower(), _TITLES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(f"device {name!r} is unknown (known: {', '.join(_TITLES)}).{hint}")
    rows = _table()
    return Device(
        kind=name,
        title=_TITLES[name],
        gflops=rows[f"{name}.gflops"],
        active_w=rows[f"{name}.active_w"],
        seconds_scale=rows[f"{name}.seconds_scale"],
    )


@cache
def _table() -> dict[str, Coefficient]:
    return load(Path(__file__).parent / "data" / "devices.csv")
