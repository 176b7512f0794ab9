"""Signed checkpoints and verdicts travel as files; nothing of them is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account

from affiant.encoding import keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.keys import NodeKey
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.mandate import Address
from affiant.onchain.signature import split_signatures
from affiant.onchain.signed_statement import SignedStatement, joined_statements

GATE = Address("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")
NODE = Address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
KEYS = [NodeKey(Account.from_key(keccak256(b"key %d" % n))) for n in range(3)]
CHECKPOINT = Checkpoint(
    mandate=keccak256(b"mandate"),
    head=keccak256(b"head"),
    outflow=2**200,
    anchor=100,
    anchor_hash=keccak256(b"block"),
)
VERDICT = Verdict(keccak256(b"mandate"), NODE, keccak256(b"decision"))


def signed(
    statement: Checkpoint | Verdict, key: NodeKey = KEYS[0], *, chain_id: int = 31337
) -> SignedStatement:
    digest = statement.digest(chain_id=chain_id, gate=GATE)
    return SignedStatement(
        chain_id, GATE, statement, Address(key.address), key.sign(digest)
    )


@pytest.mark.parametrize("statement", [CHECKPOINT, VERDICT], ids=["head", "key"])
def test_json_there_and_back(statement: Checkpoint | Verdict) -> None:
    item = signed(statement)
    value = json.loads(json.dumps(item.to_json()))
    assert SignedStatement.from_json(value) == item
    assert value["format"] == f"affiant-{item.kind}/1"


BAD: dict[str, dict[str, Any]] = {
    "another format": {"format": "affiant-checkpoint/2"},
    "a verdict's format": {"format": "affiant-verdict/1"},
    "another chain": {"chainId": 1},
    "another gate": {"gate": NODE},
    "another endorser": {"endorser": KEYS[1].address},
    "another outflow": {"checkpoint": {**CHECKPOINT.to_json(), "outflow": "1"}},
    "an outflow below zero": {"checkpoint": {**CHECKPOINT.to_json(), "outflow": "-1"}},
    "no head": {"checkpoint": {"mandate": to_hex(CHECKPOINT.mandate)}},
    "a short signature": {"signature": "0x00"},
    "one field more": {"quorum": 2},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_what_is_not_so_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        SignedStatement.from_json({**signed(CHECKPOINT).to_json(), **change})


@pytest.mark.parametrize("value", [None, [], "text", {}, {"format": []}])
def test_rubbish_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        SignedStatement.from_json(value)


def test_several_endorsers_are_joined_in_the_gates_order() -> None:
    items = [signed(CHECKPOINT, key) for key in (*KEYS, KEYS[1])]
    found = split_signatures(items[0].digest, joined=joined_statements(items))
    assert sorted(found) == sorted(key.address for key in KEYS)


def test_different_statements_are_not_joined() -> None:
    for other in (signed(VERDICT, KEYS[1]), signed(CHECKPOINT, KEYS[1], chain_id=1)):
        with pytest.raises(MalformedError, match="2 different ones"):
            joined_statements([signed(CHECKPOINT), other])
    with pytest.raises(MalformedError, match="0 different ones"):
        joined_statements([])
