"""Where the time of a decision goes: named phases and their seconds.

It measures and decides nothing. The figures are never part of evidence: they are not
reproducible, and nobody swears to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Phases:
    """Seconds per named phase, summed where a phase is entered more than once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nothing measured.

        Args:
            clock: monotonic seconds, such as `time.monotonic`.
        """
        self._clock = clock
        self.seconds: dict[str, float] = {}
        """Phase name to seconds, in the order in which phases were first left."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the body as part of the phase `name`, also when it raises."""
        start = self._clock()
        try:
            yield
        finally:
            self.add(name, self._clock() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add `seconds` measured elsewhere to the phase `name`."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
