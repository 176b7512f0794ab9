"""A first mandate for a program: complete, narrow, and for its owner to read.

Pure. It decides what a careful owner would begin with: exactly the calls that the
program's kits make, everything measured that they can touch, little money before
somebody audits, an end. It grants nothing, and decides nothing that the gate checks: a
draft that the gate would refuse is refused here. It trusts the address book, and what
the caller says of the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eth_abi.abi import encode

from affiant.agents.programs.program import Program
from affiant.encoding import Digest
from affiant.errors import RejectedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.kits import Kit
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
)
from affiant.onchain.mandate_checks import MOST_NAMED_TIER, grant_refusals
from affiant.onchain.recipients import TRANSFER, Place, recipients_rule

ENDORSED_FACTOR = 10
"""How much more than the first rung's limit may be unaudited where endorsers sign."""

DELAYED_FACTOR = 2
"""How much more again where a decision waits besides."""

LOSS_BPS = 200
"""Share of the first limit that one decision may lose, in basis points, by default."""

HEALTH_FLOOR = 125 * 10**16
"""Least health factor on Aave after a decision that borrows; 18 decimals."""

LENDS = frozenset({"supply", "withdraw", "borrow", "repay"})
"""Kits that move what is lent or owed on Aave."""


class MandateDraftError(RejectedError):
    """No mandate can be drafted of what was said."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"draft, {what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class DraftTerms:
    """What an owner says; the rest follows from program and book."""

    account: Address
    operator: Address
    """Submits and pays gas; nobody else may."""
    node: Address
    """Key of the node that decides."""
    limit: int
    """Value, 8 decimals: unaudited outflow up to which the node's word is enough; also
    what may be at risk in a day."""
    cadence: int
    """Blocks per slot."""
    expiry: int
    """Unix seconds, exclusive."""
    salt: Digest
    max_loss: int | None = None
    """Value, 8 decimals, that one decision may lose; None: `LOSS_BPS` of `limit`."""
    guardian: Address = NATIVE
    """The zero address: nobody but the account can stop it."""
    endorsers: tuple[Address, ...] = ()
    delay: int = 0
    """Seconds that decisions wait above what endorsers alone carry; 0: no such rung."""
    tokens: tuple[str, ...] = ()
    """Names of the tokens that are tracked; none: every one of the book."""
    recipients: tuple[str, ...] = ()
    """Names of the book's recipients whom the kit `transfer` may pay."""


def draft_mandate(
    program: Program,
    *,
    book: AddressBook,
    terms: DraftTerms,
    rules: Mapping[str, Address],
) -> Mandate:
    """Return a mandate for `program` that permits no more than it needs.

    Args:
        rules: address of every rule that comes with Affiant, by its contract's name.

    Raises:
        MandateDraftError: something is missing, or the gate would refuse it.
    """
    tracked_names = _names(book, terms.tokens)
    feeds, tracked = _measured(book, tracked_names, kits=program.kits)
    endorsers = tuple(sorted(set(terms.endorsers), key=lambda one: int(one, 16)))
    if terms.delay and program.validity_seconds <= terms.delay:
        raise MandateDraftError(
            "delay",
            got=f"{terms.delay} s",
            expected=f"less than decisions are valid for, {program.validity_seconds} s",
        )
    mandate = Mandate(
        account=terms.account,
        operator=terms.operator,
        guardian=terms.guardian,
        program=program.hash,
        model=program.model,
        engine=program.engine,
        cadence=terms.cadence,
        expiry=terms.expiry,
        max_loss=terms.limit * LOSS_BPS // 10_000
        if terms.max_loss is None
        else terms.max_loss,
        record_holds=False,
        quorum=len(endorsers),
        salt=terms.salt,
        nodes=(NodePermit(terms.node, MOST_NAMED_TIER),),
        workloads=(),
        endorsers=endorsers,
        ladder=_ladder(terms, endorsers=len(endorsers)),
        allow_list=_allow_list(program.kits, book=book, tracked=tracked),
        feeds=feeds,
        tracked=tracked,
        rules=_rules(program.kits, book=book, terms=terms, rules=rules),
    )
    refusals = grant_refusals(mandate)
    if refusals:
        raise MandateDraftError(
            "mandate",
            got="; ".join(refusals),
            expected="one that the gate takes; fewer tokens, perhaps",
        )
    return mandate


def _names(book: AddressBook, tokens: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in tokens if name not in book.tokens]
    if unknown:
        raise MandateDraftError(
            "tokens", got=", ".join(unknown), expected=f"some of {[*book.tokens]}"
        )
    return tuple(name for name in book.tokens if not tokens or name in tokens)


def _measured(
    book: AddressBook, names: tuple[str, ...], *, kits: tuple[Kit, ...]
) -> tuple[tuple[Feed, ...], tuple[Tracked, ...]]:
    """Return feeds and tracked entries: all that the kits can touch, debts included."""
    used = {kit.name for kit in kits}
    feeds, tracked = [], []
    for index, name in enumerate(names):
        token = book.tokens[name]
        feeds.append(Feed(token.feed, token.feed_decimals, token.max_age))
        tracked.append(Tracked(token.address, index, token.decimals, debt=False))
        if not used & LENDS:
            continue
        for address, debt in ((token.a_token, False), (token.variable_debt, True)):
            if address is not None:
                tracked.append(Tracked(address, index, token.decimals, debt=debt))
    native = book.native
    if native is not None and used & {"wrap", "unwrap"} and native.wrapped in names:
        tracked.append(Tracked(NATIVE, names.index(native.wrapped), 18, debt=False))
    return tuple(feeds), tuple(tracked)


def _ladder(terms: DraftTerms, *, endorsers: int) -> tuple[Rung, ...]:
    """Return little money on the node's word, more with endorsers, more with a wait."""
    rungs = [Rung(terms.limit, MOST_NAMED_TIER, 0, 0)]
    if endorsers:
        limit = rungs[-1].limit * ENDORSED_FACTOR
        rungs.append(Rung(limit, MOST_NAMED_TIER, endorsers, 0))
    if terms.delay:
        limit = rungs[-1].limit * DELAYED_FACTOR
        rungs.append(Rung(limit, MOST_NAMED_TIER, endorsers, terms.delay))
    return tuple(rungs)


def _allow_list(
    kits: tuple[Kit, ...], *, book: AddressBook, tracked: tuple[Tracked, ...]
) -> tuple[Permission, ...]:
    """Return exactly the calls that the kits make, of what is measured."""
    measured = {entry.token for entry in tracked}
    untracked = {token.address for token in book.tokens.values()} - measured
    permissions = [item for kit in kits for item in kit.permissions(book)]
    return tuple(
        item for item in dict.fromkeys(permissions) if item.target not in untracked
    )


def _rules(
    kits: tuple[Kit, ...],
    *,
    book: AddressBook,
    terms: DraftTerms,
    rules: Mapping[str, Address],
) -> tuple[Rule, ...]:
    """Return what bounds a day, who may be paid, and how near a loan may come."""
    used = {kit.name for kit in kits}
    found = [
        Rule(
            rules["SpendRate"],
            encode(["uint256", "uint256"], [terms.limit, terms.limit]),
        )
    ]
    if "borrow" in used and book.aave is not None:
        terms_of_health = encode(["address", "uint256"], [book.aave.pool, HEALTH_FLOOR])
        found.append(Rule(rules["HealthFactorFloor"], terms_of_health))
    if "transfer" in used:
        found.append(_recipients(book, terms))
    return tuple(found)


def _recipients(book: AddressBook, terms: DraftTerms) -> Rule:
    known = {} if book.recipients is None else book.recipients.addresses
    unknown = [name for name in terms.recipients if name not in known]
    if book.recipients is None or unknown or not terms.recipients:
        raise MandateDraftError(
            "recipients",
            got=", ".join(unknown) or "none, and the program has the kit `transfer`",
            expected=f"some of {[*known]}",
        )
    names = _names(book, terms.tokens)
    return recipients_rule(
        book.recipients.rule,
        places=[Place(book.tokens[name].address, TRANSFER, 0) for name in names],
        recipients=[known[name] for name in terms.recipients],
    )
