"""Holds the packaged benchmark definitions, run by name, e.g. ``harness compare quickstart``."""
