"""The root of every error that Affiant raises on purpose.

    AffiantError
    ├── RejectedError      the adversary or the rules: do not retry
    └── UnavailableError   I/O that may work later: the only family that is retried

Our own bugs are left as `ValueError` and `RuntimeError` (the *misuse* family). Each
package draws its own branch of this tree in the header of its `errors.py`. Exceptions
carry the offending values as attributes and never log, print or exit.
"""

from __future__ import annotations


class AffiantError(Exception):
    """Anything that Affiant expects to go wrong in normal operation."""


class RejectedError(AffiantError):
    """Something was got that the rules refuse. Retrying cannot help."""


class UnavailableError(AffiantError):
    """A chain, node or store did not answer usefully. Retrying may help."""


class MalformedError(RejectedError):
    """Hostile or damaged bytes were refused before any meaning was read into them."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected
