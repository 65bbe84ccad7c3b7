"""Codecs measured against what theory allows."""
