"""Holds the page template, stylesheet and figure style; read as package data."""
