"""Builds the page of an audit."""
