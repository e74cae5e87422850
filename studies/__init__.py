"""Searching the space: objectives, constraints, runs, fronts, reports and the command line."""
