"""Kits that borrow, wrap, pay, trade along routes and use vaults: calls, refusals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from affiant.audit.words import calls_in_words, facts_in_words, plan_in_words
from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook, PoolEntry, TokenEntry
from affiant.onchain.book_sections import NativeEntry, RecipientsEntry
from affiant.onchain.errors import (
    AnswerInvalidError,
    KitError,
    PlanAmountZeroError,
    PlanBalanceError,
    PlanCallNotAllowedError,
    PlanFactMissingError,
    PlanHealthError,
    PlanNameUnknownError,
    PlanOverflowError,
    PlanPriceOffError,
    PlanPriceStaleError,
    PlanRecipientError,
    PlanRiskError,
    PlanTokenUntrackedError,
    ReadUndecodableError,
)
from affiant.onchain.facts import (
    BorrowingFact,
    Facts,
    PoolFact,
    PriceFact,
    TokenBalance,
    VaultFact,
    decode_facts,
    planned_reads,
)
from affiant.onchain.kits import KITS, Compiled, Hold, compile_plan
from affiant.onchain.kits.swap import SWAP_DEADLINE_SECONDS
from affiant.onchain.kits.swap_path import routes
from affiant.onchain.kits.uniswap_v3 import unpacked
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    Permission,
    Rung,
    Tracked,
)
from affiant.onchain.recipients import TRANSFER, Place, may_receive, recipients_rule

NOW = 1_750_000_000
DOLLAR = 10**8


def address(number: int) -> Address:
    return Address(str(to_checksum_address(f"0x{number:040x}")))


RULE, LANDLORD, STRANGER = address(0xB01), address(0x1A4D), address(0xBAD)
VAULT, READER = address(0x400), address(0xE74)


@pytest.fixture(scope="module")
def book(small_book: AddressBook) -> AddressBook:
    """The small book with a second pool, a vault, a native currency and recipients."""
    assert small_book.uniswap is not None
    pools = {
        **small_book.uniswap.pools,
        "WBTC/USDC": PoolEntry(address(12), 3000, address(0x100), address(0x300)),
    }
    return dataclasses.replace(
        small_book,
        tokens={
            **small_book.tokens,
            "vUSDC": TokenEntry(VAULT, 6, address(0x401), 8, 3600),
        },
        uniswap=dataclasses.replace(small_book.uniswap, pools=pools),
        native=NativeEntry("ETH", "WETH", READER),
        recipients=RecipientsEntry(RULE, {"landlord": LANDLORD, "stranger": STRANGER}),
        vaults={"vUSDC": "USDC"},
    )


def sqrt_price(token1_per_token0: float) -> int:
    return int(token1_per_token0**0.5 * 2**96)


@pytest.fixture(scope="module")
def facts(small_facts: Facts) -> Facts:
    """2 WETH, 1000 USDC (400 lent, 50 owed), 0.5 WBTC, 100 vUSDC, 3 ether."""
    return dataclasses.replace(
        small_facts,
        balances={
            **small_facts.balances,
            "WBTC": TokenBalance(5 * 10**7),
            "vUSDC": TokenBalance(100 * 10**6),
        },
        prices={
            **small_facts.prices,
            "WBTC": PriceFact(60_000 * DOLLAR, 8, NOW - 60),
            "vUSDC": PriceFact(105 * 10**6, 8, NOW - 60),
        },
        pools={
            # token0 is USDC in both: token1 per token0 in base units.
            "WETH/USDC": PoolFact(sqrt_price(10**12 / 2500), 0, 10**18, 500),
            "WBTC/USDC": PoolFact(sqrt_price(100 / 60_000), 0, 10**18, 3000),
        },
        borrowing=BorrowingFact(400 * DOLLAR, 50 * DOLLAR, 258 * DOLLAR, 8000),
        native=3 * 10**18,
        vaults={"vUSDC": VaultFact(1_050_000)},
    )


@pytest.fixture(scope="module")
def mandate(small_mandate: Mandate, book: AddressBook) -> Mandate:
    """Allows every kit, tracks everything, pays the landlord in USDC."""
    tracked = [
        *small_mandate.tracked,
        Tracked(VAULT, 3, 6, debt=False),
        Tracked(NATIVE, 0, 18, debt=False),
    ]
    allowed = {entry for kit in KITS.values() for entry in kit.permissions(book)}
    places = [Place(book.tokens["USDC"].address, TRANSFER, 0)]
    return dataclasses.replace(
        small_mandate,
        tracked=tuple(tracked),
        feeds=(*small_mandate.feeds, Feed(address(0x401), 8, 3600)),
        allow_list=tuple(sorted(allowed, key=lambda p: (p.target, p.selector))),
        rules=(recipients_rule(RULE, places=places, recipients=[LANDLORD]),),
    )


def act(action: str, **fields: JsonValue) -> BaseModel:
    return KITS[action].params.model_validate({"action": action, **fields}, strict=True)


def borrow(asset: str = "USDC", share: int = 5000, health: int = 10_500) -> BaseModel:
    return act("borrow", asset=asset, share_bps=share, min_health_bps=health)


def repay(asset: str = "USDC", share: int = 10_000) -> BaseModel:
    return act("repay", asset=asset, share_bps=share)


def transfer(asset: str = "USDC", to: str = "landlord", share: int = 1000) -> BaseModel:
    return act("transfer", asset=asset, to=to, share_bps=share)


def route(name: str, share: int = 5000, slippage: int = 100) -> BaseModel:
    return act("swap_path", route=name, share_bps=share, max_slippage_bps=slippage)


def exact_out(name: str, share: int = 5000, slippage: int = 100) -> BaseModel:
    return act("swap_exact_out", route=name, share_bps=share, max_slippage_bps=slippage)


def deposit(share: int = 5000, slippage: int = 10) -> BaseModel:
    return act("deposit", vault="vUSDC", share_bps=share, max_slippage_bps=slippage)


def redeem(share: int = 5000, slippage: int = 10) -> BaseModel:
    return act("redeem", vault="vUSDC", share_bps=share, max_slippage_bps=slippage)


Compiling = Callable[..., Compiled]


@pytest.fixture
def compiling(book: AddressBook, facts: Facts, mandate: Mandate) -> Compiling:
    def run(*actions: BaseModel, **changes: object) -> Compiled:
        parts = {"facts": facts, "book": book, "mandate": mandate, **changes}
        return compile_plan(actions, **parts)

    return run


@pytest.fixture
def bounds(book: AddressBook, mandate: Mandate) -> Callable[[Compiled], dict[str, int]]:
    names = {NATIVE: "ETH"}
    for name, token in book.tokens.items():
        names[token.address] = name
        if token.a_token and token.variable_debt:
            names |= {token.a_token: f"a{name}", token.variable_debt: f"debt {name}"}
    return lambda compiled: {
        names[entry.token]: bound
        for entry, bound in zip(mandate.tracked, compiled.bounds, strict=True)
        if bound
    }


def test_a_loan_is_a_share_of_what_can_be_borrowed(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    compiled = compiling(borrow())
    (call,) = compiled.calls
    assert book.aave is not None and call.target == book.aave.pool
    assert call.data[:4].hex() == "a415bcad" and call.allowance == 0
    asset, amount, mode, referral, owner = decode(
        ["address", "uint256", "uint256", "uint16", "address"], call.data[4:]
    )
    assert asset == book.tokens["USDC"].address.lower()
    assert (amount, mode, referral) == (129 * 10**6, 2, 0)
    assert owner == address(0xACC).lower()
    assert bounds(compiled) == {"USDC": amount, "debt USDC": -amount - 2}


def test_a_loan_in_eighteen_decimals_is_priced_by_the_feed(
    compiling: Compiling, bounds: Callable[[Compiled], dict[str, int]]
) -> None:
    # 129 dollars of ether at 2500.
    amount = 129 * 10**18 // 2500
    assert bounds(compiling(borrow("WETH"))) == {
        "WETH": amount,
        "debt WETH": -amount - 2,
    }


def test_a_repayment_is_a_share_of_the_debt(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    compiled = compiling(repay())
    (call,) = compiled.calls
    assert call.data[:4].hex() == "573ade81"
    assert decode(["address", "uint256", "uint256", "address"], call.data[4:]) == (
        book.tokens["USDC"].address.lower(),
        50 * 10**6,
        2,
        address(0xACC).lower(),
    )
    assert (call.token, call.allowance) == (book.tokens["USDC"].address, 50 * 10**6)
    assert bounds(compiled) == {"USDC": -50 * 10**6, "debt USDC": 50 * 10**6 - 2}


def test_a_later_repayment_counts_what_was_borrowed_before(
    compiling: Compiling, bounds: Callable[[Compiled], dict[str, int]]
) -> None:
    compiled = compiling(borrow(), repay())
    # All that may be owed then: 50 + 129 dollars and the rounding of the loan.
    owed = 179 * 10**6 + 2
    assert compiled.calls[1].allowance == owed
    assert bounds(compiled) == {
        "USDC": 129 * 10**6 - owed,
        "debt USDC": -129 * 10**6 - 2 + owed - 2,
    }


def test_wrapping_sends_value_and_unwrapping_does_not(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    weth = book.tokens["WETH"].address
    (call,) = compiling(act("wrap", share_bps=2500)).calls
    assert (call.target, call.value, call.data.hex()) == (
        weth,
        75 * 10**16,
        "d0e30db0",
    )
    compiled = compiling(act("unwrap", share_bps=10_000), act("wrap", share_bps=5000))
    assert compiled.calls[0].data[:4].hex() == "2e1a7d4d"
    assert compiled.calls[0].value == 0
    # Half of the three ether that were there and the two that came.
    assert compiled.calls[1].value == 25 * 10**17
    assert bounds(compiled) == {"ETH": -5 * 10**17, "WETH": 5 * 10**17}


def test_a_payment_goes_to_the_address_behind_the_name(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    compiled = compiling(transfer())
    (call,) = compiled.calls
    assert call.target == book.tokens["USDC"].address
    assert call.data[:4] == TRANSFER and call.allowance == 0
    assert decode(["address", "uint256"], call.data[4:]) == (
        LANDLORD.lower(),
        100 * 10**6,
    )
    assert bounds(compiled) == {"USDC": -100 * 10**6}


def test_routes_are_those_of_the_books_pools(book: AddressBook) -> None:
    assert routes(book) == (
        "WETH>USDC",
        "USDC>WETH",
        "USDC>WBTC",
        "WBTC>USDC",
        "WETH>USDC>WBTC",
        "WBTC>USDC>WETH",
    )


def test_a_route_is_packed_in_the_order_of_trading(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    compiled = compiling(route("WETH>USDC>WBTC"))
    (call,) = compiled.calls
    assert book.uniswap is not None and call.target == book.uniswap.router
    assert call.data[:4].hex() == "c04b8d59"
    ((path, to, deadline, amount, least),) = decode(
        ["(bytes,address,uint256,uint256,uint256)"], call.data[4:]
    )
    weth, usdc, wbtc = (
        bytes.fromhex(book.tokens[name].address[2:])
        for name in ("WETH", "USDC", "WBTC")
    )
    assert path == weth + bytes([0, 1, 244]) + usdc + bytes([0, 11, 184]) + wbtc
    assert unpacked(path) == [weth, usdc, wbtc]
    assert (to, deadline) == (address(0xACC).lower(), NOW + SWAP_DEADLINE_SECONDS)
    # One ether, 2500 dollars: 0.0416 bitcoin less a percent.
    assert (amount, least) == (10**18, 2500 * 10**8 * 99 // (60_000 * 100))
    assert bounds(compiled) == {"WETH": -amount, "WBTC": least}


def test_an_exact_amount_is_bought_for_at_most_the_share_and_slippage(
    compiling: Compiling,
    bounds: Callable[[Compiled], dict[str, int]],
    book: AddressBook,
) -> None:
    compiled = compiling(exact_out("WETH>USDC>WBTC"))
    (call,) = compiled.calls
    assert call.data[:4].hex() == "f28c0498"
    ((path, _, _, bought, most),) = decode(
        ["(bytes,address,uint256,uint256,uint256)"], call.data[4:]
    )
    # The router reads the route from its end.
    assert path[:20].hex() == book.tokens["WBTC"].address[2:].lower()
    assert path[-20:].hex() == book.tokens["WETH"].address[2:].lower()
    assert (bought, most) == (2500 * 10**8 // 60_000, 101 * 10**16)
    assert call.allowance == most
    assert bounds(compiled) == {"WETH": -most, "WBTC": bought}


def test_a_vault_gives_shares_at_its_rate_less_slippage(
    compiling: Compiling, bounds: Callable[[Compiled], dict[str, int]]
) -> None:
    compiled = compiling(deposit())
    (call,) = compiled.calls
    assert (call.target, call.data[:4].hex()) == (VAULT, "6e553f65")
    assert decode(["uint256", "address"], call.data[4:]) == (
        500 * 10**6,
        address(0xACC).lower(),
    )
    least = 500 * 10**6 * 10**6 * 9990 // (1_050_000 * 10_000)
    assert bounds(compiled) == {"USDC": -500 * 10**6, "vUSDC": least}
    compiled = compiling(redeem(10_000))
    assert compiled.calls[0].data[:4].hex() == "ba087652"
    assert bounds(compiled) == {
        "vUSDC": -100 * 10**6,
        "USDC": 105 * 10**6 * 9990 // 10_000,
    }


def test_several_kits_in_one_plan_use_what_the_others_certainly_leave(
    compiling: Compiling,
) -> None:
    compiled = compiling(
        borrow(),
        route("USDC>WETH", share=10_000),
        act("wrap", share_bps=10_000),
        act("unwrap", share_bps=10_000),
    )
    borrowed = 129 * 10**6
    assert compiled.calls[1].allowance == 1000 * 10**6 + borrowed
    assert len(compiled.calls) == 4


# --- what is refused ---------------------------------------------------------------


def _facts(**changes: object) -> Callable[[Facts], Facts]:
    return lambda facts: dataclasses.replace(facts, **changes)


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


def _pool(name: str, price: float) -> Callable[[Facts], Facts]:
    def change(facts: Facts) -> Facts:
        fact = dataclasses.replace(facts.pools[name], sqrt_price_x96=sqrt_price(price))
        return dataclasses.replace(facts, pools={**facts.pools, name: fact})

    return change


def _mandate(**changes: object) -> Callable[[Mandate], Mandate]:
    return lambda mandate: dataclasses.replace(mandate, **changes)


def _tracking(debts: bool, *, of: str) -> Callable[[Mandate], Mandate]:
    """Track what `of` starts with differently: nothing, or the other way round."""

    def change(mandate: Mandate) -> Mandate:
        kept = [
            entry
            if entry.debt is not debts
            else dataclasses.replace(entry, debt=not debts)
            for entry in mandate.tracked
            if entry.debt is not debts or of == "turned"
        ]
        return dataclasses.replace(mandate, tracked=tuple(kept))

    return change


@dataclass(frozen=True)
class Case:
    sentence: str
    actions: list[BaseModel]
    error: type[KitError]
    facts: Callable[[Facts], Facts] = lambda facts: facts
    mandate: Callable[[Mandate], Mandate] = lambda mandate: mandate


NO_DEBT = BorrowingFact(400 * DOLLAR, 0, 308 * DOLLAR, 8000)

CASES = [
    Case("borrows what Aave does not list", [borrow("WBTC")], PlanNameUnknownError),
    Case(
        "borrows without knowing its standing",
        [borrow()],
        PlanFactMissingError,
        _facts(borrowing=None),
    ),
    Case(
        "borrows on nothing",
        [borrow()],
        PlanAmountZeroError,
        _facts(borrowing=BorrowingFact(0, 0, 0, 0)),
    ),
    Case(
        "borrows below the health it wants to keep",
        [borrow(share=10_000, health=15_000)],
        PlanHealthError,
    ),
    Case(
        "borrows all that can be borrowed, and asks for two",
        [borrow(share=10_000, health=20_000)],
        PlanHealthError,
        _facts(borrowing=NO_DEBT),
    ),
    Case(
        "withdraws its collateral and borrows on it",
        [act("withdraw", asset="USDC", share_bps=10_000), borrow()],
        PlanAmountZeroError,
    ),
    Case(
        "withdraws a part and borrows too much on the rest",
        [
            act("withdraw", asset="USDC", share_bps=4000),
            borrow(share=10_000, health=14_000),
        ],
        PlanHealthError,
    ),
    Case(
        "borrows twice what can be borrowed",
        [borrow(share=9_000), borrow("WETH", share=10_000)],
        PlanHealthError,
    ),
    Case(
        "borrows on a lie about its standing",
        [borrow("USDC", share=10_000, health=10_500)],
        PlanOverflowError,
        lambda facts: _price("USDC", answer=1)(
            _facts(
                borrowing=BorrowingFact(2**127, 0, 2**127, 8000),
            )(facts)
        ),
    ),
    Case(
        "borrows at a stale price",
        [borrow()],
        PlanPriceStaleError,
        _price("USDC", updated_at=NOW - 7200),
    ),
    Case(
        "borrows what the mandate does not track",
        [borrow()],
        PlanTokenUntrackedError,
        mandate=_tracking(True, of="dropped"),
    ),
    Case(
        "borrows into what the mandate takes for an asset",
        [borrow()],
        PlanTokenUntrackedError,
        mandate=_tracking(True, of="turned"),
    ),
    Case("repays what is not owed", [repay("WETH")], PlanAmountZeroError),
    Case(
        "repays more than the wallet holds",
        [repay()],
        PlanBalanceError,
        _balance("USDC", TokenBalance(49 * 10**6, 0, 50 * 10**6)),
    ),
    Case(
        "repays with what it has just sold",
        [act("swap", sell="USDC", buy="WETH", share_bps=10_000, max_slippage_bps=50)]
        + [repay()],
        PlanBalanceError,
    ),
    Case(
        "repays an unobserved debt",
        [repay()],
        PlanFactMissingError,
        _facts(balances={}),
    ),
    Case(
        "wraps ether that nobody observed",
        [act("wrap", share_bps=1)],
        PlanFactMissingError,
        _facts(native=None),
    ),
    Case(
        "wraps no ether",
        [act("wrap", share_bps=10_000)],
        PlanAmountZeroError,
        _facts(native=0),
    ),
    Case(
        "wraps the same ether twice",
        [act("wrap", share_bps=10_000), act("wrap", share_bps=10_000)],
        PlanAmountZeroError,
    ),
    Case(
        "wraps ether that the mandate does not track",
        [act("wrap", share_bps=1000)],
        PlanTokenUntrackedError,
        mandate=lambda m: dataclasses.replace(m, tracked=m.tracked[:-1]),
    ),
    Case(
        "pays somebody whom only the book names",
        [transfer(to="stranger")],
        PlanRecipientError,
    ),
    Case(
        "pays the landlord in a token that the rule says nothing of",
        [transfer("WETH")],
        PlanRecipientError,
    ),
    Case(
        "pays under a mandate without a rule",
        [transfer()],
        PlanRecipientError,
        mandate=_mandate(rules=()),
    ),
    Case("pays nobody known", [transfer(to="cousin")], PlanNameUnknownError),
    Case("pays in nothing known", [transfer("DAI")], PlanNameUnknownError),
    Case(
        "pays out of an empty wallet",
        [transfer()],
        PlanAmountZeroError,
        _balance("USDC", TokenBalance(0)),
    ),
    Case(
        "pays twice with all it has",
        [transfer(share=10_000), transfer(share=10_000)],
        PlanAmountZeroError,
    ),
    Case(
        "pays more than the last rung takes",
        [transfer(share=10_000)],
        PlanRiskError,
        mandate=_mandate(ladder=(Rung(1000 * DOLLAR - 1, 1, 0, 0),)),
    ),
    Case(
        "borrows more than the last rung takes",
        [borrow(share=5_000)],
        PlanRiskError,
        mandate=_mandate(ladder=(Rung(100 * DOLLAR, 1, 0, 0),)),
    ),
    Case("trades where no pool is", [route("WETH>WBTC")], PlanNameUnknownError),
    Case("trades in a circle", [route("WETH>USDC>WETH")], PlanNameUnknownError),
    Case("trades along nothing", [route("")], PlanNameUnknownError),
    Case(
        "trades in pools that were not observed",
        [route("WETH>USDC>WBTC")],
        PlanFactMissingError,
        _facts(pools={}),
    ),
    Case(
        "trades where the second pool is off",
        [route("WETH>USDC>WBTC")],
        PlanPriceOffError,
        _pool("WBTC/USDC", 100 / 62_000),
    ),
    Case(
        "trades for less than the pools' fees",
        [route("WETH>USDC>WBTC", slippage=30)],
        PlanPriceOffError,
    ),
    Case(
        "buys exactly where the pool is too dear",
        [exact_out("WETH>USDC>WBTC")],
        PlanPriceOffError,
        _pool("WETH/USDC", 10**12 / 2450),
    ),
    Case(
        "buys exactly, with all it has and slippage",
        [exact_out("WETH>USDC", share=10_000)],
        PlanBalanceError,
    ),
    Case(
        "buys exactly nothing",
        [exact_out("WETH>USDC", share=10_000)],
        PlanAmountZeroError,
        _balance("WETH", TokenBalance(10**8)),
    ),
    Case(
        "buys at a stale price",
        [exact_out("USDC>WETH")],
        PlanPriceStaleError,
        _price("WETH", updated_at=NOW - 3600),
    ),
    Case(
        "deposits at a rate that nobody observed",
        [deposit()],
        PlanFactMissingError,
        _facts(vaults={}),
    ),
    Case(
        "deposits at a rate above the feeds'",
        [deposit()],
        PlanPriceOffError,
        _facts(vaults={"vUSDC": VaultFact(1_060_000)}),
    ),
    Case(
        "redeems at a rate below the feeds'",
        [redeem()],
        PlanPriceOffError,
        _facts(vaults={"vUSDC": VaultFact(1_040_000)}),
    ),
    Case(
        "deposits into an inflated vault for no share",
        [deposit(slippage=1000)],
        PlanAmountZeroError,
        lambda facts: _price("vUSDC", answer=10**20)(
            _facts(vaults={"vUSDC": VaultFact(10**18)})(facts)
        ),
    ),
    Case(
        "redeems what it does not have",
        [redeem()],
        PlanAmountZeroError,
        _balance("vUSDC", TokenBalance(0)),
    ),
    Case(
        "deposits by an untracked share",
        [deposit()],
        PlanTokenUntrackedError,
        mandate=lambda m: dataclasses.replace(
            m, tracked=tuple(t for t in m.tracked if t.token != VAULT)
        ),
    ),
    Case(
        "moves more than an int256",
        [repay()],
        PlanOverflowError,
        _balance("USDC", TokenBalance(2**256 - 1, 0, 2**256 - 2)),
    ),
    *(
        Case(
            f"may not `{name}`",
            [action],
            PlanCallNotAllowedError,
            mandate=_mandate(allow_list=(Permission(address(5), bytes(4)),)),
        )
        for name, action in {
            "borrow": borrow(),
            "repay": repay(),
            "wrap": act("wrap", share_bps=100),
            "unwrap": act("unwrap", share_bps=100),
            "transfer": transfer(),
            "swap_path": route("WETH>USDC>WBTC"),
            "swap_exact_out": exact_out("WETH>USDC"),
            "deposit": deposit(),
            "redeem": redeem(),
        }.items()
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_compile_refuses_a_plan_that(
    case: Case, book: AddressBook, facts: Facts, mandate: Mandate
) -> None:
    with pytest.raises(KitError) as caught:
        compile_plan(
            case.actions,
            facts=case.facts(facts),
            book=book,
            mandate=case.mandate(mandate),
        )
    assert type(caught.value) is case.error, caught.value
    assert caught.value.got and caught.value.expected


def test_what_is_exactly_at_the_limit_passes(
    compiling: Compiling, mandate: Mandate
) -> None:
    rung = dataclasses.replace(mandate, ladder=(Rung(1000 * DOLLAR, 1, 0, 0),))
    assert compiling(transfer(share=10_000), mandate=rung).calls
    # 400 dollars at 80 %, with 304 owed 1.05, with 308 less.
    assert compiling(borrow(share=9_870, health=10_500)).calls
    with pytest.raises(PlanHealthError, match="got 10389 bps"):
        compiling(borrow(share=10_000, health=10_500))


def test_an_empty_ladder_is_the_gates_business(
    compiling: Compiling, mandate: Mandate
) -> None:
    assert compiling(transfer(), mandate=dataclasses.replace(mandate, ladder=())).calls


@given(
    wallet=st.integers(0, 10**15),
    rate=st.integers(1, 10**9),
    share=st.integers(1, 10_000),
    slippage=st.integers(1, 1000),
)
def test_a_vault_never_promises_more_than_its_rate(
    book: AddressBook,
    facts: Facts,
    mandate: Mandate,
    wallet: int,
    rate: int,
    share: int,
    slippage: int,
) -> None:
    changed = _price("vUSDC", answer=rate * 100)(
        _facts(vaults={"vUSDC": VaultFact(rate)})(
            _balance("USDC", TokenBalance(wallet))(facts)
        )
    )
    wide = dataclasses.replace(mandate, ladder=())
    try:
        compiled = compile_plan(
            [deposit(share, slippage)], facts=changed, book=book, mandate=wide
        )
    except PlanAmountZeroError:
        return
    paid = compiled.calls[0].allowance
    least = compiled.bounds[[t.token for t in wide.tracked].index(VAULT)]
    assert 0 < paid <= wallet
    assert 0 < least * rate <= paid * 10**6


@given(
    share=st.integers(1, 10_000),
    first=st.integers(1, 10_000),
    taken=st.integers(0, 10_000),
    debt=st.integers(0, 300),
)
def test_whatever_is_borrowed_keeps_the_health_it_promises(
    book: AddressBook,
    facts: Facts,
    mandate: Mandate,
    share: int,
    first: int,
    taken: int,
    debt: int,
) -> None:
    """As Aave would count it: 400 dollars of collateral at 80 %."""
    standing = BorrowingFact(
        400 * DOLLAR, debt * DOLLAR, max(308 - debt, 0) * DOLLAR, 8000
    )
    changed = _facts(borrowing=standing)(
        _balance("USDC", TokenBalance(10**9, 400 * 10**6, debt * 10**6))(facts)
    )
    actions = [borrow(share=first, health=11_000), borrow(share=share, health=11_000)]
    if taken:
        actions = [act("withdraw", asset="USDC", share_bps=taken), *actions]
    try:
        compiled = compile_plan(actions, facts=changed, book=book, mandate=mandate)
    except (PlanHealthError, PlanAmountZeroError):
        return
    amounts = {
        call.data[:4].hex(): int.from_bytes(call.data[36:68], "big")
        for call in compiled.calls
    }
    loans = sum(
        int.from_bytes(call.data[36:68], "big")
        for call in compiled.calls
        if call.data[:4].hex() == "a415bcad"
    )
    left = 400 * 10**6 - amounts.get("69328dec", 0)
    assert left * 8000 >= 11_000 * (debt * 10**6 + loans)


# --- recipients and observations ---------------------------------------------------


def test_every_rule_about_a_transfer_must_list_the_recipient(
    mandate: Mandate, book: AddressBook
) -> None:
    usdc = book.tokens["USDC"].address
    places = [Place(usdc, TRANSFER, 0)]
    wide = recipients_rule(RULE, places=places, recipients=[LANDLORD, STRANGER])

    def allowed(*rules: object, who: Address = STRANGER) -> bool:
        other = dataclasses.replace(mandate, rules=rules)
        return may_receive(other, who, rule=RULE, token=usdc)

    (narrow,) = mandate.rules
    assert allowed(wide)
    assert not allowed(narrow)
    assert not allowed(wide, narrow)
    assert allowed(wide, narrow, who=LANDLORD)
    assert not allowed()
    assert not allowed(dataclasses.replace(wide, target=STRANGER))
    assert not allowed(dataclasses.replace(wide, data=wide.data[:-1]))
    assert not allowed(dataclasses.replace(wide, data=wide.data + bytes(32)))
    other_word = [Place(usdc, TRANSFER, 1)]
    assert not allowed(recipients_rule(RULE, places=other_word, recipients=[STRANGER]))


NAMES = ("balances", "borrowing", "native", "vault:vUSDC")


def test_what_the_kits_need_is_read_from_the_books_contracts(book: AddressBook) -> None:
    reads = planned_reads(NAMES, book=book, account=address(0xACC))[-3:]
    assert book.aave is not None
    assert [(read.target, read.calldata[:4].hex()) for read in reads] == [
        (book.aave.pool, "bf92857c"),
        (READER, "4d2301cc"),
        (VAULT, "07a2d13a"),
    ]
    assert reads[2].calldata[4:] == (10**6).to_bytes(32, "big")


@pytest.mark.parametrize("name", ["vault:USDC", "vault:", "native:ETH", "borrowing:A"])
def test_what_nobody_can_observe_is_refused(book: AddressBook, name: str) -> None:
    with pytest.raises(MalformedError):
        planned_reads([name], book=book, account=address(0xACC))


def test_a_book_without_the_section_observes_nothing_of_it(
    small_book: AddressBook,
) -> None:
    for name in ("native", "vault:vUSDC"):
        with pytest.raises(MalformedError):
            planned_reads([name], book=small_book, account=address(0xACC))
    bare = dataclasses.replace(
        small_book,
        aave=None,
        tokens={
            name: dataclasses.replace(token, a_token=None, variable_debt=None)
            for name, token in small_book.tokens.items()
        },
    )
    with pytest.raises(MalformedError):
        planned_reads(["borrowing"], book=bare, account=address(0xACC))


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("borrowing", words(1, 2, 3, 10_001, 0, 0), AnswerInvalidError),
        ("borrowing", words(2**128, 2, 3, 8000, 0, 0), AnswerInvalidError),
        ("borrowing", words(1, 2, 2**128, 8000, 0, 0), AnswerInvalidError),
        ("borrowing", words(1, 2, 3, 8000, 0), ReadUndecodableError),
        ("vault:vUSDC", words(0), AnswerInvalidError),
        ("vault:vUSDC", words(2**128), AnswerInvalidError),
        ("vault:vUSDC", b"", ReadUndecodableError),
        ("native", words(1, 2), ReadUndecodableError),
    ],
)
def test_implausible_answers_are_refused(
    book: AddressBook, name: str, data: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        decode_facts([name], [data], book=book, block_number=1, timestamp=NOW)


def test_schemas_offer_only_what_the_book_has(
    book: AddressBook, small_book: AddressBook
) -> None:
    def names(kit: str, field: str, of: AddressBook = book) -> JsonValue:
        return KITS[kit].schema(of)["properties"][field]["enum"]

    assert names("borrow", "asset") == names("repay", "asset") == ["WETH", "USDC"]
    assert names("transfer", "to") == ["landlord", "stranger"]
    assert names("deposit", "vault") == names("redeem", "vault") == ["vUSDC"]
    assert names("swap_path", "route", small_book) == ["WETH>USDC", "USDC>WETH"]
    assert Hold.permissions(book) == ()
    for name in ("wrap", "unwrap", "transfer", "deposit", "redeem"):
        assert KITS[name].permissions(small_book) == ()
        assert KITS[name].permissions(book)


WORDS = {
    "borrow": (
        borrow(),
        "borrow 50 % of what can be borrowed, in USDC, and keep a health factor of at "
        "least 105 %",
        "borrow 129 USDC from Aave",
    ),
    "repay": (repay(), "repay 100 % of the USDC owed", "repay 50 USDC to Aave"),
    "wrap": (
        act("wrap", share_bps=5000),
        "wrap 50 % of the native currency",
        "wrap ETH, sending 1.5 of native currency",
    ),
    "unwrap": (
        act("unwrap", share_bps=5000),
        "unwrap 50 % of the wrapped currency",
        "unwrap 1 WETH",
    ),
    "transfer": (
        transfer(),
        "send 10 % of USDC to landlord",
        "send 100 USDC to landlord",
    ),
    "swap_path": (
        route("WETH>USDC>WBTC"),
        "swap 50 % of the first token of WETH>USDC>WBTC, at most 1 % below the feeds' "
        "price",
        "sell 1 WETH on Uniswap for at least 0.04125 WBTC, through 2 pools",
    ),
    "swap_exact_out": (
        exact_out("USDC>WETH"),
        "buy the last token of USDC>WETH for the worth of 50 % of the first, at most "
        "1 % above the feeds' price",
        "buy 0.2 WETH on Uniswap for at most 505 USDC, through one pool",
    ),
    "deposit": (
        deposit(),
        "deposit 50 % of the asset of vUSDC into it",
        "deposit 500 USDC into vUSDC",
    ),
    "redeem": (redeem(), "redeem 50 % of vUSDC", "redeem 50 vUSDC"),
}


@pytest.mark.parametrize(("action", "planned", "done"), WORDS.values(), ids=WORDS)
def test_people_read_what_each_kit_plans_and_does(
    action: BaseModel,
    planned: str,
    done: str,
    compiling: Compiling,
    book: AddressBook,
) -> None:
    assert plan_in_words([action]) == (planned,)
    (sentence,) = calls_in_words(compiling(action).calls, book=book)
    assert sentence.partition("; allowance")[0] == done


def test_people_read_what_the_kits_observed(book: AddressBook, facts: Facts) -> None:
    lines = dict(facts_in_words(facts, book=book))
    assert lines["vault vUSDC"] == "1.05 USDC a share"
    assert lines["ETH"] == "3 in wallet"
    assert lines["borrowing"] == "$258.00 can be borrowed"
