"""Assumptions: radios, devices, grids, and what facts cost under them. Trains nothing."""
