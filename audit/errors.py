"""Errors of the auditor.

    AffiantError
    ├── RejectedError
    │   └── AuditRejectedError     evidence or chain contradicts what was sworn
    └── UnavailableError
        └── AuditUnavailableError  cannot be done: state, evidence or model absent

Steps turn these into a `Step` that failed or was skipped; neither escapes an audit.
A caller who asks for something senseless gets a `ValueError` (misuse).
"""

from __future__ import annotations

from affiant.errors import RejectedError, UnavailableError


class AuditRejectedError(RejectedError):
    """One thing that was sworn or emitted is not what the auditor found."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        """What was compared."""
        self.got = got
        """What the chain or the evidence says."""
        self.expected = expected
        """What the auditor derived."""


class AuditUnavailableError(UnavailableError):
    """A step cannot be done here; nothing is said about the decision."""

    def __init__(self, what: str, *, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        """What could not be looked at."""
        self.reason = reason
        """Why, in words that a person can act on."""
