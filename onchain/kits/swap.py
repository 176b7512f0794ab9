"""The kit that sells one token for another in a Uniswap v3 pool. Pure.

    amount in = share_bps × balance ÷ 10000, rounded down
    min out   = amount in × price(sell) ÷ price(buy)
                × (10000 − max_slippage_bps) ÷ 10000, in base units, rounded down

Prices are the feeds', not the pool's: a pool that is off by more than the slippage
makes the swap fail instead of making it dear. The pool's fee counts as slippage.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, model_validator

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook, PoolEntry, UniswapEntry
from affiant.onchain.decision import Call
from affiant.onchain.errors import PlanNameUnknownError
from affiant.onchain.facts import BALANCES, PRICES, PriceFact
from affiant.onchain.kits.kit import (
    BPS,
    MAX_SLIPPAGE_BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitStep,
    SlippageParams,
    fresh_price,
    named_token,
    object_schema,
    positive_amount,
    share_of,
)
from affiant.onchain.kits.uniswap_v3 import EXACT_INPUT_SINGLE, exact_input_single
from affiant.onchain.mandate import Permission

NAME = "swap"
"""The plan's `action`."""

SWAP_DEADLINE_SECONDS = 7 * 24 * 3600
"""The router refuses the swap this long after the observation: as long as a decision is
valid at most. The gate ends it before, at its `validUntil`; a shorter deadline here
would make every swap useless that waits out a rung's delay."""


class SwapParams(SlippageParams):
    """Sell a share of the wallet's balance of one token for another."""

    action: Literal["swap"]
    sell: str
    """Token name."""
    buy: str
    """Token name."""

    @model_validator(mode="after")
    def _two_tokens(self) -> Self:
        if self.sell == self.buy:
            raise ValueError("`sell` and `buy` must differ")
        return self


def _schema(book: AddressBook) -> dict[str, JsonValue]:
    pools = () if book.uniswap is None else tuple(book.uniswap.pools)
    traded = {name for pool in pools for name in pool.split("/")}
    tokens = {"enum": [name for name in book.tokens if name in traded]}
    return object_schema(
        NAME,
        {
            "sell": tokens,
            "buy": tokens,
            "share_bps": dict(SHARE_SCHEMA),
            "max_slippage_bps": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_SLIPPAGE_BPS,
            },
        },
    )


def _permissions(book: AddressBook) -> tuple[Permission, ...]:
    if book.uniswap is None:
        return ()
    return (Permission(target=book.uniswap.router, selector=EXACT_INPUT_SINGLE),)


def _compile(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, SwapParams):
        raise TypeError(f"expected SwapParams, got {type(params).__name__}")
    sell = named_token(context, params.sell, what="swap.sell")
    buy = named_token(context, params.buy, what="swap.buy")
    uniswap, pool = _pool_of(context.book, params)
    amount_in = share_of(
        context, sell.address, share_bps=params.share_bps, what="swap.share_bps"
    )
    min_out = least_yield(
        amount_in,
        sell=fresh_price(context, params.sell),
        sell_decimals=sell.decimals,
        buy=fresh_price(context, params.buy),
        buy_decimals=buy.decimals,
        max_slippage_bps=params.max_slippage_bps,
    )
    data = exact_input_single(
        token_in=sell.address,
        token_out=buy.address,
        fee=pool.fee,
        recipient=context.account,
        deadline=context.facts.timestamp + SWAP_DEADLINE_SECONDS,
        amount_in=amount_in,
        amount_out_minimum=min_out,
    )
    call = Call(
        target=uniswap.router,
        value=0,
        data=data,
        token=sell.address,
        allowance=amount_in,
    )
    return KitStep(
        calls=(call,), deltas={sell.address: -amount_in, buy.address: min_out}
    )


def _pool_of(book: AddressBook, params: SwapParams) -> tuple[UniswapEntry, PoolEntry]:
    pools = {} if book.uniswap is None else book.uniswap.pools
    for name in (f"{params.sell}/{params.buy}", f"{params.buy}/{params.sell}"):
        if book.uniswap is not None and name in pools:
            return book.uniswap, pools[name]
    raise PlanNameUnknownError(
        "swap",
        got=f"no pool of {params.sell} and {params.buy}",
        expected=f"one of {[*pools]}",
    )


def least_yield(
    amount_in: int,
    *,
    sell: PriceFact,
    sell_decimals: int,
    buy: PriceFact,
    buy_decimals: int,
    max_slippage_bps: int,
) -> int:
    """Return what `amount_in` is worth at the feeds' prices less slippage, floored.

    Raises:
        PlanAmountZeroError: it comes to nothing.
        PlanOverflowError: no balance is that large.
    """
    numerator = (
        amount_in
        * sell.answer
        * 10 ** (buy.decimals + buy_decimals)
        * (BPS - max_slippage_bps)
    )
    denominator = buy.answer * 10 ** (sell.decimals + sell_decimals) * BPS
    amount: int = numerator // denominator
    return positive_amount(
        amount, what="swap's least yield", got=f"0 base units for {amount_in}"
    )


Swap = Kit(
    name=NAME,
    version=2,
    required=(BALANCES, PRICES),
    line='{"action": "swap", "sell": NAME, "buy": NAME, "share_bps": share of the '
    'wallet\'s balance of the sold token, "max_slippage_bps": BPS}',
    params=SwapParams,
    schema=_schema,
    permissions=_permissions,
    compile=_compile,
)
"""Sells exactly the amount in, for at least the least yield."""
