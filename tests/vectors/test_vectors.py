"""The committed vectors are the generator's, and a foreign EIP-712 agrees with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from affiant.encoding import JsonValue, digest_from_hex, from_hex, to_hex
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.decision import Decision
from affiant.onchain.mandate import Mandate
from affiant.onchain.signature import split_signatures

HERE = Path(__file__).resolve().parent


def load(name: str) -> JsonValue:
    return json.loads((HERE / f"{name}.json").read_text())


def test_files_are_what_the_generator_writes() -> None:
    done = subprocess.run([sys.executable, str(HERE / "generate.py"), "--check"])
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["bare", "full"])
def test_mandate_survives_json_with_its_id(name: str) -> None:
    vector = load("mandate")[name]
    assert to_hex(Mandate.from_json(vector["mandate"]).id) == vector["id"]


@pytest.mark.parametrize("name", ["hold", "trade"])
def test_foreign_eip712_recovers_the_node(name: str) -> None:
    vector = load("decision")[name]
    decision = Decision.from_json(vector["decision"])
    kinds = {"slot": "uint64", "validUntil": "uint64"}
    fields = {
        field: kinds.get(field, "bytes32")
        for field in (
            "mandate program slot anchorHash previous observation receipts calls "
            "bounds evidence validUntil"
        ).split()
    }
    signer = foreign_signer(
        vector,
        primary_type="Decision",
        fields=fields,
        message=decision.to_json(),
        signature=vector["signature"],
    )
    assert signer == vector["node"]


SIGNED = {
    "checkpoint": (
        "Checkpoint",
        {
            "mandate": "bytes32",
            "head": "bytes32",
            "outflow": "uint256",
            "anchor": "uint64",
            "anchorHash": "bytes32",
        },
    ),
    "verdict": (
        "Verdict",
        {"mandate": "bytes32", "key": "address", "decision": "bytes32"},
    ),
}


@pytest.mark.parametrize("name", ["checkpoint", "verdict"])
def test_foreign_eip712_recovers_the_endorsers(name: str) -> None:
    vectors = load("checkpoint")
    vector = vectors[name]
    kind, fields = SIGNED[name]
    subject: Checkpoint | Verdict = (
        Checkpoint if name == "checkpoint" else Verdict
    ).from_json(vector["fields"])
    assert subject.to_json() == vector["fields"]
    digest = subject.digest(chain_id=vectors["chainId"], gate=vectors["gate"])
    assert to_hex(digest) == vector["digest"]
    joined = from_hex(vector["signatures"], what="signatures")
    signers = split_signatures(
        digest_from_hex(vector["digest"], what="digest"), joined=joined
    )
    assert list(signers) == vectors["endorsers"]
    message = subject.to_json()
    if name == "checkpoint":
        message["outflow"] = int(message["outflow"])
    for signer, signature in signers.items():
        foreign = foreign_signer(
            vectors,
            primary_type=kind,
            fields=fields,
            message=message,
            signature=to_hex(signature),
        )
        assert foreign == signer


def foreign_signer(
    vector: JsonValue,
    *,
    primary_type: str,
    fields: dict[str, str],
    message: dict[str, JsonValue],
    signature: str,
) -> str:
    """Return who signed, by the EIP-712 of `eth_account`."""
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            primary_type: [
                {"name": name, "type": kind} for name, kind in fields.items()
            ],
        },
        "primaryType": primary_type,
        "domain": {
            "name": "Affiant",
            "version": "1",
            "chainId": vector["chainId"],
            "verifyingContract": vector["gate"],
        },
        "message": message,
    }
    return str(
        Account.recover_message(
            encode_typed_data(full_message=typed), signature=signature
        )
    )
