"""Whatever JSON an endpoint sends, it parses or is refused; nothing else leaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.onchain.chain_types import (
    parse_block,
    parse_logs,
    parse_quantity,
    parse_simulated_block,
    parse_transaction,
    parse_transaction_receipt,
)

WORD = "0x" + "ab" * 32
PLACE = "0x" + "cd" * 20
LOG = {
    "address": PLACE,
    "topics": [WORD],
    "data": "0x",
    "blockNumber": "0x1",
    "blockHash": WORD,
    "transactionHash": WORD,
    "logIndex": "0x0",
}
GOOD: dict[str, tuple[Callable[[JsonValue], object], JsonValue]] = {
    "block": (
        parse_block,
        {
            "number": "0x1",
            "hash": WORD,
            "parentHash": WORD,
            "timestamp": "0x2",
            "baseFeePerGas": "0x3",
            "gasLimit": "0x4",
        },
    ),
    "logs": (parse_logs, [LOG, {**LOG, "logIndex": "0x1"}]),
    "transaction": (
        parse_transaction,
        {
            "hash": WORD,
            "from": PLACE,
            "to": PLACE,
            "nonce": "0x0",
            "value": "0x0",
            "input": "0x12",
            "blockNumber": "0x1",
            "blockHash": WORD,
        },
    ),
    "receipt": (
        parse_transaction_receipt,
        {
            "transactionHash": WORD,
            "blockNumber": "0x1",
            "blockHash": WORD,
            "status": "0x1",
            "gasUsed": "0x5208",
            "effectiveGasPrice": "0x1",
            "contractAddress": None,
            "logs": [LOG],
        },
    ),
    "simulation": (
        lambda value: parse_simulated_block(value, calls=2),
        [
            {
                "calls": [
                    {"status": "0x1", "returnData": "0x", "gasUsed": "0x1"},
                    {
                        "status": "0x0",
                        "returnData": "0x",
                        "gasUsed": "0x1",
                        "error": {"code": 3, "message": "no", "data": "0x12"},
                    },
                ]
            }
        ],
    ),
}

garbage = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["0x", "0x0", "0x1", "0x00", "0xg", WORD, PLACE, "0x" + "f" * 65]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(("parse", "value"), GOOD.values(), ids=GOOD)
def test_a_good_answer_parses(
    parse: Callable[[JsonValue], object], value: JsonValue
) -> None:
    assert parse(value)


@given(st.sampled_from(sorted(GOOD)), garbage)
def test_garbage_is_refused(name: str, value: JsonValue) -> None:
    with pytest.raises(MalformedError):
        GOOD[name][0](value if value != [] else None)


def _places(
    value: JsonValue, path: tuple[object, ...] = ()
) -> list[tuple[object, ...]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        path,
        *(place for key, item in items for place in _places(item, (*path, key))),
    ]


def _put(value: JsonValue, path: tuple[object, ...], new: JsonValue) -> JsonValue:
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _put(value[path[0]], path[1:], new)
    return changed


@given(st.data())
def test_a_good_answer_with_one_place_changed_parses_or_is_refused(
    data: st.DataObject,
) -> None:
    parse, value = GOOD[data.draw(st.sampled_from(sorted(GOOD)))]
    place = data.draw(st.sampled_from(_places(value)))
    try:
        parse(_put(value, place, data.draw(garbage)))
    except MalformedError:
        pass


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0x",
        "0x01",
        "1",
        "0xg",
        "-0x1",
        "0x1 ",
        1,
        None,
        "0x" + "f" * 65,
        [],
        "0x_1",
    ],
)
def test_quantities_are_strict(value: JsonValue) -> None:
    with pytest.raises(MalformedError):
        parse_quantity(value, what="test")


def test_quantities_are_bounded() -> None:
    assert parse_quantity("0xff", what="test", bits=8) == 255
    with pytest.raises(MalformedError):
        parse_quantity("0x100", what="test", bits=8)


def test_revert_bytes_are_found_in_either_place() -> None:
    call = {"status": "0x0", "gasUsed": "0x1", "returnData": "0x12"}
    (anvils,) = parse_simulated_block([{"calls": [call]}], calls=1)
    assert (anvils.succeeded, anvils.data) == (False, b"\x12")
    call["returnData"] = "0x"
    call["error"] = {"code": 3, "message": "execution reverted", "data": "0x34"}
    (specified,) = parse_simulated_block([{"calls": [call]}], calls=1)
    assert (specified.data, specified.message) == (b"\x34", "execution reverted")
