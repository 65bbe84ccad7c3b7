"""YAML, CSV and settings: from text to checked values, with one line for each mistake."""
