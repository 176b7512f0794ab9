"""A decision's transaction: sent once, replaced under one nonce, settled."""
