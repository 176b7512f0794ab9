"""Writes `attestation.json`: bindings and workloads with what they hash to.

Both languages read it: `tests/contracts/attestation/Hashes.t.sol` and
`test_attestation_vectors.py`, which also asks a foreign EIP-712 implementation.

    python tests/vectors/make_attestation.py [--check]
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from affiant.encoding import Digest, JsonValue, keccak256, to_hex
from affiant.onchain.attestation.binding import NodeBinding, TdxWorkload
from affiant.onchain.mandate import Address

FILE = Path(__file__).resolve().parent / "attestation.json"
CHAIN_ID = 31337
CONTRACT = Address("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")
KEY = Address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
OPERATOR = Address("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65")


def some(label: str) -> Digest:
    return keccak256(f"affiant vector: {label}".encode())


BARE = TdxWorkload(measurements=some("measurements"), engines=(some("engine"),))
FULL = replace(
    BARE,
    all_registers=True,
    program=some("program"),
    model=some("model"),
    engines=(some("engine"), some("another engine")),
    statuses=("UpToDate", "SWHardeningNeeded"),
    evaluation_floor=17,
    endorsers=(Address("0x0000000000000000000000000000000000000001"), OPERATOR),
    quorum=2,
    guards=(KEY,),
)
BOUND = NodeBinding(
    key=KEY,
    engine=some("engine"),
    model=some("model"),
    block_number=7,
    block_hash=some("block"),
    valid_until=1_763_786_400,
)
BINDINGS = {
    "bare": BOUND,
    "full": replace(
        BOUND,
        program=some("program"),
        workload=FULL.id,
        configuration=some("configuration"),
        gpu_evidence=some("GPU evidence"),
        tls_key=some("TLS key"),
        operator=OPERATOR,
    ),
}


def vectors() -> dict[str, JsonValue]:
    where = {"chain_id": CHAIN_ID, "contract": CONTRACT}
    return {
        "chainId": CHAIN_ID,
        "contract": CONTRACT,
        "workloads": {
            name: {
                "workload": workload.to_json(),
                "encoded": to_hex(workload.encoded()),
                "id": to_hex(workload.id),
            }
            for name, workload in (("bare", BARE), ("full", FULL))
        },
        "bindings": {
            name: {
                "binding": _binding(binding),
                "encoded": to_hex(binding.encoded()),
                "digest": to_hex(binding.digest(**where)),
                "reportData": "0x" + binding.report_data(**where).hex(),
            }
            for name, binding in BINDINGS.items()
        },
    }


def _binding(binding: NodeBinding) -> dict[str, JsonValue]:
    return {
        "key": binding.key,
        "program": to_hex(binding.program),
        "workload": to_hex(binding.workload),
        "model": to_hex(binding.model),
        "engine": to_hex(binding.engine),
        "configuration": to_hex(binding.configuration),
        "gpuEvidence": to_hex(binding.gpu_evidence),
        "tlsKey": to_hex(binding.tls_key),
        "operator": binding.operator,
        "blockNumber": binding.block_number,
        "blockHash": to_hex(binding.block_hash),
        "validUntil": binding.valid_until,
    }


def main() -> int:
    text = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in sys.argv:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
