"""Moves prices, time and money on a local chain, as the world would.

Everything is done by real transactions of the scenario's own accounts: feeds are set
by their owner, pools are moved by a market maker who swaps until they agree with the
feeds. Each method mines what it sends into one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from affiant.onchain.address_book import AddressBook, PoolEntry, TokenEntry
from affiant.onchain.devnet.accounts import DEPLOYER, MARKET_MAKER
from affiant.onchain.devnet.devnet import Devnet
from affiant.onchain.devnet.protocols import (
    FAR_FUTURE,
    FEED_DECIMALS,
    dollars_to_answer,
    sqrt_price,
)
from affiant.onchain.devnet.transactions import Transactions
from affiant.onchain.devnet.vaults import move_share, share_answer
from affiant.onchain.mandate import Address

GAS = 2_000_000
"""Gas given to each of a scenario's transactions."""

NATIVE_NAME = "ETH"
"""What `fund` calls the chain's native currency."""

_SWAP = (
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
)
_REORG_COINBASE = "0x000000000000000000000000000000000000bEEF"


@dataclass(frozen=True)
class Slot:
    """A slot that can be decided and executed in now."""

    number: int
    anchor: int
    """Number of its first block."""
    head: int
    """Number of the newest block; the next one is still in the slot."""


class Scenario:
    """Drives one local chain."""

    def __init__(self, devnet: Devnet, *, book: AddressBook | None = None) -> None:
        """Drive `devnet`.

        Args:
            book: names more than the devnet's own (`extension.py`); its own if None.
        """
        self.devnet = devnet
        self.book = devnet.book if book is None else book
        self._rpc = devnet.rpc

    def price(self, token: str) -> Decimal:
        """Return the dollars that the feed of `token` quotes.

        Raises:
            MalformedError: no such token.
        """
        return Decimal(self._answer(self.book.token_named(token))).scaleb(
            -FEED_DECIMALS
        )

    def pool_price(self, pool: str) -> Decimal:
        """Return how many quote tokens the pool gives for one base token, without fee.

        Raises:
            MalformedError: no such pool.
        """
        entry = self.book.pool_named(pool)
        base, quote = (self.book.token_named(name) for name in pool.split("/"))
        ratio = (Decimal(self._sqrt_price(entry)) / 2**96) ** 2
        if base.address != entry.token0:
            ratio = 1 / ratio
        return ratio.scaleb(base.decimals - quote.decimals)

    def set_price(self, token: str, dollars: Decimal) -> None:
        """Move the feed of `token`, and every pool that holds it, to `dollars`.

        Raises:
            MalformedError: no such token.
            ValueError: not a positive number.
        """
        self.set_prices({token: dollars})

    def set_prices(
        self, prices: Mapping[str, Decimal], *, at: int | None = None
    ) -> None:
        """Move several feeds, their pools and vaults, in one block.

        Args:
            at: unix seconds of that block, after the newest; every feed is refreshed
                then. None: the chain's own clock, and only what moves is refreshed.

        Raises:
            MalformedError: no such token.
            ValueError: a price is not a positive number.
        """
        answers = {
            name: self._answer(token) for name, token in self.book.tokens.items()
        }
        transactions = self._transactions()
        now = self._rpc.timestamp() if at is None else at
        for name, dollars in prices.items():
            answer = dollars_to_answer(dollars)
            if answer <= 0:
                raise ValueError(f"a price must be positive, got {dollars}")
            self.book.token_named(name)
            answers[name] = answer
        for share, asset in self.book.vaults.items():
            if share in prices:
                move_share(
                    transactions,
                    vault=self.book.vault_named(share),
                    answers=(answers[share], answers[asset]),
                )
            elif at is not None or asset in prices:
                answers[share] = share_answer(
                    self._rpc, self.book.vault_named(share), asset=answers[asset]
                )
        for name in answers if at is not None else prices:
            token = self.book.token_named(name)
            self._set(transactions, token, answer=answers[name], updated_at=now)
        pools = {} if self.book.uniswap is None else self.book.uniswap.pools
        for name, pool in pools.items():
            if prices.keys() & set(name.split("/")):
                self._move(transactions, pool, target=self._fair(name, answers))
        if at is not None:
            self._rpc.request("evm_setNextBlockTimestamp", hex(at))
        transactions.mine()

    def set_feed(self, token: str, *, answer: int, age: int = 0) -> None:
        """Set a feed alone to any answer at any age: for what must be refused.

        Args:
            token: name in the book.
            answer: the feed's raw answer; may be zero or negative.
            age: seconds since it was updated, counted from the newest block.

        Raises:
            MalformedError: no such token.
        """
        transactions = self._transactions()
        self._set(
            transactions,
            self.book.token_named(token),
            answer=answer,
            updated_at=self._rpc.timestamp() - age,
        )
        transactions.mine()

    def move_pool(self, pool: str, price: Decimal) -> None:
        """Swap a pool alone to `price` quote tokens for one base token.

        Raises:
            MalformedError: no such pool.
        """
        entry = self.book.pool_named(pool)
        base, quote = pool.split("/")
        answers = {base: dollars_to_answer(price), quote: dollars_to_answer(Decimal(1))}
        transactions = self._transactions()
        self._move(transactions, entry, target=self._fair(pool, answers))
        transactions.mine()

    def refresh_feeds(self) -> None:
        """Repeat every feed's answer, updated now."""
        transactions, now = self._transactions(), self._rpc.timestamp()
        for token in self.book.tokens.values():
            self._set(transactions, token, answer=self._answer(token), updated_at=now)
        transactions.mine()

    def fund(self, account: Address, amounts: Mapping[str, Decimal | int]) -> None:
        """Give `account` whole tokens (or "ETH") out of the market maker's stock.

        Raises:
            MalformedError: no such token.
            ValueError: finer than the token's decimals.
        """
        transactions = self._transactions()
        for name, amount in amounts.items():
            if name == NATIVE_NAME:
                held = int(self._rpc.request("eth_getBalance", account, "latest"), 16)
                total = held + _base_units(amount, decimals=18)
                self._rpc.request("anvil_setBalance", account, hex(total))
                continue
            token = self.book.token_named(name)
            transactions.send(
                token.address,
                "transfer(address,uint256)",
                [account, _base_units(amount, decimals=token.decimals)],
                sender=MARKET_MAKER.address,
            )
        transactions.mine()

    def mine(self, blocks: int = 1) -> None:
        """Mine `blocks` blocks."""
        self._rpc.request("anvil_mine", hex(blocks))

    def mine_to(self, block: int) -> None:
        """Mine until `block` is the newest; nothing if it is already.

        Raises:
            ValueError: the chain is past it.
        """
        head = self._rpc.block_number()
        if head > block:
            raise ValueError(f"block {block} is past: the newest is {head}")
        if head < block:
            self.mine(block - head)

    def next_slot(self, cadence: int) -> Slot:
        """Mine into the next slot, so that a decision made now can be executed.

        Prices set before are in place at the anchor. One block more is mined where the
        slot has room for it, so that a simulation on the newest block can already see
        the anchor's hash.

        Args:
            cadence: blocks a slot, at least 2.
        """
        number = self._rpc.block_number() // cadence + 1
        anchor = number * cadence
        head = anchor + (1 if cadence > 2 else 0)
        self.mine_to(head)
        return Slot(number=number, anchor=anchor, head=head)

    def warp(self, seconds: int) -> None:
        """Mine one block that is `seconds` later than the newest one."""
        later = self._rpc.timestamp() + seconds
        self._rpc.request("evm_setNextBlockTimestamp", hex(later))
        self.mine()

    def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by empty ones of other hashes.

        Their transactions are gone, not pending.
        """
        # Empty blocks on the same parent would be the same blocks: another coinbase
        # makes them others.
        coinbase = self._rpc.request("eth_coinbase")
        self._rpc.request("anvil_setCoinbase", _REORG_COINBASE)
        try:
            self._rpc.request("anvil_reorg", depth, [])
        finally:
            self._rpc.request("anvil_setCoinbase", coinbase)

    def _transactions(self) -> Transactions:
        return Transactions(self._rpc, gas=GAS)

    def _answer(self, token: TokenEntry) -> int:
        return self._rpc.call_integer(token.feed, "latestAnswer()")

    def _sqrt_price(self, pool: PoolEntry) -> int:
        return self._rpc.call_integer(pool.address, "slot0()")

    def _fair(self, pool: str, answers: Mapping[str, int]) -> int:
        first, second = sorted(
            pool.split("/"), key=lambda name: self.book.tokens[name].address.lower()
        )
        return sqrt_price(
            answer0=answers[first],
            answer1=answers[second],
            decimals0=self.book.tokens[first].decimals,
            decimals1=self.book.tokens[second].decimals,
        )

    def _set(
        self,
        transactions: Transactions,
        token: TokenEntry,
        *,
        answer: int,
        updated_at: int,
    ) -> None:
        transactions.send(
            token.feed,
            "set(int256,uint64)",
            [answer, updated_at],
            sender=DEPLOYER.address,
        )

    def _move(
        self, transactions: Transactions, pool: PoolEntry, *, target: int
    ) -> None:
        current = self._sqrt_price(pool)
        if current == target or self.book.uniswap is None:
            return
        # Token 0 sold lowers the price, token 1 sold raises it. The maker offers all it
        # has; the pool takes what moves it to the limit, which is the target.
        sides = (pool.token0, pool.token1)
        sold, bought = sides if target < current else sides[::-1]
        stock = self._rpc.call_integer(
            sold, "balanceOf(address)", [MARKET_MAKER.address]
        )
        transactions.send(
            self.book.uniswap.router,
            _SWAP,
            [
                (
                    sold,
                    bought,
                    pool.fee,
                    MARKET_MAKER.address,
                    FAR_FUTURE,
                    stock,
                    0,
                    target,
                )
            ],
            sender=MARKET_MAKER.address,
        )


def _base_units(amount: Decimal | int, *, decimals: int) -> int:
    units = Decimal(amount).scaleb(decimals)
    if units != int(units) or units < 0:
        raise ValueError(f"{amount} is no amount with {decimals} decimals")
    return int(units)
