"""Whether an address book counts in the mandate's units, and by its prices. Pure.

Amounts and least yields are computed with the book's decimals; losses are measured
with the mandate's, which the gate compared with tokens and feeds at the grant. A book
that calls a token of 18 decimals one of 6 makes every bound 10^12 too low, and only the
mandate's loss limit would notice. So what both of them name must agree; what the
mandate does not track cannot be spent, whatever the book says of it. It trusts the
mandate and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_names import book_names
from affiant.onchain.mandate import Mandate


@dataclass(frozen=True)
class UnitMismatch:
    """One thing of which book and mandate say something else."""

    what: str
    """As "decimals of WETH"."""
    got: str
    """What the book says."""
    expected: str
    """What the mandate says."""
    price: bool
    """True where the two name different feeds, false where they count differently."""


def unit_mismatches(book: AddressBook, mandate: Mandate) -> Iterator[UnitMismatch]:
    """Return what book and mandate disagree on, of the tokens that both name.

    1. a token's decimals, those of its deposits and of its debts; 2. the feed that
    prices it; 3. that feed's decimals.
    """
    names = book_names(book)
    tokens = {
        address: token
        for token in book.tokens.values()
        for address in (token.address, token.a_token, token.variable_debt)
        if address is not None
    }
    for entry in mandate.tracked:
        token = tokens.get(entry.token)
        if token is None:
            continue
        name = f"{names[entry.token]} ({entry.token})"
        # 1.
        if token.decimals != entry.decimals:
            yield UnitMismatch(
                f"decimals of {name}",
                got=f"{token.decimals} in the address book",
                expected=f"{entry.decimals}, as the mandate has it",
                price=False,
            )
        if entry.feed >= len(mandate.feeds):
            # No such mandate can be granted.
            continue
        feed = mandate.feeds[entry.feed]
        # 2.
        if token.feed != feed.aggregator:
            yield UnitMismatch(
                f"price feed of {name}",
                got=f"{token.feed} in the address book",
                expected=f"{feed.aggregator}, as the mandate has it",
                price=True,
            )
        # 3.
        elif token.feed_decimals != feed.decimals:
            yield UnitMismatch(
                f"decimals of the feed {feed.aggregator} of {name}",
                got=f"{token.feed_decimals} in the address book",
                expected=f"{feed.decimals}, as the mandate has it",
                price=False,
            )
