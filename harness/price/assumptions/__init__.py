"""What a deployment is taken to be: devices, grids, power supplies, networks, and their tables."""
