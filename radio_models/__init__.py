"""Models what radios do around a transfer and its cost: one technology per file, every number in coefficients.csv."""
