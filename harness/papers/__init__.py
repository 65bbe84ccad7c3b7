"""Compares what a paper says with what the tables say."""
