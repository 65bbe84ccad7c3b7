"""A Flower app on the harness's MNIST task: same data, partition, initial weights and batch order at a seed."""
