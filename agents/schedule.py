"""One run per slot, on a timer; the only module that imports APScheduler.

It decides when to look whether a new slot has begun, never what to do in it. A run that
something unavailable stopped is tried again within its slot; one that was refused is
not, because the same question gets the same answer. What nobody expects (a bug, a
journal that cannot be written) ends the schedule and is raised to whoever waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

from affiant.agents.progress import RunResult
from affiant.errors import UnavailableError

POLL_SECONDS = 2.0
"""How often the newest slot is asked for, by default."""


class SlotSchedule:
    """Runs an agent once per slot in a background thread."""

    def __init__(
        self,
        run: Callable[[], RunResult],
        *,
        newest_slot: Callable[[], int],
        poll_seconds: float = POLL_SECONDS,
        on_result: Callable[[RunResult], None] | None = None,
    ) -> None:
        """Remember what to run; nothing runs yet.

        Args:
            run: one run; MUST return for every expected error.
            newest_slot: asks the chain; may raise `UnavailableError`.
            poll_seconds: time between two looks.
            on_result: called after every run, in the background thread.
        """
        self._run = run
        self._newest_slot = newest_slot
        self._on_result = on_result
        self._settled: int | None = None
        self._failure: Exception | None = None
        self._over = threading.Event()
        self._looking: int | None = None
        self._scheduler = BackgroundScheduler()
        self._scheduler.add_job(
            self._tick,
            "interval",
            seconds=poll_seconds,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        """Begin to look."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop looking; waits for a run in progress, unless that is who calls it."""
        self._over.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=self._looking != threading.get_ident())

    def wait(self) -> None:
        """Block until it is stopped, or something breaks.

        Raises:
            Exception: what broke, as it was raised in the background thread.
        """
        self._over.wait()
        if self._failure is not None:
            raise self._failure

    def look(self) -> RunResult | None:
        """Run once, unless the newest slot's run is settled; return what it did."""
        try:
            slot = self._newest_slot()
        except UnavailableError:
            slot = None
        if slot is not None and slot == self._settled:
            return None
        # With the chain away, the run itself records that, in the journal.
        result = self._run()
        if result.outcome != "unavailable":
            self._settled = result.slot
        if self._on_result is not None:
            self._on_result(result)
        return result

    def _tick(self) -> None:
        # A look that was due when the last one broke, or stopped it, comes too late.
        if self._over.is_set():
            return
        self._looking = threading.get_ident()
        try:
            self.look()
        except Exception as error:  # kept for `wait`: here nobody would hear of it
            self._failure = error
            self._over.set()
        finally:
            self._looking = None
