"""What can stop the demonstration.

RejectedError
├── NodeStartError      the node did not come up
└── DemoFailedError     something that must hold did not
"""

from __future__ import annotations

from affiant.errors import RejectedError


class NodeStartError(RejectedError):
    """The node ended before it listened; `log` is the end of what it said."""

    def __init__(self, log: str) -> None:
        super().__init__(f"the node did not start; the end of its log:\n{log}")
        self.log = log


class DemoFailedError(RejectedError):
    """The demonstration did not show what it promises."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected
