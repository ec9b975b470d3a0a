"""Regent's runtime: executes one agent under its effective policy."""

__version__ = "0.1.0"
