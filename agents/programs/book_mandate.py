"""A mandate over everything in an address book, for local chains.

It permits what the program's kits need and tracks every token of the book with its
deposits and debts, on one rung that a node's signature alone is good for. That is a
start to learn from, never a recommendation: an owner with money at stake writes the
mandate, rung by rung.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.agents.programs.program import Program
from affiant.encoding import Digest
from affiant.onchain.address_book import AddressBook
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Rule,
    Rung,
    Tracked,
)


def mandate_over_book(
    program: Program,
    *,
    account: Address,
    operator: Address,
    node: Address,
    book: AddressBook,
    cadence: int,
    expiry: int,
    max_loss: int,
    limit: int,
    salt: Digest,
    rules: Sequence[Rule] = (),
) -> Mandate:
    """Return a mandate for `program` over all of `book`.

    Args:
        account: whose money it is.
        operator: who submits.
        node: the key that decides, at tier 0.
        cadence: blocks per slot.
        expiry: unix seconds.
        max_loss: most that one decision may lose at feed prices, 8 decimals.
        limit: unaudited outflow that a signature alone is good for, 8 decimals.
        salt: tells equal mandates apart.
        rules: checked before and after the calls.
    """
    permissions = [
        permission for kit in program.kits for permission in kit.permissions(book)
    ]
    feeds, tracked = [], []
    for index, token in enumerate(book.tokens.values()):
        feeds.append(Feed(token.feed, token.feed_decimals, token.max_age))
        tracked.append(Tracked(token.address, index, token.decimals, debt=False))
        if token.a_token is not None and token.variable_debt is not None:
            tracked.append(Tracked(token.a_token, index, token.decimals, debt=False))
            tracked.append(
                Tracked(token.variable_debt, index, token.decimals, debt=True)
            )
    return Mandate(
        account=account,
        operator=operator,
        guardian=NATIVE,
        program=program.hash,
        model=program.model,
        engine=program.engine,
        cadence=cadence,
        expiry=expiry,
        max_loss=max_loss,
        record_holds=False,
        quorum=0,
        salt=salt,
        nodes=(NodePermit(node, tier=0),),
        workloads=(),
        endorsers=(),
        ladder=(Rung(limit=limit, tier=0, endorsements=0, delay=0),),
        allow_list=tuple(dict.fromkeys(permissions)),
        feeds=tuple(feeds),
        tracked=tuple(tracked),
        rules=tuple(rules),
    )
