"""What attestation refuses, and what it cannot reach.

    RejectedError
    └── QuoteRefusedError           a verifier refuses the quote
    UnavailableError
    ├── QuoteUnavailableError       no TEE here, or it gives no quote
    └── CollateralUnavailableError  nobody gives Intel's collateral

Hostile bytes are refused with `affiant.errors.MalformedError`.
"""

from __future__ import annotations

from affiant.errors import RejectedError, UnavailableError


class QuoteRefusedError(RejectedError):
    """A verifier refuses a quote, its machine or its collateral."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"quote: {what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class QuoteUnavailableError(UnavailableError):
    """A quote provider gives no quote."""

    def __init__(self, provider: str, *, reason: str, remedy: str) -> None:
        super().__init__(f"no quote from {provider}: {reason}; {remedy}")
        self.provider = provider
        self.reason = reason
        self.remedy = remedy


class CollateralUnavailableError(UnavailableError):
    """Nobody gives the collateral for a machine."""

    def __init__(self, source: str, *, reason: str) -> None:
        super().__init__(f"no collateral from {source}: {reason}")
        self.source = source
        self.reason = reason
