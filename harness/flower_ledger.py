"""Logging what crosses the network of a Flower app: the public name of `harness.flower.ledger`."""

from harness.flower.ledger import LoggedStrategy

__all__ = ["LoggedStrategy"]
