"""What an account is worth, and what a decision's swaps paid, at feed prices.

It adds up what the chain says; it does not say what anybody would have paid for it. It
trusts the local chain, because we started it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eth_abi.abi import decode

from affiant.encoding import keccak256
from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, TransactionReceipt
from affiant.onchain.fact_types import BorrowingFact
from affiant.onchain.facts import BALANCES, BORROWING, PRICES, Facts
from affiant.onchain.mandate import VALUE_DECIMALS, Address
from affiant.onchain.observation import facts, record

SWAP_TOPIC = keccak256(b"Swap(address,address,int256,int256,uint160,uint128,int24)")
"""Topic of a Uniswap v3 pool's event."""

_FEE_UNITS = 10**6


@dataclass(frozen=True)
class Reading:
    """One account at one block."""

    block: int
    holdings: Mapping[str, int]
    """Per token, what is held and lent less what is owed, in base units; signed."""
    values: Mapping[str, int]
    """Per token, what is held and lent less what is owed, at its feed's price; may be
    negative. Values have 8 decimals."""
    prices: Mapping[str, int]
    """Feed answers, 8 decimals."""
    health_bps: int | None = None
    """At Aave, deposits that count over debts, in basis points; below 10,000 anybody
    may liquidate. None where nothing is owed."""

    @property
    def value(self) -> int:
        """What the account is worth."""
        return sum(self.values.values())


@dataclass(frozen=True)
class Swapped:
    """What one execution swapped."""

    value: int = 0
    """What was sold, at feed prices."""
    fees: int = 0
    """What the pools kept of it."""


def read_account(
    chain: Chain, *, book: AddressBook, account: Address, block: Block
) -> Reading:
    """Return what `account` is worth after `block`.

    Raises:
        RejectedError, UnavailableError: a token or feed does not answer as it should.
    """
    names = (BALANCES, PRICES) if book.aave is None else (BALANCES, PRICES, BORROWING)
    seen = record(chain, names=names, book=book, account=account, block=block)
    return reading_of(facts(seen, names=names, book=book), book=book)


def reading_of(seen: Facts, *, book: AddressBook) -> Reading:
    """Return what an observation with balances and prices is worth."""
    holdings = {
        name: balance.wallet + balance.supplied - balance.debt
        for name, balance in seen.balances.items()
    }
    values = {
        name: value_of(held, token=book.tokens[name], answer=seen.prices[name].answer)
        for name, held in holdings.items()
    }
    return Reading(
        block=seen.block_number,
        holdings=holdings,
        values=values,
        prices={name: price.answer for name, price in seen.prices.items()},
        health_bps=_health(seen.borrowing),
    )


def _health(seen: BorrowingFact | None) -> int | None:
    if seen is None or seen.debt == 0:
        return None
    return seen.collateral * seen.threshold_bps // seen.debt


def value_of(units: int, *, token: TokenEntry, answer: int) -> int:
    """Return what base units are worth, rounded towards 0.

    Args:
        units: signed.
        answer: the feed's, with the book's decimals.
    """
    scale = 10 ** (token.decimals + token.feed_decimals)
    worth: int = abs(units) * answer * 10**VALUE_DECIMALS // scale
    return -worth if units < 0 else worth


def swapped_in(
    receipt: TransactionReceipt, *, book: AddressBook, prices: Mapping[str, int]
) -> Swapped:
    """Return what an execution swapped in the pools that the book names."""
    pools = {} if book.uniswap is None else book.uniswap.pools
    by_address = {pool.address: pool for pool in pools.values()}
    names = {token.address: name for name, token in book.tokens.items()}
    value = fees = 0
    for log in receipt.logs:
        pool = by_address.get(log.address)
        if pool is None or not log.topics or log.topics[0] != SWAP_TOPIC:
            continue
        amounts = decode(["int256", "int256"], log.data[:64])
        # What the pool took is positive; the fee is a part of it.
        for token, amount in zip((pool.token0, pool.token1), amounts, strict=True):
            if amount <= 0:
                continue
            name = names[token]
            sold = value_of(amount, token=book.tokens[name], answer=prices[name])
            value += sold
            fees += sold * pool.fee // _FEE_UNITS
    return Swapped(value=value, fees=fees)
