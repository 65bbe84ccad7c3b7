"""Simulators of federated learning, each in its own environment, on one job: `make bench-peers`."""
