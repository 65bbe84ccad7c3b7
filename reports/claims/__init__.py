"""The page about claims."""
