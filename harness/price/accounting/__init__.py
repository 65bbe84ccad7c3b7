"""Computes usage, joules and grams from a ledger and assumptions. Pure functions."""
