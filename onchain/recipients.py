"""Whom a mandate lets tokens be sent to: the terms of its rule `RecipientIsListed`.

Pure. It decides whether a mandate has that rule, at the address the book gives, with
this recipient on its list for this function of this token. The gate asks the rule
itself; here a plan is refused before it costs gas. It trusts nobody's list but the
mandate's: a recipient that only the book names is named by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly, selector
from affiant.onchain.mandate import Address, Mandate, Rule, parse_address

TRANSFER = selector("transfer(address,uint256)")
"""Selector; its first word is the recipient."""

TERMS_ABI = ("(address,bytes4,uint16)[]", "address[]")
"""What the rule's terms are the encoding of: places, and who may stand there."""


@dataclass(frozen=True)
class Place:
    """An argument that the rule looks at."""

    target: Address
    selector: bytes
    """4 bytes."""
    word: int
    """Number of the word behind the selector, from 0."""


def recipients_rule(
    rule: Address, *, places: Sequence[Place], recipients: Sequence[Address]
) -> Rule:
    """Return the rule that holds `places` to `recipients`, for a mandate."""
    terms = encode(
        list(TERMS_ABI),
        [
            [(place.target, place.selector, place.word) for place in places],
            list(recipients),
        ],
    )
    return Rule(target=rule, data=terms)


def may_receive(
    mandate: Mandate, recipient: Address, *, rule: Address, token: Address
) -> bool:
    """Whether `mandate` lets `token` be transferred to `recipient`.

    Every such rule of the mandate that looks at the transfer must list the recipient,
    as every rule must agree at the gate; and there must be one.
    """
    place = Place(token, TRANSFER, 0)
    lists = [
        listed
        for places, listed in (
            _terms(item.data) for item in mandate.rules if item.target == rule
        )
        if place in places
    ]
    return bool(lists) and all(recipient in listed for listed in lists)


def _terms(data: bytes) -> tuple[list[Place], list[Address]]:
    try:
        places, listed = decode_exactly(TERMS_ABI, data, what="recipients rule")
    except MalformedError:
        # The rule refuses terms that it cannot read, and with them the grant.
        return [], []
    if not isinstance(places, Sequence) or not isinstance(listed, Sequence):
        return [], []
    return (
        [
            Place(parse_address(target, what="place"), bytes(function), int(word))
            for target, function, word in places
        ],
        [parse_address(address, what="recipient") for address in listed],
    )
