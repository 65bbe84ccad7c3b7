"""Holds the codecs that QuantFL is compared with, one per file. No torch."""
