"""Rates: what may be asked now, what must wait, what is not worth waiting for."""

from __future__ import annotations

import pytest

from affiant.onchain.rate_limit import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_waits_for_nothing_and_an_empty_one_for_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=2, burst=4, clock=clock)
    assert [bucket.reserve(1, within=9) for _ in range(4)] == [0, 0, 0, 0]
    assert bucket.reserve(1, within=9) == 0.5
    assert bucket.reserve(1, within=9) == 1.0
    clock.now += 3
    assert bucket.reserve(1, within=9) == 0


def test_what_would_come_too_late_takes_nothing() -> None:
    bucket = TokenBucket(per_second=1, burst=1, clock=Clock())
    assert bucket.reserve(1, within=0) == 0
    assert bucket.reserve(1, within=0.5) is None
    assert bucket.reserve(1, within=1) == 1


def test_a_batch_larger_than_the_bucket_is_not_refused_for_ever() -> None:
    bucket = TokenBucket(per_second=10, burst=10, clock=Clock())
    assert bucket.reserve(500, within=1) == 0
    assert bucket.reserve(500, within=1) == 1


def test_time_fills_the_bucket_no_higher_than_its_rim() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=10, burst=2, clock=clock)
    clock.now += 1000
    assert [bucket.reserve(1, within=9) for _ in range(3)] == [0, 0, 0.1]


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (1, 0)])
def test_limits_are_positive(limits: tuple[float, int]) -> None:
    with pytest.raises(ValueError):
        TokenBucket(per_second=limits[0], burst=limits[1])
