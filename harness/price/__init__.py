"""Prices facts under assumptions: radios, devices, grids. Trains nothing."""
