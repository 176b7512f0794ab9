"""What-if settings: the language fuzzed, and observations that only settings change."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import keccak256
from affiant.errors import AffiantError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.altered import alter
from affiant.onchain.errors import ReadUndecodableError, SettingError
from affiant.onchain.facts import (
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    Facts,
)
from affiant.onchain.mandate import Address
from affiant.onchain.observation import (
    Observation,
    RecordedRead,
    facts,
    planned_reads,
)
from affiant.onchain.pool_price import pool_price, sqrt_price_at, tick_at
from affiant.onchain.reads import ROUND_TYPES, decode_words, encode_words
from affiant.onchain.what_if import (
    KINDS,
    Setting,
    parse_setting,
    parse_sweep,
)

NOW = 1_750_000_000
ACCOUNT = Address("0x0000000000000000000000000000000000000ACc")
NAMES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")


def round_data(answer: int) -> bytes:
    return encode(
        ["uint80", "int256", "uint256", "uint256", "uint80"],
        [7, answer, NOW - 30, NOW - 5, 7],
    )


def recorded(book: AddressBook, names: tuple[str, ...] = NAMES) -> Observation:
    """2 WETH at 2500, 1000 USDC, 400 lent, 50 owed; the pool agrees with the feeds."""
    root = sqrt_price_at("WETH/USDC", Fraction(2500), book=book)
    amounts = [10**9, 4 * 10**8, 5 * 10**7, 12, 2 * 10**18, 0, 0]
    answers = [10**8, 10**13, 2500 * 10**8]
    slot0 = encode(
        ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"],
        [root, tick_at(root), 3, 1, 2, 0, True],
    )
    rates = [0, 11, 12, 13, 14, 4 * 10**25, 6 * 10**25, 15, 16, 10**27, 10**27, NOW]
    returned = {
        "balances": [encode(["uint256"], [n]) for n in amounts],
        "prices": [round_data(n) for n in answers],
        "pool:WETH/USDC": [slot0, encode(["uint128"], [10**18])],
        "lending:USDC": [encode([*["uint256"] * 11, "uint40"], rates)],
    }
    reads = planned_reads(names, book=book, account=ACCOUNT)
    data = [item for name in names for item in returned[name]]
    return Observation(
        chain_id=31337,
        block_number=100,
        block_hash=keccak256(b"block"),
        timestamp=NOW,
        account=ACCOUNT,
        reads=tuple(
            RecordedRead(read.target, read.calldata, item)
            for read, item in zip(reads, data, strict=True)
        ),
    )


def altered(book: AddressBook, *texts: str) -> Facts:
    """Return the facts of the recorded observation with settings in place."""
    observation = recorded(book)
    changed = alter(
        observation, [parse_setting(text) for text in texts], names=NAMES, book=book
    )
    assert changed.hash != observation.hash
    return facts(changed, names=NAMES, book=book)


def flat(found: Facts) -> dict[str, Any]:
    """Return every number of some facts by its path."""
    values: dict[str, Any] = {}
    for field in ("balances", "prices", "pools", "lending"):
        for name, item in getattr(found, field).items():
            for key, value in dataclasses.asdict(item).items():
                values[f"{field}.{name}.{key}"] = value
    return values


@dataclass(frozen=True)
class Case:
    """Settings, and every fact that must have changed."""

    id: str
    texts: tuple[str, ...]
    changes: dict[str, int]


CASES = (
    Case("price", ("price:WETH=3120.5",), {"prices.WETH.answer": 312_050_000_000}),
    Case("price less", ("price:WETH=-10%",), {"prices.WETH.answer": 225_000_000_000}),
    Case("price more", ("price:USDC=+0.5%",), {"prices.USDC.answer": 100_500_000}),
    Case("wallet", ("wallet:USDC=0",), {"balances.USDC.wallet": 0}),
    Case("wei", ("wallet:WETH=0.000000000000000001",), {"balances.WETH.wallet": 1}),
    Case("lent", ("supplied:USDC=5000.25",), {"balances.USDC.supplied": 5000250000}),
    Case("owed", ("debt:WETH=1",), {"balances.WETH.debt": 10**18}),
    Case("owed less", ("debt:USDC=-100%",), {"balances.USDC.debt": 0}),
    Case(
        "rates",
        ("supply-rate:USDC=4.12%", "borrow-rate:USDC=+50%"),
        {
            "lending.USDC.supply_rate_ray": 412 * 10**23,
            "lending.USDC.borrow_rate_ray": 9 * 10**25,
        },
    ),
    Case("age", ("age:WETH=7200",), {"prices.WETH.updated_at": NOW - 7200}),
    Case(
        "several",
        ("price:WETH=1", "age:WETH=0", "wallet:WBTC=1"),
        {
            "prices.WETH.answer": 10**8,
            "prices.WETH.updated_at": NOW,
            "balances.WBTC.wallet": 10**8,
        },
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_setting_changes_what_it_says_and_nothing_else(
    small_book: AddressBook, case: Case
) -> None:
    before = flat(facts(recorded(small_book), names=NAMES, book=small_book))
    after = flat(altered(small_book, *case.texts))
    assert {key: after[key] for key in after if after[key] != before[key]} == (
        case.changes
    )


def test_bytes_that_no_setting_names_stay_as_recorded(small_book: AddressBook) -> None:
    observation = recorded(small_book)
    changed = alter(
        observation, [parse_setting("price:WETH=1")], names=NAMES, book=small_book
    )
    differing = [
        index
        for index, (old, new) in enumerate(
            zip(observation.reads, changed.reads, strict=True)
        )
        if old != new
    ]
    assert differing == [9]
    old, new = observation.reads[9].returndata, changed.reads[9].returndata
    assert (old[:32], old[64:]) == (new[:32], new[64:])
    assert replace(changed, reads=observation.reads) == observation


@pytest.mark.parametrize("price", ["2501", "0.001", "123456.789"])
def test_pools_move_to_the_price_that_is_said(
    small_book: AddressBook, price: str
) -> None:
    pool = altered(small_book, f"pool:WETH/USDC={price}").pools["WETH/USDC"]
    got = pool_price("WETH/USDC", pool.sqrt_price_x96, book=small_book)
    assert abs(got / Fraction(price) - 1) < Fraction(1, 10**9)
    assert pool.tick == tick_at(pool.sqrt_price_x96)
    # USDC is token 0 here, so a dearer WETH is a higher price the other way round.
    assert pool.liquidity == 10**18


def test_pools_follow_a_market_and_no_price_alone(small_book: AddressBook) -> None:
    def fair(*texts: str) -> Fraction:
        pool = altered(small_book, *texts).pools["WETH/USDC"]
        return pool_price("WETH/USDC", pool.sqrt_price_x96, book=small_book)

    assert round(fair("price:WETH=3000"), 6) == 2500
    assert round(fair("market:WETH=3000"), 6) == 3000
    assert round(fair("market:WETH=3000", "price:USDC=1.5"), 6) == 2000
    assert round(fair("market:WETH=+10%", "market:USDC=2"), 6) == 1375
    assert round(fair("pool:WETH/USDC=+1%"), 6) == 2525


def test_ticks_are_uniswap_s() -> None:
    # TickMath's own ends, and a price of one.
    assert tick_at(MIN_SQRT_PRICE_X96) == -887272
    # (its arithmetic is 128 bits wide: it says 887271 here)
    assert tick_at(MAX_SQRT_PRICE_X96 - 1) == 887272
    assert (tick_at(2**96), tick_at(2**96 - 1)) == (0, -1)
    # getSqrtRatioAtTick(50) of v3-core's tests.
    assert (tick_at(79426470787362580746886972461), tick_at(2**97)) == (50, 13863)


BAD = (
    ("", "KIND:NAME=VALUE"),
    ("price", "KIND:NAME=VALUE"),
    ("price:WETH", "KIND:NAME=VALUE"),
    ("price:=1", "KIND:NAME=VALUE"),
    ("price:WETH=", "KIND:NAME=VALUE"),
    ("Price:WETH=1", "KIND:NAME=VALUE"),
    ("price:WE TH=1", "KIND:NAME=VALUE"),
    ("price:WETH=" + "1" * 200, "KIND:NAME=VALUE"),
    ("mood:WETH=1", "one of"),
    ("price:WETH=NaN", "a number"),
    ("price:WETH=inf", "a number"),
    ("price:WETH=1e9", "a number"),
    ("price:WETH=1_000", "a number"),
    ("price:WETH=1,000", "a number"),
    ("price:WETH=.5", "a number"),
    ("price:WETH=１", "a number"),
    ("price:WETH=1\n", "a number"),
    ("price:WETH=-5", "a change in percent"),
    ("price:WETH=+5", "a change in percent"),
    ("price:WETH=5%", "a number without %"),
    ("price:WETH=-101%", "at least -100%"),
    ("wallet:USDC=-0.1", "a change in percent"),
    ("supply-rate:USDC=4", "a percentage"),
    ("age:WETH=1.5", "whole seconds"),
    ("age:WETH=+5%", "whole seconds"),
)


@pytest.mark.parametrize(
    ("text", "said"), BAD, ids=[repr(text)[:40] for text, _ in BAD]
)
def test_refuses_what_is_no_setting(text: str, said: str) -> None:
    with pytest.raises(SettingError, match="what-if") as caught:
        parse_setting(text)
    assert said in caught.value.expected


IMPOSSIBLE = (
    ("price:DOGE=1", "a name out of ['USDC', 'WBTC', 'WETH']"),
    ("wallet:WETH/USDC=1", "a name out of"),
    ("pool:USDC/WETH=1", "a name out of ['WETH/USDC']"),
    ("supply-rate:WETH=1%", "a name out of ['USDC']"),
    ("supplied:WBTC=1", "a token that Aave lists"),
    ("debt:WBTC=1", "a token that Aave lists"),
    ("price:WETH=0", "above 0"),
    ("price:WETH=-100%", "above 0"),
    ("price:WETH=0.000000001", "a multiple of 1/100000000"),
    ("wallet:USDC=0.0000001", "a multiple of 1/1000000"),
    ("supply-rate:USDC=0.00000000000000000000000001%", "a multiple"),
    ("wallet:WETH=" + "9" * 30 + "9" * 30, "a number"),
    ("debt:WETH=" + "9" * 30 + ".5", None),
    ("pool:WETH/USDC=0", "a price that the pool can have"),
    ("pool:WETH/USDC=-100%", "a price that the pool can have"),
    ("pool:WETH/USDC=0." + "0" * 29 + "1", "a price that the pool can have"),
    ("age:WETH=1750000000", "less than 1750000000"),
)


@pytest.mark.parametrize(
    ("text", "said"), IMPOSSIBLE, ids=[text[:40] for text, _ in IMPOSSIBLE]
)
def test_refuses_what_no_read_could_have_returned(
    small_book: AddressBook, text: str, said: str | None
) -> None:
    if said is None:
        assert altered(small_book, text)  # Absurd, and within a uint256.
        return
    with pytest.raises(SettingError) as caught:
        altered(small_book, text)
    assert said in caught.value.expected


def test_refuses_amounts_beyond_their_word(small_book: AddressBook) -> None:
    huge = Setting("wallet", "WETH", Decimal(10) ** 70)
    with pytest.raises(SettingError, match="uint256"):
        alter(recorded(small_book), [huge], names=NAMES, book=small_book)
    dear = Setting("price", "WETH", Decimal(10) ** 70)
    with pytest.raises(SettingError, match="int256"):
        alter(recorded(small_book), [dear], names=NAMES, book=small_book)


@pytest.mark.parametrize(
    "texts",
    [
        ("price:WETH=1", "price:WETH=2"),
        ("price:WETH=1", "market:WETH=2"),
        ("market:WETH=1", "market:WETH=1"),
        ("market:WETH=1", "pool:WETH/USDC=1"),
        ("pool:WETH/USDC=1", "market:USDC=1"),
        ("wallet:USDC=1", "wallet:USDC=+1%"),
    ],
    ids=" ".join,
)
def test_refuses_a_fact_that_is_set_twice(
    small_book: AddressBook, texts: tuple[str, ...]
) -> None:
    with pytest.raises(SettingError, match="two values"):
        altered(small_book, *texts)


def test_refuses_what_the_program_does_not_observe(small_book: AddressBook) -> None:
    names = ("balances",)
    observation = recorded(small_book, names)
    for text in ("price:WETH=1", "pool:WETH/USDC=1", "supply-rate:USDC=1%"):
        with pytest.raises(SettingError, match=r"a name out of \[\]"):
            alter(observation, [parse_setting(text)], names=names, book=small_book)
    names = ("prices", "pool:WETH/USDC")
    followed = alter(
        recorded(small_book, names),
        [parse_setting("market:WETH=3")],
        names=names,
        book=small_book,
    )
    assert followed.reads[-2] != recorded(small_book, names).reads[-2]


def test_a_feed_that_two_tokens_share_changes_for_both(small_book: AddressBook) -> None:
    tokens = dict(small_book.tokens)
    tokens["WBTC"] = replace(tokens["WBTC"], feed=tokens["WETH"].feed)
    book = replace(small_book, tokens=tokens)
    changed = alter(
        recorded(book), [parse_setting("price:WBTC=7")], names=NAMES, book=book
    )
    found = facts(changed, names=NAMES, book=book)
    assert {found.prices[name].answer for name in ("WBTC", "WETH")} == {7 * 10**8}


def test_sweeps_are_evenly_spaced_and_include_both_ends() -> None:
    sweep = parse_sweep("price:WETH=2000..4000/9")
    assert sweep.fact == "price:WETH"
    assert [item.value for item in sweep.settings] == list(range(2000, 4001, 250))
    assert str(sweep.settings[1]) == "price:WETH=2250"
    rates = parse_sweep("supply-rate:USDC=1%..2%/3")
    assert [str(item) for item in rates.settings][1] == "supply-rate:USDC=1.5%"


def test_a_sweep_s_values_are_rounded_to_what_the_read_can_say(
    small_book: AddressBook,
) -> None:
    third = parse_sweep("price:WETH=0..1/4").settings[1]
    changed = alter(recorded(small_book), [third], names=NAMES, book=small_book)
    found = facts(changed, names=NAMES, book=small_book)
    assert found.prices["WETH"].answer == 33_333_333


@pytest.mark.parametrize(
    "text",
    [
        "price:WETH=2000..4000",
        "price:WETH=2000..4000/1",
        "price:WETH=2000..4000/66",
        "price:WETH=4000..2000/3",
        "price:WETH=2000..2000/3",
        "price:WETH=-5%..5%/3",
        "price:WETH=1%..5%/3",
        "supply-rate:USDC=1..5/3",
        "age:WETH=0..1.5/3",
        "price:WETH=2000...4000/9",
        "price:WETH=2000",
        "mood:WETH=1..2/3",
    ],
)
def test_refuses_what_is_no_sweep(text: str) -> None:
    with pytest.raises(SettingError):
        parse_sweep(text)


soup = st.text(
    st.sampled_from("price:walWETHUSDC/=+-.%0123456789 \n\x00\u202e"), max_size=60
)


@given(st.one_of(soup, st.text(max_size=60)))
def test_any_text_is_a_setting_or_a_typed_error(text: str) -> None:
    for parse in (parse_setting, parse_sweep):
        try:
            parse(text)
        except SettingError as error:
            assert len(str(error)) < 400 and str(error).isprintable()


numbers = st.decimals(0, 10**12, places=6).map(lambda value: f"{value:f}")
texts = st.builds(
    lambda kind, name, value, form: f"{kind}:{name}=" + form.format(value),
    st.sampled_from(KINDS),
    st.sampled_from(["WETH", "USDC", "WBTC", "WETH/USDC", "DOGE"]),
    numbers,
    st.sampled_from(["{}", "{}%", "+{}%", "-{}%"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3))
def test_any_settings_give_a_sound_observation_or_a_typed_error(
    small_book: AddressBook, texts: list[str]
) -> None:
    observation = recorded(small_book)
    before = flat(facts(observation, names=NAMES, book=small_book))
    try:
        said = [parse_setting(text) for text in texts]
        for item in said:
            assert parse_setting(str(item)) == item
        changed = alter(observation, said, names=NAMES, book=small_book)
    except AffiantError as error:
        assert isinstance(error, SettingError)
        return
    after = flat(facts(changed, names=NAMES, book=small_book))
    moved = {key.split(".")[1] for key in after if after[key] != before[key]}
    named = {item.name for item in said}
    assert moved <= named | {"WETH/USDC"}
    assert [(read.target, read.calldata) for read in changed.reads] == [
        (read.target, read.calldata) for read in observation.reads
    ]


def test_words_are_written_as_they_are_read() -> None:
    values = [7, -5, 0, 2**256 - 1, 2**80 - 1]
    data = encode_words(values, ROUND_TYPES, what="round")
    assert data == encode(["uint80", "int256", "uint256", "uint256", "uint80"], values)
    assert decode_words(data, ROUND_TYPES, what="round") == values
    for bad in ([2**80, 0, 0, 0, 0], [0, 2**255, 0, 0, 0], [0, 0, -1, 0, 0]):
        with pytest.raises(ReadUndecodableError):
            encode_words(bad, ROUND_TYPES, what="round")
    with pytest.raises(ValueError, match="argument"):
        encode_words([1], ROUND_TYPES, what="round")
