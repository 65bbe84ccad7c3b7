"""A results folder: open it, describe it, merge it, look at one cell."""
