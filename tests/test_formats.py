"""The worked example of `docs/formats.md`: every number in it is recomputed here.

    python tests/test_formats.py   # writes docs/formats-example.json, prints the list

The example is built with our own code and then recomputed below from the written rules
alone, with other libraries (pycryptodome's Keccak, the standard JSON encoder,
eth-account's EIP-712), so that page, code and rules cannot drift apart.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import keccak as pycryptodome_keccak
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.datatypes import PrivateKey

from affiant.encoding import Digest, canonical_json, keccak256, to_hex
from affiant.inference.receipt import InferenceReceipt, receipts_hash, tokens_hash
from affiant.inference.trace import Trace
from affiant.onchain.decision import (
    DECISION_TYPE,
    Call,
    Decision,
    bounds_hash,
    calls_hash,
    domain_separator,
    inference_seed,
)
from affiant.onchain.evidence import EvidenceBundle, seal
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_errors import EvidenceSectionMismatchError
from affiant.onchain.evidence_frame import pack, unpack
from affiant.onchain.evidence_sections import SECTIONS
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rung,
    Tracked,
    parse_address,
)
from affiant.onchain.observation import Observation, RecordedRead
from affiant.onchain.registry import announcement_digest, revocation_digest
from affiant.signature import recover_signer

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "formats.md"
EXAMPLE = DOCS / "formats-example.json"
SECRET = keccak256(b"affiant worked example: node key; never use it")
CHAIN_ID = 31337


def address(name: str) -> Address:
    return parse_address(to_hex(keccak256(name.encode())[:20]), what=name)


def digest(name: str) -> Digest:
    return keccak256(name.encode())


def build_example() -> EvidenceBundle:
    """Build the example with our own code; every input is a fixed name."""
    key = PrivateKey(SECRET)
    node = Address(key.public_key.to_checksum_address())
    weth, usdc, router = map(address, ("WETH", "USDC", "router"))
    mandate = Mandate(
        account=address("account"),
        operator=address("operator"),
        guardian=NATIVE,
        program=digest("program"),
        model=digest("model"),
        engine=digest("engine"),
        cadence=64,
        expiry=1_800_000_000,
        max_loss=50 * 10**8,
        record_holds=False,
        salt=digest("salt"),
        nodes=(NodePermit(node, 0),),
        workloads=(),
        endorsers=(),
        ladder=(Rung(20_000 * 10**8, 0, 0, 0),),
        allow_list=(Permission(router, bytes.fromhex("414bf389")),),
        feeds=(Feed(address("feed"), 8, 3600),),
        tracked=(Tracked(weth, 0, 18, False), Tracked(usdc, 0, 6, False)),
        rules=(),
    )
    observation = Observation(
        chain_id=CHAIN_ID,
        block_number=640,
        block_hash=digest("block 640"),
        timestamp=1_750_007_680,
        account=mandate.account,
        reads=(
            RecordedRead(
                weth,
                bytes.fromhex("70a08231") + encode(["address"], [mandate.account]),
                encode(["uint256"], [10**18]),
            ),
        ),
    )
    request = {"format": "shortened for the example", "prices": {"WETH": "2000.00"}}
    trace = Trace.of([7, 2], [bytes(range(32)), bytes(range(32, 64))])
    receipt = InferenceReceipt(
        model=mandate.model,
        engine=mandate.engine,
        request=keccak256(canonical_json(request)),
        prompt=tokens_hash([1, 5, 9]),
        output=tokens_hash([7, 2]),
        trace=trace.root,
    )
    calls = (Call(router, 0, bytes.fromhex("414bf389"), weth, 10**17),)
    bounds = (-(10**17), 199 * 10**6)
    sealed = seal(
        {
            "attestation": {"tier": 0},
            "manifests": {"book": {}, "engine": {}, "model": {}, "program": {}},
            "observation": observation.to_json(),
            "plan": {
                "why": "WETH is above its band",
                "actions": [
                    {
                        "action": "swap",
                        "sell": "WETH",
                        "buy": "USDC",
                        "share_bps": 1000,
                        "max_slippage_bps": 50,
                    }
                ],
            },
            "requests": [request],
            "tokens": [{"prompt": [1, 5, 9], "output": [7, 2]}],
            "traces": [trace.to_json()],
        },
        salts={name: digest(f"salt of {name}") for name in SECTIONS},
    )
    decision = Decision(
        mandate=mandate.id,
        program=mandate.program,
        slot=10,
        anchor_hash=observation.block_hash,
        previous=mandate.id,
        observation=observation.hash,
        receipts=receipts_hash([receipt]),
        calls=calls_hash(calls),
        bounds=bounds_hash(bounds),
        evidence=sealed.root,
        valid_until=1_750_008_280,
    )
    gate = address("gate")
    signature = key.sign_msg_hash(
        decision.digest(chain_id=CHAIN_ID, gate=gate)
    ).to_bytes()
    return EvidenceBundle(
        chain_id=CHAIN_ID,
        gate=gate,
        decision=decision,
        node=node,
        signature=signature[:64] + bytes([signature[64] + 27]),
        mandate=mandate,
        calls=calls,
        bounds=bounds,
        receipts=(receipt,),
        leaves=sealed.leaves,
        sections=sealed.sections,
    )


def hash_bytes(data: bytes) -> bytes:
    return pycryptodome_keccak.new(digest_bits=256, data=data).digest()


def spell(value: Any) -> bytes:
    """Canonical JSON of the example: ASCII names and integers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def tree(leaves: list[bytes]) -> bytes:
    level = [hash_bytes(b"\0" + leaf) for leaf in leaves]
    while len(level) > 1:
        paired = [
            hash_bytes(b"\1" + left + right)
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return hash_bytes(b"\2" + struct.pack(">Q", len(leaves)) + level[0])


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


MANDATE_TYPES = (
    "(address,address,address,bytes32,bytes32,bytes32,uint32,uint64,uint256,bool,"
    "bytes32,(address,uint8)[],bytes32[],address[],(uint256,uint8,uint8,uint32)[],"
    "(address,bytes4)[],(address,uint8,uint32)[],(address,uint8,uint8,bool)[],"
    "(address,bytes)[])"
)


def recompute(document: dict[str, Any]) -> dict[str, str]:
    """Compute every number of the page from the file, by the written rules alone."""
    sections = document["sections"]
    leaves = {
        name: hash_bytes(
            unhex(section["salt"])
            + hash_bytes(spell({"name": name, "content": section["content"]}))
        )
        for name, section in sections.items()
    }
    tokens = sections["tokens"]["content"][0]
    receipt = document["receipts"][0]
    mandate, decision = document["mandate"], document["decision"]
    entries = sections["traces"]["content"][0]["tokens"]
    trace_leaves = [
        hash_bytes(
            b"affiant-trace/2" + struct.pack(">II", position, token) + unhex(image)
        )
        for position, (token, image) in enumerate(entries)
    ]
    receipt_words = [
        unhex(receipt[name])
        for name in ("model", "engine", "request", "prompt", "output", "trace")
    ]
    call = document["calls"][0]
    mandate_values = (
        mandate["account"],
        mandate["operator"],
        mandate["guardian"],
        unhex(mandate["program"]),
        unhex(mandate["model"]),
        unhex(mandate["engine"]),
        mandate["cadence"],
        mandate["expiry"],
        int(mandate["maxLoss"]),
        mandate["recordHolds"],
        unhex(mandate["salt"]),
        [(node["key"], node["tier"]) for node in mandate["nodes"]],
        [],
        [],
        [
            (int(r["limit"]), r["tier"], r["endorsements"], r["delay"])
            for r in mandate["ladder"]
        ],
        [(p["target"], unhex(p["selector"])) for p in mandate["allowList"]],
        [(f["aggregator"], f["decimals"], f["maxAge"]) for f in mandate["feeds"]],
        [(t["token"], t["feed"], t["decimals"], t["debt"]) for t in mandate["tracked"]],
        [],
    )
    typed = encode_typed_data(full_message=typed_data(document))
    decision_digest = hash_bytes(b"\x19" + typed.version + typed.header + typed.body)
    values = {
        "request": hash_bytes(spell(sections["requests"]["content"][0])),
        "prompt": hash_bytes(b"".join(struct.pack(">I", i) for i in tokens["prompt"])),
        "output": hash_bytes(b"".join(struct.pack(">I", i) for i in tokens["output"])),
        "trace leaf 0": trace_leaves[0],
        "trace leaf 1": trace_leaves[1],
        "trace": tree(trace_leaves),
        "receipts": hash_bytes(
            struct.pack(">24xQ24xQ", 32, 1) + b"".join(receipt_words)
        ),
        "observation": hash_bytes(spell(sections["observation"]["content"])),
        "mandate": hash_bytes(encode([MANDATE_TYPES], [mandate_values])),
        "calls": hash_bytes(
            encode(
                ["(address,uint256,bytes,address,uint256)[]"],
                [
                    [
                        (
                            call["target"],
                            int(call["value"]),
                            unhex(call["data"]),
                            call["token"],
                            int(call["allowance"]),
                        )
                    ]
                ],
            )
        ),
        "bounds": hash_bytes(
            encode(["int256[]"], [[int(b) for b in document["bounds"]]])
        ),
        **{f"leaf {name}": leaves[name] for name in sorted(leaves)},
        "evidence": tree([leaves[name] for name in sorted(leaves)]),
        "type hash": hash_bytes(DECISION_TYPE.encode()),
        "domain": typed.header,
        "struct hash": typed.body,
        "digest": decision_digest,
        "seed 0": hash_bytes(
            hash_bytes(b"affiant.seed.v1")
            + struct.pack(">24xQ", document["chainId"])
            + bytes(12)
            + unhex(document["gate"])
            + unhex(decision["mandate"])
            + unhex(decision["previous"])
            + unhex(decision["anchorHash"])
            + bytes(32)
        ),
        "signature": unhex(document["signature"]),
    }
    shown = {name: "0x" + value.hex() for name, value in values.items()}
    signer = Account._recover_hash(decision_digest, signature=values["signature"])
    return shown | {"signer": str(signer)}


def typed_data(document: dict[str, Any]) -> dict[str, Any]:
    fields = DECISION_TYPE.removeprefix("Decision(").removesuffix(")").split(",")
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Decision": [
                {"type": type_, "name": name}
                for type_, name in (field.split(" ") for field in fields)
            ],
        },
        "primaryType": "Decision",
        "domain": {
            "name": "Affiant",
            "version": "1",
            "chainId": document["chainId"],
            "verifyingContract": document["gate"],
        },
        "message": document["decision"],
    }


def page_values() -> dict[str, str]:
    """Read the example's numbers off the page."""
    block = re.search(r"```text\nexample\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    lines = [line for line in block.group(1).splitlines() if line]
    pairs = [re.fullmatch(r"([a-z 0-9]+?) += (0x[0-9a-zA-Z]+)", line) for line in lines]
    assert all(pairs), lines
    return {pair.group(1): pair.group(2) for pair in pairs if pair is not None}


def test_the_file_is_what_our_code_builds() -> None:
    assert EXAMPLE.read_bytes() == build_example().to_plain()


def test_the_page_shows_what_the_rules_give() -> None:
    assert page_values() == recompute(json.loads(EXAMPLE.read_bytes()))


def test_the_page_shows_what_our_code_gives() -> None:
    bundle = build_example()
    shown, decision = page_values(), bundle.decision
    assert shown["digest"] == to_hex(verify_evidence(bundle))
    assert shown["domain"] == to_hex(
        domain_separator(chain_id=CHAIN_ID, gate=bundle.gate)
    )
    for name in ("mandate", "observation", "receipts", "calls", "bounds", "evidence"):
        assert shown[name] == to_hex(getattr(decision, name))
    for name in ("request", "prompt", "output", "trace"):
        assert shown[name] == to_hex(getattr(bundle.receipts[0], name))
    for name in SECTIONS:
        assert shown[f"leaf {name}"] == to_hex(bundle.leaves[name])
    assert shown["seed 0"] == to_hex(
        inference_seed(
            chain_id=CHAIN_ID,
            gate=bundle.gate,
            mandate=decision.mandate,
            previous=decision.previous,
            anchor_hash=decision.anchor_hash,
            index=0,
        )
    )
    signer = recover_signer(bundle.digest, signature=bundle.signature)
    assert shown["signer"] == signer == bundle.node


def test_the_page_names_the_file_and_the_type() -> None:
    page = PAGE.read_text()
    assert DECISION_TYPE in page.replace("\n", "").replace("    ", "")
    assert f"{build_example().digest.hex()}.json.zst" in page
    assert "affiant-evidence/1" in page


def test_the_files_frame_is_as_written() -> None:
    plain = EXAMPLE.read_bytes()
    file = pack(plain)
    assert file[:4] == bytes.fromhex("28b52ffd")
    assert file[-40:] == bytes.fromhex("502a4d1820000000") + hash_bytes(file[:-40])
    assert unpack(file) == plain


@pytest.mark.parametrize("section", SECTIONS)
def test_an_edited_section_of_the_example_is_named(section: str) -> None:
    document = json.loads(EXAMPLE.read_bytes())
    salt = document["sections"][section]["salt"]
    document["sections"][section]["salt"] = salt[:-1] + (
        "0" if salt[-1] != "0" else "1"
    )
    with pytest.raises(EvidenceSectionMismatchError) as caught:
        verify_evidence(EvidenceBundle.from_plain(canonical_json(document)))
    assert caught.value.section == section


def test_another_chain_or_gate_gives_another_digest() -> None:
    bundle = build_example()
    digests = {
        bundle.digest,
        replace(bundle, chain_id=1).digest,
        replace(bundle, gate=address("another gate")).digest,
    }
    assert len(digests) == 3


def test_registry_digests_follow_the_written_types() -> None:
    registry, key = address("registry"), address("key")
    domain = {
        "name": "Affiant",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": registry,
    }
    announcement = encode_typed_data(
        domain,
        {
            "Announcement": [
                {"name": "key", "type": "address"},
                {"name": "model", "type": "bytes32"},
                {"name": "engine", "type": "bytes32"},
                {"name": "validUntil", "type": "uint64"},
                {"name": "nonce", "type": "uint256"},
            ]
        },
        {
            "key": key,
            "model": digest("model"),
            "engine": digest("engine"),
            "validUntil": 5,
            "nonce": 6,
        },
    )
    assert announcement_digest(
        chain_id=CHAIN_ID,
        registry=registry,
        key=key,
        model=digest("model"),
        engine=digest("engine"),
        valid_until=5,
        nonce=6,
    ) == hash_bytes(b"\x19\x01" + announcement.header + announcement.body)
    revocation = encode_typed_data(
        domain, {"Revocation": [{"name": "key", "type": "address"}]}, {"key": key}
    )
    assert revocation_digest(
        chain_id=CHAIN_ID, registry=registry, key=key
    ) == hash_bytes(b"\x19\x01" + revocation.header + revocation.body)


if __name__ == "__main__":
    EXAMPLE.write_bytes(build_example().to_plain())
    for name, value in recompute(json.loads(EXAMPLE.read_bytes())).items():
        print(f"{name:<17} = {value}")
