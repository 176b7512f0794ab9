"""A mandate in plain words, for the person who is about to grant it.

Pure. It decides nothing: it says what the gate will enforce, out of the same fields
that are hashed, and what it does not know it calls unknown. Names come from the address
book and a table of functions; both may be wrong, so addresses are always shown. It
trusts nobody, least of all a mandate that looks friendly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from affiant.encoding import to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_names import book_names
from affiant.onchain.book_units import unit_mismatches
from affiant.onchain.known_functions import KNOWN_FUNCTIONS
from affiant.onchain.mandate import NATIVE, Address, Feed, Mandate, Tracked
from affiant.onchain.mandate_checks import grant_refusals
from affiant.onchain.words_proof import (
    DEV_KEY,
    dollars,
    duration,
    limits,
    rule_words,
    who,
)
from affiant.onchain.worst_case import RuleLimit

__all__ = ["DEV_KEY", "dollars", "duration", "mandate_in_words"]

BLOCK_SECONDS = 12
"""Seconds between blocks unless said otherwise; Ethereum's."""


def mandate_in_words(
    mandate: Mandate,
    book: AddressBook,
    *,
    block_seconds: float = BLOCK_SECONDS,
    rules: Sequence[RuleLimit] = (),
    rule_names: Mapping[Address, str] = MappingProxyType({}),
) -> list[str]:
    """Return what `mandate` permits and forbids, one statement per line.

    Args:
        book: gives names to addresses.
        block_seconds: seconds between blocks, for the figures per day.
        rules: what the mandate's rules bound per day, where that is known.
        rule_names: what known rules are called, by address.

    Raises:
        ValueError: `block_seconds` is not positive.
    """
    if not block_seconds > 0:
        raise ValueError(f"block_seconds {block_seconds}: expected more than 0")
    names = {**rule_names, **book_names(book)}
    return [
        f"Mandate {to_hex(mandate.id)} for account {mandate.account} on chain "
        f"{book.chain_id}, enforced by the gate {book.gate}.",
        *(
            f"THE GATE WILL REFUSE THIS MANDATE: {reason}."
            for reason in grant_refusals(mandate)
        ),
        *who(mandate, names),
        *_calls(mandate, names),
        *limits(mandate, block_seconds=block_seconds, rules=rules),
        *rule_words(mandate, names),
        *_money(mandate, book, names),
        *_never(mandate, names),
        *_cautions(mandate, book),
    ]


def _calls(mandate: Mandate, names: dict[Address, str]) -> Iterator[str]:
    if not mandate.allow_list:
        yield "It may call nothing at all: it can only hold."
    for entry in mandate.allow_list:
        target = _named(entry.target, names)
        known = KNOWN_FUNCTIONS.get(entry.selector)
        if entry.target not in names:
            target = f"the UNKNOWN CONTRACT {entry.target}"
        if known is None:
            function = to_hex(entry.selector)
            yield f"It may call the UNKNOWN FUNCTION {function} of {target}."
        else:
            caution = f" Mind: {known.caution}." if known.caution else ""
            yield f"It may {known.does}: `{known.name}` of {target}.{caution}"


def _money(
    mandate: Mandate, book: AddressBook, names: dict[Address, str]
) -> Iterator[str]:
    if not mandate.tracked:
        yield "NOTHING IS TRACKED: no balance is measured, so no loss would be noticed."
    for priced in _by_feed(mandate):
        measured = "; ".join(
            f"{'the debt' if entry.debt else 'the balance of'} {_token(entry, names)}"
            for entry in priced
        )
        yield (
            f"Before and after each decision the gate measures {measured}; priced by "
            f"{_feed(priced[0], mandate, names)}."
        )
    yield from _unit_mismatches(mandate, book)


def _by_feed(mandate: Mandate) -> list[list[Tracked]]:
    groups: dict[int, list[Tracked]] = {}
    for entry in mandate.tracked:
        groups.setdefault(entry.feed, []).append(entry)
    return list(groups.values())


def _feed(entry: Tracked, mandate: Mandate, names: dict[Address, str]) -> str:
    if entry.feed >= len(mandate.feeds):
        return f"FEED NUMBER {entry.feed}, WHICH THE MANDATE DOES NOT HAVE"
    feed: Feed = mandate.feeds[entry.feed]
    known = feed.aggregator in names
    name = _named(feed.aggregator, names)
    source = name if known else f"the UNKNOWN FEED {feed.aggregator}"
    return (
        # ADR 23: a feed is asked only where its price decides something.
        f"{source}; while its answer is {duration(feed.max_age)} old or older, a "
        "decision that could lose anything and declares a change of one of these is "
        "refused; other decisions go on"
    )


def _unit_mismatches(mandate: Mandate, book: AddressBook) -> Iterator[str]:
    for mismatch in unit_mismatches(book, mandate):
        caution = "WRONG PRICE" if mismatch.price else "WRONG UNITS"
        yield (
            f"{caution}: {mismatch.what}: {mismatch.got}, and {mismatch.expected}. No "
            "plan of this address book's executes."
        )


def _never(mandate: Mandate, names: dict[Address, str]) -> Iterator[str]:
    listed = [
        KNOWN_FUNCTIONS[entry.selector]
        for entry in mandate.allow_list
        if entry.selector in KNOWN_FUNCTIONS
    ]
    unknown = any(
        entry.selector not in KNOWN_FUNCTIONS or entry.target not in names
        for entry in mandate.allow_list
    )
    never = [
        "call any function that is not listed above",
        "give anyone a lasting allowance, sign for you, or change who controls the "
        "account",
        "act on an older slot, on another chain, twice in a slot, or on a price that "
        "is too old",
        "let a tracked balance fall, or a tracked debt grow, that its decision did not "
        "declare",
        "keep you from revoking it or from taking everything out of the account alone",
    ]
    sends = any(function.to_others for function in listed)
    if not unknown and not sends:
        never.insert(1, "send anything to somebody else")
    if not unknown and not any(function.name == "borrow" for function in listed):
        never.insert(1, "borrow")
    if sends:
        yield (
            "A stolen node key could send proceeds to somebody else: that counts as a "
            "loss, within the limits above."
        )
    for deed in never:
        yield f"It can never {deed}."


def _cautions(mandate: Mandate, book: AddressBook) -> Iterator[str]:
    tracked = {entry.token for entry in mandate.tracked}
    for name, token in book.tokens.items():
        if token.address not in tracked:
            yield (
                f"Not measured: {name} ({token.address}). What happens to it under "
                "this mandate, the gate does not see."
            )
    yield "Other mandates on the same account are separate: their limits add up."
    yield "Allowances that you gave by hand before are outside of the gate's sight."


def _token(entry: Tracked, names: dict[Address, str]) -> str:
    if entry.token == NATIVE:
        return "the native currency"
    if entry.token not in names:
        return f"the UNKNOWN TOKEN {entry.token}"
    return _named(entry.token, names)


def _named(address: Address, names: dict[Address, str]) -> str:
    return f"{names[address]} ({address})" if address in names else address
