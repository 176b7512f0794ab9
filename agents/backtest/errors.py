"""What can stop a backtest.

RejectedError
├── PricePathError         a file of prices, or a synthetic path, is not usable
├── FeedHistoryError       a feed said something that no path can hold
├── OpeningError           what the account is to begin with cannot be had
├── OutputFolderError      the output folder is somebody's already
└── BacktestStoppedError   the node or the chain went away; nothing is reported
"""

from __future__ import annotations

from affiant.errors import RejectedError


class PricePathError(RejectedError):
    """Prices that cannot be used; `line` counts from 1, None where there is none."""

    def __init__(
        self, source: str, *, line: int | None, got: str, expected: str
    ) -> None:
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: got {got}, expected {expected}")
        self.source = source
        self.line = line
        self.got = got
        self.expected = expected


class FeedHistoryError(RejectedError):
    """A feed's past answer that no price path can hold."""

    def __init__(self, feed: str, *, block: int, got: str, expected: str) -> None:
        super().__init__(
            f"feed {feed} at block {block}: got {got}, expected {expected}"
        )
        self.feed = feed
        self.block = block
        self.got = got
        self.expected = expected


class OpeningError(RejectedError):
    """What the account is to begin with cannot be had."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class OutputFolderError(RejectedError):
    """The output folder holds something that is not to be overwritten."""

    def __init__(self, folder: str, *, got: str, expected: str) -> None:
        super().__init__(f"output folder {folder}: got {got}, expected {expected}")
        self.folder = folder
        self.got = got
        self.expected = expected


class BacktestStoppedError(RejectedError):
    """Slot after slot, something did not answer: a report would show nothing."""

    def __init__(self, *, slots: int, reason: str) -> None:
        super().__init__(
            f"{slots} slots in a row had no decision, the last because {reason}; "
            "nothing is reported"
        )
        self.slots = slots
        self.reason = reason
