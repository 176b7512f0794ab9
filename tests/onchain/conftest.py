"""A small world for the pure tests: a book, an account, facts and a mandate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_utils.address import to_checksum_address

from affiant.encoding import Digest
from affiant.onchain.address_book import (
    AaveEntry,
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.facts import (
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)
from affiant.onchain.kits import KITS
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Rung,
    Tracked,
)

NOW = 1_750_000_000
"""Unix seconds of the observed block."""


def address(number: int) -> Address:
    return Address(str(to_checksum_address(f"0x{number:040x}")))


ACCOUNT = address(0xACC)


@pytest.fixture(scope="session")
def small_book() -> AddressBook:
    """WETH and USDC with pool and market, WBTC with a feed alone; names unsorted."""
    return AddressBook(
        chain_id=31337,
        gate=address(1),
        node_registry=address(2),
        model_registry=address(3),
        tokens={
            "WETH": TokenEntry(
                address(0x200),
                18,
                address(0x201),
                8,
                3600,
                address(0x202),
                address(0x203),
            ),
            "USDC": TokenEntry(
                address(0x100),
                6,
                address(0x101),
                8,
                7200,
                address(0x102),
                address(0x103),
            ),
            "WBTC": TokenEntry(address(0x300), 8, address(0x301), 8, 3600),
        },
        uniswap=UniswapEntry(
            factory=address(4),
            router=address(5),
            quoter=address(6),
            position_manager=address(7),
            pools={
                "WETH/USDC": PoolEntry(address(8), 500, address(0x100), address(0x200))
            },
        ),
        aave=AaveEntry(pool=address(9), oracle=address(10), data_provider=address(11)),
    )


@pytest.fixture(scope="session")
def small_facts() -> Facts:
    """2 WETH at 2500 dollars, 1000 USDC, 400 USDC supplied, 50 USDC owed."""
    return Facts(
        block_number=100,
        timestamp=NOW,
        balances={
            "USDC": TokenBalance(1000 * 10**6, 400 * 10**6, 50 * 10**6),
            "WBTC": TokenBalance(0),
            "WETH": TokenBalance(2 * 10**18, 0, 0),
        },
        prices={
            "USDC": PriceFact(10**8, 8, NOW - 60),
            "WBTC": PriceFact(10**13, 8, NOW - 60),
            "WETH": PriceFact(2500 * 10**8, 8, NOW - 60),
        },
        pools={"WETH/USDC": PoolFact(2**96, 0, 10**18, 500)},
        lending={"USDC": LendingFact(10**25, 2 * 10**25)},
    )


@pytest.fixture(scope="session")
def small_mandate(small_book: AddressBook) -> Mandate:
    """Allows every kit and tracks every token, aToken and debt of the small book."""
    return mandate_for(small_book)


@pytest.fixture(scope="session")
def granting() -> Callable[[AddressBook, Address], Mandate]:
    """Make a mandate for an account over everything in a book."""
    return lambda book, account: mandate_for(book, account=account)


def mandate_for(book: AddressBook, *, account: Address = ACCOUNT) -> Mandate:
    tracked = []
    for index, token in enumerate(book.tokens.values()):
        tracked.append(Tracked(token.address, index, token.decimals, debt=False))
        if token.a_token is not None and token.variable_debt is not None:
            tracked.append(Tracked(token.a_token, index, token.decimals, debt=False))
            tracked.append(Tracked(token.variable_debt, index, token.decimals, True))
    allowed = {entry for kit in KITS.values() for entry in kit.permissions(book)}
    return Mandate(
        account=account,
        operator=NATIVE,
        guardian=NATIVE,
        program=Digest(b"p" * 32),
        model=Digest(b"m" * 32),
        engine=Digest(b"e" * 32),
        cadence=10,
        expiry=NOW + 86400,
        max_loss=100 * 10**8,
        record_holds=False,
        quorum=0,
        salt=Digest(bytes(32)),
        nodes=(NodePermit(address(0x77), 1),),
        workloads=(),
        endorsers=(),
        ladder=(Rung(2**255, 1, 0, 0),),
        allow_list=tuple(sorted(allowed, key=lambda p: (p.target, p.selector))),
        feeds=tuple(
            Feed(t.feed, t.feed_decimals, t.max_age) for t in book.tokens.values()
        ),
        tracked=tuple(tracked),
        rules=(),
    )
