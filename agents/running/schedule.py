"""One run per slot, on a timer of its own.

It decides when to look whether a new slot has begun, never what to do in it. A run that
something unavailable stopped, or that waits, is looked at again within its slot; one
that was refused is not, because the same question gets the same answer. What nobody
expects (a bug, a journal that cannot be written) ends the schedule and is raised to
whoever waits for it.

The timer is the machine's monotonic clock: where the wall clock jumps, back by a year
or on by one, the agent looks as often as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from affiant.agents.running.progress import RunResult
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
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Remember what to run; nothing runs yet.

        Args:
            run: one run; MUST return for every expected error.
            newest_slot: asks the chain; may raise `UnavailableError`.
            poll_seconds: time between two looks.
            on_result: called after every run, in the background thread; of a run that
                waits, once.
            over: asked after every look; true ends the schedule.
        """
        self._run = run
        self._newest_slot = newest_slot
        self._poll_seconds = poll_seconds
        self._on_result = on_result
        self._ended = over
        self._settled: int | None = None
        self._told: tuple[str, int, str | None] | None = None
        self._failure: BaseException | None = None
        self._over = threading.Event()
        self._look_now = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="affiant-slots")
        # A process that is told to end does not wait for a step that never does.
        self._thread.daemon = True

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def hurry(self) -> None:
        """Look at once, instead of when it is time."""
        self._look_now.set()

    def stop(self, *, wait: bool = True) -> None:
        """Stop looking.

        Args:
            wait: return only when a run in progress has ended, unless that is who
                calls.
        """
        self._over.set()
        self._look_now.set()
        if wait and self._thread.ident is not None:
            if self._thread is not threading.current_thread():
                self._thread.join()

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
        on_its_way = result.outcome == "skipped" and result.transaction is not None
        if result.outcome not in ("unavailable", "waiting") and not on_its_way:
            self._settled = result.slot
        waits = (result.outcome, result.slot, result.waits_for)
        again = result.outcome in ("waiting", "skipped") and waits == self._told
        self._told = waits
        if self._on_result is not None and not again:
            self._on_result(result)
        return result

    def _loop(self) -> None:
        try:
            while not self._over.is_set():
                self.look()
                if self._ended():
                    return
                self._look_now.wait(self._poll_seconds)
                self._look_now.clear()
        except BaseException as error:  # kept for `wait`: here nobody would hear of it
            self._failure = error
        finally:
            self._over.set()
