"""What contracts call the words of what they return, and of what they are given.

Pure, for people only: nothing is decoded by these names. Sources: Chainlink's
`AggregatorV3Interface`, Uniswap v3-core's `IUniswapV3PoolState` and v3-periphery's
`ISwapRouter`, Aave v3's `IPoolDataProvider` and `IPool`, WETH9, EIP-20 and EIP-4626.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from affiant.onchain.abi import selector
from affiant.onchain.kits.aave_v3 import BORROW, REPAY, SUPPLY, WITHDRAW
from affiant.onchain.kits.native import UNWRAP, WRAP
from affiant.onchain.kits.uniswap_v3 import EXACT_INPUT_SINGLE
from affiant.onchain.kits.vault import DEPOSIT, REDEEM
from affiant.onchain.reads import LATEST_ROUND_DATA
from affiant.onchain.recipients import TRANSFER

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
        selector("getUserAccountData(address)"): (
            "getUserAccountData",
            (
                "totalCollateralBase",
                "totalDebtBase",
                "availableBorrowsBase",
                "currentLiquidationThreshold",
                "ltv",
                "healthFactor",
            ),
        ),
        selector("getEthBalance(address)"): ("getEthBalance", ("balance",)),
        selector("convertToAssets(uint256)"): ("convertToAssets", ("assets",)),
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
        BORROW: (
            "borrow",
            ("asset", "amount", "interestRateMode", "referralCode", "onBehalfOf"),
        ),
        REPAY: ("repay", ("asset", "amount", "interestRateMode", "onBehalfOf")),
        WRAP: ("deposit", ()),
        UNWRAP: ("withdraw", ("wad",)),
        TRANSFER: ("transfer", ("to", "amount")),
        DEPOSIT: ("deposit", ("assets", "receiver")),
        REDEEM: ("redeem", ("shares", "receiver", "owner")),
    }
)
"""By selector of a kit's call: the function, and the words of its calldata."""
