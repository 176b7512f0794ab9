"""The account's worth over time, out of observations and one reading at the end.

Pure, but for `read_account`. It adds up what was observed at feed prices; it does not
say what anybody would have paid. Holding still is valued without the interest that
supplied tokens would have earned.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.court import Examined
from affiant.audit.result import Account
from affiant.errors import RejectedError, UnavailableError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block
from affiant.onchain.facts import BALANCES, PRICES, Facts
from affiant.onchain.mandate import VALUE_DECIMALS, Address
from affiant.onchain.observation import facts, record


def accounts_over_time(
    examined: Sequence[Examined], *, last: Facts | None, book: AddressBook | None
) -> tuple[Account, ...]:
    """Return one entry per observed block, and one for `last`, in order of block.

    An observation that lacks balances or a token's price gives no entry: a partial sum
    would look like a loss.

    Args:
        last: a reading of the auditor's own at the audited block.
        book: address book for `last`.
    """
    found: dict[int, tuple[Facts, AddressBook, int | None, bool]] = {}
    for item in examined:
        if item.facts is not None and item.manifests is not None:
            earlier = found.get(item.facts.block_number)
            if earlier is None or not earlier[3]:
                found[item.facts.block_number] = (
                    item.facts,
                    item.manifests.book,
                    item.audit.slot,
                    item.reread,
                )
    if last is not None and book is not None:
        found.setdefault(last.block_number, (last, book, None, True))
    entries: list[Account] = []
    start: tuple[tuple[str, int], ...] | None = None
    for block in sorted(found):
        seen, names, slot, verified = found[block]
        if not names.tokens or set(seen.balances) != set(names.tokens):
            continue
        if set(seen.prices) != set(names.tokens):
            continue
        holdings = tuple(
            (name, balance.wallet + balance.supplied - balance.debt)
            for name, balance in sorted(seen.balances.items())
        )
        start = holdings if start is None else start
        entries.append(
            Account(
                block=block,
                timestamp=seen.timestamp,
                slot=slot,
                holdings=holdings,
                values=_values(holdings, facts=seen, book=names),
                held_value=sum(
                    value for _, value in _values(start, facts=seen, book=names)
                ),
                verified=verified,
            )
        )
    return tuple(entries)


def read_account(
    chain: Chain, *, book: AddressBook, account: Address, block: Block
) -> Facts | None:
    """Read balances and prices at `block`; None where the endpoint cannot."""
    names = (BALANCES, PRICES)
    try:
        observation = record(
            chain, names=names, book=book, account=account, block=block
        )
        return facts(observation, names=names, book=book)
    except (RejectedError, UnavailableError):
        return None


def _values(
    holdings: Sequence[tuple[str, int]], *, facts: Facts, book: AddressBook
) -> tuple[tuple[str, int], ...]:
    values = []
    for name, held in holdings:
        price = facts.prices.get(name)
        if price is None or name not in book.tokens:
            continue
        scale = 10 ** (book.tokens[name].decimals + price.decimals)
        values.append((name, held * price.answer * 10**VALUE_DECIMALS // scale))
    return tuple(values)
