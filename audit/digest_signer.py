"""The endorser's key, as a port: a keystore's key, or a signer service.

It decides nothing. An implementation MUST sign exactly the digest that it is given,
without a prefix, and MUST keep the key to itself.
"""

from __future__ import annotations

from typing import Protocol


class DigestSigner(Protocol):
    """A secp256k1 key that signs 32-byte digests, as `inference.keys.NodeKey` does."""

    @property
    def address(self) -> str:
        """Address of the key, checksummed."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Return 65 bytes `r ‖ s ‖ v` over `digest`; s MUST be low, v 27 or 28."""
        ...
