"""What is wrong with installed kits, before any plan is looked at.

    RejectedError
    ├── KitInstallationError      a package offers a kit that cannot be taken
    │   ├── KitImportError            its code does not load
    │   ├── KitInvalidError           what loads is no kit, or contradicts itself
    │   └── KitNameTakenError         another package brought a kit of that name
    └── MalformedError
        └── KitMissingError       a program names a kit or version that is not here

Each carries `what`, `got` and `expected`. What is wrong with a *plan* is a `KitError`
(`affiant.onchain.errors`).
"""

from __future__ import annotations

from affiant.errors import MalformedError, RejectedError


class KitInstallationError(RejectedError):
    """A package offers a kit that cannot be taken; nothing runs until it is mended."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}"[:1000])
        self.what = what
        self.got = got
        self.expected = expected


class KitImportError(KitInstallationError):
    """The code of a kit does not load."""


class KitInvalidError(KitInstallationError):
    """What loads is no kit, has no proper name or version, or contradicts itself."""


class KitNameTakenError(KitInstallationError):
    """Two packages offer kits of one name; which one counts is nobody's guess."""


class KitMissingError(MalformedError):
    """A program names a kit, or a version of one, that is not installed."""
