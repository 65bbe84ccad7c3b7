"""Holds what codecs share on the wire: the frame around a payload, and bit packing. No torch."""
