"""What contracts call the words of what they return, and of what they are given.

Pure, for people only: nothing is decoded by these names. Sources: Chainlink's
`AggregatorV3Interface`, Uniswap v3-core's `IUniswapV3PoolState` and v3-periphery's
`ISwapRouter`, Aave v3's `IPoolDataProvider` and `IPool`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from affiant.onchain.abi import selector
from affiant.onchain.kits.aave_v3 import SUPPLY, WITHDRAW
from affiant.onchain.kits.uniswap_v3 import EXACT_INPUT_SINGLE
from affiant.onchain.reads import LATEST_ROUND_DATA

RETURNED: Mapping[bytes, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        selector("balanceOf(address)"): ("balanceOf", ("balance",)),
        LATEST_ROUND_DATA: (
            "latestRoundData",
            ("roundId", "answer", "startedAt", "updatedAt", "answeredInRound"),
        ),
        selector("slot0()"): (
            "slot0",
            (
                "sqrtPriceX96",
                "tick",
                "observationIndex",
                "observationCardinality",
                "observationCardinalityNext",
                "feeProtocol",
                "unlocked",
            ),
        ),
        selector("liquidity()"): ("liquidity", ("liquidity",)),
        selector("getReserveData(address)"): (
            "getReserveData",
            (
                "unbacked",
                "accruedToTreasuryScaled",
                "totalAToken",
                "totalStableDebt",
                "totalVariableDebt",
                "liquidityRate",
                "variableBorrowRate",
                "stableBorrowRate",
                "averageStableBorrowRate",
                "liquidityIndex",
                "variableBorrowIndex",
                "lastUpdateTimestamp",
            ),
        ),
    }
)
"""By selector of a planned read: the function, and the words that it returns."""

GIVEN: Mapping[bytes, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        EXACT_INPUT_SINGLE: (
            "exactInputSingle",
            (
                "tokenIn",
                "tokenOut",
                "fee",
                "recipient",
                "deadline",
                "amountIn",
                "amountOutMinimum",
                "sqrtPriceLimitX96",
            ),
        ),
        SUPPLY: ("supply", ("asset", "amount", "onBehalfOf", "referralCode")),
        WITHDRAW: ("withdraw", ("asset", "amount", "to")),
    }
)
"""By selector of a kit's call: the function, and the words of its calldata."""
