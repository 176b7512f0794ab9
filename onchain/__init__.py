"""Chains, not agents: recorded reads, mandates, decisions, action kits, the gate."""
