"""The ready agents at work on real Uniswap v3, real Aave v3 and a real ERC-4626 vault.

Attacks first: what is stated falsely, or is not there, moves no money. The plans are
the teacher's, on the agents' real requests; node, agent and gate are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from affiant.agents import (
    DollarCostAverager,
    LoanGuardian,
    Rebalancer,
    YieldRotator,
)
from affiant.onchain.abi import encode_call
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.accounts import MARKET_MAKER
from affiant.onchain.devnet.extension import VAULT
from affiant.onchain.devnet.transactions import Transactions
from affiant.onchain.errors import AnswerInvalidError
from affiant.onchain.kits import aave_v3

pytestmark = pytest.mark.anvil

DAY = 86_400
USDC, WETH = 10**6, 10**18


class Rotator(YieldRotator):
    """One that has seen the vault go from 1.04 to 1.05 in a month: 12 % a year."""

    rate = 1_040_000


class Buyer(DollarCostAverager):
    """One that buys for a thousand dollars every hour."""

    amount, budget, every = 1_000, 20_000, 3600


def beginning(agent: type, devnet: Devnet, *, ago: int) -> type:
    """Return the agent with a start that lies `ago` seconds before now."""
    return type(agent.__name__, (agent,), {"since": devnet.rpc.timestamp() - ago})


def lend(days: Any, asset: str, amount: int) -> list[CallRequest]:
    token, pool = days.world.book.tokens[asset].address, days.world.book.aave.pool
    account = days.world.mandate.account
    approve = encode_call("approve(address,uint256)", [pool, amount])
    supply = aave_v3.supply(asset=token, amount=amount, on_behalf_of=account)
    return [CallRequest(token, approve), CallRequest(pool, supply)]


def borrow(days: Any, asset: str, amount: int) -> CallRequest:
    data = aave_v3.borrow(
        asset=days.world.book.tokens[asset].address,
        amount=amount,
        on_behalf_of=days.world.mandate.account,
    )
    return CallRequest(days.world.book.aave.pool, data)


def give_away(days: Any, asset: str, amount: int) -> CallRequest:
    data = encode_call("transfer(address,uint256)", [MARKET_MAKER.address, amount])
    return CallRequest(days.world.book.tokens[asset].address, data)


def owed(days: Any) -> int:
    (value,) = [
        int(item["value"])
        for item in days.request()["features"]
        if item["feature"] == "owed"
    ]
    return value


@pytest.fixture
def guarded(days_of: Callable[..., Any]) -> Any:
    """A loan of 10,000 USDC on 8 WETH at 2,500: 61 % of where Aave liquidates it."""
    days = days_of(LoanGuardian)
    days.owner(
        *lend(days, "WETH", 8 * WETH),
        borrow(days, "USDC", 10_000 * USDC),
        give_away(days, "USDC", 26_000 * USDC),
    )
    return days


def test_a_price_of_nothing_stops_every_agent(days_of: Callable[..., Any]) -> None:
    days = days_of(Rebalancer)
    days.does("supply")
    before = days.world.nonce()
    days.world.scenario.next_slot(days.world.mandate.cadence)
    days.world.scenario.set_feed("WETH", answer=0)
    days.world.scenario.next_slot(days.world.mandate.cadence)
    result = days.agent.run_once()
    assert result.outcome not in ("executed", "held")
    assert "answer 0" in str(result.error) and days.world.nonce() == before
    with pytest.raises(AnswerInvalidError):
        days.request()


def test_a_vault_that_lies_about_its_rate_is_given_nothing(
    days_of: Callable[..., Any], _wide: Devnet
) -> None:
    days = days_of(beginning(Rotator, _wide, ago=30 * DAY))
    # A gift makes a share worth 20 instead of 1.05; the feed knows nothing of it.
    transactions = Transactions(_wide.rpc, gas=1_000_000)
    tokens = days.world.book.tokens
    transactions.send(
        tokens["USDC"].address,
        "transfer(address,uint256)",
        [tokens[VAULT].address, 18_000_000 * USDC],
        sender=MARKET_MAKER.address,
    )
    transactions.mine()
    before = days.world.balances()
    result, did = days.live()
    assert did == "deposit" and result.outcome == "held"
    refused = result.bundle.content("plan")["refused"]
    assert refused.startswith(f"PlanPriceOffError: vault {VAULT}")
    assert days.world.balances() == before


def test_a_loan_guardian_cannot_be_made_to_borrow(guarded: Any) -> None:
    said = {
        "why": "more",
        "actions": [
            {
                "action": "borrow",
                "asset": "USDC",
                "share_bps": 10_000,
                "min_health_bps": 10_500,
            }
        ],
    }
    before = guarded.world.nonce()
    result, _ = guarded.live(plan=said)
    assert result.outcome not in ("executed", "held")
    assert guarded.world.nonce() == before


def test_without_a_debt_there_is_nothing_to_guard(days_of: Callable[..., Any]) -> None:
    days = days_of(LoanGuardian)
    days.does("hold")
    assert days.request()["borrowing"]["healthBps"] is None and owed(days) == 0
    # Even where the model would repay: nothing is owed.
    repay = {"action": "repay", "asset": "USDC", "share_bps": 10_000}
    result, _ = days.live(plan={"why": "x", "actions": [repay]})
    assert result.outcome == "held"
    assert result.bundle.content("plan")["refused"].startswith("PlanAmountZeroError")


def test_a_loan_is_kept_through_a_falling_price(guarded: Any) -> None:
    scenario = guarded.world.scenario
    lived = []
    for price, wanted in (
        (2500, "hold"),
        (2000, "repay"),  # 76 % is owed, and the wallet pays for it
        (2000, "hold"),
        (1400, "repay"),  # what is left in the wallet is short
        (1400, "hold"),
        (1150, "repay"),  # the last dollars
        (1150, "supply"),  # nothing is left but WETH
        (1000, "hold"),
    ):
        scenario.set_price("WETH", Decimal(price))
        guarded.does(wanted)
        lived.append(owed(guarded))
    assert max(lived) < 90 and lived[-1] <= LoanGuardian.limit
    # Nobody's help would have meant: 10,000 owed, 6,600 the most at 1,000 dollars.
    assert guarded.world.balances()["USDC"] < 100 * USDC
    assert guarded.request()["borrowing"]["healthBps"] > 13_000


def test_money_rotates_to_the_vault_and_back(
    days_of: Callable[..., Any], _wide: Devnet
) -> None:
    days = days_of(beginning(Rotator, _wide, ago=30 * DAY))
    days.owner(*lend(days, "USDC", 10_000 * USDC))
    days.does("deposit", "withdraw", "deposit", "hold")
    assert days.share(VAULT, "total") >= 40 and days.share("USDC", "total") <= 5
    # The vault earns nothing for a year, while Aave pays.
    days.world.scenario.warp(400 * DAY)
    days.does("redeem", "supply", "hold")
    assert days.share("USDC", "supplied") >= 40 and days.share(VAULT, "total") == 0


def test_buys_come_when_they_are_due_and_never_twice(
    days_of: Callable[..., Any], _wide: Devnet
) -> None:
    days = days_of(beginning(Buyer, _wide, ago=60))
    first, _ = days.does("buy", "hold")
    spent = [change for change in first.executed.changes if change == -1_000 * USDC]
    assert spent, first.executed.changes
    # Two hours without the agent: two buys are due, one each slot.
    days.world.scenario.warp(2 * 3600)
    days.does("buy", "buy", "hold")
    left = days.world.balances()["USDC"]
    assert abs(left - 17_000 * USDC) < 100 * USDC
    # A pool that is pushed away is waited for.
    days.world.scenario.warp(3600)
    price = days.world.scenario.pool_price("WETH/USDC")
    days.world.scenario.move_pool("WETH/USDC", price * Decimal("1.02"))
    days.does("hold")
    days.world.scenario.move_pool("WETH/USDC", price)
    days.does("buy")


def test_a_portfolio_is_kept_within_its_band(days_of: Callable[..., Any]) -> None:
    days = days_of(Rebalancer)
    days.does("supply", "hold")
    days.world.scenario.set_price("WETH", Decimal(4200))
    days.does("sell", "hold")
    days.world.scenario.set_price("WETH", Decimal(1800))
    days.does("withdraw", "buy", "hold")
    assert 55 <= days.share("WETH", "total") <= 65
