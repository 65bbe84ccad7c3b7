"""Finds and builds parts (codec, server rule, task, radio, meter), and reads what they declare about themselves."""
