"""Builds ``cells.csv``: a row for each finished cell."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.core.units import BITS_PER_BYTE, bits_from_bytes
from harness.ledger.external_runs import is_open_ledger
from harness.ledger.ledger import Ledger
from harness.parts.recorded_codec import recorded_facts
from harness.price.accounting.optional_parts import distinct_payloads

_PHASES = ("local_training", "encode", "decode", "aggregate", "evaluate", "setup", "codec_timing")


_LAST_SCORES = 5


_DIRECTIONS = ["uplink", "downlink"]


def cell_row(key: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    """The row of ``cells.csv`` about a finished cell, whose `key` has its id, method and seed."""
    reading = ledger.reading
    is_round = ledger.transfers["round"] > 0
    transfers, given = ledger.transfers[is_round], ledger.transfers[~is_round]
    sent = transfers.groupby("direction")["payload_bytes"].sum().reindex(_DIRECTIONS, fill_value=0) * BITS_PER_BYTE
    phases = _phase_seconds(ledger)
    other_cpu_s = reading.cpu_seconds - sum(phases.values())
    return {
        **key,
        "init": ledger.cell["method"]["init"],
        "rounds": int(transfers["round"].max()),
        "clients_seen": int(transfers["client"].nunique()),
        "uplink_bits": int(sent["uplink"]),
        "downlink_bits": int(sent["downlink"]),
        "total_bits": int(sent.sum()),
        "multicast_downlink_bits": _multicast_bits(transfers),
        "multicast_total_bits": int(sent["uplink"]) + _multicast_bits(transfers),
        "reference_bits": _known_bits(ledger, transfers["reference_bytes"]),
        "frame_bits": _known_bits(ledger, transfers["frame_bytes"]),
        "provisioning_bits": _known_bits(ledger, given["payload_bytes"]),
        **_final_scores(ledger.scores, has_coded_downlink=_has_coded_downlink(ledger)),
        **phases,
        "other_cpu_s": other_cpu_s,
        "cpu_s": reading.cpu_seconds,
        "wall_s": reading.seconds,
        "testbed_cpu_j": reading.cpu_j,
        "testbed_method": reading.method,
        "testbed_scope": reading.scope,
        "testbed_evidence": reading.evidence,
        "meter": reading.meter,
        "coverage_share": reading.coverage,
        "other_share": other_cpu_s / reading.cpu_seconds,
        "machine": ledger.host.machine,
        "facts_digest": ledger.facts_digest,
    }


def _known_bits(ledger: Ledger, n_bytes: "pd.Series[int]") -> float:
    """Bits of some bytes; NaN where a run that was not ours has none, because nobody recorded how many there were."""
    total = int(n_bytes.sum())
    return math.nan if total == 0 and is_open_ledger(ledger) else bits_from_bytes(total)


def _phase_seconds(ledger: Ledger) -> dict[str, float]:
    """CPU seconds by phase; a phase without a window took none in our own cells, and is unknown in other runs."""
    cpu_s = ledger.windows.groupby("phase")["cpu_seconds"].sum()
    nothing = math.nan if is_open_ledger(ledger) else 0.0
    return {f"{phase}_cpu_s": float(cpu_s.get(phase, nothing)) for phase in _PHASES}


def _has_coded_downlink(ledger: Ledger) -> bool:
    """Whether clients decode another model than the server has; of open ledgers nobody knows, and they say if so."""
    downlink = ledger.cell["method"].get("downlink")
    codec: Mapping[str, Any] = downlink.get("codec", {}) if isinstance(downlink, Mapping) else {}
    return bool(codec) and not recorded_facts(codec).is_exact


def _final_scores(scores: pd.DataFrame, *, has_coded_downlink: bool) -> dict[str, float]:
    """Accuracies before the first round, over the last scores, and at the end; NaN where there is no such score.

    ``sent_test_accuracy`` is of the model as a client would decode it: that of the server, unless the downlink is
    coded. ``deployed_accuracy`` is the one that methods are judged by, and that all who judge read: of the model as
    clients decode it, or of the server's where nobody scored that.
    """
    accuracy = scores[scores["metric"] == "accuracy"].sort_values("round", kind="stable")
    validation, test = (accuracy[accuracy["split"] == split] for split in ("validation", "test"))
    initial, final = validation[validation["round"] == 0]["value"], test["value"]
    is_sent = (scores["metric"] == "sent_accuracy") & (scores["split"] == "test")
    sent = scores[is_sent]["value"] if is_sent.any() or has_coded_downlink else final
    of_server, of_clients = _last(final), _last(sent)
    return {
        "initial_accuracy": math.nan if initial.empty else float(initial.iloc[0]),
        "validation_accuracy": validation_accuracy(scores),
        "test_accuracy": of_server,
        "sent_test_accuracy": of_clients,
        "deployed_accuracy": of_server if math.isnan(of_clients) else of_clients,
    }


def validation_accuracy(scores: pd.DataFrame) -> float:
    """Mean of the last five accuracies on validation after round 0, or of what there is; NaN if there is none.

    Args:
        scores: a row per score, columns of `harness.core.facts.Score`.
    """
    is_meant = (scores["metric"] == "accuracy") & (scores["split"] == "validation") & (scores["round"] > 0)
    found = scores[is_meant].sort_values("round", kind="stable")["value"]
    return float(found.iloc[-_LAST_SCORES:].mean())


def _last(values: "pd.Series[float]") -> float:
    return math.nan if values.empty else float(values.iloc[-1])


def _multicast_bits(transfers: pd.DataFrame) -> int:
    """Downlink bits if a payload that several clients of a round receive alike is on the air once."""
    down = transfers[transfers["direction"] == "downlink"]
    return bits_from_bytes(int(distinct_payloads(down)["payload_bytes"].sum()))
