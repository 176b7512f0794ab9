"""Calldata of the gate has one spelling, and says exactly what was submitted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.abi import argument_types, decode_exactly, encode_call, selector
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.chain_types import Log
from affiant.onchain.decision import Call, Decision
from affiant.onchain.gate_calldata import (
    EXECUTE,
    GRANT,
    STOP,
    TRY_EXECUTE,
    Submission,
    decode_execute,
    encode_execute,
    encode_try_execute,
)
from affiant.onchain.gate_events import (
    EXECUTED_TOPIC,
    GRANTED_TOPIC,
    HALTED_TOPIC,
    REFUSED_TOPIC,
    WITHDRAWN_TOPIC,
    DecisionExecuted,
    DecisionRefused,
    MandateGranted,
)
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    parse_address,
)


def digest(name: str) -> Digest:
    return keccak256(name.encode())


def address(byte: int) -> Address:
    return parse_address(f"0x{byte:040x}", what="test")


SUBMISSION = Submission(
    mandate=Mandate(
        account=address(1),
        operator=address(2),
        guardian=address(3),
        program=digest("program"),
        model=digest("model"),
        engine=digest("engine"),
        cadence=64,
        expiry=2**63,
        max_loss=2**200,
        record_holds=True,
        salt=digest("salt"),
        nodes=(NodePermit(address(4), 1), NodePermit(address(5), 0)),
        workloads=(digest("workload"),),
        endorsers=(address(6),),
        ladder=(Rung(1, 2, 3, 4),),
        allow_list=(Permission(address(7), b"\1\2\3\4"),),
        feeds=(Feed(address(8), 8, 3600),),
        tracked=(Tracked(NATIVE, 0, 18, False), Tracked(address(9), 1, 6, True)),
        rules=(Rule(address(10), b"rule"),),
    ),
    decision=Decision(
        *(digest(name) for name in ("a", "b")),
        7,
        *(digest(name) for name in "cdefghi"),
        99,
    ),
    receipts=(InferenceReceipt(*(digest(f"receipt {i}") for i in range(6))),) * 2,
    calls=(Call(address(11), 5, b"\1\2\3\4\5", address(12), 2**255),),
    bounds=(-(2**255), 0, 2**255 - 1),
    node=address(13),
    signature=bytes(range(65)),
)
CALLDATA = encode_execute(SUBMISSION)


def test_decodes_what_was_encoded() -> None:
    assert decode_execute(CALLDATA) == SUBMISSION
    assert decode_execute(encode_try_execute(SUBMISSION)) == SUBMISSION


def test_signatures_are_those_of_the_abi() -> None:
    functions = {
        item["name"]: [entry["type"] for entry in item["inputs"]]
        for item in load_artifact("DecisionGate").abi
        if item["type"] == "function"
    }
    for signature in (EXECUTE, TRY_EXECUTE, GRANT, STOP):
        name = signature.partition("(")[0]
        shown = [
            "tuple" + type_.rpartition(")")[2] if "(" in type_ else type_
            for type_ in argument_types(signature)
        ]
        assert functions[name] == shown


def test_topics_and_selectors_are_those_of_the_bytecode() -> None:
    code = load_artifact("DecisionGate").deployed_bytecode
    for topic in (
        EXECUTED_TOPIC,
        REFUSED_TOPIC,
        GRANTED_TOPIC,
        WITHDRAWN_TOPIC,
        HALTED_TOPIC,
    ):
        assert topic in code
    for signature in (EXECUTE, TRY_EXECUTE, GRANT, STOP):
        assert selector(signature) in code


@pytest.mark.parametrize(
    "calldata",
    [
        b"",
        CALLDATA[:3],
        CALLDATA[:4],
        CALLDATA + b"\0",
        CALLDATA + bytes(32),
        CALLDATA[:-1],
        encode_call("transfer(address,uint256)", [NATIVE, 1]),
    ],
)
def test_refuses_other_calldata(calldata: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_execute(calldata)


def test_refuses_every_prefix() -> None:
    for length in range(0, len(CALLDATA), 17):
        with pytest.raises(MalformedError):
            decode_execute(CALLDATA[:length])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(CALLDATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_submission(index: int, flip: int) -> None:
    mangled = bytearray(CALLDATA)
    mangled[index] ^= flip
    try:
        decoded = decode_execute(bytes(mangled))
    except MalformedError:
        return
    assert decoded != SUBMISSION or mangled[:4] == selector(TRY_EXECUTE)
    assert encode_execute(decoded) == bytes(mangled)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_random_arguments_never_leak_an_exception(body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_execute(selector(EXECUTE) + body)


def test_one_spelling_only() -> None:
    moved = (64).to_bytes(32, "big") + bytes(32) + (1).to_bytes(32, "big") + bytes(32)
    with pytest.raises(MalformedError):
        decode_exactly(["bytes"], moved, what="moved")


def log_of(topics: tuple[Digest, ...], data: bytes) -> Log:
    return Log(address(1), topics, data, 1, digest("block"), digest("tx"), 0)


def test_events_of_other_forms_are_refused() -> None:
    node = Digest(bytes(12) + bytes.fromhex(SUBMISSION.node[2:]))
    types = "e(uint64,uint64,bytes32,uint256,int256[])"
    data = encode_call(types, [3, 1, digest("previous"), 10, [-5, 0]])[4:]
    good = log_of((EXECUTED_TOPIC, digest("m"), digest("d"), node), data)
    event = DecisionExecuted.of(good)
    assert (event.slot, event.skipped, event.changes) == (3, 1, (-5, 0))
    assert event.node == SUBMISSION.node
    dirty = Digest(b"\1" + node[1:])
    for bad in (
        replace(good, topics=good.topics[:3]),
        replace(good, topics=()),
        replace(good, topics=(REFUSED_TOPIC, *good.topics[1:])),
        replace(good, topics=(*good.topics[:3], dirty)),
        replace(good, data=data[:-1]),
        replace(good, data=data + bytes(32)),
        replace(good, data=b""),
    ):
        with pytest.raises(MalformedError):
            DecisionExecuted.of(bad)
        with pytest.raises(MalformedError):
            DecisionRefused.of(bad)
        with pytest.raises(MalformedError):
            MandateGranted.of(bad)


def test_a_grant_must_hash_to_its_id() -> None:
    mandate = SUBMISSION.mandate
    data = encode_call("e(uint64," + GRANT[len("grant(") :], [5, mandate.abi_values()])[
        4:
    ]
    account = Digest(bytes(12) + bytes.fromhex(mandate.account[2:]))
    log = log_of((GRANTED_TOPIC, mandate.id, account), data)
    assert MandateGranted.of(log).mandate == mandate
    with pytest.raises(MalformedError):
        MandateGranted.of(log_of((GRANTED_TOPIC, digest("other"), account), data))
