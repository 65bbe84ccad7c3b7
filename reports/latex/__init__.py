"""The report in a paper: fragments, macros, bibliography, statements."""
