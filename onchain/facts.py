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
    "borrowing"      getUserAccountData(account) of Aave's pool
    "native"         getEthBalance(account) of the book's balance reader
    "vault:A"        convertToAssets(one whole share) of that ERC-4626 vault
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
from affiant.onchain.fact_types import BorrowingFact as BorrowingFact
from affiant.onchain.fact_types import Facts as Facts
from affiant.onchain.fact_types import LendingFact as LendingFact
from affiant.onchain.fact_types import PoolFact as PoolFact
from affiant.onchain.fact_types import PriceFact as PriceFact
from affiant.onchain.fact_types import TokenBalance as TokenBalance
from affiant.onchain.fact_types import VaultFact as VaultFact
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

BORROWING = "borrowing"
"""Name of the observation of the account's standing with Aave."""

NATIVE_BALANCE = "native"
"""Name of the observation of the account's native balance."""

VAULT_PREFIX = "vault:"
"""Prefix of the observation of one ERC-4626 vault, by the name of its share token."""

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

_ACCOUNT_DATA = selector("getUserAccountData(address)")
_ETH_BALANCE = selector("getEthBalance(address)")
_CONVERT_TO_ASSETS = selector("convertToAssets(uint256)")

_ACCOUNT_TYPES = ("uint256",) * 6
_SLOT0_TYPES = ("uint160", "int24", "uint16", "uint16", "uint16", "uint8", "uint1")
_RESERVE_TYPES = (*["uint256"] * 11, "uint40")

READ_TYPES: Mapping[bytes, tuple[str, ...]] = MappingProxyType(
    {
        selector("balanceOf(address)"): ("uint256",),
        LATEST_ROUND_DATA: ROUND_TYPES,
        SLOT0: _SLOT0_TYPES,
        _LIQUIDITY: ("uint128",),
        selector("getReserveData(address)"): _RESERVE_TYPES,
        _ACCOUNT_DATA: _ACCOUNT_TYPES,
        _ETH_BALANCE: ("uint256",),
        _CONVERT_TO_ASSETS: ("uint256",),
    }
)
"""What each planned read returns, by selector."""

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class PlannedRead:
    """One call that an observation makes."""

    target: Address
    calldata: bytes


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
    elif name == BORROWING:
        if book.aave is None:
            raise MalformedError(
                "observation name", got=repr(name), expected="a book with Aave"
            )
        yield PlannedRead(
            book.aave.pool, encode_call("getUserAccountData(address)", [account])
        )
    elif name == NATIVE_BALANCE:
        reader = book.native_entry().reader
        yield PlannedRead(reader, encode_call("getEthBalance(address)", [account]))
    elif name.startswith(VAULT_PREFIX):
        share = book.vault_named(name.removeprefix(VAULT_PREFIX)).share
        yield PlannedRead(
            share.address,
            encode_call("convertToAssets(uint256)", [10**share.decimals]),
        )
    else:
        raise MalformedError(
            "observation name",
            got=repr(name)[:80],
            expected="balances, prices, pool:A/B, lending:A, borrowing, native or "
            "vault:A",
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
    vaults: dict[str, VaultFact] = {}
    borrowing: BorrowingFact | None = None
    native: int | None = None
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
        elif name == BORROWING:
            borrowing = _borrowing(next(rest))
        elif name == NATIVE_BALANCE:
            native = decode_uint256(next(rest), what="native balance")
        elif name.startswith(VAULT_PREFIX):
            share = name.removeprefix(VAULT_PREFIX)
            vaults[share] = _vault(next(rest), what=f"vault {share}")
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
        borrowing=borrowing,
        native=native,
        vaults=vaults,
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


def _borrowing(data: bytes) -> BorrowingFact:
    what = "standing with Aave"
    # The fifth and sixth words, loan to value and health, follow from the others.
    collateral, debt, available, threshold, *_ = decode_words(
        data, _ACCOUNT_TYPES, what=what
    )
    if threshold > 10_000 or max(collateral, debt, available) >= 2**128:
        raise AnswerInvalidError(
            what,
            got=f"{collateral}, {debt}, {available}, threshold {threshold}"[:200],
            expected="values under 2^128 and a threshold of at most 10000",
        )
    return BorrowingFact(collateral, debt, available, threshold)


def _vault(data: bytes, *, what: str) -> VaultFact:
    rate = decode_uint256(data, what=what)
    if not 0 < rate < 2**128:
        raise AnswerInvalidError(
            what, got=f"{rate} for one share", expected="more than 0, under 2^128"
        )
    return VaultFact(assets_per_share=rate)
