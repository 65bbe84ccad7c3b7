"""Speed of codecs, on its own command: ``make bench``, or ``python -m tests.benchmarks.codec_speed``."""
