"""The kits that trade along several Uniswap v3 pools, or for an exact amount. Pure.

A plan names a whole route, "WETH>USDC>WBTC": what is sold first, what is bought last.

    swap_path       sells share_bps of the balance, rounded down, for at least its worth
                    at the feeds' prices less max_slippage_bps
    swap_exact_out  buys exactly what share_bps of the balance is worth at the feeds'
                    prices, for at most that share plus max_slippage_bps

Both need the pools on the route observed: where the pools' own prices, fees included,
already break the bound, the plan is refused before it costs gas. Depth is not judged:
a trade too large for its pools is refused by the bound, in the router.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook, PoolEntry, TokenEntry
from affiant.onchain.decision import Call
from affiant.onchain.errors import (
    PlanFactMissingError,
    PlanNameUnknownError,
    PlanPriceOffError,
)
from affiant.onchain.facts import BALANCES, POOL_PREFIX, PRICES
from affiant.onchain.kits import uniswap_v3
from affiant.onchain.kits.kit import (
    BPS,
    MAX_SLIPPAGE_BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitStep,
    SlippageParams,
    fresh_price,
    object_schema,
    require_balance,
    share_of,
)
from affiant.onchain.kits.swap import SWAP_DEADLINE_SECONDS, least_yield
from affiant.onchain.mandate import Address, Permission

ARROW = ">"
"""Between the tokens of a route; no token's name holds it."""

MAX_HOPS = 3
"""Most pools on one route."""

MAX_ROUTES = 128
"""Most routes offered to a model: the shortest first, then in the book's order."""

FEE_UNITS = 10**6
"""Uniswap's fees are hundredths of a basis point."""


class SwapPathParams(SlippageParams):
    """Sell a share of the wallet's balance along a route."""

    action: Literal["swap_path"]
    route: str
    """Token names, sold first, bought last."""


class SwapExactOutParams(SlippageParams):
    """Buy an exact amount along a route."""

    action: Literal["swap_exact_out"]
    route: str
    """Token names, sold first, bought last."""


@dataclass(frozen=True)
class Route:
    """A route with what the book says about it."""

    router: Address
    names: tuple[str, ...]
    tokens: tuple[TokenEntry, ...]
    pools: Mapping[str, PoolEntry]
    """By the book's names, in the order of trading; one less than tokens."""

    @property
    def path(self) -> list[Address | int]:
        """Token, fee, token, ..., as the order of trading is."""
        steps: list[Address | int] = [self.tokens[0].address]
        for token, pool in zip(self.tokens[1:], self.pools.values(), strict=True):
            steps += [pool.fee, token.address]
        return steps


def routes(book: AddressBook) -> tuple[str, ...]:
    """Return every route of the book's pools that names no token twice."""
    traded = {} if book.uniswap is None else book.uniswap.pools
    names = [*book.tokens]
    neighbours: dict[str, list[str]] = {name: [] for name in names}
    for pair in traded:
        base, _, quote = pair.partition("/")
        neighbours[base].append(quote)
        neighbours[quote].append(base)
    found: list[str] = []
    reached: list[tuple[str, ...]] = [(name,) for name in names]
    for _ in range(MAX_HOPS):
        reached = [
            (*way, end)
            for way in reached
            for end in sorted(neighbours[way[-1]], key=names.index)
            if end not in way
        ]
        found += [ARROW.join(way) for way in reached]
    return tuple(found[:MAX_ROUTES])


def _path_schema(book: AddressBook) -> dict[str, JsonValue]:
    return _schema("swap_path", book)


def _exact_out_schema(book: AddressBook) -> dict[str, JsonValue]:
    return _schema("swap_exact_out", book)


def _schema(action: str, book: AddressBook) -> dict[str, JsonValue]:
    return object_schema(
        action,
        {
            "route": {"enum": [*routes(book)]},
            "share_bps": dict(SHARE_SCHEMA),
            "max_slippage_bps": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_SLIPPAGE_BPS,
            },
        },
    )


def _path_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, uniswap_v3.EXACT_INPUT)


def _exact_out_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, uniswap_v3.EXACT_OUTPUT)


def _permissions(book: AddressBook, function: bytes) -> tuple[Permission, ...]:
    return () if book.uniswap is None else (Permission(book.uniswap.router, function),)


def _compile_path(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, SwapPathParams):
        raise TypeError(f"expected SwapPathParams, got {type(params).__name__}")
    route = _route(params.route, context=context, what="swap_path.route")
    sold, bought = route.tokens[0], route.tokens[-1]
    amount_in = share_of(
        context, sold.address, share_bps=params.share_bps, what="swap_path.share_bps"
    )
    least = _worth(amount_in, route, context=context, slippage=params.max_slippage_bps)
    rate = _spot(route, context=context)
    spot = amount_in * rate.numerator // rate.denominator
    if spot < least:
        raise PlanPriceOffError(
            "swap_path.max_slippage_bps",
            got=f"{spot} base units at the pools' prices",
            expected=f"at least {least}",
        )
    data = uniswap_v3.exact_input(
        path=route.path,
        recipient=context.account,
        deadline=context.facts.timestamp + SWAP_DEADLINE_SECONDS,
        amount_in=amount_in,
        amount_out_minimum=least,
    )
    return _step(route, data=data, paid=amount_in, got=least, bought=bought)


def _compile_exact_out(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, SwapExactOutParams):
        raise TypeError(f"expected SwapExactOutParams, got {type(params).__name__}")
    route = _route(params.route, context=context, what="swap_exact_out.route")
    sold, bought = route.tokens[0], route.tokens[-1]
    share = share_of(
        context,
        sold.address,
        share_bps=params.share_bps,
        what="swap_exact_out.share_bps",
    )
    amount_out = _worth(share, route, context=context, slippage=0)
    most = share * (BPS + params.max_slippage_bps) // BPS
    require_balance(context, sold.address, amount=most, what="swap_exact_out.share_bps")
    rate = _spot(route, context=context)
    spot = -(-amount_out * rate.denominator // rate.numerator)
    if spot > most:
        raise PlanPriceOffError(
            "swap_exact_out.max_slippage_bps",
            got=f"{spot} base units at the pools' prices",
            expected=f"at most {most}",
        )
    data = uniswap_v3.exact_output(
        path=route.path,
        recipient=context.account,
        deadline=context.facts.timestamp + SWAP_DEADLINE_SECONDS,
        amount_out=amount_out,
        amount_in_maximum=most,
    )
    return _step(route, data=data, paid=most, got=amount_out, bought=bought)


def _step(
    route: Route, *, data: bytes, paid: int, got: int, bought: TokenEntry
) -> KitStep:
    sold = route.tokens[0]
    call = Call(
        target=route.router, value=0, data=data, token=sold.address, allowance=paid
    )
    return KitStep(calls=(call,), deltas={sold.address: -paid, bought.address: got})


def _route(name: str, *, context: KitContext, what: str) -> Route:
    book = context.book
    names = tuple(name.split(ARROW))
    if book.uniswap is None or name not in routes(book):
        raise PlanNameUnknownError(
            what, got=repr(name)[:80], expected="a route over the book's pools"
        )
    pools: dict[str, PoolEntry] = {}
    for sold, bought in zip(names, names[1:], strict=False):
        pair = f"{sold}/{bought}"
        pair = pair if pair in book.uniswap.pools else f"{bought}/{sold}"
        pools[pair] = book.uniswap.pools[pair]
    return Route(
        router=book.uniswap.router,
        names=names,
        tokens=tuple(book.tokens[token] for token in names),
        pools=pools,
    )


def _worth(amount: int, route: Route, *, context: KitContext, slippage: int) -> int:
    return least_yield(
        amount,
        sell=fresh_price(context, route.names[0]),
        sell_decimals=route.tokens[0].decimals,
        buy=fresh_price(context, route.names[-1]),
        buy_decimals=route.tokens[-1].decimals,
        max_slippage_bps=slippage,
    )


@dataclass(frozen=True)
class Rate:
    """Base units bought for one base unit sold, as a fraction."""

    numerator: int
    denominator: int


def _spot(route: Route, *, context: KitContext) -> Rate:
    """Return what the pools give at their observed prices, less their fees.

    A pool states the square root of token 1 for token 0, in 2^96ths.
    """
    numerator = denominator = 1
    for token, (name, pool) in zip(route.tokens, route.pools.items(), strict=False):
        fact = context.facts.pools.get(name)
        if fact is None:
            raise PlanFactMissingError(
                f"pool {name}", got="none", expected=f"`pool:{name}` observed"
            )
        forth, back = fact.sqrt_price_x96**2, 2**192
        if token.address != pool.token0:
            forth, back = back, forth
        numerator *= forth * (FEE_UNITS - pool.fee)
        denominator *= back * FEE_UNITS
    return Rate(numerator, denominator)


SwapPath = Kit(
    name="swap_path",
    version=2,
    required=(BALANCES, PRICES, POOL_PREFIX),
    line='{"action": "swap_path", "route": "SOLD>...>BOUGHT", "share_bps": share of '
    'the wallet\'s balance of the sold token, "max_slippage_bps": BPS}',
    params=SwapPathParams,
    schema=_path_schema,
    permissions=_path_permissions,
    compile=_compile_path,
)
"""Sells exactly the amount in, for at least the least yield."""

SwapExactOut = Kit(
    name="swap_exact_out",
    version=2,
    required=(BALANCES, PRICES, POOL_PREFIX),
    line='{"action": "swap_exact_out", "route": "SOLD>...>BOUGHT", "share_bps": worth '
    "of what is bought, as a share of the sold token's balance, "
    '"max_slippage_bps": BPS}',
    params=SwapExactOutParams,
    schema=_exact_out_schema,
    permissions=_exact_out_permissions,
    compile=_compile_exact_out,
)
"""Buys exactly the amount out, for at most the share plus slippage."""
