"""Puts the codecs and the ledger into a Flower app."""

from harness.flower.codecs import CodedClient, CodedStrategy

__all__ = ["CodedClient", "CodedStrategy"]
