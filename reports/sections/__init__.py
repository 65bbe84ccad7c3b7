"""One section per module: a function from tables to a `Section`. A section may have little to say; it never raises."""
