"""Builds ``shadows.csv``: what payloads would have taken with their indices coded in another way.

A shadow never crossed the air. It is compared with the payload of the same indices, and with nothing else: payloads
without a shadow, such as a whole model for a client that sat out, are in neither sum.
"""

from typing import Any

import pandas as pd

from harness.core.units import BITS_PER_BYTE
from harness.ledger.ledger import Ledger

COLUMNS = ["cell_id", "method", "seed", "direction", "coding", "n_payloads", "sent_bits", "shadow_bits"]


def shadow_rows(key: dict[str, Any], ledger: Ledger) -> list[dict[str, Any]]:
    """One row per direction and coding of a cell, in unicast: a broadcast counts once for every client it reached.

    Args:
        key: columns that name the cell.
        ledger: its facts.
    """
    rows = []
    for (direction, coding), shadows in ledger.shadows.groupby(["direction", "coding"], sort=False):
        payloads = _with_shadows(shadows, ledger.transfers[ledger.transfers["direction"] == direction])
        rows.append(
            {
                **key,
                "direction": direction,
                "coding": coding,
                "n_payloads": len(payloads),
                "sent_bits": BITS_PER_BYTE * int(payloads["payload_bytes"].sum()),
                "shadow_bits": BITS_PER_BYTE * int(payloads["shadow_bytes"].sum()),
            }
        )
    return rows


def _with_shadows(shadows: pd.DataFrame, transfers: pd.DataFrame) -> pd.DataFrame:
    """Payloads with the length of their shadow."""
    key = ["round", "client"]
    lengths = shadows.rename(columns={"payload_bytes": "shadow_bytes"})[[*key, "shadow_bytes"]]
    rounds = transfers[transfers["round"] > 0]
    single = rounds.merge(lengths[lengths["client"] >= 0], on=key)
    broadcast = lengths[lengths["client"] < 0].set_index("round")["shadow_bytes"]
    length_of = {digest: broadcast[number] for number, digest in _broadcasts(rounds).items() if number in broadcast}
    received = rounds[rounds["payload_digest"].isin(list(length_of))]
    shared = received.assign(shadow_bytes=received["payload_digest"].map(length_of))
    return pd.concat([single, shared]) if len(single) and len(shared) else shared if len(shared) else single


def _broadcasts(transfers: pd.DataFrame) -> dict[int, str]:
    """Digest of what was newly broadcast in each round.

    A client that is sent several payloads gets what it missed first and the round's own last, which alone has reference
    bytes. A payload as long as the raw vector is a whole model in place of them, not a broadcast.
    """
    coded = transfers[transfers["payload_bytes"] - transfers["frame_bytes"] < transfers["reference_bytes"]]
    digests = coded.drop_duplicates("round", keep="last")
    return dict(zip(digests["round"].tolist(), digests["payload_digest"].tolist(), strict=True))
