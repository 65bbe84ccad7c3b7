"""Implements one training run: rounds, clients, what crosses the air, and the server."""
