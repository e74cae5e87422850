"""A search that models only what it does not know: the loss; every other objective is computed."""
