"""QuantFL after its abstract: bucket quantisation of updates. `quantizer` is the mathematics, `codec` the bytes."""
