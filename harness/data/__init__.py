"""Tables that are assumptions: grid intensities and devices, each value with its year and source."""
