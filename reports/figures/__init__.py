"""Draws figures in one style, for pages and for papers."""
