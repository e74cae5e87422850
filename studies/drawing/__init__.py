"""Drawings of networks as SVG: pure functions of a network, for files, reports and pages."""
