"""Ledger and assumptions to usage, joules and grams. Pure functions."""
