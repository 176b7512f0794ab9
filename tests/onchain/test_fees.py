"""Fees: enough to be mined, never above the limit, and raised enough to replace."""

from __future__ import annotations

import pytest

from affiant.errors import MalformedError
from affiant.onchain.chain_types import Fees, parse_fee_history
from affiant.onchain.errors import FeeTooHighError
from affiant.onchain.fees import offer, raised

GWEI = 10**9
LIMIT = Fees(max_fee=100 * GWEI, priority_fee=5 * GWEI)


def test_an_offer_holds_while_the_base_fee_doubles() -> None:
    fees = offer(next_base_fee=10 * GWEI, tips=[GWEI, 3 * GWEI, 2 * GWEI], limit=LIMIT)
    assert fees == Fees(max_fee=22 * GWEI, priority_fee=2 * GWEI)


def test_empty_blocks_say_nothing_about_tips() -> None:
    assert offer(next_base_fee=1, tips=[0, 0, 7], limit=LIMIT).priority_fee == 7
    assert offer(next_base_fee=1, tips=[], limit=LIMIT).priority_fee == 1


def test_near_the_limit_the_limit_is_offered() -> None:
    fees = offer(next_base_fee=80 * GWEI, tips=[GWEI], limit=LIMIT)
    assert fees.max_fee == LIMIT.max_fee


@pytest.mark.parametrize(
    ("base", "tip", "what"),
    [
        (89 * GWEI, GWEI, "max fee"),
        (10**30, 1, "max fee"),
        (1, 5 * GWEI + 1, "priority fee"),
        (1, 2**255, "priority fee"),
    ],
    ids=[
        "a base fee that the limit does not pay in two blocks",
        "a base fee of the world's money",
        "a tip just above the limit",
        "a tip of the world's money",
    ],
)
def test_a_fee_spike_is_refused(base: int, tip: int, what: str) -> None:
    with pytest.raises(FeeTooHighError) as caught:
        offer(next_base_fee=base, tips=[tip], limit=LIMIT)
    assert caught.value.what == what
    assert caught.value.got > caught.value.limit


@pytest.mark.parametrize("tip", [1, 7, 8, 9, 10**9, 10**9 + 1])
def test_a_replacement_offers_an_eighth_more_of_both(tip: int) -> None:
    old = Fees(max_fee=3 * tip, priority_fee=tip)
    new = raised(old, market=Fees(1, 1), limit=LIMIT)
    for before, after in zip(
        (old.max_fee, old.priority_fee), (new.max_fee, new.priority_fee), strict=True
    ):
        assert after * 8 >= before * 9
        assert after > before


def test_a_replacement_follows_the_market() -> None:
    market = Fees(max_fee=50 * GWEI, priority_fee=4 * GWEI)
    assert raised(Fees(GWEI, 1), market=market, limit=LIMIT) == market


@pytest.mark.parametrize(
    "old", [Fees(LIMIT.max_fee, 1), Fees(GWEI, LIMIT.priority_fee)]
)
def test_no_replacement_is_offered_above_the_limit(old: Fees) -> None:
    with pytest.raises(FeeTooHighError):
        raised(old, market=Fees(1, 1), limit=LIMIT)


GOOD = {
    "oldestBlock": "0x1",
    "baseFeePerGas": ["0x1", "0x2", "0x3"],
    "gasUsedRatio": [0.5, 0.1],
    "reward": [["0x9"], ["0x0"]],
}


def test_a_fee_history_is_read() -> None:
    history = parse_fee_history(GOOD)
    assert (history.next_base_fee, history.tips) == (3, (9, 0))


@pytest.mark.parametrize(
    "change",
    [
        {"baseFeePerGas": []},
        {"baseFeePerGas": None},
        {"baseFeePerGas": ["0x1", "0x2", 3]},
        {"baseFeePerGas": ["0x1"] * 2000},
        {"reward": None},
        {"reward": [["0x9"]]},
        {"reward": [["0x9"], []]},
        {"reward": [["0x9"], ["0x1", "0x1"]]},
        {"reward": [["0x9"], ["-0x1"]]},
        {"reward": [["0x9"], [1.5]]},
    ],
    ids=lambda change: repr(change)[:60],
)
def test_rejects_a_fee_history_with(change: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        parse_fee_history({**GOOD, **change})


@pytest.mark.parametrize("value", [None, [], "0x", 7])
def test_rejects_what_is_no_fee_history(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_fee_history(value)
