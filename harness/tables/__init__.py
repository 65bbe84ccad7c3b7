"""Priced cells to data frames, a module a table. Units are in the column names."""
