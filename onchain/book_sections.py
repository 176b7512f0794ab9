"""Sections of an address book that not every chain or owner has: native currency,
recipients, vaults.

Pure. Each carries names and addresses, as the book does. A section that is not there is
left out of the JSON, so that a book without it has one spelling, and the hash that it
had before there was such a section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.signature import Address, parse_address

OPTIONAL = ("native", "recipients", "vaults")
"""The sections, by their names in JSON."""

MAX_NAMED = 64
"""Most recipients and most vaults accepted."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")
"""What a recipient may be called."""


@dataclass(frozen=True)
class NativeEntry:
    """The chain's native currency and the token that wraps it one to one."""

    name: str
    """What plans and requests call it, as "ETH"; no token's name."""
    wrapped: str
    """Name of the token that wraps it (WETH9); its feed prices both."""
    reader: Address
    """Contract with `getEthBalance(address)`: Multicall3 where there is one."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the section as JSON."""
        return {"name": self.name, "wrapped": self.wrapped, "reader": self.reader}

    @classmethod
    def from_json(cls, value: JsonValue) -> NativeEntry:
        """Parse the section from hostile JSON.

        Raises:
            MalformedError: it is none.
        """
        item = _fields(value, what="book.native", names=("name", "wrapped", "reader"))
        return cls(
            name=_named(item["name"], what="native.name"),
            wrapped=_named(item["wrapped"], what="native.wrapped"),
            reader=parse_address(item["reader"], what="native.reader"),
        )


@dataclass(frozen=True)
class RecipientsEntry:
    """Who may be sent tokens, and the rule contract that holds decisions to it."""

    rule: Address
    """`RecipientIsListed`; a mandate names it with its own list in the terms."""
    addresses: Mapping[str, Address]
    """By the name that plans use."""

    def __post_init__(self) -> None:
        """Freeze the mapping."""
        object.__setattr__(self, "addresses", MappingProxyType(dict(self.addresses)))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the section as JSON."""
        return {
            "rule": self.rule,
            "names": [
                {"name": name, "address": address}
                for name, address in self.addresses.items()
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> RecipientsEntry:
        """Parse the section from hostile JSON.

        Raises:
            MalformedError: it is none, or a name or address occurs twice.
        """
        item = _fields(value, what="book.recipients", names=("rule", "names"))
        pairs = []
        for entry in _list(item["names"], what="book.recipients.names"):
            named = _fields(
                entry, what="book.recipients.names", names=("name", "address")
            )
            pairs.append(
                (
                    _named(named["name"], what="recipient.name"),
                    parse_address(named["address"], what="recipient.address"),
                )
            )
        for side in zip(*pairs, strict=True):
            _refuse_repeats(side, what="book.recipients.names")
        return cls(
            rule=parse_address(item["rule"], what="recipients.rule"),
            addresses=dict(pairs),
        )


def vaults_json(vaults: Mapping[str, str]) -> list[JsonValue]:
    """Return the section of ERC-4626 vaults, share token to asset, as JSON."""
    return [{"share": share, "asset": asset} for share, asset in vaults.items()]


def parse_vaults(value: JsonValue) -> dict[str, str]:
    """Parse the section of vaults from hostile JSON.

    Raises:
        MalformedError: it is none, or a share token occurs twice.
    """
    pairs = []
    for entry in _list(value, what="book.vaults"):
        item = _fields(entry, what="book.vaults", names=("share", "asset"))
        pairs.append(
            (
                _named(item["share"], what="vault.share"),
                _named(item["asset"], what="vault.asset"),
            )
        )
    _refuse_repeats([share for share, _ in pairs], what="book.vaults")
    return dict(pairs)


def _fields(
    value: JsonValue, *, what: str, names: tuple[str, ...]
) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or set(value) != set(names):
        got = f"{sorted(map(str, value))}" if isinstance(value, dict) else repr(value)
        raise MalformedError(what, got=got[:200], expected=f"fields {sorted(names)}")
    return value


def _list(value: JsonValue, *, what: str) -> list[JsonValue]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_NAMED:
        got = f"{len(value)} entries" if isinstance(value, list) else repr(value)
        raise MalformedError(
            what, got=got[:80], expected=f"a list of 1 to {MAX_NAMED} entries"
        )
    return value


def _named(value: JsonValue, *, what: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise MalformedError(what, got=repr(value)[:80], expected=NAME.pattern)
    return value


def _refuse_repeats(values: tuple[str, ...] | list[str], *, what: str) -> None:
    if len(set(values)) != len(values):
        raise MalformedError(what, got=f"{values}"[:200], expected="each once")
