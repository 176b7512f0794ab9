"""What changes are worth: rounded against the decision, as the gate rounds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.onchain.abi_names import GIVEN, RETURNED
from affiant.onchain.facts import READ_TYPES
from affiant.onchain.kits.aave_v3 import supply, withdraw
from affiant.onchain.kits.uniswap_v3 import exact_input_single
from affiant.onchain.mandate import Address, Feed, Mandate
from affiant.onchain.values import value_of_changes

PRICES = {"WETH": 2500 * 10**8, "USDC": 10**8, "WBTC": 6 * 10**12}


def value(mandate: Mandate, changes: dict[int, int]) -> int:
    """Return the value of changes by position; feeds stand in the book's order."""
    whole = [changes.get(index, 0) for index in range(len(mandate.tracked))]
    answers = dict(zip(mandate.feeds, PRICES.values(), strict=True))
    return value_of_changes(mandate, whole, answer=lambda feed: answers[feed])


def test_values_have_eight_decimals(small_mandate: Mandate) -> None:
    # WETH, its deposit and debt; USDC, its deposit and debt; WBTC.
    assert value(small_mandate, {0: -(10**18)}) == -2500 * 10**8
    assert value(small_mandate, {0: 10**18, 3: -(2400 * 10**6)}) == 100 * 10**8
    assert value(small_mandate, {6: 1}) == 60_000


def test_losses_round_up_and_gains_down(small_mandate: Mandate) -> None:
    assert value(small_mandate, {0: 1}) == 0
    assert value(small_mandate, {0: -1}) == -1


@given(st.lists(st.integers(-(10**24), 10**24), min_size=7, max_size=7))
def test_a_sum_never_flatters(small_mandate: Mandate, changes: list[int]) -> None:
    total = value(small_mandate, dict(enumerate(changes)))
    exact = sum(
        Fraction(change * list(PRICES.values())[entry.feed], 10**entry.decimals)
        for entry, change in zip(small_mandate.tracked, changes, strict=True)
    )
    assert total <= exact


def test_only_feeds_of_what_changes_are_asked_for(small_mandate: Mandate) -> None:
    asked: list[Feed] = []

    def answer(feed: Feed) -> int:
        asked.append(feed)
        return 10**8

    changes = [0, 0, 0, 5, 0, 0, 0]
    value_of_changes(small_mandate, changes, answer=answer)
    assert asked == [small_mandate.feeds[1]]
    with pytest.raises(ValueError, match="zip"):
        value_of_changes(replace(small_mandate, tracked=()), changes, answer=answer)


def test_words_have_as_many_names_as_there_are() -> None:
    assert {name: len(words) for name, (_, words) in RETURNED.items()} == {
        name: len(types) for name, types in READ_TYPES.items()
    }
    someone = Address("0x" + "11" * 20)
    for data in (
        exact_input_single(
            token_in=someone,
            token_out=someone,
            fee=1,
            recipient=someone,
            deadline=1,
            amount_in=1,
            amount_out_minimum=1,
        ),
        supply(asset=someone, amount=1, on_behalf_of=someone),
        withdraw(asset=someone, amount=1, to=someone),
    ):
        assert len(GIVEN[data[:4]][1]) == (len(data) - 4) // 32
