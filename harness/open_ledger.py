"""Logging runs of other training code: the public name of `harness.ledger.external_logger`."""

from harness.ledger.external_logger import Digest, OpenLedger

__all__ = ["Digest", "OpenLedger"]
