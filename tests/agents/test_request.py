"""Requests: exact numbers, whole percents, the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.request import (
    MAX_DEVIATION_BPS,
    MAX_OBJECTIVE_CHARS,
    PreviousSummary,
    build_request,
)
from affiant.encoding import Digest, canonical_json
from affiant.onchain.address_book import (
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.facts import (
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)
from affiant.onchain.mandate import Address

MANDATE = Digest(b"\x11" * 32)
MANIFEST = {
    "objective": "Keep WETH between 55 % and 65 % of the portfolio.",
    "actions": [{"name": "swap", "version": 1}, {"name": "hold", "version": 1}],
}
Q96 = 1 << 96


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


def token(number: int, decimals: int) -> TokenEntry:
    return TokenEntry(address(number), decimals, address(number + 16), 8, 3600)


def book(*, weth: int = 1, usdc: int = 2) -> AddressBook:
    first, second = sorted((address(weth), address(usdc)))
    return AddressBook(
        chain_id=31337,
        gate=address(100),
        node_registry=address(101),
        model_registry=address(102),
        tokens={"WETH": token(weth, 18), "USDC": token(usdc, 6)},
        uniswap=UniswapEntry(
            address(103),
            address(104),
            address(105),
            address(106),
            {"WETH/USDC": PoolEntry(address(107), 500, first, second)},
        ),
    )


FACTS = Facts(
    block_number=77,
    timestamp=1_800_000_000,
    balances={
        "USDC": TokenBalance(wallet=1_200_000_000, supplied=2_000_000_001),
        "WETH": TokenBalance(wallet=1_500_000_000_000_000_000),
    },
    prices={
        "WETH": PriceFact(answer=3_120_50000000, decimals=8, updated_at=0),
        "USDC": PriceFact(answer=1_0000_0000, decimals=8, updated_at=0),
    },
    pools={},
    lending={},
)


def request_of(facts: Facts = FACTS, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "facts": facts,
        "book": book(),
        "mandate_id": MANDATE,
        "slot": 9,
        "previous": None,
    }
    manifest = changes.pop("manifest", MANIFEST)
    return build_request(manifest, **{**arguments, **changes})


def test_states_amounts_exactly_and_shares_in_whole_percent() -> None:
    portfolio = request_of()["portfolio"]
    assert portfolio["total"] == "7880.75"
    weth, usdc = portfolio["tokens"]
    assert weth["token"] == "WETH"  # the book's order, not the facts'
    assert (weth["wallet"], weth["price"]) == ("1.5", "3120.5")
    assert weth["share"] == {"total": 59, "wallet": 59, "supplied": 0, "debt": 0}
    assert (usdc["wallet"], usdc["supplied"]) == ("1200", "2000.000001")
    assert usdc["share"] == {"total": 41, "wallet": 15, "supplied": 25, "debt": 0}


def test_gives_the_same_bytes_whatever_the_order_of_the_facts() -> None:
    turned = replace(FACTS, balances=dict(reversed(FACTS.balances.items())))
    assert canonical_json(request_of(turned)) == canonical_json(request_of())
    assert json.loads(canonical_json(request_of())) == request_of()


def test_holds_no_float_anywhere() -> None:
    def walk(value: Any) -> None:
        assert not isinstance(value, float)
        children = value.values() if isinstance(value, dict) else value
        if isinstance(value, (dict, list)):
            for child in children:
                walk(child)

    walk(request_of(previous=PreviousSummary(slot=8, actions=("swap",))))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((1, 199), (1, 100)),  # 0.5 % rounds up, 99.5 % too
        ((1, 200), (0, 100)),
        ((0, 0), (0, 0)),  # an empty portfolio has no shares
        ((5, 0), (100, 0)),
    ],
)
def test_rounds_shares_half_up(
    parts: tuple[int, int], expected: tuple[int, int]
) -> None:
    unit = 10**8
    facts = replace(
        FACTS,
        balances={
            "WETH": TokenBalance(wallet=parts[0] * 10**18),
            "USDC": TokenBalance(wallet=parts[1] * 10**6),
        },
        prices={
            "WETH": PriceFact(answer=unit, decimals=8, updated_at=0),
            "USDC": PriceFact(answer=unit, decimals=8, updated_at=0),
        },
    )
    tokens = request_of(facts)["portfolio"]["tokens"]
    assert tuple(token["share"]["total"] for token in tokens) == expected


def test_counts_debt_apart_from_the_total() -> None:
    balances = {
        "WETH": TokenBalance(wallet=10**18),
        "USDC": TokenBalance(wallet=0, debt=1_560_250_000),
    }
    portfolio = request_of(replace(FACTS, balances=balances))["portfolio"]
    assert (portfolio["total"], portfolio["debt"]) == ("3120.5", "1560.25")
    assert portfolio["tokens"][1]["share"] == {
        "total": 0,
        "wallet": 0,
        "supplied": 0,
        "debt": 50,
    }


@pytest.mark.parametrize("weth_is_token0", [True, False])
def test_prices_a_pool_in_its_quote_token(weth_is_token0: bool) -> None:
    # 3,136.1025 USDC per WETH is 50 bps over the feed's 3,120.50.
    ratio = 3_136_102_500, 10**18
    numerator, denominator = ratio if weth_is_token0 else ratio[::-1]
    root = int((numerator * 10**40 // denominator) ** 0.5) * Q96 // 10**20
    fact = PoolFact(sqrt_price_x96=root, tick=0, liquidity=1, fee=500)
    pool = request_of(
        replace(FACTS, pools={"WETH/USDC": fact}),
        book=book() if weth_is_token0 else book(weth=2, usdc=1),
    )["pools"][0]
    assert pool["deviationBps"] == 50
    assert pool["price"].startswith("3136.10")
    assert pool["feeBps"] == "5"


def test_limits_the_deviation_of_an_absurd_pool() -> None:
    fact = PoolFact(sqrt_price_x96=2**159, tick=0, liquidity=1, fee=500)
    pool = request_of(replace(FACTS, pools={"WETH/USDC": fact}))["pools"][0]
    assert pool["deviationBps"] == MAX_DEVIATION_BPS


def test_states_lending_rates_in_basis_points() -> None:
    fact = LendingFact(supply_rate_ray=412 * 10**23 + 1, borrow_rate_ray=10**25)
    lending = request_of(replace(FACTS, lending={"USDC": fact}))["lending"]
    assert lending == [{"token": "USDC", "supplyBps": 412, "borrowBps": 100}]


def test_leaves_out_prices_that_were_not_observed() -> None:
    tokens = request_of(replace(FACTS, prices={}))["portfolio"]["tokens"]
    assert [token["price"] for token in tokens] == [None, None]
    assert all(set(token["share"].values()) == {0} for token in tokens)


@dataclass(frozen=True)
class Case:
    id: str
    changes: dict[str, Any]
    what: str


@pytest.mark.parametrize(
    "case",
    [
        Case("no objective", {"manifest": {**MANIFEST, "objective": None}}, "objec"),
        Case("blank objective", {"manifest": {**MANIFEST, "objective": " "}}, "objec"),
        Case(
            "long objective",
            {"manifest": {**MANIFEST, "objective": "x" * (MAX_OBJECTIVE_CHARS + 1)}},
            "objective",
        ),
        Case("no actions", {"manifest": {**MANIFEST, "actions": []}}, "program act"),
        Case("nameless", {"manifest": {**MANIFEST, "actions": [{}]}}, "program act"),
        Case("text actions", {"manifest": {**MANIFEST, "actions": "swap"}}, "program"),
        Case(
            "unknown token",
            {"facts": replace(FACTS, balances={"EVIL": TokenBalance(wallet=1)})},
            "balance",
        ),
        Case(
            "unknown market",
            {"facts": replace(FACTS, lending={"EVIL": LendingFact(1, 1)})},
            "lending market",
        ),
        Case(
            "unknown pool",
            {"facts": replace(FACTS, pools={"A/B": PoolFact(1, 0, 1, 1)})},
            "pool",
        ),
    ],
    ids=lambda case: case.id,
)
def test_refuses(case: Case) -> None:
    with pytest.raises(RequestError) as refused:
        request_of(**case.changes)
    assert refused.value.what.startswith(case.what)
    assert refused.value.got and refused.value.expected


def test_what_a_request_says_of_the_decision_before_is_read_back() -> None:
    before = PreviousSummary(slot=7, actions=("swap", "supply"))
    said = {"previous": {"slot": 7, "actions": ["swap", "supply"]}}
    assert PreviousSummary.stated(said) == before
    assert PreviousSummary.stated({"previous": None}) is None


@pytest.mark.parametrize(
    "request_",
    [
        {},
        None,
        [],
        {"previous": 7},
        {"previous": []},
        {"previous": {"slot": 7}},
        {"previous": {"slot": True, "actions": []}},
        {"previous": {"slot": "7", "actions": []}},
        {"previous": {"slot": 7, "actions": "swap"}},
        {"previous": {"slot": 7, "actions": [1]}},
        {"previous": {"slot": 7, "actions": [], "why": "x"}},
    ],
)
def test_refuses_what_says_nothing_of_the_decision_before(request_: Any) -> None:
    with pytest.raises(RequestError, match=r"request\.previous"):
        PreviousSummary.stated(request_)
