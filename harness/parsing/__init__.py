"""Turns YAML, CSV and settings into checked values, with one line for each mistake."""
