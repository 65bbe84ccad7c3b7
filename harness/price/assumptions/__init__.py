"""Defines what a deployment is assumed to be: devices, grids, power supplies, networks, and their tables."""
