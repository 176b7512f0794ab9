"""Calldata of the gate has one spelling, and says exactly what was submitted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError
from affiant.onchain.abi import argument_types, decode_exactly, encode_call, selector
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.chain_types import Log
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.gate_calldata import (
    EXECUTE,
    GRANT,
    QUEUE,
    STOP,
    TRY_EXECUTE,
    Submission,
    blanked,
    decode_submission,
    encode_execute,
    encode_queue,
    encode_try_execute,
)
from affiant.onchain.gate_events import (
    BANNED_TOPIC,
    CANCELLED_TOPIC,
    CHECKPOINT_TOPIC,
    EXECUTED_TOPIC,
    GRANTED_TOPIC,
    HALTED_TOPIC,
    QUEUED_TOPIC,
    REFUSED_TOPIC,
    WITHDRAWN_TOPIC,
    CheckpointReached,
    DecisionCancelled,
    DecisionExecuted,
    DecisionQueued,
    DecisionRefused,
    KeyBanned,
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
    Workload,
    parse_address,
)
from affiant.onchain.signature import join_signatures, recover_signer


def digest(name: str) -> Digest:
    return keccak256(name.encode())


def address(byte: int) -> Address:
    return parse_address(f"0x{byte:040x}", what="test")


CHAIN_ID, GATE = 31337, address(14)
NODE = Account.from_key(keccak256(b"node"))
ENDORSERS = [Account.from_key(keccak256(f"endorser {i}".encode())) for i in range(2)]
CALLS = (Call(address(11), 5, b"\1\2\3\4\5", address(12), 2**255),)
BOUNDS = (-(2**255), 0, 2**255 - 1)
MANDATE = Mandate(
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
    quorum=1,
    salt=digest("salt"),
    nodes=(NodePermit(address(4), 1), NodePermit(address(5), 0)),
    workloads=(Workload(address(15), digest("measurement")),),
    endorsers=(address(6),),
    ladder=(Rung(1, 2, 3, 4),),
    allow_list=(Permission(address(7), b"\1\2\3\4"),),
    feeds=(Feed(address(8), 8, 3600),),
    tracked=(Tracked(NATIVE, 0, 18, False), Tracked(address(9), 1, 6, True)),
    rules=(Rule(address(10), b"rule"),),
)
DECISION = Decision(
    mandate=MANDATE.id,
    program=MANDATE.program,
    slot=7,
    anchor_hash=digest("anchor"),
    previous=digest("previous"),
    observation=digest("observation"),
    receipts=digest("receipts"),
    calls=calls_hash(CALLS),
    bounds=bounds_hash(BOUNDS),
    evidence=digest("evidence"),
    valid_until=99,
)
DIGEST = DECISION.digest(chain_id=CHAIN_ID, gate=GATE)


def signed_by(account: Any) -> bytes:
    return bytes(account.unsafe_sign_hash(DIGEST).signature)


SUBMISSION = Submission(
    mandate=MANDATE,
    decision=DECISION,
    calls=CALLS,
    bounds=BOUNDS,
    node=Address(NODE.address),
    signature=signed_by(NODE),
    endorsements=join_signatures(DIGEST, signatures=map(signed_by, ENDORSERS)),
)
CALLDATA = encode_execute(SUBMISSION)


def decode(
    calldata: bytes,
    *,
    mandate: Mandate = MANDATE,
    previous: Digest | None = None,
    anchor_hash: Digest | None = None,
) -> Submission:
    return decode_submission(
        calldata,
        mandate=mandate,
        chain_id=CHAIN_ID,
        gate=GATE,
        previous=previous,
        anchor_hash=anchor_hash,
    )


def test_decodes_what_was_encoded() -> None:
    assert decode(CALLDATA) == SUBMISSION
    assert decode(encode_try_execute(SUBMISSION)) == SUBMISSION
    assert decode(encode_queue(SUBMISSION)) == SUBMISSION
    bare = replace(SUBMISSION, endorsements=b"")
    assert decode(encode_execute(bare)) == bare


def test_a_blank_decision_is_filled_in_from_what_the_gate_knows() -> None:
    calldata = encode_execute(SUBMISSION, blank=True)
    assert len(calldata) == len(CALLDATA)
    assert calldata.count(0) > CALLDATA.count(0) + 140
    known = {
        "previous": DECISION.previous,
        "anchor_hash": DECISION.anchor_hash,
    }
    assert decode(calldata, **known) == SUBMISSION
    for missing in known:
        with pytest.raises(MalformedError, match="a blank"):
            decode(calldata, **{**known, missing: None})
    # What is stated is not replaced by what is known.
    other = {"previous": digest("x"), "anchor_hash": digest("y")}
    assert decode(CALLDATA, **other) == SUBMISSION
    assert decode(calldata, **other).node != SUBMISSION.node


def test_only_what_the_gate_knows_is_left_blank() -> None:
    blank = blanked(DECISION)
    kept = {"mandate", "slot", "observation", "receipts", "evidence", "valid_until"}
    for field in fields(DECISION):
        same = getattr(blank, field.name) == getattr(DECISION, field.name)
        assert same == (field.name in kept)


def test_the_node_is_who_signed_whoever_it_is() -> None:
    decoded = decode(CALLDATA)
    assert decoded.node == recover_signer(DIGEST, signature=SUBMISSION.signature)
    stranger = replace(SUBMISSION, signature=signed_by(ENDORSERS[0]))
    assert decode(encode_execute(stranger)).node == ENDORSERS[0].address


def test_refuses_another_mandates_decision() -> None:
    with pytest.raises(MalformedError, match="mandate"):
        decode(CALLDATA, mandate=replace(MANDATE, salt=digest("other")))


@pytest.mark.parametrize("proof", [b"", bytes(64), bytes(66), bytes(65)])
def test_refuses_a_proof_that_is_not_whole_signatures(proof: bytes) -> None:
    sent = replace(SUBMISSION, signature=proof, endorsements=b"")
    with pytest.raises(MalformedError):
        decode(encode_execute(sent))


def test_signatures_are_those_of_the_abi() -> None:
    functions = {
        item["name"]: [entry["type"] for entry in item["inputs"]]
        for item in load_artifact("DecisionGate").abi
        if item["type"] == "function"
    }
    for signature in (EXECUTE, TRY_EXECUTE, QUEUE, GRANT, STOP):
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
        QUEUED_TOPIC,
        CANCELLED_TOPIC,
        CHECKPOINT_TOPIC,
        BANNED_TOPIC,
    ):
        assert topic in code
    for signature in (EXECUTE, TRY_EXECUTE, QUEUE, GRANT, STOP):
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
        decode(calldata)


def test_refuses_every_prefix() -> None:
    for length in range(0, len(CALLDATA), 17):
        with pytest.raises(MalformedError):
            decode(CALLDATA[:length])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(CALLDATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_submission(index: int, flip: int) -> None:
    mangled = bytearray(CALLDATA)
    mangled[index] ^= flip
    try:
        decoded = decode(bytes(mangled))
    except MalformedError:
        return
    others = (selector(TRY_EXECUTE), selector(QUEUE))
    assert decoded != SUBMISSION or mangled[:4] in others
    assert encode_execute(decoded) == bytes(mangled)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_random_arguments_never_leak_an_exception(body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(selector(EXECUTE) + body)


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
        for other in (
            DecisionRefused,
            MandateGranted,
            DecisionQueued,
            DecisionCancelled,
            CheckpointReached,
            KeyBanned,
        ):
            with pytest.raises(MalformedError):
                other.of(bad)


def test_events_of_the_queue_and_of_audits_are_read() -> None:
    mandate, decided = digest("m"), digest("d")
    who = Digest(bytes(12) + bytes.fromhex(SUBMISSION.node[2:]))
    types = "e(uint64,uint64,bytes32,uint256,uint64,uint64)"
    data = encode_call(types, [3, 1, digest("previous"), 10, 20, 30])[4:]
    queued = DecisionQueued.of(log_of((QUEUED_TOPIC, mandate, decided, who), data))
    assert (queued.slot, queued.skipped, queued.value_at_risk) == (3, 1, 10)
    assert (queued.ready_at, queued.valid_until) == (20, 30)
    assert (queued.digest, queued.node) == (decided, SUBMISSION.node)
    cancelled = DecisionCancelled.of(
        log_of((CANCELLED_TOPIC, mandate, decided, who), b"")
    )
    assert cancelled == DecisionCancelled(mandate, decided, SUBMISSION.node)
    word = (7).to_bytes(32, "big")
    reached = CheckpointReached.of(log_of((CHECKPOINT_TOPIC, mandate, decided), word))
    assert reached == CheckpointReached(mandate, decided, 7)
    banned = KeyBanned.of(log_of((BANNED_TOPIC, mandate, who), decided))
    assert banned == KeyBanned(mandate, SUBMISSION.node, decided)
    for bad in (b"", word[:-1], word + word):
        with pytest.raises(MalformedError):
            CheckpointReached.of(log_of((CHECKPOINT_TOPIC, mandate, decided), bad))
    with pytest.raises(MalformedError):
        DecisionCancelled.of(log_of((CANCELLED_TOPIC, mandate, decided, who), word))


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
