"""The codecs and the ledger in a Flower app."""

from harness.flower.codecs import CodedClient, CodedStrategy

__all__ = ["CodedClient", "CodedStrategy"]
