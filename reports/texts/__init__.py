"""Numbers, estimates and settings as words."""
