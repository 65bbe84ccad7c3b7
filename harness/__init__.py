"""Benchmarks federated learning with energy and carbon accounting."""

__version__ = "0.1.0"
