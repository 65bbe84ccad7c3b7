"""Exports `harness.ledger.external_logger` under its public name: logging runs of other training code."""

from harness.ledger.external_logger import Digest, OpenLedger

__all__ = ["Digest", "OpenLedger"]
