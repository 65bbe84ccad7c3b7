"""Writes the report as one HTML page and as Markdown."""
