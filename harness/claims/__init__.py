"""Judges claims files on published results."""
