"""Nodes and endorsers over HTTP: serving, asking, and keys kept attested."""
