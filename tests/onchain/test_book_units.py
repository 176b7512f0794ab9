"""A book whose units are not the mandate's: off by 10^12, and refused by name.

The gate compared the mandate's decimals with the chain's at the grant; a book is
compared with nothing but the mandate. Bounds are computed with the book's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.book_units import unit_mismatches
from affiant.onchain.errors import PlanRiskError, PlanUnitsError
from affiant.onchain.facts import Facts, PriceFact
from affiant.onchain.kits import (
    HoldParams,
    SupplyParams,
    SwapParams,
    compile_plan,
)
from affiant.onchain.mandate import Address, Mandate, Rung
from affiant.onchain.words import mandate_in_words

BUY_WETH = SwapParams(
    action="swap", sell="USDC", buy="WETH", share_bps=10_000, max_slippage_bps=100
)
ELSEWHERE = Address("0x" + "77" * 20)


def with_token(
    book: AddressBook, name: str, change: Callable[[TokenEntry], TokenEntry]
) -> AddressBook:
    return replace(book, tokens={**book.tokens, name: change(book.tokens[name])})


WRONG: dict[str, Callable[[AddressBook], AddressBook]] = {
    "an 18-decimal token called one of 6": lambda book: with_token(
        book, "WETH", lambda token: replace(token, decimals=6)
    ),
    "a 6-decimal token called one of 18": lambda book: with_token(
        book, "USDC", lambda token: replace(token, decimals=18)
    ),
    "a feed of 8 decimals called one of 20": lambda book: with_token(
        book, "WETH", lambda token: replace(token, feed_decimals=20)
    ),
    "a feed of 8 decimals called one of 0": lambda book: with_token(
        book, "USDC", lambda token: replace(token, feed_decimals=0)
    ),
    "another feed than the one that measures the loss": lambda book: with_token(
        book, "WETH", lambda token: replace(token, feed=ELSEWHERE)
    ),
}


@pytest.mark.parametrize("attack", WRONG)
def test_units_off_by_10_to_the_12_are_refused_by_name(
    attack: str, small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    book = WRONG[attack](small_book)
    facts = replace(
        small_facts,
        prices={
            name: replace(price, decimals=book.tokens[name].feed_decimals)
            for name, price in small_facts.prices.items()
        },
    )
    with pytest.raises(PlanUnitsError, match="the mandate"):
        compile_plan([BUY_WETH], facts=facts, book=book, mandate=small_mandate)
    assert list(unit_mismatches(book, small_mandate))
    words = "\n".join(mandate_in_words(small_mandate, book))
    assert "WRONG UNITS" in words or "WRONG PRICE" in words


def test_the_units_of_receipts_and_debts_count(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    """The gate takes each receipt's own decimals; the book has one for all three."""
    debt = small_book.tokens["USDC"].variable_debt
    mandate = replace(
        small_mandate,
        tracked=tuple(
            replace(entry, decimals=18) if entry.token == debt else entry
            for entry in small_mandate.tracked
        ),
    )
    supply = SupplyParams(action="supply", asset="USDC", share_bps=10_000)
    with pytest.raises(PlanUnitsError, match="owed to Aave"):
        compile_plan([supply], facts=small_facts, book=small_book, mandate=mandate)


def test_the_right_units_compile_and_holding_needs_none(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    assert not list(unit_mismatches(small_book, small_mandate))
    assert compile_plan(
        [BUY_WETH], facts=small_facts, book=small_book, mandate=small_mandate
    ).calls
    wrong = with_token(small_book, "WETH", lambda token: replace(token, decimals=6))
    hold = HoldParams(action="hold")
    assert not compile_plan(
        [hold], facts=small_facts, book=wrong, mandate=small_mandate
    ).calls


def test_a_token_that_the_mandate_does_not_track_needs_no_units(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    """Nothing can be spent of it: the bounds refuse it anyway."""
    wbtc = small_book.tokens["WBTC"].address
    mandate = replace(
        small_mandate,
        tracked=tuple(e for e in small_mandate.tracked if e.token != wbtc),
    )
    book = with_token(small_book, "WBTC", lambda token: replace(token, decimals=2))
    assert not list(unit_mismatches(book, mandate))
    assert compile_plan([BUY_WETH], facts=small_facts, book=book, mandate=mandate)


def test_another_name_for_a_feed_does_not_hide_what_is_at_risk(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    """An untracked token shares WETH's feed and says that it has other decimals."""
    weth = small_book.tokens["WETH"]
    twin = TokenEntry(ELSEWHERE, 18, weth.feed, 0, 3600)
    book = replace(small_book, tokens={**small_book.tokens, "TWIN": twin})
    facts = replace(
        small_facts,
        prices={
            **small_facts.prices,
            "TWIN": PriceFact(2500 * 10**8, 0, small_facts.timestamp - 60),
        },
    )
    mandate = replace(small_mandate, ladder=(Rung(100 * 10**8, 1, 0, 0),))
    sell = SwapParams(
        action="swap", sell="WETH", buy="USDC", share_bps=10_000, max_slippage_bps=100
    )
    with pytest.raises(PlanRiskError):
        compile_plan([sell], facts=facts, book=book, mandate=mandate)
