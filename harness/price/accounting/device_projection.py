"""Projects work measured on a host onto a device: seconds of decoding, training and encoding, and their cost.

Three kinds of work, each with its own ratio between host and device. Training is dense arithmetic: where the operations
of a step were counted, its seconds are operations over the device's rate, and on devices that run the same framework
what the host took beyond its own matrix rate comes on top, as work of one integer core; where they were not, the host's
CPU seconds are scaled by the ratio of matrix rates. Codecs are scaled by what they wait for: memory (packing,
sorting, adding entry by entry), one integer core (coding of symbols), or arithmetic (rotations and factorisations);
they say for what (`harness.core.codec_facts`). One that does not say is projected as waiting for memory, and a note
says so; likewise one that does not say whether it keeps a residual is charged for none.

Typical seconds are one number, which the timeline needs. By how much they may be off is a separate factor, with a
range per kind of work, and each rate that is not a point brings its own. All of it is uncertainty class P (projected).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from harness.core.coefficients import combine
from harness.core.facts import TrainingWork
from harness.core.notes import Note, remarks
from harness.core.prices import Coefficient
from harness.core.types import Work
from harness.ledger.ledger import Ledger
from harness.parts.recorded_codec import recorded_facts, recorded_residual
from harness.price.accounting.terms import Factor
from harness.price.assumptions.devices import Device

CLIENT_PHASES = ("decode", "local_training", "encode")
"""Phases that a client's device goes through; encode and decode of the server belong to client -1."""

_WORDS: Mapping[Work, str] = {"dense": "matrix", "memory": "copying", "serial": "integer"}
_FLOPS_PER_GFLOP = 1e9
_DOUBTFUL = 3.0
"""Host seconds over operations at the host's matrix rate beyond which the range of the projection does not hold it."""


def device_seconds(ledger: Ledger, device: Device) -> pd.DataFrame:
    """Seconds that each client's device computes in each round.

    Returns:
        Float frame with a row per (round, client) and a column per phase of `CLIENT_PHASES`; NaN where the ledger has
        no window, and no row at all if it has none.

    Raises:
        ValueError: a rate of the host or the CPU seconds of a window are needed and not known.
    """
    step_flops, (cpu_s, steps) = _step_flops(ledger), _client_work(ledger)
    return pd.DataFrame(
        {
            phase: _training_s(ledger, device, steps[phase], step_flops, cpu_s[phase])
            if phase == "local_training" and step_flops
            else cpu_s[phase] * (_ratio(ledger, device, _work(ledger, phase)) if cpu_s[phase].notna().any() else 1.0)
            for phase in CLIENT_PHASES
        }
    )


def factors(ledger: Ledger, device: Device) -> Mapping[str, tuple[Factor, ...]]:
    """By phase, what turns typical device seconds into joules: how far they may be off, and the power of the device.

    The uncertainty of training is the same for all methods, that of a codec is its own.
    """
    return {phase: (*_spread(ledger, device, phase), Factor(device.active_w)) for phase in CLIENT_PHASES}


def notes(ledger: Ledger, device: Device) -> tuple[Note, ...]:
    """What a reader must know of the projection of a cell, all of it remarks; empty if nothing."""
    found = []
    kinds = {_work(ledger, phase) for phase in ("decode", "encode")}
    wanted = {_intended(ledger, phase) for phase in ("decode", "encode")}
    if "memory" in wanted and "memory" not in kinds:
        found.append(
            "the host's rate of copying was not measured when this was run; codecs that wait for memory are projected "
            "by matrix rates"
        )
    if "serial" in kinds:
        found.append(
            f"coding of symbols is projected by CoreMark: {device.host_coremark.typical:g} for a thread of the host, "
            f"which is assumed, {device.coremark.typical:g} for {device.title}"
        )
    undeclared = [phase for phase in ("decode", "encode") if _is_undeclared(ledger, phase)]
    found += [
        f"what {_name(_codec_of(ledger, phase))} waits for when it {phase}s is not known; it is projected as a codec "
        "that waits for memory"
        for phase in undeclared
    ]
    return remarks(found + _training_notes(ledger, device))


def can_hold(ledger: Ledger, device: Device) -> bool:
    """Whether a training step fits into the device's memory, as `memory_verdict` says; true where nothing is known."""
    return ledger.work is None or _needed_bytes(ledger, ledger.work) <= device.ram_bytes.typical


def memory_verdict(ledger: Ledger, device: Device) -> str:
    """Whether a training step fits into the device's memory: an estimate from below.

    The residual that the uplink's codec keeps is in it. Of a codec that does not say whether it keeps one, none is, and
    the verdict says so.
    """
    if ledger.work is None:
        return "not recorded"
    uplink = _codec_of(ledger, "encode")
    without = ""
    if uplink and recorded_residual(uplink) is None:
        without = f", without what {_name(uplink)} keeps, which is not known"
    need, have = _needed_bytes(ledger, ledger.work), device.ram_bytes
    (needed, unit), available = _size(need).split(), _size(have.typical)
    sizes = f"{needed} of {available}" if available.endswith(unit) else f"{needed} {unit} of {available}"
    if not can_hold(ledger, device):
        return f"does not fit: {sizes}{without}"
    smaller = f", but not into the {_size(have.low)} of the smallest such" if need > have.low else ""
    return f"fits: {sizes}{without}{smaller}"


def _needed_bytes(ledger: Ledger, work: TrainingWork) -> int:
    keeps_residual = recorded_residual(_codec_of(ledger, "encode"))
    return work.training_bytes + (ledger.model_bytes if keeps_residual else 0)


def _size(n_bytes: float) -> str:
    """Bytes as people say them, to three digits."""
    return f"{n_bytes / 1e9:.3g} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.3g} MB"


@lru_cache(maxsize=8)
def _client_work(ledger: Ledger) -> tuple[pd.DataFrame, pd.DataFrame]:
    """CPU seconds and optimiser steps of clients by (round, client) and phase, once for all devices."""
    windows = ledger.windows
    at_client = windows[(windows["round"] > 0) & (windows["client"] >= 0) & windows["phase"].isin(CLIENT_PHASES)]
    if not np.isfinite(at_client["cpu_seconds"].to_numpy(np.float64)).all():
        raise ValueError(f"cell {ledger.cell_id}: a compute window has no CPU seconds")
    return _by_phase(at_client, "cpu_seconds"), _by_phase(at_client, "n_steps")


def _by_phase(windows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sums by (round, client) and phase, a column per phase."""
    table = windows.pivot_table(index=["round", "client"], columns="phase", values=column, aggfunc="sum")
    if table.empty:
        nothing = pd.MultiIndex.from_arrays([np.empty(0, np.int64)] * 2, names=["round", "client"])
        return pd.DataFrame(index=nothing, columns=list(CLIENT_PHASES), dtype=np.float64)
    return table.reindex(columns=list(CLIENT_PHASES)).astype(np.float64)


def _training_s(
    ledger: Ledger, device: Device, steps: "pd.Series[float]", step_flops: float, cpu_s: "pd.Series[float]"
) -> "pd.Series[float]":
    """Device seconds of training: its operations, and the framework around them where the device runs one.

    The fixed part in front of what is trained is run in every step, as on a device that keeps no activations.
    """
    fixed_flops = 0.0 if ledger.work is None else ledger.work.fixed_flops_per_step
    arithmetic_s = steps * (step_flops + fixed_flops) / (device.gflops.typical * _FLOPS_PER_GFLOP)
    host_gflops = ledger.host.gemm_gflops
    if not device.runs_framework or not host_gflops > 0 or ledger.host.accelerator is not None:
        return arithmetic_s
    overhead_s = (cpu_s - steps * step_flops / (host_gflops * _FLOPS_PER_GFLOP)).clip(lower=0.0)
    return arithmetic_s + overhead_s * _ratio(ledger, device, "serial")


def _step_flops(ledger: Ledger) -> float | None:
    """Operations of an optimiser step; None if they, or the steps themselves, were not counted."""
    if ledger.work is None or not ledger.work.flops_per_step > 0:
        return None
    steps = ledger.windows.loc[ledger.windows["phase"] == "local_training", "n_steps"]
    return ledger.work.flops_per_step if (steps > 0).all() else None


def _ratio(ledger: Ledger, device: Device, work: Work) -> float:
    """Device seconds per CPU second of the host."""
    host = {
        "dense": ledger.host.gemm_gflops,
        "memory": ledger.host.copy_gb_per_s,
        "serial": device.host_coremark.typical,
    }[work]
    if host is None or not host > 0:
        raise ValueError(f"the {_WORDS[work]} rate of the host is {host}: its seconds cannot be projected")
    return host / device.rate(work).typical


def _codec_of(ledger: Ledger, phase: str) -> Mapping[str, Any]:
    """Settings of the codec that works in a phase of clients; empty where none was recorded."""
    method = ledger.cell.get("method", {})
    found: Mapping[str, Any] = (
        method.get("uplink", {}) if phase == "encode" else method.get("downlink", {}).get("codec", {})
    )
    return found


def _name(codec: Mapping[str, Any]) -> str:
    return str(codec.get("kind", "the codec"))


def _intended(ledger: Ledger, phase: str) -> Work:
    """What the work of a phase waits for, or, of a codec that does not say, is taken to."""
    if phase not in ("encode", "decode"):
        return "dense"
    return recorded_facts(_codec_of(ledger, phase)).work or "memory"


def _is_undeclared(ledger: Ledger, phase: str) -> bool:
    """Whether there is a codec that does not say what it waits for."""
    codec = _codec_of(ledger, phase)
    return bool(codec) and recorded_facts(codec).work is None


def _work(ledger: Ledger, phase: str) -> Work:
    """What a phase is projected by: matrix rates where copying would be right and was not measured."""
    work = _intended(ledger, phase)
    return "dense" if work == "memory" and ledger.host.copy_gb_per_s is None else work


def _spread(ledger: Ledger, device: Device, phase: str) -> list[Factor]:
    """Factors of typically 1: that of the kind of work, and one per rate that is not a point."""
    work = _work(ledger, phase)
    found = [Factor(device.scales[work], "shared" if phase == "local_training" else "method")]
    rates = [(device.rate(work), -1)]
    if work == "serial":
        rates.append((device.host_coremark, 1))
    return found + [Factor(_relative(rate, power)) for rate, power in rates if rate.low < rate.high]


def _relative(rate: Coefficient, power: int) -> Coefficient:
    """What a rate does to seconds when it moves within its range: 1 at its typical value."""
    typical = rate.typical
    return combine(f"{rate.name} (relative)", "1", lambda value: (value / typical) ** power, rate)


def _training_notes(ledger: Ledger, device: Device) -> list[str]:
    step_flops = _step_flops(ledger)
    if step_flops is None:
        return ["operations of training were not counted; its seconds are the host's, scaled by matrix rates"]
    found = []
    if ledger.work is not None and ledger.work.fixed_flops_per_step > 0:
        share = ledger.work.fixed_flops_per_step / (ledger.work.fixed_flops_per_step + step_flops)
        found.append(
            f"{share:.0%} of the operations of training are those of the fixed part of the model, charged in every "
            "step; a device that keeps what it gives pays for it once"
        )
    if ledger.host.accelerator is not None:
        return [
            *found,
            f"trained on {ledger.host.accelerator}: a device's training is projected by its operations alone, without "
            "what a framework takes beside them",
        ]
    trained = ledger.windows[ledger.windows["phase"] == "local_training"]
    flops = step_flops * float(trained["n_steps"].sum())
    cpu_s, rate = float(trained["cpu_seconds"].sum()), ledger.host.gemm_gflops
    if not (flops > 0 and cpu_s > 0 and rate > 0):
        return found
    longer = cpu_s * rate * _FLOPS_PER_GFLOP / flops
    if longer <= _DOUBTFUL:
        return found
    text = f"the host took {longer:.3g} times as long to train as its matrix rate needs for the operations"
    if device.runs_framework:
        return [*found, f"{text}; the rest is charged as work of one integer core of {device.title}"]
    return [
        *found,
        f"{text}; {device.title} runs no such framework, so the rest is left out of training, but not of codecs, whose "
        "share may look larger than it is",
    ]
