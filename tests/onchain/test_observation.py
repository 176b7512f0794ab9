"""Observations: what is read, strict decoding, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from affiant.encoding import Digest, JsonValue, keccak256
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.errors import (
    AnswerInvalidError,
    ObservationContextError,
    ReadsNotPlannedError,
    ReadUndecodableError,
)
from affiant.onchain.facts import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96
from affiant.onchain.mandate import Address
from affiant.onchain.observation import (
    ChainView,
    LendingFact,
    Observation,
    PoolFact,
    PriceFact,
    RecordedRead,
    TokenBalance,
    facts,
    planned_reads,
)

NOW = 1_750_000_000
ACCOUNT = Address("0x0000000000000000000000000000000000000ACc")
NAMES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")
ROOT = 3543191142285914205922034323214


def round_data(answer: int, *, round_id: int = 7, updated_at: int = NOW - 5) -> bytes:
    return encode(
        ["uint80", "int256", "uint256", "uint256", "uint80"],
        [round_id, answer, updated_at, updated_at, round_id],
    )


def slot0(*, root: int = ROOT, tick: int = -12) -> bytes:
    return encode(
        ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"],
        [root, tick, 0, 1, 1, 0, True],
    )


def reserve(*, index: int = 10**27) -> bytes:
    values = [0, 0, 0, 0, 0, 5, 6, 0, 0, index, index, NOW]
    return encode([*["uint256"] * 11, "uint40"], values)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


RETURNED = [
    *[word(n) for n in (1, 2, 3, 4, 5, 6, 7)],
    *[round_data(n) for n in (10**8, 10**13, 25 * 10**10)],
    slot0(),
    word(10**18),
    reserve(),
]
"""In the order of NAMES; tokens in the order USDC, WBTC, WETH; WBTC has no market."""


def observed(book: AddressBook, returned: list[bytes] | None = None) -> Observation:
    reads = planned_reads(NAMES, book=book, account=ACCOUNT)
    return Observation(
        chain_id=31337,
        block_number=100,
        block_hash=keccak256(b"block"),
        timestamp=NOW,
        account=ACCOUNT,
        reads=tuple(
            RecordedRead(read.target, read.calldata, data)
            for read, data in zip(reads, returned or RETURNED, strict=True)
        ),
    )


def test_reads_are_decoded_into_the_facts_of_their_names(
    small_book: AddressBook,
) -> None:
    found = facts(observed(small_book), names=NAMES, book=small_book)
    assert (found.block_number, found.timestamp) == (100, NOW)
    assert found.balances == {
        "USDC": TokenBalance(1, 2, 3),
        "WBTC": TokenBalance(4, 0, 0),
        "WETH": TokenBalance(5, 6, 7),
    }
    assert found.prices["WETH"] == PriceFact(25 * 10**10, 8, NOW - 5)
    assert found.pools == {"WETH/USDC": PoolFact(ROOT, -12, 10**18, 500)}
    assert found.lending == {"USDC": LendingFact(5, 6)}


def test_planned_reads_are_sorted_by_name_and_carry_the_account(
    small_book: AddressBook,
) -> None:
    tokens = small_book.tokens
    reads = planned_reads(NAMES, book=small_book, account=ACCOUNT)
    usdc, wbtc, weth = tokens["USDC"], tokens["WBTC"], tokens["WETH"]
    assert [read.target for read in reads[:7]] == [
        usdc.address,
        usdc.a_token,
        usdc.variable_debt,
        wbtc.address,
        weth.address,
        weth.a_token,
        weth.variable_debt,
    ]
    balance_of = bytes.fromhex("70a08231") + bytes(30) + b"\x0a\xcc"
    assert {read.calldata for read in reads[:7]} == {balance_of}
    assert [read.calldata.hex()[:8] for read in reads[7:]] == [
        "feaf968c",
        "feaf968c",
        "feaf968c",
        "3850c7bd",
        "1a686502",
        "35ea6a75",
    ]


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("balances", "balances"),
        ("Balances",),
        ("pool:WETH/DAI",),
        ("pool:USDC/WETH",),
        ("pool:",),
        ("lending:DAI",),
        ("lending:WBTC",),
        ("lending:",),
        ("",),
        tuple(f"pool:{n}" for n in range(65)),
    ],
)
def test_planned_reads_refuse(names: tuple[str, ...], small_book: AddressBook) -> None:
    with pytest.raises(MalformedError):
        planned_reads(names, book=small_book, account=ACCOUNT)


def test_a_view_notes_names_once_and_in_order() -> None:
    view = ChainView()
    view.prices()
    view.balances()
    view.pool("WETH/USDC")
    view.prices()
    view.lending("USDC")
    assert view.names == ("prices", "balances", "pool:WETH/USDC", "lending:USDC")


Edit = Callable[[Observation], Observation]


@dataclass(frozen=True)
class Case:
    sentence: str
    edit: Edit
    error: type[Exception]


def with_reads(edit: Callable[[list[RecordedRead]], object]) -> Edit:
    def apply(observation: Observation) -> Observation:
        reads = list(observation.reads)
        edit(reads)
        return dataclasses.replace(observation, reads=tuple(reads))

    return apply


def returning(index: int, data: bytes) -> Edit:
    return with_reads(
        lambda reads: reads.__setitem__(
            index, dataclasses.replace(reads[index], returndata=data)
        )
    )


CASES = [
    Case("drops a read", with_reads(lambda r: r.pop()), ReadsNotPlannedError),
    Case("has none", with_reads(lambda r: r.clear()), ReadsNotPlannedError),
    Case("adds a read", with_reads(lambda r: r.append(r[0])), ReadsNotPlannedError),
    Case("reorders", with_reads(lambda r: r.reverse()), ReadsNotPlannedError),
    Case(
        "repeats one read in place of another",
        with_reads(lambda r: r.__setitem__(1, r[0])),
        ReadsNotPlannedError,
    ),
    Case(
        "asks about another account",
        lambda o: dataclasses.replace(
            o, account=Address("0x0000000000000000000000000000000000000Bad")
        ),
        ReadsNotPlannedError,
    ),
    Case(
        "is of another chain",
        lambda o: dataclasses.replace(o, chain_id=1),
        ObservationContextError,
    ),
    Case("returns no balance", returning(0, b""), ReadUndecodableError),
    Case("returns a short balance", returning(0, bytes(31)), ReadUndecodableError),
    Case("returns a long balance", returning(0, bytes(33)), ReadUndecodableError),
    Case("returns two balances", returning(0, bytes(64)), ReadUndecodableError),
    Case("price is zero", returning(7, round_data(0)), AnswerInvalidError),
    Case("price is negative", returning(7, round_data(-1)), AnswerInvalidError),
    Case(
        "price is of no round",
        returning(7, round_data(1, round_id=0)),
        AnswerInvalidError,
    ),
    Case(
        "price was never updated",
        returning(7, round_data(1, updated_at=0)),
        AnswerInvalidError,
    ),
    Case(
        "price is of the future",
        returning(7, round_data(1, updated_at=NOW + 1)),
        AnswerInvalidError,
    ),
    Case(
        "round number is too wide",
        returning(7, b"\x01" + round_data(1)[1:]),
        ReadUndecodableError,
    ),
    Case("pool has no price", returning(10, slot0(root=0)), AnswerInvalidError),
    Case(
        "pool price is too low",
        returning(10, slot0(root=MIN_SQRT_PRICE_X96 - 1)),
        AnswerInvalidError,
    ),
    Case(
        "pool price is too high",
        returning(10, slot0(root=MAX_SQRT_PRICE_X96)),
        AnswerInvalidError,
    ),
    Case("tick is out of range", returning(10, slot0(tick=887273)), AnswerInvalidError),
    Case(
        "tick is not sign-extended",
        returning(10, slot0()[:32] + word(2**24 - 12) + slot0()[64:]),
        ReadUndecodableError,
    ),
    Case(
        "a truth value is 2",
        returning(10, slot0()[:-1] + b"\x02"),
        ReadUndecodableError,
    ),
    Case("liquidity is too wide", returning(11, word(2**128)), ReadUndecodableError),
    Case("reserve is empty", returning(12, reserve(index=0)), AnswerInvalidError),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_facts_refuse_an_observation_that(case: Case, small_book: AddressBook) -> None:
    edited = case.edit(observed(small_book))
    with pytest.raises(case.error):
        facts(edited, names=NAMES, book=small_book)


def test_facts_refuse_other_names_than_were_read(small_book: AddressBook) -> None:
    for names in (NAMES[:3], NAMES[::-1], (*NAMES, "lending:WETH")):
        with pytest.raises(ReadsNotPlannedError):
            facts(observed(small_book), names=names, book=small_book)


@given(read=st.integers(0, 12), byte=st.integers(0, 35), flip=st.integers(1, 255))
def test_facts_refuse_any_changed_target_or_calldata(
    small_book: AddressBook, read: int, byte: int, flip: int
) -> None:
    observation = observed(small_book)
    item = observation.reads[read]
    target, calldata = bytearray.fromhex(item.target[2:]), bytearray(item.calldata)
    if byte < 20:
        target[byte] ^= flip
    else:
        calldata[byte % len(calldata)] ^= flip
    changed = RecordedRead(
        Address("0x" + target.hex()), bytes(calldata), item.returndata
    )
    reads = [*observation.reads]
    reads[read] = changed
    edited = dataclasses.replace(observation, reads=tuple(reads))
    assert edited.hash != observation.hash
    with pytest.raises(ReadsNotPlannedError):
        facts(edited, names=NAMES, book=small_book)


def test_json_goes_round_and_keeps_the_hash(small_book: AddressBook) -> None:
    observation = observed(small_book)
    again = Observation.from_json(copy.deepcopy(observation.to_json()))
    assert again == observation
    assert again.hash == observation.hash


@given(st.integers(0, 12), st.integers(0, 31), st.integers(1, 255))
def test_every_changed_byte_of_a_returned_value_changes_the_hash(
    small_book: AddressBook, read: int, byte: int, flip: int
) -> None:
    observation = observed(small_book)
    data = bytearray(observation.reads[read].returndata)
    data[byte] ^= flip
    assert returning(read, bytes(data))(observation).hash != observation.hash


JsonEdit = Callable[[dict[str, JsonValue]], object]

JSON_CASES: dict[str, JsonEdit] = {
    "a field missing": lambda j: j.pop("timestamp"),
    "a field too many": lambda j: j.update(extra=1),
    "a negative block number": lambda j: j.update(blockNumber=-1),
    "a fractional block number": lambda j: j.update(blockNumber=1.5),
    "a block number over 2^53": lambda j: j.update(blockNumber=2**53),
    "a true block number": lambda j: j.update(blockNumber=True),
    "an upper-case hash": lambda j: j.update(blockHash="0x" + "AB" * 32),
    "a short hash": lambda j: j.update(blockHash="0x12"),
    "a wrong checksum": lambda j: j.update(
        account="0x0000000000000000000000000000000000000AcC"
    ),
    "reads that are no list": lambda j: j.update(reads={}),
    "too many reads": lambda j: j.update(reads=j["reads"] * 100),
    "a read that is no object": lambda j: j.update(reads=[1]),
    "a read with an extra field": lambda j: j["reads"][0].update(extra=1),
    "odd hex": lambda j: j["reads"][0].update(returndata="0x1"),
    "hex without prefix": lambda j: j["reads"][0].update(returndata="00"),
    "calldata too long": lambda j: j["reads"][0].update(calldata="0x" + "00" * 1025),
    "a value too long": lambda j: j["reads"][0].update(returndata="0x" + "00" * 4097),
    "a null value": lambda j: j["reads"][0].update(returndata=None),
}


@pytest.mark.parametrize("edit", JSON_CASES.values(), ids=JSON_CASES)
def test_from_json_refuses(edit: JsonEdit, small_book: AddressBook) -> None:
    value = copy.deepcopy(observed(small_book).to_json())
    edit(value)
    with pytest.raises(MalformedError):
        Observation.from_json(value)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_from_json_refuses_another_shape(value: JsonValue) -> None:
    with pytest.raises(MalformedError):
        Observation.from_json(value)


def test_require_refuses_another_account_or_block(small_book: AddressBook) -> None:
    observation = observed(small_book)
    number, digest = observation.block_number, observation.block_hash
    observation.require(account=ACCOUNT, block_number=number, block_hash=digest)
    other = Address("0x0000000000000000000000000000000000000Bad")
    for account, block_number, block_hash in (
        (other, number, digest),
        (ACCOUNT, number + 1, digest),
        (ACCOUNT, number, Digest(bytes(32))),
    ):
        with pytest.raises(ObservationContextError):
            observation.require(
                account=account, block_number=block_number, block_hash=block_hash
            )
