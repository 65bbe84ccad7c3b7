"""What radios do around a transfer and what that costs: one technology per file, every number in coefficients.csv."""
