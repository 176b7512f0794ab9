"""How often an endpoint is asked: a bucket that fills with time.

It decides only how long to wait before the next question. It trusts its clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """At most `per_second` questions on the average, `burst` at once. Thread-safe."""

    def __init__(
        self,
        *,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with a full bucket.

        Args:
            per_second: questions that the bucket gains each second.
            burst: questions that it holds.
            clock: monotonic seconds.

        Raises:
            ValueError: a limit is not positive.
        """
        if per_second <= 0 or burst <= 0:
            raise ValueError("rate limits: expected positive numbers")
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._held = float(burst)
        self._at = clock()
        self._lock = threading.Lock()

    def reserve(self, count: int, *, within: float) -> float | None:
        """Take `count` questions and return the seconds to wait before asking them.

        Args:
            count: a batch of more than `burst` counts as a full bucket.
            within: longest wait that is any use, in seconds.

        Returns:
            None where it would take longer; nothing is taken then.
        """
        with self._lock:
            now = self._clock()
            gained = (now - self._at) * self._per_second
            self._held = min(float(self._burst), self._held + gained)
            self._at = now
            left = self._held - min(count, self._burst)
            wait = max(0.0, -left / self._per_second)
            if wait > within:
                return None
            self._held = left
            return wait
