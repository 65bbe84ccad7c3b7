"""Turns numbers, estimates and settings into words."""
