"""Writes the vectors that Python and Solidity both read; run it after a format changes.

    python tests/vectors/generate.py           # write
    python tests/vectors/generate.py --check   # exit 1 where the files differ

The digests come from `affiant`; `test_vectors.py` recomputes them with another
implementation of EIP-712, and `tests/contracts/Vectors.t.sol` with the contracts'.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.address import to_checksum_address

from affiant.encoding import Digest, JsonValue, keccak256, to_hex
from affiant.inference.receipt import InferenceReceipt, receipts_hash
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.decision import (
    CALL_ABI,
    Call,
    Decision,
    bounds_hash,
    calls_hash,
    domain_separator,
    inference_seed,
)
from affiant.onchain.mandate import (
    MANDATE_ABI,
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
)
from affiant.onchain.signature import join_signatures

HERE = Path(__file__).resolve().parent
"""Folder of the vectors."""

CHAIN_ID = 31337
"""Chain of the vectors."""

NODE_SECRET = keccak256(b"affiant test vector: node key; never use it")
"""Secret key that signs the vectors' decisions. It is public: it guards nothing."""

ENDORSER_SECRETS = tuple(
    keccak256(f"affiant test vector: endorser key {index}; never use it".encode())
    for index in range(3)
)
"""Secret keys that sign the vectors' checkpoint and verdict; public like the node's."""


def name_address(name: str) -> Address:
    """Return the address that stands for `name` in the vectors."""
    return Address(str(to_checksum_address(keccak256(name.encode())[:20])))


def name_digest(name: str) -> Digest:
    """Return the digest that stands for `name` in the vectors."""
    return keccak256(name.encode())


def mandates() -> dict[str, Mandate]:
    """Return one mandate with nothing in its lists and one with everything."""
    node = Account.from_key(NODE_SECRET).address
    bare = Mandate(
        account=name_address("account"),
        operator=NATIVE,
        guardian=NATIVE,
        program=name_digest("program"),
        model=name_digest("model"),
        engine=name_digest("engine"),
        cadence=2,
        expiry=2**64 - 1,
        max_loss=2**256 - 1,
        record_holds=True,
        salt=name_digest("salt"),
        nodes=(),
        workloads=(),
        endorsers=(),
        ladder=(),
        allow_list=(),
        feeds=(),
        tracked=(),
        rules=(),
    )
    full = Mandate(
        account=name_address("account"),
        operator=name_address("operator"),
        guardian=name_address("guardian"),
        program=name_digest("program"),
        model=name_digest("model"),
        engine=name_digest("engine"),
        cadence=25,
        expiry=1_900_000_000,
        max_loss=50 * 10**8,
        record_holds=False,
        salt=name_digest("another salt"),
        nodes=(
            NodePermit(key=Address(node), tier=0),
            NodePermit(key=name_address("second node"), tier=1),
        ),
        workloads=(name_digest("workload"),),
        endorsers=(name_address("endorser a"), name_address("endorser b")),
        ladder=(
            Rung(limit=1_000 * 10**8, tier=0, endorsements=0, delay=0),
            Rung(limit=100_000 * 10**8, tier=2, endorsements=2, delay=3600),
        ),
        allow_list=(
            Permission(
                target=name_address("router"), selector=bytes.fromhex("414bf389")
            ),
            Permission(target=name_address("pool"), selector=bytes.fromhex("617ba037")),
        ),
        feeds=(
            Feed(aggregator=name_address("feed weth"), decimals=8, max_age=3600),
            Feed(aggregator=name_address("feed usdc"), decimals=18, max_age=86400),
        ),
        tracked=(
            Tracked(token=name_address("weth"), feed=0, decimals=18, debt=False),
            Tracked(token=name_address("usdc"), feed=1, decimals=6, debt=False),
            Tracked(token=name_address("debt"), feed=1, decimals=6, debt=True),
            Tracked(token=NATIVE, feed=0, decimals=18, debt=False),
        ),
        rules=(
            Rule(target=name_address("rule"), data=b""),
            Rule(target=name_address("rule"), data=bytes(range(33))),
        ),
    )
    return {"bare": bare, "full": full}


def mandate_vectors() -> JsonValue:
    """Return the content of `mandate.json`."""
    return {
        name: {
            "mandate": mandate.to_json(),
            "encoded": to_hex(encode([MANDATE_ABI], [mandate.abi_values()])),
            "id": to_hex(mandate.id),
        }
        for name, mandate in mandates().items()
    }


def decision_vectors() -> JsonValue:
    """Return the content of `decision.json`."""
    gate = name_address("gate")
    calls = (
        Call(
            target=name_address("router"),
            value=0,
            data=bytes.fromhex("414bf389") + bytes(range(64)),
            token=name_address("weth"),
            allowance=15 * 10**17,
        ),
        Call(
            target=name_address("pool"),
            value=2**256 - 1,
            data=bytes.fromhex("617ba037ff"),
            token=NATIVE,
            allowance=0,
        ),
    )
    bounds = (-15 * 10**17, 2_985 * 10**6, 0, -(2**255))
    receipts = tuple(
        InferenceReceipt(
            **{
                field: name_digest(f"{field} {index}" if index else field)
                for field in ("model", "engine", "request", "prompt", "output", "trace")
            }
        )
        for index in range(2)
    )
    cases: dict[str, JsonValue] = {}
    for name, used in {"hold": 0, "trade": 2}.items():
        mandate = mandates()["full" if used else "bare"].id
        case_calls, case_bounds = calls[:used], bounds[: used * 2]
        decision = Decision(
            mandate=mandate,
            program=name_digest("program"),
            slot=2**64 - 1 if used else 7,
            anchor_hash=name_digest("anchor"),
            previous=mandate,
            observation=name_digest("observation"),
            receipts=receipts_hash(receipts[: used or 1]),
            calls=calls_hash(case_calls),
            bounds=bounds_hash(case_bounds),
            evidence=name_digest("evidence"),
            valid_until=1_800_000_600,
        )
        digest = decision.digest(chain_id=CHAIN_ID, gate=gate)
        signed = Account.unsafe_sign_hash(digest, NODE_SECRET)
        cases[name] = {
            "chainId": CHAIN_ID,
            "gate": gate,
            "decision": decision.to_json(),
            "calls": [call.to_json() for call in case_calls],
            "callsEncoded": to_hex(
                encode([CALL_ABI + "[]"], [_call_values(case_calls)])
            ),
            "bounds": [str(bound) for bound in case_bounds],
            "receipts": [r.to_json() for r in receipts[: used or 1]],
            "domainSeparator": to_hex(domain_separator(chain_id=CHAIN_ID, gate=gate)),
            "digest": to_hex(digest),
            "node": Account.from_key(NODE_SECRET).address,
            "signature": to_hex(bytes(signed.signature)),
            "seed": to_hex(
                inference_seed(
                    chain_id=CHAIN_ID,
                    gate=gate,
                    mandate=mandate,
                    previous=mandate,
                    anchor_hash=name_digest("anchor"),
                    index=1,
                )
            ),
        }
    return cases


def checkpoint_vectors() -> JsonValue:
    """Return the content of `checkpoint.json`."""
    gate = name_address("gate")
    checkpoint = Checkpoint(
        mandate=mandates()["full"].id,
        head=name_digest("head"),
        outflow=123_456_789 * 10**8 + 1,
        anchor=2**64 - 1,
        anchor_hash=name_digest("anchor"),
    )
    verdict = Verdict(
        mandate=mandates()["full"].id,
        key=Address(Account.from_key(NODE_SECRET).address),
        decision=name_digest("decision"),
    )
    signed = {
        name: _endorsed(subject.digest(chain_id=CHAIN_ID, gate=gate))
        for name, subject in (("checkpoint", checkpoint), ("verdict", verdict))
    }
    return {
        "chainId": CHAIN_ID,
        "gate": gate,
        "endorsers": sorted(
            (Account.from_key(secret).address for secret in ENDORSER_SECRETS),
            key=str.lower,
        ),
        "checkpoint": {"fields": checkpoint.to_json(), **signed["checkpoint"]},
        "verdict": {"fields": verdict.to_json(), **signed["verdict"]},
    }


def _endorsed(digest: Digest) -> dict[str, JsonValue]:
    signatures = [
        bytes(Account.unsafe_sign_hash(digest, secret).signature)
        for secret in ENDORSER_SECRETS
    ]
    joined = join_signatures(digest, signatures=signatures)
    return {"digest": to_hex(digest), "signatures": to_hex(joined)}


def _call_values(calls: tuple[Call, ...]) -> list[tuple[object, ...]]:
    return [(c.target, c.value, c.data, c.token, c.allowance) for c in calls]


def texts() -> dict[Path, str]:
    """Return the text of every vector file, by path."""
    contents = {
        "mandate": mandate_vectors(),
        "decision": decision_vectors(),
        "checkpoint": checkpoint_vectors(),
    }
    return {
        HERE / f"{name}.json": json.dumps(content, indent=1) + "\n"
        for name, content in contents.items()
    }


def main(*, check: bool) -> int:
    """Write the files, or compare them; return the exit code."""
    stale = [
        p for p, text in texts().items() if not p.exists() or p.read_text() != text
    ]
    for path in stale:
        print(("differs: " if check else "wrote ") + path.name)
        if not check:
            path.write_text(texts()[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
