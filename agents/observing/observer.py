"""Who is told what an agent does: every row of its journal, and how every run ended.

An observer decides nothing and can stop nothing: what it raises is kept from the run
and logged once per kind. It is told of a row after the row is on disk, so that no log
or figure says more than the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from affiant.agents.durable.journal import Entry, Journal
from affiant.agents.running.progress import RunResult

logger = logging.getLogger("affiant.agents.observing.observer")
"""Where observers that break are told of."""


class Observer(Protocol):
    """Somebody who is told. Calls come from the agent's thread and MUST be short."""

    def row(self, entry: Entry) -> None:
        """Take note of a row that the journal has."""
        ...

    def result(self, result: RunResult) -> None:
        """Take note of how a run ended."""
        ...

    def close(self) -> None:
        """Let go of files and ports."""
        ...


class Observers:
    """Several observers as one that never raises."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        """Tell `observers`, in this order."""
        self.all = tuple(observers)
        """Who is told."""
        self._broken: set[tuple[str, str]] = set()

    def row(self, entry: Entry) -> None:
        """Tell all of a row."""
        for observer in self.all:
            self._guarded(observer, partial(observer.row, entry))

    def result(self, result: RunResult) -> None:
        """Tell all how a run ended."""
        for observer in self.all:
            self._guarded(observer, partial(observer.result, result))

    def close(self) -> None:
        """Close all."""
        for observer in self.all:
            self._guarded(observer, observer.close)

    def _guarded(self, observer: Observer, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:
            # Whatever it is: money does not wait for a log file on a full disk.
            kind = (type(observer).__name__, type(error).__name__)
            if kind not in self._broken:
                self._broken.add(kind)
                logger.warning("observer %s failed with %s", *kind)


class ObservedJournal(Journal):
    """A journal whose every row is told, once it is on disk."""

    def __init__(self, url: str, *, observers: Observers) -> None:
        """Open the journal at `url`; raises as `Journal` does."""
        super().__init__(url)
        self._observers = observers

    def append(self, entry: Entry) -> None:
        """Write `entry`, then tell of it.

        Raises:
            JournalError: it could not be written; nobody is told.
        """
        super().append(entry)
        self._observers.row(entry)
