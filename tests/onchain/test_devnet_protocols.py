"""Every protocol of the local chain acts for real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from affiant.encoding import keccak256
from affiant.onchain.decision import domain_separator
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.errors import DeploymentFailedError, DevnetRpcError
from affiant.onchain.devnet.protocols import FAR_FUTURE
from affiant.onchain.devnet.transactions import Transactions
from affiant.onchain.mandate import Address

pytestmark = pytest.mark.anvil

SWAP = (
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
)


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    cache: Path = tmp_path_factory.mktemp("devnet")
    with Devnet.start(cache_dir=cache) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(devnet: Devnet) -> Iterator[None]:
    mark = devnet.rpc.request("evm_snapshot")
    yield
    assert devnet.rpc.request("evm_revert", mark) is True


@pytest.fixture
def user(devnet: Devnet) -> Address:
    return devnet.accounts[4].address


def act(
    devnet: Devnet, user: Address, *steps: tuple[Address, str, Sequence[object]]
) -> None:
    transactions = Transactions(devnet.rpc, gas=2_000_000)
    for to, signature, arguments in steps:
        transactions.send(to, signature, arguments, sender=user)
    transactions.mine()


def balance(devnet: Devnet, token: Address, holder: Address) -> int:
    return devnet.rpc.call_integer(token, "balanceOf(address)", [holder])


def test_tokens_say_their_decimals_and_feeds_their_prices(devnet: Devnet) -> None:
    scenario = Scenario(devnet)
    said = {
        name: devnet.rpc.call_integer(token.address, "decimals()")
        for name, token in devnet.book.tokens.items()
    }
    assert said == {"WETH": 18, "USDC": 6, "WBTC": 8}
    assert {name: scenario.price(name) for name in said} == {
        "WETH": Decimal(2500),
        "USDC": Decimal(1),
        "WBTC": Decimal(60_000),
    }


def test_feeds_have_chainlinks_shape_and_are_fresh(devnet: Devnet) -> None:
    for token in devnet.book.tokens.values():
        round_, answer, started, updated, answered = devnet.rpc.call(
            token.feed,
            "latestRoundData()",
            returns=["uint80", "int256", "uint256", "uint256", "uint80"],
        )
        assert round_ == answered == 1
        assert isinstance(answer, int) and answer > 0
        assert isinstance(updated, int) and started == updated
        assert 0 <= devnet.rpc.timestamp() - updated < token.max_age
        decimals = devnet.rpc.call_integer(token.feed, "decimals()")
        assert decimals == token.feed_decimals


def test_only_its_owner_sets_a_feed(devnet: Devnet, user: Address) -> None:
    feed = devnet.book.tokens["WETH"].feed
    with pytest.raises(DeploymentFailedError) as caught:
        act(devnet, user, (feed, "set(int256,uint64)", [1, 1]))
    assert keccak256(b"NotOwner(address,address)")[:4].hex() in caught.value.reason
    assert Scenario(devnet).price("WETH") == 2500


def test_a_feed_keeps_its_latest_round_only(devnet: Devnet) -> None:
    feed = devnet.book.tokens["WETH"].feed
    Scenario(devnet).set_price("WETH", Decimal(2600))
    returns = ["uint80", "int256", "uint256", "uint256", "uint80"]
    signature = "getRoundData(uint80)"
    values = devnet.rpc.call(feed, signature, [2], returns=returns)
    assert values[1] == 2600 * 10**8
    with pytest.raises(DevnetRpcError) as caught:
        devnet.rpc.call(feed, signature, [1], returns=returns)
    assert keccak256(b"RoundNotKept(uint80,uint80)")[:4].hex() in caught.value.got


@pytest.mark.parametrize(
    ("pool", "sold"), [("WETH/USDC", "WETH"), ("WBTC/USDC", "WBTC")]
)
def test_a_swap_through_the_router_pays_near_the_feeds_price(
    devnet: Devnet, user: Address, pool: str, sold: str
) -> None:
    book, scenario = devnet.book, Scenario(devnet)
    assert book.uniswap is not None
    scenario.fund(user, {sold: 1})
    token, usdc = book.tokens[sold], book.tokens["USDC"]
    amount = 10**token.decimals
    act(
        devnet,
        user,
        (token.address, "approve(address,uint256)", [book.uniswap.router, amount]),
        (
            book.uniswap.router,
            SWAP,
            [
                (
                    token.address,
                    usdc.address,
                    book.uniswap.pools[pool].fee,
                    user,
                    FAR_FUTURE,
                    amount,
                    0,
                    0,
                )
            ],
        ),
    )
    assert balance(devnet, token.address, user) == 0
    paid = Decimal(balance(devnet, usdc.address, user)).scaleb(-6)
    fee = Decimal(book.uniswap.pools[pool].fee) / 1_000_000
    assert paid < scenario.price(sold)
    assert paid == pytest.approx(scenario.price(sold) * (1 - fee), rel=Decimal("0.002"))


def test_the_quoter_and_the_position_manager_answer(devnet: Devnet) -> None:
    book = devnet.book
    assert book.uniswap is not None
    weth, usdc = book.tokens["WETH"], book.tokens["USDC"]
    quoted = devnet.rpc.call_integer(
        book.uniswap.quoter,
        "quoteExactInputSingle((address,address,uint256,uint24,uint160))",
        [(weth.address, usdc.address, 10**18, 500, 0)],
    )
    assert 2490 * 10**6 < quoted < 2500 * 10**6
    held = devnet.rpc.call_integer(
        book.uniswap.position_manager,
        "balanceOf(address)",
        [devnet.accounts[1].address],
    )
    assert held == len(book.uniswap.pools)


def test_ten_thousand_dollars_hardly_move_a_pool(devnet: Devnet, user: Address) -> None:
    book = devnet.book
    assert book.uniswap is not None
    quote = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
    for pool, fee in (("WETH/USDC", 500), ("WBTC/USDC", 3000)):
        base = book.tokens[pool.split("/")[0]]
        bought = devnet.rpc.call_integer(
            book.uniswap.quoter,
            quote,
            [(book.tokens["USDC"].address, base.address, 10_000 * 10**6, fee, 0)],
        )
        fair = Decimal(10_000) / Scenario(devnet).price(pool.split("/")[0])
        got = Decimal(bought).scaleb(-base.decimals)
        without_fee = got / (1 - Decimal(fee) / 1_000_000)
        assert fair * Decimal("0.999") < without_fee < fair


def test_aave_pays_suppliers_and_takes_interest(devnet: Devnet, user: Address) -> None:
    book, scenario = devnet.book, Scenario(devnet)
    assert book.aave is not None
    usdc = book.tokens["USDC"]
    assert usdc.a_token is not None
    scenario.fund(user, {"USDC": 10_000})
    act(
        devnet,
        user,
        (usdc.address, "approve(address,uint256)", [book.aave.pool, 10_000 * 10**6]),
        (
            book.aave.pool,
            "supply(address,uint256,address,uint16)",
            [usdc.address, 10_000 * 10**6, user, 0],
        ),
    )
    assert balance(devnet, usdc.address, user) == 0
    assert abs(balance(devnet, usdc.a_token, user) - 10_000 * 10**6) <= 1
    scenario.warp(365 * 24 * 3600)
    grown = balance(devnet, usdc.a_token, user)
    assert 10_200 * 10**6 < grown < 10_600 * 10**6
    act(
        devnet,
        user,
        (
            book.aave.pool,
            "withdraw(address,uint256,address)",
            [usdc.address, 2**256 - 1, user],
        ),
    )
    assert balance(devnet, usdc.a_token, user) == 0
    assert balance(devnet, usdc.address, user) >= grown


def test_every_reserve_has_a_supply_rate(devnet: Devnet) -> None:
    book = devnet.book
    assert book.aave is not None
    for name, token in book.tokens.items():
        values = devnet.rpc.call(
            book.aave.data_provider,
            "getReserveData(address)",
            [token.address],
            returns=["uint256"] * 12,
        )
        liquidity_rate, borrow_rate = values[5], values[6]
        assert isinstance(liquidity_rate, int) and isinstance(borrow_rate, int)
        assert 10**23 < liquidity_rate < borrow_rate < 10**26, name


def test_aave_lends_against_collateral_at_the_feeds_price_and_no_further(
    devnet: Devnet, user: Address
) -> None:
    book, scenario = devnet.book, Scenario(devnet)
    assert book.aave is not None
    weth, usdc, pool = book.tokens["WETH"], book.tokens["USDC"], book.aave.pool
    assert usdc.variable_debt is not None
    scenario.fund(user, {"WETH": 1})
    borrow = "borrow(address,uint256,uint256,uint16,address)"
    act(
        devnet,
        user,
        (weth.address, "approve(address,uint256)", [pool, 10**18]),
        (
            pool,
            "supply(address,uint256,address,uint16)",
            [weth.address, 10**18, user, 0],
        ),
        (pool, borrow, [usdc.address, 1_500 * 10**6, 2, 0, user]),
    )
    assert balance(devnet, usdc.address, user) == 1_500 * 10**6
    assert balance(devnet, usdc.variable_debt, user) >= 1_500 * 10**6
    # 80 % of 2,500 dollars may be borrowed; Aave's error 36 is
    # COLLATERAL_CANNOT_COVER_NEW_BORROW (its Errors.sol).
    with pytest.raises(DeploymentFailedError, match="36"):
        act(devnet, user, (pool, borrow, [usdc.address, 600 * 10**6, 2, 0, user]))
    scenario.set_price("WETH", Decimal(4000))
    act(devnet, user, (pool, borrow, [usdc.address, 600 * 10**6, 2, 0, user]))
    assert balance(devnet, usdc.address, user) == 2_100 * 10**6


def test_affiants_contracts_are_there_and_know_the_chain(devnet: Devnet) -> None:
    book = devnet.book
    for address in (book.gate, book.node_registry, book.model_registry):
        assert len(devnet.rpc.request("eth_getCode", address, "latest")) > 1000
    (separator,) = devnet.rpc.call(book.gate, "domainSeparator()", returns=["bytes32"])
    assert separator == domain_separator(chain_id=devnet.chain_id, gate=book.gate)
