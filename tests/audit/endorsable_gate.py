"""The gate as it is but for one check: it grants mandates that name endorsers.

The packaged gate refuses those until it can count endorsements itself. What an endorser
and an auditor need of a gate (grants, heads, events, executions) is the same; only
that one refusal is taken out, and the rest compiled as ever. Where the packaged gate no
longer has the refusal, it is deployed as it is.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from affiant.encoding import digest_from_hex, from_hex, keccak256
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.chain import Chain
from affiant.onchain.mandate import Address

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "optimizer": {"enabled": True, "runs": 200},
    "viaIR": True,
    "evmVersion": "cancun",
    "outputSelection": {"*": {"DecisionGate": ["evm.bytecode.object"]}},
}
REFUSAL = re.compile(
    r"        if \(mandate\.endorsers\.length != 0\) \{\n.*?\n        \}\n", re.DOTALL
)


def endorsable_gate(devnet: Any) -> Address | None:
    """Deploy the gate if it takes another than the book's; None if that one will do."""
    names = {item.get("name") for item in load_artifact("DecisionGate").abi}
    if "EndorsersUnsupported" not in names:
        return None
    book, rpc = devnet.book, devnet.rpc
    sender = devnet.accounts[0].address
    arguments = encode(
        ["address", "address"], [book.node_registry, book.model_registry]
    )
    transaction = rpc.request(
        "eth_sendTransaction",
        {
            "from": sender,
            "data": "0x" + (_bytecode() + arguments).hex(),
            "gas": hex(16_000_000),
        },
    )
    chain = Chain.connect(devnet.url, expected_chain_id=book.chain_id)
    receipt = chain.wait_receipt(
        digest_from_hex(transaction, what="transaction"), timeout=20
    )
    chain.close()
    assert receipt.succeeded
    return receipt.contract_address


def _bytecode() -> bytes:
    sources = {}
    for path in sorted((ROOT / "contracts").rglob("*.sol")):
        text = path.read_text()
        if path.name == "MandateChecks.sol":
            text, count = REFUSAL.subn("", text)
            assert count == 1
        sources[path.relative_to(ROOT).as_posix()] = {"content": text}
    question = json.dumps(
        {"language": "Solidity", "sources": sources, "settings": SETTINGS}
    )
    kept = ROOT / f".cache/tests/gate-{keccak256(question.encode()).hex()}.hex"
    if not kept.exists():
        compiled = subprocess.run(
            [ROOT / "contracts/solc", "--standard-json"],
            input=question,
            capture_output=True,
            text=True,
            check=True,
        )
        contracts = json.loads(compiled.stdout)["contracts"]
        code = contracts["contracts/DecisionGate.sol"]["DecisionGate"]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(code["evm"]["bytecode"]["object"])
    return from_hex("0x" + kept.read_text(), what="gate")
