"""Makes facts: training runs and everything they need. Knows nothing of radios, grids and prices."""
