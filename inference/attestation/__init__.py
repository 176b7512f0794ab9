"""Attestation evidence: quotes of Intel TDX, collateral, and a development root."""
