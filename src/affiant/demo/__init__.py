"""`affiant demo`: the whole promise in one run, on real parts.

The stage is a local chain with real protocols, a node on a real engine, and an owner
with an account. What is shown is what happened; nothing is scripted but the prices.
"""
