"""Facts: training runs and everything that makes them. Knows nothing of radios, grids and prices."""
