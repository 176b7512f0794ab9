"""What can stop the demonstration.

RejectedError
└── DemoFailedError     something that must hold did not
"""

from __future__ import annotations

from affiant.errors import RejectedError


class DemoFailedError(RejectedError):
    """The demonstration did not show what it promises."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected
