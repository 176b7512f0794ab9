"""Affiant: every on-chain act of an agent is sworn to first, and refused otherwise."""

__version__ = "0.1.0"
