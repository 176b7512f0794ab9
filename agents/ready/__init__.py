"""Agents that are ready to run: their classes are exported by `affiant.agents`."""
