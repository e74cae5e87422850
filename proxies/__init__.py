"""How good a design is likely to be: data, short training runs, scores."""
