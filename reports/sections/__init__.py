"""Holds one section per module: a function from tables to a `Section`, which never raises."""
