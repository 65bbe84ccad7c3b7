"""Works on results folders: open one, describe it, merge several, look at one cell."""
