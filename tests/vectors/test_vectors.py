"""The committed vectors are the generator's, and a foreign EIP-712 agrees with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from affiant.encoding import JsonValue, to_hex
from affiant.onchain.decision import Decision
from affiant.onchain.mandate import Mandate

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
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Decision": [
                {"name": field, "type": kinds.get(field, "bytes32")}
                for field in (
                    "mandate program slot anchorHash previous observation receipts "
                    "calls bounds evidence validUntil"
                ).split()
            ],
        },
        "primaryType": "Decision",
        "domain": {
            "name": "Affiant",
            "version": "1",
            "chainId": vector["chainId"],
            "verifyingContract": vector["gate"],
        },
        "message": decision.to_json(),
    }
    message = encode_typed_data(full_message=typed)
    signer = Account.recover_message(message, signature=vector["signature"])
    assert signer == vector["node"]
