"""vLLM's scheduler, able to run some requests by themselves.

A canonical prefill must be alone in its batch, while other requests are in the middle
of their generation. So this scheduler can be told which requests a step may see; vLLM
keeps the state of those that sit a step out, and goes on with them afterwards. It
decides nothing else: order, memory and chunks are vLLM's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vllm.v1.core.sched.scheduler import Scheduler


class CanonicalScheduler(Scheduler):  # type: ignore[misc]  # untyped base
    """vLLM's scheduler with requests that run only when they are called for."""

    running: list[Any]

    def __init__(self, *args: Any, **options: Any) -> None:
        """Start with nothing held back; the arguments are vLLM's."""
        super().__init__(*args, **options)
        self.held: set[str] = set()
        """Requests that run in steps of their own only."""
        self.called: frozenset[str] = frozenset()
        """Held requests that the next steps are for; while there are any, no other
        request runs."""
        self.scheduled: dict[str, int] = {}
        """How many tokens of each request the last step was given."""

    def schedule(self, *args: Any, **options: Any) -> Any:
        """Return the next step's work, for those requests whose turn it is."""
        output = (
            self._some(*args, **options)
            if self.held
            else super().schedule(*args, **options)
        )
        self.scheduled = output.num_scheduled_tokens
        return output

    def _some(self, *args: Any, **options: Any) -> Any:
        seen = self.called.__contains__ if self.called else self._free
        waiting = _hide(self.waiting, seen)
        holding = _hide(self.kv_holding_waiting, seen)
        running: list[Any] = self.running
        self.running = [item for item in running if seen(item.request_id)]
        hidden = [item for item in running if not seen(item.request_id)]
        try:
            return super().schedule(*args, **options)
        finally:
            self.running = hidden + self.running
            _show(self.waiting, waiting)
            _show(self.kv_holding_waiting, holding)

    def _free(self, request_id: str) -> bool:
        return request_id not in self.held


def _hide(queue: Any, seen: Any) -> list[Any]:
    hidden = [item for item in queue if not seen(item.request_id)]
    if hidden:
        queue.remove_requests(hidden)
    return hidden


def _show(queue: Any, hidden: Iterable[Any]) -> None:
    for item in hidden:
        queue.add_request(item)
