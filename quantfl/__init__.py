"""Implements QuantFL after its abstract: bucket quantisation of updates.

`codec` has the settings, `buckets` and `steps` the two wire formats, `quantizer`, `ranges`, `unbounded`, `trellis` and
`folded` the mathematics.
"""
