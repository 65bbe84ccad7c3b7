"""Turns a YAML file into a checked definition and its cells."""
