"""Exports `harness.flower.ledger` under its public name: logging what crosses the network of a Flower app."""

from harness.flower.ledger import LoggedStrategy

__all__ = ["LoggedStrategy"]
