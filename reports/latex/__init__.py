"""Writes the report for a paper: fragments, macros, bibliography, statements."""
