"""How long one request may take, asked about between its parts.

It decides nothing but that time is over; whoever does a part asks before it. A part
under way ends by limits of its own (an endpoint's timeout, a replay's).
"""

from __future__ import annotations

from collections.abc import Callable

from affiant.audit.errors import AuditUnavailableError


class Deadline:
    """The end of the time that one request has."""

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        """Begin now.

        Args:
            seconds: what the request has.
            clock: monotonic seconds.
        """
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left; 0 where it is over, and never more than there were."""
        return min(max(self._end - self._clock(), 0.0), self._seconds)

    def check(self) -> None:
        """Refuse to begin anything else once the time is over.

        Raises:
            AuditUnavailableError: it is.
        """
        if not self.left:
            raise AuditUnavailableError(
                "time", reason=f"got more than {self._seconds:g} s, expected less"
            )
