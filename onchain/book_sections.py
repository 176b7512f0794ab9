"""Sections of an address book that not every chain or owner has: native currency,
recipients, vaults, and what is known of the chain itself.

Pure. Each carries names and addresses, as the book does. A section that is not there is
left out of the JSON, so that a book without it has one spelling, and the hash that it
had before there was such a section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import MalformedError
from affiant.signature import Address, parse_address

OPTIONAL = ("native", "recipients", "vaults", "chain")
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


@dataclass(frozen=True)
class CodeHashes:
    """keccak256 of the runtime code of our contracts, immutables included."""

    gate: Digest
    node_registry: Digest
    model_registry: Digest

    def to_json(self) -> dict[str, JsonValue]:
        """Return the hashes as JSON."""
        return {
            "gate": to_hex(self.gate),
            "nodeRegistry": to_hex(self.node_registry),
            "modelRegistry": to_hex(self.model_registry),
        }

    def __str__(self) -> str:
        """Return them for a sentence."""
        return ", ".join(f"{name} {value}" for name, value in self.to_json().items())


@dataclass(frozen=True)
class ChainEntry:
    """What `affiant deploy` found out about the chain; later it may be otherwise."""

    block_milliseconds: int
    """Least time between two blocks."""
    hash_reach: int
    """Blocks back for which the chain tells its hashes: the most of a cadence."""
    code_hashes: CodeHashes

    def to_json(self) -> dict[str, JsonValue]:
        """Return the section as JSON."""
        return {
            "blockMilliseconds": self.block_milliseconds,
            "hashReach": self.hash_reach,
            "codeHashes": self.code_hashes.to_json(),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> ChainEntry:
        """Parse the section from hostile JSON.

        Raises:
            MalformedError: it is none.
        """
        item = _fields(
            value,
            what="book.chain",
            names=("blockMilliseconds", "hashReach", "codeHashes"),
        )
        hashes = _fields(
            item["codeHashes"],
            what="book.chain.codeHashes",
            names=("gate", "nodeRegistry", "modelRegistry"),
        )
        return cls(
            block_milliseconds=_count(
                item["blockMilliseconds"], what="book.chain.blockMilliseconds"
            ),
            hash_reach=_count(item["hashReach"], what="book.chain.hashReach"),
            code_hashes=CodeHashes(
                gate=digest_from_hex(hashes["gate"], what="codeHashes.gate"),
                node_registry=digest_from_hex(
                    hashes["nodeRegistry"], what="codeHashes.nodeRegistry"
                ),
                model_registry=digest_from_hex(
                    hashes["modelRegistry"], what="codeHashes.modelRegistry"
                ),
            ),
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


def _count(value: JsonValue, *, what: str) -> int:
    if type(value) is not int or not 0 < value < 2**32:
        raise MalformedError(what, got=repr(value)[:80], expected="1 to 2^32 - 1")
    return value


def _named(value: JsonValue, *, what: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise MalformedError(what, got=repr(value)[:80], expected=NAME.pattern)
    return value


def _refuse_repeats(values: tuple[str, ...] | list[str], *, what: str) -> None:
    if len(set(values)) != len(values):
        raise MalformedError(what, got=f"{values}"[:200], expected="each once")
