"""Kits: what plans compile to, what bounds promise, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from affiant.encoding import canonical_json
from affiant.onchain.address_book import AddressBook
from affiant.onchain.errors import (
    KitError,
    PlanAmountZeroError,
    PlanCallNotAllowedError,
    PlanEmptyError,
    PlanFactMissingError,
    PlanHoldMixedError,
    PlanNameUnknownError,
    PlanOverflowError,
    PlanPriceStaleError,
    PlanTokenUntrackedError,
    PlanTooManyCallsError,
)
from affiant.onchain.facts import Facts, PriceFact, TokenBalance
from affiant.onchain.kits import (
    KITS,
    Compiled,
    Hold,
    HoldParams,
    Supply,
    SupplyParams,
    Swap,
    SwapParams,
    Withdraw,
    WithdrawParams,
    compile_plan,
)
from affiant.onchain.kits.lending import ROUNDING
from affiant.onchain.kits.swap import SWAP_DEADLINE_SECONDS
from affiant.onchain.mandate import NATIVE, Mandate, Permission

HOLD = HoldParams(action="hold")


def swap(
    sell: str = "WETH", buy: str = "USDC", *, share: int = 5000, slippage: int = 50
) -> SwapParams:
    return SwapParams(
        action="swap", sell=sell, buy=buy, share_bps=share, max_slippage_bps=slippage
    )


def supply(asset: str = "USDC", *, share: int = 10_000) -> SupplyParams:
    return SupplyParams(action="supply", asset=asset, share_bps=share)


def withdraw(asset: str = "USDC", *, share: int = 10_000) -> WithdrawParams:
    return WithdrawParams(action="withdraw", asset=asset, share_bps=share)


def bounds_by_token(
    compiled: Compiled, mandate: Mandate, book: AddressBook
) -> dict[str, int]:
    names = {}
    for name, token in book.tokens.items():
        names[token.address] = name
        names[token.a_token or NATIVE] = f"a{name}"
        names[token.variable_debt or NATIVE] = f"debt {name}"
    return {
        names[entry.token]: bound
        for entry, bound in zip(mandate.tracked, compiled.bounds, strict=True)
        if bound != 0
    }


def test_swap_sells_the_share_for_the_feeds_price_less_slippage(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    compiled = compile_plan(
        [swap()], facts=small_facts, book=small_book, mandate=small_mandate
    )
    (call,) = compiled.calls
    assert small_book.uniswap is not None
    assert call.target == small_book.uniswap.router
    assert (call.token, call.allowance) == (small_book.tokens["WETH"].address, 10**18)
    assert call.value == 0
    assert call.data[:4].hex() == "414bf389"
    (values,) = decode(
        ["(address,address,uint24,address,uint256,uint256,uint256,uint160)"],
        call.data[4:],
    )
    assert values == (
        small_book.tokens["WETH"].address.lower(),
        small_book.tokens["USDC"].address.lower(),
        500,
        small_mandate.account.lower(),
        small_facts.timestamp + SWAP_DEADLINE_SECONDS,
        10**18,
        2487_500000,
        0,
    )
    assert bounds_by_token(compiled, small_mandate, small_book) == {
        "WETH": -(10**18),
        "USDC": 2487_500000,
    }


def test_swap_takes_the_pool_in_either_direction(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    compiled = compile_plan(
        [swap("USDC", "WETH", share=10_000, slippage=100)],
        facts=small_facts,
        book=small_book,
        mandate=small_mandate,
    )
    assert bounds_by_token(compiled, small_mandate, small_book) == {
        "USDC": -(10**9),
        "WETH": 4 * 10**17 * 99 // 100,
    }


def test_supply_and_withdraw_allow_for_rounding(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    assert small_book.aave is not None
    usdc = small_book.tokens["USDC"].address
    supplied = compile_plan(
        [supply(share=2500)], facts=small_facts, book=small_book, mandate=small_mandate
    )
    (call,) = supplied.calls
    assert call.target == small_book.aave.pool
    assert call.data[:4].hex() == "617ba037"
    assert decode(["address", "uint256", "address", "uint16"], call.data[4:]) == (
        usdc.lower(),
        250 * 10**6,
        small_mandate.account.lower(),
        0,
    )
    assert (call.token, call.allowance) == (usdc, 250 * 10**6)
    assert bounds_by_token(supplied, small_mandate, small_book) == {
        "USDC": -250 * 10**6,
        "aUSDC": 250 * 10**6 - 2,
    }

    withdrawn = compile_plan(
        [withdraw()], facts=small_facts, book=small_book, mandate=small_mandate
    )
    (call,) = withdrawn.calls
    assert call.data[:4].hex() == "69328dec"
    assert decode(["address", "uint256", "address"], call.data[4:]) == (
        usdc.lower(),
        400 * 10**6,
        small_mandate.account.lower(),
    )
    assert (call.token, call.allowance) == (NATIVE, 0)
    assert bounds_by_token(withdrawn, small_mandate, small_book) == {
        "USDC": 400 * 10**6,
        "aUSDC": -400 * 10**6 - 2,
    }


def test_hold_has_no_calls_and_lets_nothing_worsen(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    compiled = compile_plan(
        [HOLD], facts=small_facts, book=small_book, mandate=small_mandate
    )
    assert compiled == Compiled(calls=(), bounds=(0,) * len(small_mandate.tracked))


def test_later_actions_count_only_on_what_is_certain(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    compiled = compile_plan(
        [withdraw(), swap(share=5000), supply(share=10_000)],
        facts=small_facts,
        book=small_book,
        mandate=small_mandate,
    )
    wallet = 1000_000000 + 400_000000 + 2487_500000
    assert compiled.calls[2].allowance == wallet
    assert bounds_by_token(compiled, small_mandate, small_book) == {
        "WETH": -(10**18),
        "USDC": -1000_000000,
        "aUSDC": -400_000002 + wallet - 2,
    }


def _without(name: str) -> Callable[[Facts], Facts]:
    return lambda facts: dataclasses.replace(facts, **{name: {}})


def _balance(name: str, balance: TokenBalance) -> Callable[[Facts], Facts]:
    return lambda facts: dataclasses.replace(
        facts, balances={**facts.balances, name: balance}
    )


def _price(name: str, **changes: int) -> Callable[[Facts], Facts]:
    return lambda facts: dataclasses.replace(
        facts,
        prices={
            **facts.prices,
            name: dataclasses.replace(facts.prices[name], **changes),
        },
    )


def _untracked(count: int) -> Callable[[Mandate], Mandate]:
    return lambda mandate: dataclasses.replace(mandate, tracked=mandate.tracked[count:])


NOW = 1_750_000_000


@dataclass(frozen=True)
class Case:
    sentence: str
    actions: list[BaseModel]
    error: type[KitError]
    facts: Callable[[Facts], Facts] = lambda facts: facts
    mandate: Callable[[Mandate], Mandate] = lambda mandate: mandate


CASES = [
    Case("is empty", [], PlanEmptyError),
    Case("holds and swaps", [HOLD, swap()], PlanHoldMixedError),
    Case("holds twice", [HOLD, HOLD], PlanHoldMixedError),
    Case("sells an unknown token", [swap("DAI", "USDC")], PlanNameUnknownError),
    Case("buys an unknown token", [swap("USDC", "DAI")], PlanNameUnknownError),
    Case("names tokens without a pool", [swap("WBTC", "USDC")], PlanNameUnknownError),
    Case("supplies an unknown token", [supply("DAI")], PlanNameUnknownError),
    Case("supplies what Aave does not list", [supply("WBTC")], PlanNameUnknownError),
    Case("withdraws what Aave does not list", [withdraw("WBTC")], PlanNameUnknownError),
    Case("withdraws what was not supplied", [withdraw("WETH")], PlanAmountZeroError),
    Case(
        "swaps a share that rounds to nothing",
        [swap(share=1)],
        PlanAmountZeroError,
        facts=_balance("WETH", TokenBalance(9_999)),
    ),
    Case(
        "swaps for less than one base unit",
        [swap(share=10_000)],
        PlanAmountZeroError,
        facts=_balance("WETH", TokenBalance(10**8)),
    ),
    Case(
        "sells the same tokens twice over",
        [swap(share=10_000), swap(share=10_000)],
        PlanAmountZeroError,
    ),
    Case(
        "supplies what it has just sold",
        [swap(share=10_000), supply("WETH")],
        PlanAmountZeroError,
    ),
    Case(
        "swaps unobserved balances",
        [swap()],
        PlanFactMissingError,
        _without("balances"),
    ),
    Case(
        "swaps at unobserved prices",
        [swap()],
        PlanFactMissingError,
        _without("prices"),
    ),
    Case(
        "supplies unobserved balances",
        [supply()],
        PlanFactMissingError,
        _without("balances"),
    ),
    Case(
        "sells at a price just stale",
        [swap()],
        PlanPriceStaleError,
        _price("WETH", updated_at=NOW - 3600),
    ),
    Case(
        "buys at a price just stale",
        [swap()],
        PlanPriceStaleError,
        _price("USDC", updated_at=NOW - 7200),
    ),
    Case(
        "needs more calls than a decision carries",
        [supply(share=1)] * 17,
        PlanTooManyCallsError,
    ),
    Case(
        "calls what the mandate does not allow",
        [swap()],
        PlanCallNotAllowedError,
        mandate=lambda m: dataclasses.replace(
            m,
            allow_list=tuple(p for p in m.allow_list if p.selector.hex() != "414bf389"),
        ),
    ),
    Case(
        "calls an allowed selector on another target",
        [swap()],
        PlanCallNotAllowedError,
        mandate=lambda m: dataclasses.replace(
            m,
            allow_list=tuple(Permission(m.account, p.selector) for p in m.allow_list),
        ),
    ),
    Case(
        "is allowed nothing",
        [supply()],
        PlanCallNotAllowedError,
        mandate=lambda m: dataclasses.replace(m, allow_list=()),
    ),
    Case(
        "sells an untracked token",
        [swap()],
        PlanTokenUntrackedError,
        mandate=_untracked(1),
    ),
    Case(
        "touches an untracked aToken",
        [supply("WETH")],
        PlanTokenUntrackedError,
        mandate=lambda m: dataclasses.replace(
            m, tracked=(m.tracked[0], *m.tracked[2:])
        ),
    ),
    Case(
        "tracks the sold token as a debt",
        [swap()],
        PlanTokenUntrackedError,
        mandate=lambda m: dataclasses.replace(
            m, tracked=tuple(dataclasses.replace(t, debt=True) for t in m.tracked)
        ),
    ),
    Case(
        "moves more than an int256",
        [supply()],
        PlanOverflowError,
        facts=_balance("USDC", TokenBalance(2**256 - 1)),
    ),
    Case(
        "yields more than an int256",
        [swap(share=10_000)],
        PlanOverflowError,
        facts=lambda facts: _balance("WETH", TokenBalance(10**40))(
            _price("WETH", answer=2**255 - 1)(facts)
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_compile_refuses_a_plan_that(
    case: Case, small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    with pytest.raises(case.error) as caught:
        compile_plan(
            case.actions,
            facts=case.facts(small_facts),
            book=small_book,
            mandate=case.mandate(small_mandate),
        )
    assert caught.value.got and caught.value.expected


def test_prices_one_second_before_their_age_limit_still_count(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    facts = _price("WETH", updated_at=NOW - 3599)(small_facts)
    assert compile_plan([swap()], facts=facts, book=small_book, mandate=small_mandate)


def test_foreign_parameter_types_are_misuse(
    small_book: AddressBook, small_facts: Facts, small_mandate: Mandate
) -> None:
    class Forged(SwapParams):
        pass

    forged = Forged(**swap().model_dump())
    with pytest.raises(ValueError, match="expected"):
        compile_plan(
            [forged], facts=small_facts, book=small_book, mandate=small_mandate
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"share_bps": 0},
        {"share_bps": 10_001},
        {"share_bps": -1},
        {"share_bps": 1.0},
        {"share_bps": "1"},
        {"share_bps": True},
        {"max_slippage_bps": 0},
        {"max_slippage_bps": 1_001},
        {"sell": "USDC"},
        {"sell": 1},
        {"action": "hold"},
        {"recipient": "0x0000000000000000000000000000000000000001"},
    ],
)
def test_parameters_are_parsed_strictly(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SwapParams.model_validate({**swap().model_dump(), **fields}, strict=True)


def test_schemas_name_only_what_can_be_done(small_book: AddressBook) -> None:
    assert canonical_json(Hold.schema(small_book)) == (
        b'{"additionalProperties":false,"properties":{"action":{"const":"hold"}},'
        b'"required":["action"],"type":"object"}'
    )
    schema = Swap.schema(small_book)
    assert [*schema["properties"]] == [
        "action",
        "sell",
        "buy",
        "share_bps",
        "max_slippage_bps",
    ]
    assert schema["properties"]["sell"] == {"enum": ["WETH", "USDC"]}
    for kit in (Supply, Withdraw):
        assert [*kit.schema(small_book)["properties"]] == [
            "action",
            "asset",
            "share_bps",
        ]
        assert kit.schema(small_book)["properties"]["asset"] == {
            "enum": ["WETH", "USDC"]
        }


def test_a_committed_model_is_told_what_it_was_trained_on() -> None:
    versions = {name: kit.version for name, kit in KITS.items()}
    assert [*versions][:4] == ["swap", "supply", "withdraw", "hold"]
    # Their second version has other deadlines in its calls, and no other words.
    second = {"swap", "swap_path", "swap_exact_out"}
    assert {name for name, version in versions.items() if version == 2} == second
    assert set(versions.values()) == {1, 2}
    assert Swap.line == (
        '{"action": "swap", "sell": NAME, "buy": NAME, "share_bps": share of the '
        'wallet\'s balance of the sold token, "max_slippage_bps": BPS}'
    )
    for kit in (Swap, Supply, Withdraw, Hold):
        assert KITS[kit.name] is kit


amounts = st.integers(0, 10**30)
answers = st.integers(1, 10**16)


@given(
    wallet=amounts,
    sell_answer=answers,
    buy_answer=answers,
    share=st.integers(1, 10_000),
    slippage=st.integers(1, 1_000),
)
def test_a_swap_never_promises_more_than_the_feeds_price(
    small_book: AddressBook,
    small_facts: Facts,
    small_mandate: Mandate,
    wallet: int,
    sell_answer: int,
    buy_answer: int,
    share: int,
    slippage: int,
) -> None:
    facts = dataclasses.replace(
        small_facts,
        balances={"WETH": TokenBalance(wallet), "USDC": TokenBalance(0)},
        prices={
            "WETH": PriceFact(sell_answer, 8, NOW),
            "USDC": PriceFact(buy_answer, 8, NOW),
        },
    )
    try:
        compiled = compile_plan(
            [swap(share=share, slippage=slippage)],
            facts=facts,
            book=small_book,
            mandate=small_mandate,
        )
    except PlanAmountZeroError:
        return
    bounds = bounds_by_token(compiled, small_mandate, small_book)
    sold, bought = -bounds["WETH"], bounds["USDC"]
    assert 0 < sold == compiled.calls[0].allowance <= wallet
    assert sold * 10_000 <= wallet * share
    # Value bought is at most value sold less slippage, and short by under one unit.
    value_sold = sold * sell_answer * (10_000 - slippage)
    unit = buy_answer * 10**12 * 10_000
    assert bought * unit <= value_sold < (bought + 1) * unit


steps = st.lists(
    st.one_of(
        st.builds(
            swap,
            st.just("WETH"),
            st.just("USDC"),
            share=st.integers(1, 10_000),
            slippage=st.integers(1, 1_000),
        ),
        st.builds(
            swap,
            st.just("USDC"),
            st.just("WETH"),
            share=st.integers(1, 10_000),
            slippage=st.integers(1, 1_000),
        ),
        st.builds(
            supply, st.sampled_from(["WETH", "USDC"]), share=st.integers(1, 10_000)
        ),
        st.builds(
            withdraw, st.sampled_from(["WETH", "USDC"]), share=st.integers(1, 10_000)
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(actions=steps, supplied=st.integers(0, 10**12), luck=st.integers(0, 500))
def test_a_plan_can_be_delivered_by_any_market_that_fills_each_step(
    small_book: AddressBook,
    small_facts: Facts,
    small_mandate: Mandate,
    actions: list[BaseModel],
    supplied: int,
    luck: int,
) -> None:
    """Run the calls on a model of the protocols; every bound must then hold."""
    facts = _balance("USDC", TokenBalance(10**9, supplied))(small_facts)
    try:
        compiled = compile_plan(
            actions, facts=facts, book=small_book, mandate=small_mandate
        )
    except PlanAmountZeroError:
        return
    holders = {entry.token: 0 for entry in small_mandate.tracked}
    for name, token in small_book.tokens.items():
        holders[token.address] = facts.balances[name].wallet
        if token.a_token is not None:
            holders[token.a_token] = facts.balances[name].supplied
    start = dict(holders)
    by_address = {t.address.lower(): t for t in small_book.tokens.values()}
    for call in compiled.calls:
        selector, body = call.data[:4].hex(), call.data[4:]
        if selector == "414bf389":
            kind = "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
            ((sell, buy, _, _, _, amount, least, _),) = decode([kind], body)
            holders[by_address[sell].address] -= amount
            holders[by_address[buy].address] += least * (10_000 + luck) // 10_000
        elif selector == "617ba037":
            asset, amount, _, _ = decode(
                ["address", "uint256", "address", "uint16"], body
            )
            holders[by_address[asset].address] -= amount
            holders[by_address[asset].a_token or NATIVE] += max(amount - 2, 0)
        else:
            asset, amount, _ = decode(["address", "uint256", "address"], body)
            # Aave rounds against us by at most two, and never below nothing.
            held = holders[by_address[asset].a_token or NATIVE]
            assert amount <= held
            holders[by_address[asset].a_token or NATIVE] = max(held - amount - 2, 0)
            holders[by_address[asset].address] += amount
        assert all(balance >= 0 for balance in holders.values())
    for entry, bound in zip(small_mandate.tracked, compiled.bounds, strict=True):
        assert holders[entry.token] - start[entry.token] >= bound


RAY = 10**27


def ray_mul(scaled: int, index: int) -> int:
    return (scaled * index + RAY // 2) // RAY


def ray_div(amount: int, index: int) -> int:
    return (amount * RAY + index // 2) // index


@given(
    index=st.integers(RAY, 2 * RAY),
    held=st.integers(0, 10**30),
    amount=st.integers(1, 10**30),
)
def test_the_rounding_allowance_covers_aaves_arithmetic_up_to_twice_the_index(
    index: int, held: int, amount: int
) -> None:
    """`WadRayMath.sol` of aave-core-v3: both operations round half up."""
    before = ray_mul(held, index)
    minted = ray_mul(held + ray_div(amount, index), index) - before
    assert minted >= max(amount - ROUNDING, 0)
    if amount <= before:
        burned = before - ray_mul(max(held - ray_div(amount, index), 0), index)
        assert burned <= amount + ROUNDING
