"""Every kit through node, agent and the real gate, on the real protocols.

Plans are scripted; everything behind them is real: Uniswap v3, Aave v3, WETH9,
OpenZeppelin's ERC-4626, the gate and its rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from affiant.agents import VerifiedAgent
from affiant.encoding import JsonValue
from affiant.onchain.abi import encode_call
from affiant.onchain.book_sections import RecipientsEntry
from affiant.onchain.contract_errors import (
    GateBoundMissedError,
    GateLossExceededError,
    GateRuleRefusedError,
)
from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.accounts import MARKET_MAKER
from affiant.onchain.devnet.extension import VAULT, extend
from affiant.onchain.devnet.transactions import Transactions
from affiant.onchain.kits import KITS
from affiant.onchain.mandate import NATIVE, Address, Rung
from affiant.onchain.observation import ChainView
from affiant.onchain.recipients import TRANSFER, Place, recipients_rule
from affiant.onchain.rule_limits import known_rules

pytestmark = pytest.mark.anvil

DOLLAR = 10**8
LANDLORD = Address("0x00000000000000000000000000000000000A1a4D")
STRANGER = Address("0x0000000000000000000000000000000000000Bad")


class Steward(VerifiedAgent):
    """An agent with every kit."""

    objective = "Look after the portfolio."
    actions = tuple(KITS.values())
    max_tokens = 1024
    validity_seconds = 3600

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")
        view.pool("WBTC/USDC")
        view.lending("USDC")
        view.borrowing()
        view.native()
        view.vault(VAULT)


@pytest.fixture(scope="module")
def _settled(_devnet: Devnet, settling: Callable[..., Any]) -> Iterator[Any]:
    """The world of `conftest`, with every kit, ether, a vault and a landlord."""
    rule = {name: address for address, name in known_rules().items()}[
        "RecipientIsListed"
    ]
    book = replace(
        extend(_devnet),
        recipients=RecipientsEntry(rule, {"landlord": LANDLORD, "stranger": STRANGER}),
    )
    before, _devnet.book = _devnet.book, book
    places = [Place(book.tokens["USDC"].address, TRANSFER, 0)]
    world = settling(
        keeper=Steward,
        rules=(recipients_rule(rule, places=places, recipients=[LANDLORD]),),
        max_loss=6_000 * DOLLAR,
        ladder=(Rung(60_000 * DOLLAR, 0, 0, 0),),
    )
    world.scenario.fund(world.mandate.account, {"ETH": 5, "WBTC": Decimal("0.5")})
    world.scenario.refresh_feeds()
    yield world
    world.chain.close()
    _devnet.book = before


def plan(*actions: dict[str, JsonValue], why: str = "asked to") -> str:
    return json.dumps({"why": why, "actions": list(actions)})


def supply(asset: str, share: int) -> dict[str, JsonValue]:
    return {"action": "supply", "asset": asset, "share_bps": share}


def borrow(asset: str, share: int, health: int = 15_000) -> dict[str, JsonValue]:
    return {
        "action": "borrow",
        "asset": asset,
        "share_bps": share,
        "min_health_bps": health,
    }


def repay(asset: str, share: int) -> dict[str, JsonValue]:
    return {"action": "repay", "asset": asset, "share_bps": share}


def transfer(to: str, share: int) -> dict[str, JsonValue]:
    return {"action": "transfer", "asset": "USDC", "to": to, "share_bps": share}


def trade(kit: str, route: str, share: int, slippage: int) -> dict[str, JsonValue]:
    return {
        "action": kit,
        "route": route,
        "share_bps": share,
        "max_slippage_bps": slippage,
    }


def vault(kit: str, share: int, slippage: int = 5) -> dict[str, JsonValue]:
    return {
        "action": kit,
        "vault": VAULT,
        "share_bps": share,
        "max_slippage_bps": slippage,
    }


@dataclass
class Steps:
    """Runs plans one after the other, each in a slot of its own."""

    world: Any
    agent: Any

    def run(self, *actions: dict[str, JsonValue]) -> Any:
        self.world.engine.text = plan(*actions)
        self.world.scenario.next_slot(self.world.mandate.cadence)
        self.world.scenario.refresh_feeds()
        self.world.scenario.next_slot(self.world.mandate.cadence)
        return self.agent.run_once()

    def executed(self, *actions: dict[str, JsonValue]) -> dict[str, int]:
        """Return the measured changes by name; every bound held."""
        result = self.run(*actions)
        assert result.error is None, result.error
        assert result.outcome == "executed"
        mandate, names = self.world.mandate, _names(self.world)
        bounds = result.bundle.bounds
        for entry, change, bound in zip(
            mandate.tracked, result.executed.changes, bounds, strict=True
        ):
            assert change >= bound, names[entry.token]
        return {
            names[entry.token]: change
            for entry, change in zip(
                mandate.tracked, result.executed.changes, strict=True
            )
            if change
        }

    def refused(self, *actions: dict[str, JsonValue]) -> str:
        """Return why the plan was refused: before gas, and for the auditor to see."""
        before = self.world.nonce()
        result = self.run(*actions)
        assert (result.outcome, self.world.nonce()) == ("held", before)
        section = result.bundle.content("plan")
        assert result.bundle.calls == () and not any(result.bundle.bounds)
        entries = self.agent.journal.entries(run=result.run)
        (noted,) = [entry for entry in entries if entry.step == "check"]
        assert noted.detail["plan"] == section
        return str(section["refused"])


def _names(world: Any) -> dict[str, str]:
    names = {NATIVE: "ETH"}
    for name, token in world.book.tokens.items():
        names[token.address] = name
        if token.a_token:
            names |= {token.a_token: f"a{name}", token.variable_debt: f"debt {name}"}
    return names


@pytest.fixture
def steps(world: Any, node_url: str, tmp_path: Path) -> Steps:
    return Steps(world, world.agent(tmp_path, url=node_url))


def test_borrows_and_repays_on_aave(steps: Steps):
    steps.executed(supply("WETH", 5000))
    # 5 ether back 12500 dollars: 10000 can be borrowed, at 80 %.
    changes = steps.executed(borrow("USDC", 5000))
    assert set(changes) == {"USDC", "debt USDC"}
    assert abs(changes["USDC"] - 5_000 * 10**6) < 10**6
    assert abs(changes["USDC"] + changes["debt USDC"]) <= 2
    changes = steps.executed(borrow("WBTC", 1000, 12_000))
    assert abs(changes["WBTC"] - 10**8 * 500 // 60_000) < 10
    changes = steps.executed(repay("USDC", 10_000), repay("WBTC", 5000))
    assert abs(changes["debt USDC"] + changes["USDC"]) <= 2
    assert changes["debt WBTC"] > 0
    left = steps.executed(repay("WBTC", 10_000))
    assert left["debt WBTC"] > 0


def test_wraps_and_unwraps_ether(steps: Steps):
    assert steps.executed({"action": "wrap", "share_bps": 2000}) == {
        "ETH": -(10**18),
        "WETH": 10**18,
    }
    changes = steps.executed({"action": "unwrap", "share_bps": 10_000})
    assert changes == {"ETH": 11 * 10**18, "WETH": -11 * 10**18}


def test_pays_the_landlord(steps: Steps):
    before = steps.world.balances()["USDC"]
    changes = steps.executed(transfer("landlord", 1000))
    assert changes == {"USDC": -before // 10}
    usdc = steps.world.book.tokens["USDC"].address
    paid = steps.world.chain.call(usdc, encode_call("balanceOf(address)", [LANDLORD]))
    assert int.from_bytes(paid, "big") == before // 10


def test_sells_along_a_route_and_buys_exactly(steps: Steps):
    changes = steps.executed(trade("swap_path", "WETH>USDC>WBTC", 1000, 100))
    assert changes["WETH"] == -(10**18)
    assert 0.99 < changes["WBTC"] / (10**8 * 2500 / 60_000) < 1
    changes = steps.executed(trade("swap_exact_out", "WETH>USDC>WBTC", 1000, 100))
    # Nine tenths of an ether's worth in bitcoin, to the last base unit.
    assert changes["WBTC"] == 9 * 10**17 * 2500 * 10**8 // (60_000 * 10**18)
    assert -9 * 10**17 * 101 // 100 <= changes["WETH"] < -9 * 10**17
    changes = steps.executed(trade("swap_exact_out", "USDC>WETH", 500, 50))
    assert changes["USDC"] < 0 < changes["WETH"]


def test_deposits_into_a_vault_and_redeems(steps: Steps):
    changes = steps.executed(vault("deposit", 5000))
    assert changes["USDC"] == -10_000 * 10**6
    assert abs(changes[VAULT] - 10_000 * 10**6 * 100 // 105) < 10**3
    changes = steps.executed(vault("redeem", 10_000))
    assert abs(changes["USDC"] - 10_000 * 10**6) <= 2


def test_several_kits_act_as_one_or_not_at_all(steps: Steps):
    steps.executed(supply("WETH", 5000))
    changes = steps.executed(
        borrow("USDC", 2500),
        trade("swap_path", "USDC>WBTC", 1000, 100),
        vault("deposit", 1000),
        {"action": "unwrap", "share_bps": 1000},
    )
    assert {"USDC", "debt USDC", "WBTC", VAULT, "ETH", "WETH"} <= set(changes)
    # The last of four fails in the gate: nothing of the first three remains.
    world, before = steps.world, steps.world.balances()
    head = world.gate.head_of(world.mandate.id)
    world.engine.during = lambda: _donate(world, 20_000_000 * 10**6)
    result = steps.run(
        borrow("USDC", 1000),
        trade("swap_path", "USDC>WBTC", 1000, 100),
        {"action": "unwrap", "share_bps": 1000},
        vault("deposit", 1000),
    )
    assert isinstance(result.error, GateBoundMissedError), result.error
    assert world.balances() == before
    assert world.gate.head_of(world.mandate.id) == head


def _donate(world: Any, amount: int) -> None:
    """Push the vault's rate up between the observation and the execution."""
    transactions = Transactions(world.devnet.rpc, gas=1_000_000)
    tokens = world.book.tokens
    transactions.send(
        tokens["USDC"].address,
        "transfer(address,uint256)",
        [tokens[VAULT].address, amount],
        sender=MARKET_MAKER.address,
    )
    transactions.mine()


def test_what_no_plan_may_do_is_refused_before_gas(steps: Steps):
    steps.executed(supply("WETH", 5000), supply("WBTC", 10_000))
    for actions, reason in (
        ([borrow("USDC", 10_000, 15_000)], "PlanHealthError: borrow.min_health_bps"),
        ([repay("USDC", 10_000)], "PlanAmountZeroError: repay.share_bps"),
        ([transfer("stranger", 100)], "PlanRecipientError: transfer.to"),
        (
            [trade("swap_path", "WETH>USDC>WBTC", 1000, 1)],
            "PlanPriceOffError: swap_path.max_slippage_bps",
        ),
        (
            [trade("swap_exact_out", "WETH>USDC", 10_000, 100)],
            "PlanBalanceError: swap_exact_out.share_bps",
        ),
        (
            [{"action": "unwrap", "share_bps": 1}, vault("redeem", 10_000)],
            "PlanAmountZeroError: redeem.share_bps",
        ),
    ):
        assert steps.refused(*actions).startswith(reason)


def test_more_at_risk_than_any_rung_takes_is_refused_before_gas(
    world: Any, node_url: str, tmp_path: Path
):
    small = world.mandate_for(ladder=(Rung(500 * DOLLAR, 0, 0, 0),))
    world.grant(small)
    agent = world.agent(tmp_path, url=node_url, mandate=small)
    steps = Steps(world, agent)
    assert steps.refused(transfer("landlord", 1000)).startswith("PlanRiskError: plan")


def test_a_loss_beyond_the_limit_is_refused_before_gas_by_the_gate(steps: Steps):
    # 40 % of 20000 dollars are gone for good: more than the 6000 of the mandate.
    before = steps.world.nonce()
    result = steps.run(transfer("landlord", 4000))
    assert isinstance(result.error, GateLossExceededError), result.error
    assert steps.world.nonce() == before


def test_a_pool_that_moves_after_the_observation_is_refused_by_the_bounds(
    steps: Steps,
):
    world = steps.world
    price = world.scenario.pool_price("WETH/USDC")
    world.engine.during = lambda: world.scenario.move_pool(
        "WETH/USDC", price * Decimal("0.95")
    )
    before = world.nonce()
    result = steps.run(trade("swap_path", "WETH>USDC>WBTC", 1000, 100))
    assert result.outcome == "refused" and world.nonce() == before
    assert "Too little received" in str(result.error)


def test_a_vault_that_is_pushed_after_the_observation_is_refused_by_the_bounds(
    steps: Steps,
):
    world = steps.world
    world.engine.during = lambda: _donate(world, 100_000 * 10**6)
    before = world.nonce()
    result = steps.run(vault("deposit", 5000, 500))
    assert isinstance(result.error, GateBoundMissedError), result.error
    assert world.nonce() == before


def test_the_gate_asks_the_rule_itself(steps: Steps, monkeypatch: pytest.MonkeyPatch):
    """A node and an agent that forgot to ask who may be paid still cannot pay him."""
    monkeypatch.setattr(
        "affiant.onchain.kits.transfer.may_receive", lambda *_, **__: True
    )
    before = steps.world.nonce()
    result = steps.run(transfer("stranger", 100))
    assert isinstance(result.error, GateRuleRefusedError), result.error
    assert steps.world.nonce() == before
