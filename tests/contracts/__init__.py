"""One battery per protocol, run for every registered part."""
