"""Models, not chains: commitments, engines, the canonical sampler, receipts, keys."""
