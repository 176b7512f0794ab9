"""The committed bindings and workloads, read back and hashed by a foreign EIP-712."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_account.messages import encode_typed_data

from affiant.encoding import from_hex, keccak256, to_hex
from affiant.onchain.attestation.binding import (
    BINDING_ABI,
    BINDING_TYPE,
    REPORT_DATA_TAG,
    WORKLOAD_ABI,
    NodeBinding,
    TdxWorkload,
)

HERE = Path(__file__).resolve().parent
SAID = json.loads((HERE / "attestation.json").read_text())


def test_the_file_is_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "make_attestation.py"), "--check"]
    )
    assert done.returncode == 0


@pytest.mark.parametrize("name", SAID["bindings"])
def test_bindings_hash_as_a_foreign_implementation_does(name: str) -> None:
    row = SAID["bindings"][name]
    members = BINDING_TYPE.partition("(")[2].rstrip(")").split(",")
    typed: dict[str, Any] = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "NodeBinding": [
                {"type": member.split()[0], "name": member.split()[1]}
                for member in members
            ],
        },
        "primaryType": "NodeBinding",
        "domain": {
            "name": "Affiant",
            "version": "1",
            "chainId": SAID["chainId"],
            "verifyingContract": SAID["contract"],
        },
        "message": row["binding"],
    }
    signable = encode_typed_data(full_message=typed)
    digest = keccak256(b"\x19\x01" + signable.header + signable.body)
    assert to_hex(digest) == row["digest"]
    data = from_hex(row["reportData"], what="report data")
    assert data == (bytes.fromhex(row["binding"]["key"][2:]) + digest + REPORT_DATA_TAG)
    (values,) = decode([BINDING_ABI], from_hex(row["encoded"], what="encoded"))
    binding = NodeBinding.from_abi(values)
    where = {"chain_id": SAID["chainId"], "contract": SAID["contract"]}
    assert to_hex(binding.digest(**where)) == row["digest"]


@pytest.mark.parametrize("name", SAID["workloads"])
def test_workloads_are_read_back(name: str) -> None:
    row = SAID["workloads"][name]
    workload = TdxWorkload.from_json(row["workload"])
    assert workload.to_json() == row["workload"]
    assert to_hex(workload.id) == row["id"]
    encoded = from_hex(row["encoded"], what="encoded")
    assert to_hex(keccak256(encoded)) == row["id"]
    (values,) = decode([WORKLOAD_ABI], encoded)
    assert TdxWorkload.from_abi(values) == workload
