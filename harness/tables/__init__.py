"""Turns priced cells into data frames, one module per table. Units are in the column names."""
