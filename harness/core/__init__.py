"""Defines the vocabulary: types, protocols, units, random streams and errors. Imports nothing else of the harness."""
