"""Looking at a study and at the design walk in a browser."""
