"""The paper portfolio: what the newest decision would have left, at today's prices.

Pure. Nothing that is decided on paper moves the real account, so every decision begins
from what the account really holds. Adding all their changes up would sell the same
token again and again. So the paper portfolio is what the account held when the newest
decision was made, with that decision's simulated changes and no others; the next one
takes its place. Between two decisions it is valued at what the feeds say, and compared
with the real holdings valued alike. Deposits, withdrawals and interest in between are
left out of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affiant.agents.backtest.portfolio import value_of
from affiant.agents.paper.journal import PaperEntry
from affiant.onchain.address_book import AddressBook

INDEX_ONE = 10**12
"""An index of 1: where both begin."""


@dataclass(frozen=True)
class PaperPoint:
    """One slot of the paper portfolio."""

    slot: int
    timestamp: int
    real: int
    """What the real account was worth, a value of 8 decimals."""
    paper: int
    """And with the slot's decision carried out: less what that would have cost."""
    cost: int
    """Fees and slippage of the slot's decision, at feed prices; from the real account,
    so that a decision that is repeated slot after slot costs as often."""
    paper_index: int
    """What one unit, moved by each decision in turn, would have become at the feeds'
    prices, before costs; times `INDEX_ONE`."""
    real_index: int
    """The same of what the account really held."""


def paper_portfolio(
    entries: Sequence[PaperEntry], *, book: AddressBook
) -> tuple[PaperPoint, ...]:
    """Return one point per slot.

    Args:
        entries: of one mandate, by slot.
        book: for decimals; tokens that it does not name count for nothing.
    """
    points: list[PaperPoint] = []
    paper_index = real_index = INDEX_ONE
    before: PaperEntry | None = None
    for entry in entries:
        real = _worth(entry.holdings, entry.prices, book=book)
        after = _with(entry.holdings, entry.changes)
        paper = _worth(after, entry.prices, book=book)
        if before is not None:
            left = _with(before.holdings, before.changes)
            paper_index = _grown(paper_index, left, before, entry, book=book)
            real_index = _grown(real_index, before.holdings, before, entry, book=book)
        points.append(
            PaperPoint(
                slot=entry.slot,
                timestamp=entry.timestamp,
                real=real,
                paper=paper,
                cost=real - paper,
                paper_index=paper_index,
                real_index=real_index,
            )
        )
        before = entry
    return tuple(points)


def _grown(
    index: int,
    holdings: Mapping[str, int],
    before: PaperEntry,
    entry: PaperEntry,
    *,
    book: AddressBook,
) -> int:
    """Return `index` after `holdings` went from the old prices to the new ones."""
    then = _worth(holdings, before.prices, book=book)
    now = _worth(holdings, entry.prices, book=book)
    # Where more is owed than owned there is no return to speak of.
    return index if then <= 0 else index * max(now, 0) // then


def _with(holdings: Mapping[str, int], changes: Mapping[str, int]) -> dict[str, int]:
    return {name: units + changes.get(name, 0) for name, units in holdings.items()}


def _worth(
    holdings: Mapping[str, int], prices: Mapping[str, int], *, book: AddressBook
) -> int:
    return sum(
        value_of(units, token=book.tokens[name], answer=prices[name])
        for name, units in holdings.items()
        if name in book.tokens and name in prices
    )
