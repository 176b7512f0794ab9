"""Reproduces decisions from chain and evidence alone."""
