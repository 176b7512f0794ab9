"""Attestation on chain: the TDX verifier, registrations, and what they rest on."""
