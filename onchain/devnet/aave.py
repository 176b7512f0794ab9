"""Deploys Aave v3 on a local chain: one market over the tokens, with loans running.

The bytecode is Aave's own. Risk parameters resemble those of Aave's main market;
borrowers exist from the start, so that supplying earns something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affiant.onchain.address_book import AaveEntry
from affiant.onchain.devnet.accounts import BORROWER, MARKET_MAKER
from affiant.onchain.devnet.protocols import (
    FEED_DECIMALS,
    NO_LIMIT,
    TOKENS,
    Token,
)
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.transactions import Deployment, created_address
from affiant.onchain.mandate import NATIVE, Address, parse_address

VARIABLE_RATE = 2
"""Aave's interest rate mode of variable debt."""

_RAY = 10**27
_PERCENT = _RAY // 100


@dataclass(frozen=True)
class ReserveSpec:
    """A reserve's parameters. Thresholds are basis points, rates per cent a year."""

    loan_to_value: int
    liquidation_threshold: int
    liquidation_bonus: int
    """10,000 plus the bonus."""
    reserve_factor: int
    """Share of the interest that the treasury keeps."""
    optimal_usage: int
    """Per cent lent out, above which rates rise steeply."""
    slope: int
    """Borrow rate at the optimal usage."""
    steep_slope: int
    """Added to it at full usage."""
    supplied: int
    """Whole tokens that the market maker supplies."""
    collateral: int
    """Whole tokens that the borrower supplies."""
    borrowed: int
    """Whole tokens that the borrower borrows."""


RESERVES: Mapping[str, ReserveSpec] = {
    "WETH": ReserveSpec(
        8000,
        8250,
        10500,
        1500,
        80,
        3,
        80,
        supplied=40_000,
        collateral=40_000,
        borrowed=24_000,
    ),
    "USDC": ReserveSpec(
        7700,
        8000,
        10500,
        1000,
        90,
        6,
        60,
        supplied=100_000_000,
        collateral=0,
        borrowed=70_000_000,
    ),
    "WBTC": ReserveSpec(
        7000,
        7500,
        11000,
        2000,
        45,
        4,
        300,
        supplied=1_000,
        collateral=3_000,
        borrowed=200,
    ),
}
"""By token name."""


def deploy_aave(deployment: Deployment, tokens: Mapping[str, Token]) -> AaveEntry:
    """Add Aave v3 with a reserve for each token, supplies and loans."""
    deployer = deployment.deployer
    for library in (
        "SupplyLogic BorrowLogic LiquidationLogic EModeLogic BridgeLogic PoolLogic "
        "FlashLoanLogic ConfiguratorLogic"
    ).split():
        deployment.library(library)
    provider = deployment.create(
        "PoolAddressesProvider", ["string", "address"], ["Affiant devnet", deployer]
    )
    deployment.send(provider, "setACLAdmin(address)", [deployer])
    roles = deployment.create("ACLManager", ["address"], [provider])
    deployment.send(provider, "setACLManager(address)", [roles])
    deployment.send(roles, "addPoolAdmin(address)", [deployer])
    oracle = deployment.create(
        "AaveOracle",
        ["address", "address[]", "address[]", "address", "address", "uint256"],
        [
            provider,
            [token.address for token in tokens.values()],
            [token.feed for token in tokens.values()],
            NATIVE,
            NATIVE,
            10**FEED_DECIMALS,
        ],
    )
    deployment.send(provider, "setPriceOracle(address)", [oracle])
    implementation = deployment.create("Pool", ["address"], [provider])
    deployment.send(provider, "setPoolImpl(address)", [implementation])
    implementation = deployment.create("PoolConfigurator")
    deployment.send(provider, "setPoolConfiguratorImpl(address)", [implementation])
    # The provider creates the two proxies, and nothing else before them.
    pool, configurator = created_address(provider, 1), created_address(provider, 2)
    data_provider = deployment.create(
        "AaveProtocolDataProvider", ["address"], [provider]
    )
    deployment.send(provider, "setPoolDataProvider(address)", [data_provider])
    _add_reserves(deployment, tokens, provider, pool, configurator)
    _add_loans(deployment, tokens, pool)
    return AaveEntry(pool=pool, oracle=oracle, data_provider=data_provider)


def _add_reserves(
    deployment: Deployment,
    tokens: Mapping[str, Token],
    provider: Address,
    pool: Address,
    configurator: Address,
) -> None:
    supply, stable, variable = (
        deployment.create(name, ["address"], [pool])
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    )
    inputs = []
    for name, token in tokens.items():
        spec = RESERVES[name]
        strategy = deployment.create(
            "DefaultReserveInterestRateStrategy",
            ["address"] + ["uint256"] * 9,
            [
                provider,
                spec.optimal_usage * _PERCENT,
                0,
                spec.slope * _PERCENT,
                spec.steep_slope * _PERCENT,
                spec.slope * _PERCENT,
                spec.steep_slope * _PERCENT,
                2 * _PERCENT,
                8 * _PERCENT,
                20 * _PERCENT,
            ],
        )
        inputs.append(
            (
                supply,
                stable,
                variable,
                TOKENS[name].decimals,
                strategy,
                token.address,
                deployment.deployer,
                NATIVE,
                f"Aave {name}",
                f"a{name}",
                f"Aave Variable Debt {name}",
                f"variableDebt{name}",
                f"Aave Stable Debt {name}",
                f"stableDebt{name}",
                b"",
            )
        )
    fields = "address,address,address,uint8,address,address,address,address" + (
        ",string" * 6 + ",bytes"
    )
    deployment.send(configurator, f"initReserves(({fields})[])", [inputs])
    for name, token in tokens.items():
        spec = RESERVES[name]
        deployment.send(
            configurator,
            "configureReserveAsCollateral(address,uint256,uint256,uint256)",
            [
                token.address,
                spec.loan_to_value,
                spec.liquidation_threshold,
                spec.liquidation_bonus,
            ],
        )
        deployment.send(
            configurator, "setReserveBorrowing(address,bool)", [token.address, True]
        )
        deployment.send(
            configurator,
            "setReserveFactor(address,uint256)",
            [token.address, spec.reserve_factor],
        )


def _add_loans(
    deployment: Deployment, tokens: Mapping[str, Token], pool: Address
) -> None:
    transactions = deployment.transactions
    maker, borrower = MARKET_MAKER.address, BORROWER.address
    supply = "supply(address,uint256,address,uint16)"
    for name, token in tokens.items():
        spec, unit = RESERVES[name], 10 ** TOKENS[name].decimals
        transactions.send(
            token.address,
            "transfer(address,uint256)",
            [borrower, spec.collateral * unit],
            sender=maker,
        )
        for account, amount in ((maker, spec.supplied), (borrower, spec.collateral)):
            transactions.send(
                token.address,
                "approve(address,uint256)",
                [pool, NO_LIMIT],
                sender=account,
            )
            if amount:
                transactions.send(
                    pool,
                    supply,
                    [token.address, amount * unit, account, 0],
                    sender=account,
                )
    # Borrowing needs all collateral, and the lenders' money, to be there already.
    for name, token in tokens.items():
        spec, unit = RESERVES[name], 10 ** TOKENS[name].decimals
        transactions.send(
            pool,
            "borrow(address,uint256,uint256,uint16,address)",
            [token.address, spec.borrowed * unit, VARIABLE_RATE, 0, borrower],
            sender=borrower,
        )


@dataclass(frozen=True)
class ReserveTokens:
    """The tokens by which Aave books a reserve."""

    a_token: Address
    variable_debt: Address


def read_reserve(rpc: DevnetRpc, aave: AaveEntry, *, asset: Address) -> ReserveTokens:
    """Return the aToken and variable-debt token of `asset`."""
    a_token, _, variable_debt = rpc.call(
        aave.data_provider,
        "getReserveTokensAddresses(address)",
        [asset],
        returns=["address"] * 3,
    )
    return ReserveTokens(
        a_token=parse_address(a_token, what="aToken"),
        variable_debt=parse_address(variable_debt, what="variable debt token"),
    )
