"""Scenarios: prices, slots, time, money and reorganisations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from affiant.errors import MalformedError
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.devnet import BLOCK_SECONDS

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with Devnet.start(cache_dir=tmp_path_factory.mktemp("devnet")) as running:
        yield running


@pytest.fixture
def scenario(devnet: Devnet) -> Iterator[Scenario]:
    mark = devnet.rpc.request("evm_snapshot")
    yield Scenario(devnet)
    assert devnet.rpc.request("evm_revert", mark) is True


def _block(devnet: Devnet, number: int | str = "latest") -> dict[str, str]:
    tag = hex(number) if isinstance(number, int) else number
    block: dict[str, str] = devnet.rpc.request("eth_getBlockByNumber", tag, False)
    return block


def test_pools_follow_prices_along_a_long_path(scenario: Scenario) -> None:
    dice = random.Random(7)
    prices = {"WETH": Decimal(2500), "USDC": Decimal(1), "WBTC": Decimal(60_000)}
    for _ in range(20):
        name = dice.choice(list(prices))
        step = Decimal(dice.randint(-1500, 1500)) / 10_000
        step = step / 100 if name == "USDC" else step
        prices[name] = round(prices[name] * (1 + step), 4)
        scenario.set_price(name, prices[name])
        assert scenario.price(name) == prices[name]
        for pool in ("WETH/USDC", "WBTC/USDC"):
            base, quote = pool.split("/")
            fair = prices[base] / prices[quote]
            assert scenario.pool_price(pool) == pytest.approx(
                fair, rel=Decimal("0.0001")
            )


def test_a_price_takes_one_block_whatever_it_moves(scenario: Scenario) -> None:
    before = scenario.devnet.rpc.block_number()
    scenario.set_prices({"WETH": Decimal(2000), "WBTC": Decimal(50_000)})
    assert scenario.devnet.rpc.block_number() == before + 1


def test_the_same_price_again_still_refreshes_the_feed(scenario: Scenario) -> None:
    scenario.mine(10)
    scenario.set_price("WETH", Decimal(2500))
    feed = scenario.book.tokens["WETH"].feed
    updated = scenario.devnet.rpc.call(
        feed, "latestRoundData()", returns=["uint80", "int256"] + ["uint256"] * 3
    )[3]
    assert updated == scenario.devnet.rpc.timestamp() - BLOCK_SECONDS


def test_a_pool_can_leave_its_feed(scenario: Scenario) -> None:
    scenario.move_pool("WETH/USDC", Decimal(2000))
    assert scenario.price("WETH") == 2500
    assert scenario.pool_price("WETH/USDC") == pytest.approx(
        Decimal(2000), rel=Decimal("0.0001")
    )


def test_a_feed_can_be_stale_zero_or_negative(scenario: Scenario) -> None:
    scenario.set_feed("WETH", answer=-5, age=10_000)
    assert scenario.price("WETH") == Decimal("-0.00000005")
    assert scenario.pool_price("WETH/USDC") == pytest.approx(Decimal(2500))


def test_refreshing_keeps_answers(scenario: Scenario) -> None:
    scenario.set_price("WBTC", Decimal("61234.5"))
    scenario.mine(400)
    scenario.refresh_feeds()
    rpc = scenario.devnet.rpc
    for token in scenario.book.tokens.values():
        updated = rpc.call(
            token.feed,
            "latestRoundData()",
            returns=["uint80", "int256"] + ["uint256"] * 3,
        )[3]
        assert isinstance(updated, int)
        assert rpc.timestamp() - updated <= BLOCK_SECONDS
    assert scenario.price("WBTC") == Decimal("61234.5")


@pytest.mark.parametrize("cadence", [2, 3, 10, 64])
def test_next_slot_leaves_room_for_execution(scenario: Scenario, cadence: int) -> None:
    for _ in range(3):
        scenario.set_price("WETH", scenario.price("WETH") + 10)
        moved = scenario.devnet.rpc.block_number()
        slot = scenario.next_slot(cadence)
        head = scenario.devnet.rpc.block_number()
        assert head == slot.head >= slot.anchor == slot.number * cadence > moved
        assert (head + 1) // cadence == slot.number


def test_blocks_are_twelve_seconds_apart_and_warps_jump(scenario: Scenario) -> None:
    devnet = scenario.devnet
    start = devnet.rpc.timestamp()
    scenario.mine(3)
    assert devnet.rpc.timestamp() == start + 3 * BLOCK_SECONDS
    scenario.warp(5000)
    assert devnet.rpc.timestamp() == start + 3 * BLOCK_SECONDS + 5000
    scenario.mine()
    assert devnet.rpc.timestamp() == start + 4 * BLOCK_SECONDS + 5000


def test_funding_moves_exact_amounts(scenario: Scenario) -> None:
    devnet = scenario.devnet
    user = devnet.accounts[5].address
    before = int(devnet.rpc.request("eth_getBalance", user, "latest"), 16)
    scenario.fund(
        user, {"WETH": Decimal("1.5"), "USDC": 20, "WBTC": Decimal("0.3"), "ETH": 2}
    )
    held = {
        name: devnet.rpc.call_integer(token.address, "balanceOf(address)", [user])
        for name, token in scenario.book.tokens.items()
    }
    assert held == {"WETH": 15 * 10**17, "USDC": 20 * 10**6, "WBTC": 3 * 10**7}
    after = int(devnet.rpc.request("eth_getBalance", user, "latest"), 16)
    assert after == before + 2 * 10**18


def test_reorg_replaces_blocks_and_drops_their_transactions(scenario: Scenario) -> None:
    devnet = scenario.devnet
    scenario.mine(2)
    kept = _block(devnet)
    scenario.set_price("WETH", Decimal(3000))
    scenario.mine()
    gone = [_block(devnet, int(kept["number"], 16) + i)["hash"] for i in (1, 2)]
    scenario.reorg(2)
    now = [_block(devnet, int(kept["number"], 16) + i)["hash"] for i in (1, 2)]
    assert _block(devnet, int(kept["number"], 16))["hash"] == kept["hash"]
    assert not set(now) & set(gone)
    assert scenario.price("WETH") == 2500
    scenario.set_price("WETH", Decimal(2600))
    assert scenario.price("WETH") == 2600


def test_reorg_of_empty_blocks_gives_other_hashes(scenario: Scenario) -> None:
    scenario.mine(3)
    before = _block(scenario.devnet)
    scenario.reorg(1)
    after = _block(scenario.devnet)
    assert before["number"] == after["number"] and before["hash"] != after["hash"]


@dataclass(frozen=True)
class Refusal:
    sentence: str
    act: Callable[[Scenario], object]
    error: type[Exception]


REFUSALS = [
    Refusal(
        "an unknown token's price",
        lambda s: s.set_price("DAI", Decimal(1)),
        MalformedError,
    ),
    Refusal("a price of zero", lambda s: s.set_price("WETH", Decimal(0)), ValueError),
    Refusal("a negative price", lambda s: s.set_price("WETH", Decimal(-1)), ValueError),
    Refusal(
        "a price that is no number",
        lambda s: s.set_price("WETH", Decimal("NaN")),
        ValueError,
    ),
    Refusal(
        "an unknown pool", lambda s: s.move_pool("WETH/DAI", Decimal(1)), MalformedError
    ),
    Refusal("mining backwards", lambda s: s.mine_to(0), ValueError),
    Refusal(
        "finer than the decimals",
        lambda s: s.fund(s.devnet.accounts[4].address, {"USDC": Decimal("1e-7")}),
        ValueError,
    ),
    Refusal(
        "a negative amount",
        lambda s: s.fund(s.devnet.accounts[4].address, {"USDC": -1}),
        ValueError,
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.sentence)
def test_refuses_and_mines_nothing(scenario: Scenario, refusal: Refusal) -> None:
    before = _block(scenario.devnet)["hash"]
    with pytest.raises(refusal.error):
        refusal.act(scenario)
    assert _block(scenario.devnet)["hash"] == before
