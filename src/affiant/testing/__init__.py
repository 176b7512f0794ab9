"""What an agent's tests run on: a real local chain, the real gate, and a test double.

The chain, its protocols and the gate are the real things. The node swears with a real
key to what a *scripted engine* says: that engine is a test double, and its manifest,
its model and its key's tier say so. pytest finds `plugin.py` by itself.
"""
