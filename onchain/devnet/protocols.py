"""Deploys tokens, price feeds and Uniswap v3 on a local chain.

The contracts are the protocols' own bytecode. Numbers (prices, amounts) are a sensible
world to act in, no more: one ETH at 2,500 dollars, one bitcoin at 60,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isqrt

from affiant.onchain.address_book import PoolEntry, UniswapEntry
from affiant.onchain.devnet.accounts import MARKET_MAKER
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.transactions import Deployment
from affiant.onchain.mandate import NATIVE, Address, parse_address

FEED_DECIMALS = 8
"""Decimals of every feed's answers, as Chainlink's dollar feeds have."""

MAX_AGE = 3600
"""Seconds after which a feed's answer is stale; Chainlink's heartbeat for ETH/USD."""

NO_LIMIT = 2**256 - 1
"""An unlimited allowance, only ever granted by the scenario's own accounts."""

FAR_FUTURE = 2**40
"""Unix seconds of a deadline that never passes."""

_FULL_RANGE = {500: 887270, 3000: 887220}
"""Greatest usable tick by fee (tick spacings 10 and 60)."""


@dataclass(frozen=True)
class TokenSpec:
    """A token to be deployed."""

    decimals: int
    dollars: Decimal
    """First price of one whole token."""
    market_maker: int
    """Whole tokens that the market maker gets."""


TOKENS: Mapping[str, TokenSpec] = {
    "WETH": TokenSpec(18, Decimal(2500), 2_000_000),
    "USDC": TokenSpec(6, Decimal(1), 20_000_000_000),
    "WBTC": TokenSpec(8, Decimal(60_000), 500_000),
}
"""By name, in the order of the address book."""


@dataclass(frozen=True)
class PoolSpec:
    """A Uniswap pool to be deployed, with liquidity over the full range."""

    fee: int
    base: int
    """Whole base tokens put in, with quote tokens of the same worth."""


POOLS: Mapping[str, PoolSpec] = {
    "WETH/USDC": PoolSpec(fee=500, base=40_000),
    "WBTC/USDC": PoolSpec(fee=3000, base=2_000),
}
"""By name. 100 and 120 million dollars a side: 10,000 dollars move a price 0.02 %."""


@dataclass(frozen=True)
class Token:
    """A deployed token and its feed."""

    address: Address
    feed: Address


def dollars_to_answer(dollars: Decimal) -> int:
    """Return `dollars` as a feed's answer, rounded down.

    Raises:
        ValueError: not a finite number.
    """
    if not dollars.is_finite():
        raise ValueError(f"a price must be finite, got {dollars}")
    return int(dollars.scaleb(FEED_DECIMALS))


def sqrt_price(*, answer0: int, answer1: int, decimals0: int, decimals1: int) -> int:
    """Return Uniswap's sqrtPriceX96 at which the pool agrees with two feeds' answers.

    Args:
        answer0: dollars of one whole token 0, any common scale.
        answer1: the same of token 1.
        decimals0: decimals of token 0.
        decimals1: decimals of token 1.
    """
    numerator = answer0 * 10**decimals1 << 192
    return isqrt(numerator // (answer1 * 10**decimals0))


def deploy_tokens(deployment: Deployment) -> dict[str, Token]:
    """Add tokens, feeds and the market maker's stock."""
    transactions, maker = deployment.transactions, MARKET_MAKER.address
    rpc = transactions.rpc
    tokens: dict[str, Token] = {}
    for name, spec in TOKENS.items():
        stock = spec.market_maker * 10**spec.decimals
        if name == "WETH":
            address = deployment.create("WETH9")
            rpc.request("anvil_setBalance", maker, hex(stock + 10**22))
            transactions.send(address, "deposit()", sender=maker, value=stock)
        else:
            address = deployment.create(
                "MintableERC20",
                ["string", "string", "uint8"],
                [name, name, spec.decimals],
            )
            deployment.send(address, "mint(address,uint256)", [maker, stock])
        feed = deployment.create(
            "SettableFeed",
            ["uint8", "string", "int256"],
            [FEED_DECIMALS, f"{name} / USD", dollars_to_answer(spec.dollars)],
        )
        tokens[name] = Token(address=address, feed=feed)
    return tokens


def deploy_uniswap(deployment: Deployment, tokens: Mapping[str, Token]) -> UniswapEntry:
    """Add Uniswap v3 and its pools; the pools' addresses are still to be read."""
    transactions, maker = deployment.transactions, MARKET_MAKER.address
    weth = tokens["WETH"].address
    factory = deployment.create("UniswapV3Factory")
    router = deployment.create("SwapRouter", ["address", "address"], [factory, weth])
    quoter = deployment.create("QuoterV2", ["address", "address"], [factory, weth])
    # The descriptor only draws pictures of positions; without one there are none.
    positions = deployment.create(
        "NonfungiblePositionManager", ["address"] * 3, [factory, weth, NATIVE]
    )
    for token in tokens.values():
        for spender in (router, positions):
            transactions.send(
                token.address,
                "approve(address,uint256)",
                [spender, NO_LIMIT],
                sender=maker,
            )
    pools: dict[str, PoolEntry] = {}
    for name, spec in POOLS.items():
        base, quote = name.split("/")
        first, second = sorted(
            (base, quote), key=lambda name: tokens[name].address.lower()
        )
        entry = PoolEntry(
            address=NATIVE,
            fee=spec.fee,
            token0=tokens[first].address,
            token1=tokens[second].address,
        )
        pools[name] = entry
        price = sqrt_price(
            answer0=dollars_to_answer(TOKENS[first].dollars),
            answer1=dollars_to_answer(TOKENS[second].dollars),
            decimals0=TOKENS[first].decimals,
            decimals1=TOKENS[second].decimals,
        )
        worth = spec.base * TOKENS[base].dollars
        amounts = [
            int(worth / TOKENS[side].dollars) * 10 ** TOKENS[side].decimals
            for side in (first, second)
        ]
        deployment.send(
            positions,
            "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
            [entry.token0, entry.token1, spec.fee, price],
        )
        edge = _FULL_RANGE[spec.fee]
        transactions.send(
            positions,
            "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,"
            "address,uint256))",
            [
                (
                    entry.token0,
                    entry.token1,
                    spec.fee,
                    -edge,
                    edge,
                    *amounts,
                    0,
                    0,
                    maker,
                    FAR_FUTURE,
                )
            ],
            sender=maker,
        )
    return UniswapEntry(
        factory=factory,
        router=router,
        quoter=quoter,
        position_manager=positions,
        pools=pools,
    )


def read_pools(rpc: DevnetRpc, uniswap: UniswapEntry) -> UniswapEntry:
    """Return `uniswap` with the addresses that the factory gives its pools."""
    pools: dict[str, PoolEntry] = {}
    for name, pool in uniswap.pools.items():
        (address,) = rpc.call(
            uniswap.factory,
            "getPool(address,address,uint24)",
            [pool.token0, pool.token1, pool.fee],
            returns=["address"],
        )
        pools[name] = PoolEntry(
            address=parse_address(address, what="pool"),
            fee=pool.fee,
            token0=pool.token0,
            token1=pool.token1,
        )
    return UniswapEntry(
        factory=uniswap.factory,
        router=uniswap.router,
        quoter=uniswap.quoter,
        position_manager=uniswap.position_manager,
        pools=pools,
    )
