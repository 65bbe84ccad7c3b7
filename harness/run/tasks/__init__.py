"""Holds the tasks: a data set with a model, one per file. Torch-free parts run in the parent, the rest in workers."""
