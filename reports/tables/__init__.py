"""The tables that a report reads, and the questions that sections ask them."""
