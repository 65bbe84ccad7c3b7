"""Page template, stylesheet and figure style; read as package data."""
