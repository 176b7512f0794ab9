"""The address book: round trip, order, and what hostile JSON is refused for."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from affiant.errors import MalformedError
from affiant.onchain.address_book import (
    MAX_BOOK_BYTES,
    MAX_ENTRIES,
    AaveEntry,
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.book_sections import NativeEntry, RecipientsEntry
from affiant.onchain.mandate import Address, parse_address


def _address(number: int) -> Address:
    return parse_address("0x" + f"{number:040x}", what="test")


def _token(base: int, *, decimals: int) -> TokenEntry:
    return TokenEntry(
        address=_address(base),
        decimals=decimals,
        feed=_address(base + 1),
        feed_decimals=8,
        max_age=3600,
        a_token=_address(base + 2),
        variable_debt=_address(base + 3),
    )


def _book() -> AddressBook:
    return AddressBook(
        chain_id=31337,
        gate=_address(1),
        node_registry=_address(2),
        model_registry=_address(3),
        tokens={
            "WETH": _token(0x200, decimals=18),
            "USDC": _token(0x100, decimals=6),
        },
        uniswap=UniswapEntry(
            factory=_address(4),
            router=_address(5),
            quoter=_address(6),
            position_manager=_address(7),
            pools={
                "WETH/USDC": PoolEntry(
                    address=_address(8),
                    fee=3000,
                    token0=_address(0x100),
                    token1=_address(0x200),
                )
            },
        ),
        aave=AaveEntry(
            pool=_address(9), oracle=_address(10), data_provider=_address(11)
        ),
    )


def test_round_trip_keeps_everything_and_the_hash() -> None:
    book = _book()
    again = AddressBook.parse(json.dumps(book.to_json()).encode())
    assert again == book
    assert again.hash == book.hash
    assert [*again.tokens] == ["WETH", "USDC"]


def test_round_trip_without_protocols() -> None:
    tokens = {
        name: dataclasses.replace(token, a_token=None, variable_debt=None)
        for name, token in _book().tokens.items()
    }
    book = dataclasses.replace(_book(), tokens=tokens, uniswap=None, aave=None)
    assert AddressBook.from_json(book.to_json()) == book


def test_hash_depends_on_every_leaf_and_on_the_order() -> None:
    seen = {_book().hash}
    changes: list[Callable[[Any], object]] = [
        lambda j: j.update(chainId=31338),
        lambda j: j.update(gate=_address(0xAA)),
        lambda j: j.update(nodeRegistry=_address(0xAA)),
        lambda j: j.update(modelRegistry=_address(0xAA)),
        lambda j: j["tokens"].reverse(),
        lambda j: j["tokens"][0].update(decimals=17),
        lambda j: j["tokens"][0].update(feed=_address(0xAA)),
        lambda j: j["tokens"][0].update(feedDecimals=18),
        lambda j: j["tokens"][0].update(maxAge=1),
        lambda j: j["tokens"][0].update(aToken=_address(0xAA)),
        lambda j: j["uniswap"].update(router=_address(0xAA)),
        lambda j: j["uniswap"]["pools"][0].update(fee=500),
        lambda j: j["aave"].update(pool=_address(0xAA)),
    ]
    for change in changes:
        value = copy.deepcopy(_book().to_json())
        change(value)
        seen.add(AddressBook.from_json(value).hash)
    assert len(seen) == len(changes) + 1


@dataclasses.dataclass(frozen=True)
class Case:
    sentence: str
    change: Callable[[Any], object]
    what: str


CASES = [
    Case("a missing field", lambda j: j.pop("gate"), "book"),
    Case("an unknown field", lambda j: j.update(extra=1), "book"),
    Case("another version", lambda j: j.update(format="affiant-book/2"), "book.format"),
    Case("a negative chain id", lambda j: j.update(chainId=-1), "book.chainId"),
    Case("a fraction", lambda j: j.update(chainId=1.5), "book.chainId"),
    Case("a boolean number", lambda j: j.update(chainId=True), "book.chainId"),
    Case("a short address", lambda j: j.update(gate="0x12"), "book.gate"),
    Case(
        "a wrong checksum",
        lambda j: j["aave"].update(pool="0xfb6916095ca1df60bB79Ce92cE3Ea74c37c5d359"),
        "aave.pool",
    ),
    Case("tokens as an object", lambda j: j.update(tokens={}), "book.tokens"),
    Case(
        "too many tokens",
        lambda j: j.update(tokens=j["tokens"] * MAX_ENTRIES),
        "book.tokens",
    ),
    Case(
        "a token twice",
        lambda j: j["tokens"].append(dict(j["tokens"][0])),
        "book.tokens",
    ),
    Case(
        "an address under two names",
        lambda j: j["tokens"].append({**j["tokens"][0], "name": "WETH2"}),
        "book token address",
    ),
    Case(
        "a name with markup",
        lambda j: j["tokens"][0].update(name="<b>"),
        "book token name",
    ),
    Case("a name that is no text", lambda j: j["tokens"][0].update(name=1), "token"),
    Case("decimals over uint8", lambda j: j["tokens"][0].update(decimals=256), "token"),
    Case(
        "an aToken without a debt token",
        lambda j: j["tokens"][0].update(variableDebt=None),
        "book.tokens.WETH",
    ),
    Case("aTokens without Aave", lambda j: j.update(aave=None), "book.tokens.WETH"),
    Case(
        "a pool of unknown tokens",
        lambda j: j["uniswap"]["pools"][0].update(name="WETH/DAI"),
        "book pool name",
    ),
    Case(
        "a pool whose tokens are swapped",
        lambda j: j["uniswap"]["pools"][0].update(
            token0=_address(0x200), token1=_address(0x100)
        ),
        "book pool WETH/USDC",
    ),
    Case(
        "a pool of other addresses than its names",
        lambda j: j["uniswap"]["pools"][0].update(token1=_address(0xAA)),
        "book pool WETH/USDC",
    ),
    Case("uniswap as a list", lambda j: j.update(uniswap=[]), "book.uniswap"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_refuses(case: Case) -> None:
    value = copy.deepcopy(_book().to_json())
    case.change(value)
    with pytest.raises(MalformedError) as caught:
        AddressBook.from_json(value)
    assert caught.value.what.startswith(case.what)


def test_refuses_text_that_is_too_large_or_no_json() -> None:
    for data in (b" " * (MAX_BOOK_BYTES + 1), b"{", b'{"a":1,"a":1}', b"[]", b"null"):
        with pytest.raises(MalformedError):
            AddressBook.parse(data)


def test_unknown_names_are_refused_by_lookup() -> None:
    book = _book()
    assert book.token_named("WETH").decimals == 18
    assert book.pool_named("WETH/USDC").fee == 3000
    with pytest.raises(MalformedError, match="DAI"):
        book.token_named("DAI")
    with pytest.raises(MalformedError, match="USDC/WETH"):
        book.pool_named("USDC/WETH")


def test_mappings_cannot_be_changed() -> None:
    book = _book()
    with pytest.raises(TypeError):
        book.tokens["DAI"] = book.tokens["WETH"]  # type: ignore[index]


# Sections that not every book has.


def _wide() -> AddressBook:
    book = _book()
    vault = dataclasses.replace(
        _token(0x400, decimals=6), a_token=None, variable_debt=None
    )
    return dataclasses.replace(
        book,
        tokens={**book.tokens, "vUSDC": vault},
        native=NativeEntry("ETH", "WETH", _address(0xE)),
        recipients=RecipientsEntry(
            _address(0xB), {"landlord": _address(0xC), "gardener-2": _address(0xD)}
        ),
        vaults={"vUSDC": "USDC"},
    )


def test_optional_sections_round_trip_and_are_left_out_where_there_are_none() -> None:
    wide = _wide()
    assert AddressBook.from_json(wide.to_json()) == wide
    assert AddressBook.parse(json.dumps(wide.to_json()).encode()) == wide
    assert set(_book().to_json()) == set(wide.to_json()) - {
        "native",
        "recipients",
        "vaults",
    }
    assert wide.hash != dataclasses.replace(wide, vaults={}).hash


def _section(name: str, value: Any) -> Callable[[Any], None]:
    return lambda book: book.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        _section("native", None),
        _section("native", {}),
        _section("native", {"name": "ETH", "wrapped": "WETH"}),
        lambda book: book["native"].update(name="WETH"),
        lambda book: book["native"].update(name="an ether"),
        lambda book: book["native"].update(wrapped="DAI"),
        lambda book: book["native"].update(wrapped="USDC"),
        lambda book: book["native"].update(reader="0x"),
        _section("recipients", []),
        lambda book: book["recipients"].update(names=[]),
        lambda book: book["recipients"]["names"].append(
            {"name": "landlord", "address": _address(0xF)}
        ),
        lambda book: book["recipients"]["names"].append(
            {"name": "his cousin", "address": _address(0xF)}
        ),
        lambda book: book["recipients"]["names"].append(
            {"name": "cousin", "address": _address(0xC)}
        ),
        lambda book: book["recipients"]["names"][0].update(address=_address(0)),
        lambda book: book["recipients"]["names"][0].update(address=_address(1)),
        lambda book: book["recipients"]["names"].extend(
            {"name": f"n{index}", "address": _address(0x1000 + index)}
            for index in range(64)
        ),
        _section("vaults", []),
        _section("vaults", {}),
        lambda book: book["vaults"].append({"share": "vUSDC", "asset": "WETH"}),
        lambda book: book["vaults"][0].update(share="USDC"),
        lambda book: book["vaults"][0].update(asset="DAI"),
        lambda book: book["vaults"][0].update(asset=7),
        _section("notes", "x"),
    ],
)
def test_hostile_sections_are_refused(change: Callable[[Any], None]) -> None:
    value = copy.deepcopy(_wide().to_json())
    change(value)
    with pytest.raises(MalformedError):
        AddressBook.from_json(value)
