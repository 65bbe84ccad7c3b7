"""Holds the meters, one per file. Each measures one uninterrupted window of work in its own process."""
