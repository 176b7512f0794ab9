"""What paper mode refuses.

RejectedError
├── PaperRefusedError     what paper mode must not run with
└── PaperJournalError     the file is no paper journal
"""

from __future__ import annotations

from affiant.errors import RejectedError


class PaperRefusedError(RejectedError):
    """Paper mode must not run with this."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"paper mode, {what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class PaperJournalError(RejectedError):
    """The file is no paper journal of this version; it is left as it is."""

    def __init__(self, file: str, *, got: str, expected: str) -> None:
        super().__init__(f"paper journal {file}: got {got}, expected {expected}"[:1000])
        self.file = file
        self.got = got
        self.expected = expected
