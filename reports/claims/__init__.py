"""Builds the page about claims."""
