"""Figures: one style, drawn for pages and for papers."""
