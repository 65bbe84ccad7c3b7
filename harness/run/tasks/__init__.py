"""Tasks: a data set with a model. One task per file; the torch-free parts run in the parent, the rest in workers."""
