"""Figures as pure functions from rows to plotly: shared by reports, the dashboard and the docs."""
