"""The address book: which contracts an agent on one chain means by which name.

Pure. It only carries addresses and the numbers that go with them (decimals, maximum
ages, fees) and hashes them; whether they are the right ones is the business of whoever
reviews the book. Its hash is part of the program manifest, so a node, the gate's owner
and the auditor all mean the same contracts. JSON is read as hostile text.

    book hash = keccak256(canonical JSON of to_json())
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from affiant.encoding import Digest, JsonValue, canonical_json, keccak256, parse_json
from affiant.errors import MalformedError
from affiant.onchain.book_sections import (
    MAX_NAMED,
    NAME,
    OPTIONAL,
    ChainEntry,
    NativeEntry,
    RecipientsEntry,
    parse_vaults,
    vaults_json,
)
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    object_fields,
    parse_address,
    parse_integer,
)

FORMAT = "affiant-book/1"
"""Version tag of the JSON form."""

MAX_BOOK_BYTES = 256 * 1024
"""Largest JSON text accepted, in bytes."""

MAX_ENTRIES = 64
"""Most tokens and most pools accepted."""

Entry = TypeVar("Entry")

_TOKEN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,15}")


@dataclass(frozen=True)
class TokenEntry:
    """An ERC-20, its price feed, and its Aave receipts if it has any."""

    address: Address
    decimals: int
    """Decimals of the token, and of its aToken and debt token."""
    feed: Address
    """Chainlink-shaped aggregator that quotes one whole token in dollars."""
    feed_decimals: int
    """Decimals of the feed's answers."""
    max_age: int
    """Seconds after `updatedAt` at which an answer is stale (exclusive)."""
    a_token: Address | None = None
    """Aave's interest-bearing receipt; None where the book has no lending market."""
    variable_debt: Address | None = None
    """Aave's variable-debt token; None exactly where `a_token` is None."""


@dataclass(frozen=True)
class PoolEntry:
    """A Uniswap v3 pool."""

    address: Address
    fee: int
    """Hundredths of a basis point: 3000 is 0.3 %."""
    token0: Address
    token1: Address
    """Numerically greater than `token0`, as Uniswap orders them."""


@dataclass(frozen=True)
class UniswapEntry:
    """Uniswap v3's contracts and the pools that an agent may use."""

    factory: Address
    router: Address
    """`SwapRouter` of v3-periphery (its parameters carry a deadline)."""
    quoter: Address
    """`QuoterV2`."""
    position_manager: Address
    pools: Mapping[str, PoolEntry]
    """By name, "WETH/USDC": base and quote are token names of the book."""

    def __post_init__(self) -> None:
        """Freeze the mapping."""
        object.__setattr__(self, "pools", MappingProxyType(dict(self.pools)))


@dataclass(frozen=True)
class AaveEntry:
    """Aave v3's contracts."""

    pool: Address
    oracle: Address
    data_provider: Address
    """`AaveProtocolDataProvider`."""


@dataclass(frozen=True)
class Vault:
    """An ERC-4626 vault: its share token is the vault itself."""

    share: TokenEntry
    asset: TokenEntry
    share_name: str
    asset_name: str


@dataclass(frozen=True)
class AddressBook:
    """Every contract that a program knows by name, on one chain."""

    chain_id: int
    gate: Address
    node_registry: Address
    model_registry: Address
    tokens: Mapping[str, TokenEntry]
    """By name, in the order in which observations list them."""
    uniswap: UniswapEntry | None = None
    aave: AaveEntry | None = None
    native: NativeEntry | None = None
    recipients: RecipientsEntry | None = None
    vaults: Mapping[str, str] = field(default_factory=dict)
    """Name of each vault's share token, and of the asset in it."""
    chain: ChainEntry | None = None

    def __post_init__(self) -> None:
        """Freeze the mappings and refuse a book that contradicts itself."""
        object.__setattr__(self, "tokens", MappingProxyType(dict(self.tokens)))
        object.__setattr__(self, "vaults", MappingProxyType(dict(self.vaults)))
        _check(self)

    @property
    def hash(self) -> Digest:
        """keccak256 of the canonical JSON form."""
        return keccak256(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the book as JSON. Tokens and pools are lists: their order counts."""
        sections: dict[str, JsonValue] = {}
        if self.native is not None:
            sections["native"] = self.native.to_json()
        if self.recipients is not None:
            sections["recipients"] = self.recipients.to_json()
        if self.vaults:
            sections["vaults"] = vaults_json(self.vaults)
        if self.chain is not None:
            sections["chain"] = self.chain.to_json()
        return {
            "format": FORMAT,
            "chainId": self.chain_id,
            "gate": self.gate,
            "nodeRegistry": self.node_registry,
            "modelRegistry": self.model_registry,
            "tokens": [
                {
                    "name": name,
                    "address": token.address,
                    "decimals": token.decimals,
                    "feed": token.feed,
                    "feedDecimals": token.feed_decimals,
                    "maxAge": token.max_age,
                    "aToken": token.a_token,
                    "variableDebt": token.variable_debt,
                }
                for name, token in self.tokens.items()
            ],
            "uniswap": None if self.uniswap is None else _uniswap_json(self.uniswap),
            "aave": None
            if self.aave is None
            else {
                "pool": self.aave.pool,
                "oracle": self.aave.oracle,
                "dataProvider": self.aave.data_provider,
            },
            **sections,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> AddressBook:
        """Parse a book from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range, a
                name or address occurs twice, or a pool names tokens it does not hold.
        """
        known = "format chainId gate nodeRegistry modelRegistry tokens uniswap aave"
        sections = [
            name for name in OPTIONAL if isinstance(value, dict) and name in value
        ]
        fields = object_fields(value, what="book", names=[*known.split(), *sections])
        if fields["format"] != FORMAT:
            raise MalformedError(
                "book.format", got=repr(fields["format"])[:80], expected=FORMAT
            )
        return cls(
            chain_id=parse_integer(fields["chainId"], what="book.chainId", bits=53),
            gate=parse_address(fields["gate"], what="book.gate"),
            node_registry=parse_address(
                fields["nodeRegistry"], what="book.nodeRegistry"
            ),
            model_registry=parse_address(
                fields["modelRegistry"], what="book.modelRegistry"
            ),
            tokens=dict(_named(fields["tokens"], _token, what="book.tokens")),
            uniswap=_optional(fields["uniswap"], _uniswap),
            aave=_optional(fields["aave"], _aave),
            native=NativeEntry.from_json(fields["native"])
            if "native" in fields
            else None,
            recipients=RecipientsEntry.from_json(fields["recipients"])
            if "recipients" in fields
            else None,
            vaults=parse_vaults(fields["vaults"]) if "vaults" in fields else {},
            chain=ChainEntry.from_json(fields["chain"]) if "chain" in fields else None,
        )

    @classmethod
    def parse(cls, data: bytes) -> AddressBook:
        """Parse a book from hostile UTF-8 text.

        Raises:
            MalformedError: as `from_json`, or it is no JSON or too large.
        """
        return cls.from_json(parse_json(data, what="book", max_bytes=MAX_BOOK_BYTES))

    def token_named(self, name: str) -> TokenEntry:
        """Return the token called `name`.

        Raises:
            MalformedError: the book has none of that name.
        """
        token = self.tokens.get(name)
        if token is None:
            raise MalformedError(
                "token name", got=repr(name)[:80], expected=f"one of {[*self.tokens]}"
            )
        return token

    def pool_named(self, name: str) -> PoolEntry:
        """Return the Uniswap pool called `name`, as "WETH/USDC".

        Raises:
            MalformedError: the book has none of that name.
        """
        pools = {} if self.uniswap is None else self.uniswap.pools
        pool = pools.get(name)
        if pool is None:
            raise MalformedError(
                "pool name", got=repr(name)[:80], expected=f"one of {[*pools]}"
            )
        return pool

    def native_entry(self) -> NativeEntry:
        """Return what the book says about the native currency.

        Raises:
            MalformedError: nothing.
        """
        if self.native is None:
            raise MalformedError("book.native", got="none", expected="the section")
        return self.native

    def vault_named(self, name: str) -> Vault:
        """Return the ERC-4626 vault with the share token `name`.

        Raises:
            MalformedError: the book has none of that name.
        """
        asset = self.vaults.get(name)
        if asset is None:
            raise MalformedError(
                "vault name", got=repr(name)[:80], expected=f"one of {[*self.vaults]}"
            )
        return Vault(self.tokens[name], self.tokens[asset], name, asset)


def _check(book: AddressBook) -> None:
    for count, what in (
        (len(book.tokens), "book.tokens"),
        (0 if book.uniswap is None else len(book.uniswap.pools), "book.uniswap.pools"),
    ):
        if count > MAX_ENTRIES:
            raise MalformedError(
                what, got=f"{count} entries", expected=f"at most {MAX_ENTRIES}"
            )
    for name, token in book.tokens.items():
        if not _TOKEN_NAME.fullmatch(name):
            raise MalformedError(
                "book token name", got=repr(name)[:80], expected=_TOKEN_NAME.pattern
            )
        if (token.a_token is None) != (token.variable_debt is None):
            raise MalformedError(
                f"book.tokens.{name}",
                got=f"aToken {token.a_token}, variableDebt {token.variable_debt}",
                expected="both or neither",
            )
        if token.a_token is not None and book.aave is None:
            raise MalformedError(
                f"book.tokens.{name}", got="an aToken", expected="none without `aave`"
            )
    _refuse_repeats(
        [
            address
            for token in book.tokens.values()
            for address in (token.address, token.a_token, token.variable_debt)
            if address is not None
        ],
        what="book token address",
    )
    pools = {} if book.uniswap is None else book.uniswap.pools
    _refuse_repeats([pool.address for pool in pools.values()], what="book pool address")
    for name, pool in pools.items():
        base, _, quote = name.partition("/")
        if base not in book.tokens or quote not in book.tokens:
            raise MalformedError(
                "book pool name",
                got=repr(name)[:80],
                expected=f"BASE/QUOTE out of {[*book.tokens]}",
            )
        expected = sorted(
            (book.tokens[base].address, book.tokens[quote].address), key=str.lower
        )
        if [pool.token0, pool.token1] != expected:
            raise MalformedError(
                f"book pool {name}",
                got=f"{pool.token0}, {pool.token1}",
                expected=f"{expected[0]}, {expected[1]}",
            )
    _check_sections(book)


def _check_sections(book: AddressBook) -> None:
    native, recipients = book.native, book.recipients
    if native is not None and (
        not _TOKEN_NAME.fullmatch(native.name)
        or native.name in book.tokens
        or native.wrapped not in book.tokens
        or book.tokens[native.wrapped].decimals != 18
    ):
        raise MalformedError(
            "book.native",
            got=f"{native.name!r} wrapped as {native.wrapped!r}"[:120],
            expected=f"another name, and a token of 18 decimals of {[*book.tokens]}",
        )
    for share, asset in book.vaults.items():
        if share not in book.tokens or asset not in book.tokens or share == asset:
            raise MalformedError(
                "book.vaults",
                got=f"{share!r} with {asset!r} in it"[:120],
                expected=f"two of {[*book.tokens]}",
            )
    if recipients is None:
        return
    if not 1 <= len(recipients.addresses) <= MAX_NAMED:
        raise MalformedError(
            "book.recipients",
            got=f"{len(recipients.addresses)} names",
            expected=f"1 to {MAX_NAMED}",
        )
    for name, address in recipients.addresses.items():
        if not NAME.fullmatch(name) or address in (NATIVE, book.gate):
            raise MalformedError(
                f"book.recipients.{name[:32]!r}",
                got=address,
                expected=f"{NAME.pattern} at an account of somebody's",
            )


def _refuse_repeats(addresses: list[Address], *, what: str) -> None:
    seen: set[Address] = set()
    for address in addresses:
        if address in seen:
            raise MalformedError(what, got=f"{address} twice", expected="it once")
        seen.add(address)


def _uniswap_json(entry: UniswapEntry) -> dict[str, JsonValue]:
    return {
        "factory": entry.factory,
        "router": entry.router,
        "quoter": entry.quoter,
        "positionManager": entry.position_manager,
        "pools": [
            {
                "name": name,
                "address": pool.address,
                "fee": pool.fee,
                "token0": pool.token0,
                "token1": pool.token1,
            }
            for name, pool in entry.pools.items()
        ],
    }


def _optional(value: JsonValue, parse: Callable[[JsonValue], Entry]) -> Entry | None:
    return None if value is None else parse(value)


def _named(
    value: JsonValue, parse: Callable[[JsonValue], tuple[str, Entry]], *, what: str
) -> list[tuple[str, Entry]]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        got = f"{len(value)} entries" if isinstance(value, list) else repr(value)[:80]
        raise MalformedError(
            what, got=got, expected=f"a list of at most {MAX_ENTRIES} entries"
        )
    entries = [parse(item) for item in value]
    names = [name for name, _ in entries]
    if len(set(names)) != len(names):
        raise MalformedError(what, got=f"{names}"[:200], expected="each name once")
    return entries


def _name(value: JsonValue, *, what: str) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise MalformedError(what, got=repr(value)[:80], expected="a short string")
    return value


def _token(value: JsonValue) -> tuple[str, TokenEntry]:
    item = object_fields(
        value,
        what="book.tokens",
        names=(
            "name address decimals feed feedDecimals maxAge aToken variableDebt"
        ).split(),
    )
    return _name(item["name"], what="token.name"), TokenEntry(
        address=parse_address(item["address"], what="token.address"),
        decimals=parse_integer(item["decimals"], what="token.decimals", bits=8),
        feed=parse_address(item["feed"], what="token.feed"),
        feed_decimals=parse_integer(
            item["feedDecimals"], what="token.feedDecimals", bits=8
        ),
        max_age=parse_integer(item["maxAge"], what="token.maxAge", bits=32),
        a_token=_optional(
            item["aToken"], lambda text: parse_address(text, what="token.aToken")
        ),
        variable_debt=_optional(
            item["variableDebt"],
            lambda text: parse_address(text, what="token.variableDebt"),
        ),
    )


def _pool(value: JsonValue) -> tuple[str, PoolEntry]:
    item = object_fields(
        value, what="book.pools", names=["name", "address", "fee", "token0", "token1"]
    )
    return _name(item["name"], what="pool.name"), PoolEntry(
        address=parse_address(item["address"], what="pool.address"),
        fee=parse_integer(item["fee"], what="pool.fee", bits=24),
        token0=parse_address(item["token0"], what="pool.token0"),
        token1=parse_address(item["token1"], what="pool.token1"),
    )


def _uniswap(value: JsonValue) -> UniswapEntry:
    item = object_fields(
        value,
        what="book.uniswap",
        names=["factory", "router", "quoter", "positionManager", "pools"],
    )
    return UniswapEntry(
        factory=parse_address(item["factory"], what="uniswap.factory"),
        router=parse_address(item["router"], what="uniswap.router"),
        quoter=parse_address(item["quoter"], what="uniswap.quoter"),
        position_manager=parse_address(
            item["positionManager"], what="uniswap.positionManager"
        ),
        pools=dict(_named(item["pools"], _pool, what="uniswap.pools")),
    )


def _aave(value: JsonValue) -> AaveEntry:
    item = object_fields(
        value, what="book.aave", names=["pool", "oracle", "dataProvider"]
    )
    return AaveEntry(
        pool=parse_address(item["pool"], what="aave.pool"),
        oracle=parse_address(item["oracle"], what="aave.oracle"),
        data_provider=parse_address(item["dataProvider"], what="aave.dataProvider"),
    )
