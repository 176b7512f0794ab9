"""Who gets in: places, room and turns, all bounded, so that nobody can fill a machine.

It decides only that there is a place now. Whoever finds none is told so at once, with
an `EndorserBusyError`; waiting is bounded in number and in time. It knows nothing of
what is done inside, and trusts nobody outside.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from affiant.audit.deadline import Deadline
from affiant.audit.endorser_errors import EndorserBusyError
from affiant.encoding import Digest

Kept = TypeVar("Kept")


class Turnstile:
    """Lets some in at once, lets some more wait, and turns the rest away."""

    def __init__(self, what: str, *, inside: int, waiting: int) -> None:
        """Set the places up.

        Args:
            what: name of those who come, for messages.
            inside: most at once.
            waiting: most that wait for a place.
        """
        self._what = what
        self._places = inside
        self._most_waiting = waiting
        self._inside = 0
        self._waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Hold a place during the body; wait for it until `deadline` at most.

        Raises:
            EndorserBusyError: too many wait already, or no place came free in time.
        """
        with self._changed:
            if self._inside >= self._places and self._waiting >= self._most_waiting:
                raise EndorserBusyError(
                    self._what, limit=f"{self._places} and {self._most_waiting} waiting"
                )
            self._waiting += 1
            try:
                free = self._changed.wait_for(
                    lambda: self._inside < self._places, timeout=deadline.left
                )
            finally:
                self._waiting -= 1
            if not free:
                raise EndorserBusyError(
                    f"time that {self._what} wait", limit="what a request has"
                )
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify()


class Turns:
    """One turnstile per mandate, forgotten when nobody is in it."""

    def __init__(self, what: str, *, waiting: int) -> None:
        """Let one in at once for each mandate, and `waiting` more wait."""
        self._what = what
        self._waiting = waiting
        self._lock = threading.Lock()
        self._by_mandate: dict[Digest, Turnstile] = {}
        self._users: dict[Digest, int] = {}

    @contextmanager
    def turn(self, mandate: Digest, *, deadline: Deadline) -> Iterator[None]:
        """Hold the mandate's turn during the body.

        Raises:
            EndorserBusyError: as `Turnstile.turn`.
        """
        with self._lock:
            turnstile = self._by_mandate.setdefault(
                mandate, Turnstile(self._what, inside=1, waiting=self._waiting)
            )
            self._users[mandate] = self._users.get(mandate, 0) + 1
        try:
            with turnstile.turn(deadline):
                yield
        finally:
            with self._lock:
                self._users[mandate] -= 1
                if not self._users[mandate]:
                    del self._users[mandate], self._by_mandate[mandate]


class Room:
    """Bytes that may be held at once."""

    def __init__(self, what: str, *, limit: int) -> None:
        """Allow `limit` bytes at once."""
        self._what = what
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold `size` bytes during the body.

        Raises:
            EndorserBusyError: there is no room for them now.
        """
        with self._lock:
            if self._held + size > self._limit:
                raise EndorserBusyError(self._what, limit=f"{self._limit} bytes")
            self._held += size
        try:
            yield
        finally:
            with self._lock:
                self._held -= size


class Recent(Generic[Kept]):
    """The last few values by digest; the one used longest ago goes first."""

    def __init__(self, most: int) -> None:
        """Keep at most `most`."""
        self._most = most
        self._kept: OrderedDict[Digest, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: Digest) -> Kept | None:
        """Return what is kept for `digest`."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return self._kept.get(digest)

    def keep(self, digest: Digest, value: Kept) -> None:
        """Keep `value`, and forget the one used longest ago if there are too many."""
        with self._lock:
            self._kept[digest] = value
            self._kept.move_to_end(digest)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)


class Quota:
    """How often a mandate may have something costly done in one slot."""

    def __init__(self, what: str, *, per_slot: int, most: int) -> None:
        """Allow `per_slot`, and remember `most` mandates."""
        self._what = what
        self._per_slot = per_slot
        self._spent: Recent[tuple[int, int]] = Recent(most)
        self._lock = threading.Lock()

    def spend(self, mandate: Digest, *, slot: int) -> None:
        """Count one more.

        Raises:
            EndorserBusyError: the slot's are spent.
        """
        with self._lock:
            last, count = self._spent.get(mandate) or (slot, 0)
            count = count if last == slot else 0
            if count >= self._per_slot:
                raise EndorserBusyError(
                    f"{self._what} of one mandate in one slot",
                    limit=str(self._per_slot),
                )
            self._spent.keep(mandate, (slot, count + 1))
