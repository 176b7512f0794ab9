"""Facts: what an observation says, decoded strictly into numbers.

Pure. It decides what each observation name reads (`planned_reads`) and what the
returned bytes mean; bytes that are not exactly one value of the type, in range and
plausible, are refused. It does not decide whether the reads are true (`observation.py`
re-reads them) or whether a price is fresh enough to act on (the kits do).

    name             reads, in this order
    "balances"       per token of the book, by name in ASCII order: balanceOf(account);
                     where it has Aave receipts, then those of aToken and debt token
    "prices"         per token, same order: latestRoundData() of its feed
    "pool:A/B"       slot0(), liquidity() of that Uniswap v3 pool
    "lending:A"      getReserveData(token) of Aave's protocol data provider
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from affiant.errors import MalformedError
from affiant.onchain.abi import encode_call, selector
from affiant.onchain.address_book import AddressBook
from affiant.onchain.errors import AnswerInvalidError
from affiant.onchain.mandate import Address
from affiant.onchain.reads import (
    LATEST_ROUND_DATA,
    ROUND_TYPES,
    FeedRound,
    balance_of,
    decode_uint256,
    decode_words,
)

BALANCES = "balances"
"""Name of the observation of all balances."""

PRICES = "prices"
"""Name of the observation of all feeds."""

POOL_PREFIX = "pool:"
"""Prefix of the observation of one Uniswap pool."""

LENDING_PREFIX = "lending:"
"""Prefix of the observation of one Aave reserve."""

MAX_OBSERVED_NAMES = 64
"""Most names in one program."""

MIN_SQRT_PRICE_X96 = 4295128739
"""Least square root price of a Uniswap v3 pool (`TickMath.MIN_SQRT_RATIO`)."""

MAX_SQRT_PRICE_X96 = 1461446703485210103287273052203988822378723970342
"""First one above the greatest (`TickMath.MAX_SQRT_RATIO`)."""

MAX_TICK = 887272
"""Greatest absolute tick (`TickMath.MAX_TICK`)."""

SLOT0 = selector("slot0()")
"""Calldata that asks a Uniswap v3 pool for its price and tick."""

_LIQUIDITY = selector("liquidity()")

_SLOT0_TYPES = ("uint160", "int24", "uint16", "uint16", "uint16", "uint8", "uint1")
_RESERVE_TYPES = (*["uint256"] * 11, "uint40")

READ_TYPES: Mapping[bytes, tuple[str, ...]] = MappingProxyType(
    {
        selector("balanceOf(address)"): ("uint256",),
        LATEST_ROUND_DATA: ROUND_TYPES,
        SLOT0: _SLOT0_TYPES,
        _LIQUIDITY: ("uint128",),
        selector("getReserveData(address)"): _RESERVE_TYPES,
    }
)
"""What each planned read returns, by selector."""

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class PlannedRead:
    """One call that an observation makes."""

    target: Address
    calldata: bytes


@dataclass(frozen=True)
class TokenBalance:
    """What the account holds and owes of one token, in base units."""

    wallet: int
    supplied: int = 0
    """Balance of the aToken; 0 where the book has none."""
    debt: int = 0
    """Balance of the variable-debt token; 0 where the book has none."""


@dataclass(frozen=True)
class PriceFact:
    """A feed's answer: the price of one whole token."""

    answer: int
    """Greater than 0, with `decimals` decimals."""
    decimals: int
    """As the book states them."""
    updated_at: int
    """Unix seconds, not after the observation."""


@dataclass(frozen=True)
class PoolFact:
    """A Uniswap v3 pool's state."""

    sqrt_price_x96: int
    """√(token1 / token0) in base units, as a Q64.96 number."""
    tick: int
    liquidity: int
    """In range at this price."""
    fee: int
    """Hundredths of a basis point, as the book states it."""


@dataclass(frozen=True)
class LendingFact:
    """An Aave reserve's rates: yearly, in rays (10^27 is 100 %)."""

    supply_rate_ray: int
    borrow_rate_ray: int
    """The variable rate."""


@dataclass(frozen=True)
class Facts:
    """Everything that an observation says, by the book's names."""

    block_number: int
    timestamp: int
    """Unix seconds of the observed block."""
    balances: Mapping[str, TokenBalance]
    prices: Mapping[str, PriceFact]
    pools: Mapping[str, PoolFact]
    lending: Mapping[str, LendingFact]

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for field in ("balances", "prices", "pools", "lending"):
            frozen = MappingProxyType(dict(getattr(self, field)))
            object.__setattr__(self, field, frozen)


def planned_reads(
    names: Sequence[str], *, book: AddressBook, account: Address
) -> tuple[PlannedRead, ...]:
    """Return exactly the reads that `names` stand for, in order.

    Args:
        names: observation names, each once, in the program's order.
        account: whose balances are read.

    Raises:
        MalformedError: a name is unknown, repeated or not in the book.
    """
    if not names or len(names) > MAX_OBSERVED_NAMES or len(set(names)) != len(names):
        raise MalformedError(
            "observation names",
            got=f"{[*names]}"[:200],
            expected=f"1 to {MAX_OBSERVED_NAMES}, each once",
        )
    return tuple(
        read
        for name in names
        for read in _planned_for(name, book=book, account=account)
    )


def _planned_for(
    name: str, *, book: AddressBook, account: Address
) -> Iterator[PlannedRead]:
    if name == BALANCES:
        calldata = balance_of(account)
        for token in sorted(book.tokens):
            for holder in _receipts(book, token):
                yield PlannedRead(holder, calldata)
    elif name == PRICES:
        for token in sorted(book.tokens):
            yield PlannedRead(book.tokens[token].feed, LATEST_ROUND_DATA)
    elif name.startswith(POOL_PREFIX):
        pool = book.pool_named(name.removeprefix(POOL_PREFIX))
        yield PlannedRead(pool.address, SLOT0)
        yield PlannedRead(pool.address, _LIQUIDITY)
    elif name.startswith(LENDING_PREFIX):
        entry = book.token_named(name.removeprefix(LENDING_PREFIX))
        if book.aave is None or entry.a_token is None:
            raise MalformedError(
                "observation name", got=repr(name)[:80], expected="a token Aave lists"
            )
        yield PlannedRead(
            book.aave.data_provider,
            encode_call("getReserveData(address)", [entry.address]),
        )
    else:
        raise MalformedError(
            "observation name",
            got=repr(name)[:80],
            expected="balances, prices, pool:A/B or lending:A",
        )


def decode_facts(
    names: Sequence[str],
    returned: Sequence[bytes],
    *,
    book: AddressBook,
    block_number: int,
    timestamp: int,
) -> Facts:
    """Decode the bytes that the planned reads of `names` returned, in order.

    Args:
        returned: one entry per planned read; the caller has checked the number.
        timestamp: unix seconds of the observed block.

    Raises:
        ReadUndecodableError: bytes that are not exactly the type's.
        AnswerInvalidError: an answer that no healthy feed or pool gives.
        ValueError: fewer or more entries than planned.
    """
    rest = iter(returned)
    balances: dict[str, TokenBalance] = {}
    prices: dict[str, PriceFact] = {}
    pools: dict[str, PoolFact] = {}
    lending: dict[str, LendingFact] = {}
    for name in names:
        if name == BALANCES:
            for token in sorted(book.tokens):
                amounts = [
                    decode_uint256(next(rest), what=f"balances of {token}")
                    for _ in _receipts(book, token)
                ]
                balances[token] = TokenBalance(*amounts)
        elif name == PRICES:
            for token in sorted(book.tokens):
                prices[token] = _price(
                    next(rest),
                    decimals=book.tokens[token].feed_decimals,
                    timestamp=timestamp,
                    what=f"price of {token}",
                )
        elif name.startswith(POOL_PREFIX):
            pool = name.removeprefix(POOL_PREFIX)
            fee = book.pool_named(pool).fee
            pools[pool] = _pool(next(rest), next(rest), fee=fee, what=f"pool {pool}")
        else:
            token = name.removeprefix(LENDING_PREFIX)
            lending[token] = _lending(next(rest), what=f"lending of {token}")
    if next(rest, None) is not None:
        raise ValueError("more returned values than planned reads")
    return Facts(
        block_number=block_number,
        timestamp=timestamp,
        balances=balances,
        prices=prices,
        pools=pools,
        lending=lending,
    )


def _receipts(book: AddressBook, token: str) -> tuple[Address, ...]:
    """Return the token itself and, where Aave lists it, its aToken and debt token."""
    entry = book.tokens[token]
    if entry.a_token is None or entry.variable_debt is None:
        return (entry.address,)
    return (entry.address, entry.a_token, entry.variable_debt)


def _price(data: bytes, *, decimals: int, timestamp: int, what: str) -> PriceFact:
    said = FeedRound.decode(data, what=what)
    if said.answer <= 0:
        raise AnswerInvalidError(
            what, got=f"answer {said.answer}", expected="more than 0"
        )
    if said.round_id == 0 or not 0 < said.updated_at <= timestamp:
        raise AnswerInvalidError(
            what,
            got=f"round {said.round_id} updated at {said.updated_at}",
            expected=f"a round updated by {timestamp}",
        )
    return PriceFact(answer=said.answer, decimals=decimals, updated_at=said.updated_at)


def _pool(slot0: bytes, liquidity: bytes, *, fee: int, what: str) -> PoolFact:
    root, tick, *_ = decode_words(slot0, _SLOT0_TYPES, what=f"{what} slot0")
    (depth,) = decode_words(liquidity, ("uint128",), what=f"{what} liquidity")
    if not MIN_SQRT_PRICE_X96 <= root < MAX_SQRT_PRICE_X96 or abs(tick) > MAX_TICK:
        raise AnswerInvalidError(
            what,
            got=f"square root price {root}, tick {tick}",
            expected="an initialised pool's",
        )
    return PoolFact(sqrt_price_x96=root, tick=tick, liquidity=depth, fee=fee)


def _lending(data: bytes, *, what: str) -> LendingFact:
    words = decode_words(data, _RESERVE_TYPES, what=what)
    # A reserve that was never initialised answers with zeros everywhere.
    if words[9] == 0:
        raise AnswerInvalidError(
            what, got="liquidity index 0", expected="an initialised reserve"
        )
    return LendingFact(supply_rate_ray=words[5], borrow_rate_ray=words[6])
