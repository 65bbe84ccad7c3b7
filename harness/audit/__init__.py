"""Measures codecs against what theory allows."""
