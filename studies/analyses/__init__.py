"""Analyses of a study: each computes cards that the report, the dashboard and the commands show."""
