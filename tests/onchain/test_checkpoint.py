"""A checkpoint and a verdict are read strictly, and bind every field they have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.mandate import Address, parse_address

GATE = parse_address("0x" + "6a" * 20, what="test")
CHECKPOINT = Checkpoint(
    mandate=keccak256(b"mandate"),
    head=keccak256(b"head"),
    outflow=5 * 10**8,
    anchor=1_000,
    anchor_hash=keccak256(b"anchor"),
)
VERDICT = Verdict(
    mandate=keccak256(b"mandate"),
    key=parse_address("0x" + "4b" * 20, what="test"),
    decision=keccak256(b"decision"),
)
OTHER = keccak256(b"another")


def digest(
    subject: Checkpoint | Verdict, *, chain_id: int = 1, gate: Address = GATE
) -> Digest:
    return subject.digest(chain_id=chain_id, gate=gate)


@pytest.mark.parametrize(
    "subject", [CHECKPOINT, VERDICT], ids=["checkpoint", "verdict"]
)
def test_survives_json(subject: Checkpoint | Verdict) -> None:
    assert type(subject).from_json(subject.to_json()) == subject


def test_every_field_the_chain_and_the_gate_change_the_digest() -> None:
    variants = [
        CHECKPOINT,
        replace(CHECKPOINT, mandate=OTHER),
        replace(CHECKPOINT, head=OTHER),
        replace(CHECKPOINT, outflow=CHECKPOINT.outflow + 1),
        replace(CHECKPOINT, anchor=CHECKPOINT.anchor + 1),
        replace(CHECKPOINT, anchor_hash=OTHER),
        VERDICT,
        replace(VERDICT, mandate=OTHER),
        replace(VERDICT, key=GATE),
        replace(VERDICT, decision=OTHER),
    ]
    digests = {digest(variant) for variant in variants}
    digests |= {digest(CHECKPOINT, chain_id=2), digest(VERDICT, chain_id=2)}
    digests |= {
        digest(CHECKPOINT, gate=VERDICT.key),
        digest(VERDICT, gate=VERDICT.key),
    }
    assert len(digests) == len(variants) + 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outflow", "-1"),
        ("outflow", str(2**256)),
        ("outflow", 1.5),
        ("anchor", 2**64),
        ("anchor", True),
        ("head", "0x00"),
        ("mandate", None),
        ("anchorHash", "0x" + "AB" * 32),
    ],
)
def test_refuses_a_malformed_checkpoint(field: str, value: object) -> None:
    with pytest.raises(MalformedError, match=field):
        Checkpoint.from_json({**CHECKPOINT.to_json(), field: value})


@pytest.mark.parametrize(
    "subject", [CHECKPOINT, VERDICT], ids=["checkpoint", "verdict"]
)
def test_refuses_missing_and_unknown_fields(subject: Checkpoint | Verdict) -> None:
    fields = subject.to_json()
    for name in fields:
        without = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(MalformedError, match="fields"):
            type(subject).from_json(without)
    with pytest.raises(MalformedError, match="fields"):
        type(subject).from_json({**fields, "more": 1})
