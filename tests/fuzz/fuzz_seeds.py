"""One valid text of each format, built by the real code from fixed names.

Nothing here is a recording: a format that changes changes its seed with it.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey

from affiant.agents.deciding.derive import derive_plan, derive_request
from affiant.agents.programs.features import Feature
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import Question
from affiant.agents.running.progress import Saved
from affiant.encoding import Digest, JsonValue, canonical_json, keccak256, to_hex
from affiant.inference.chat.answer import (
    chunk,
    completion_body,
    refusal,
    usage_chunk,
)
from affiant.inference.chat.attestation import Attestation
from affiant.inference.chat.completion import Completion, SelfCheck, text_hash
from affiant.inference.chat.events import DONE, event
from affiant.inference.chat.request import ChatRequest
from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.manifest import EngineManifest, GrammarManifest
from affiant.inference.model_proof import prove_chunk
from affiant.inference.profile import Exactness, LengthClass, Limits, Profile
from affiant.inference.receipt import InferenceReceipt, receipts_hash, tokens_hash
from affiant.inference.sampler import SAMPLER
from affiant.inference.sampling import Sampling
from affiant.inference.trace import Trace
from affiant.onchain.address_book import (
    MAX_ENTRIES,
    AaveEntry,
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.book_sections import NativeEntry, RecipientsEntry
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.endorsement import Endorsement
from affiant.onchain.evidence import EvidenceBundle, seal
from affiant.onchain.evidence_sections import SECTIONS
from affiant.onchain.facts import Facts, PriceFact, TokenBalance
from affiant.onchain.kits import KITS, Kit
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    Workload,
    parse_address,
)
from affiant.onchain.observation import Observation, RecordedRead, planned_reads
from affiant.onchain.signed_statement import SignedStatement

KEY = PrivateKey(keccak256(b"affiant fuzz seed: node key; never use it"))
CHAIN_ID = 31337
NOW = 1_750_000_000
SLOT, CADENCE = 10, 64
ANSWER = "falling"
PLAN = (
    '{"why":"too much WETH","actions":[{"action":"swap","sell":"WETH","buy":"USDC",'
    '"share_bps":1000,"max_slippage_bps":100}]}'
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "m": {"type": "integer", "minimum": 0},
        "s": {"type": "string", "pattern": "^[a-z]{1,8}$"},
        "l": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 3},
    },
    "required": ["m"],
    "additionalProperties": False,
    "$defs": {"n": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}},
}


def digest(name: str) -> Digest:
    return keccak256(name.encode())


def address(name: str) -> Address:
    return parse_address(to_hex(digest(name)[:20]), what=name)


def sign(message: bytes, *, key: PrivateKey = KEY) -> bytes:
    raw: bytes = key.sign_msg_hash(message).to_bytes()
    return raw[:64] + bytes([raw[64] + 27])


def own_address(key: PrivateKey = KEY) -> Address:
    return Address(key.public_key.to_checksum_address())


@cache
def manifest() -> EngineManifest:
    return EngineManifest(
        engine="example",
        engine_version="example 1",
        torch_version="0",
        dtype="float32",
        kv_dtype="none",
        attention="none",
        tensor_parallel=1,
        pipeline_parallel=1,
        threads=1,
        execution="eager",
        batch_invariant=False,
        grammar=GrammarManifest("xgrammar", "0", False),
        sampler=SAMPLER,
        fingerprint=FINGERPRINT,
        device="none",
    )


@cache
def book() -> AddressBook:
    weth, usdc = sorted((address("WETH"), address("USDC")), key=str.lower)
    return AddressBook(
        chain_id=CHAIN_ID,
        gate=address("gate"),
        node_registry=address("node registry"),
        model_registry=address("model registry"),
        tokens={
            "WETH": TokenEntry(weth, 18, address("WETH feed"), 8, 3600),
            "USDC": TokenEntry(
                usdc,
                6,
                address("USDC feed"),
                8,
                7200,
                address("aUSDC"),
                address("debt USDC"),
            ),
        },
        uniswap=UniswapEntry(
            factory=address("factory"),
            router=address("router"),
            quoter=address("quoter"),
            position_manager=address("position manager"),
            pools={"WETH/USDC": PoolEntry(address("pool"), 500, weth, usdc)},
        ),
        aave=AaveEntry(address("aave"), address("oracle"), address("provider")),
    )


def largest_book() -> AddressBook:
    """Return a book with as many entries, and names as long, as there may be."""
    names = [f"T{n:015d}" for n in range(MAX_ENTRIES)]
    tokens = {
        name: TokenEntry(
            address(name),
            18,
            address("feed"),
            8,
            3600,
            address(f"a{name}"),
            address(f"debt {name}"),
        )
        for name in names
    }
    pools = {}
    for base, quote in zip(names, [*names[1:], names[0]], strict=True):
        pair = sorted((tokens[base].address, tokens[quote].address), key=str.lower)
        pools[f"{base}/{quote}"] = PoolEntry(address(f"pool {base}"), 500, *pair)
    whole = book()
    assert whole.uniswap is not None
    return replace(whole, tokens=tokens, uniswap=replace(whole.uniswap, pools=pools))


FACTS = Facts(
    block_number=50,
    timestamp=1_750_000_000,
    balances={"WETH": TokenBalance(3 * 10**18, 4, 5)},
    prices={"WETH": PriceFact(2_500 * 10**8, 8, 1_749_999_000)},
    pools={},
    lending={},
)

FEATURE = Feature(
    "worth",
    2,
    """def worth(facts):
    price = facts.prices["WETH"]
    units = facts.balances["WETH"].wallet * price.answer
    if units == 0 or not price.decimals < 20:
        return min(1, 2, abs(-3))
    units += 1
    return units * 100 // 10 ** (18 + price.decimals) if units > 5 else -7 % 3""",
)

CONFIG = b"""# an agent
[chain]
url = "http://127.0.0.1:8545"
id = 31337
[node]
url = "http://127.0.0.1:8700"
[mandate]
file = "mandate.json"
[book]
file = 'book.json'
[evidence]
url = "evidence"
[journal]
url = "journal.sqlite"
[operator]
keystore = "key.json"
password_env = "PASSWORD"
[endorsers]
urls = ["http://127.0.0.1:1", # one
  "http://127.0.0.1:2"]
[log]
level = "info"
[metrics]
port = 9464
"""


PRICES = b"time,WETH,WBTC\n100,2500,60000.5\n160,2512.25,60110\n220,1,0.00000001\n"

OPENING = b"""format = "affiant-opening/1"
vault = true
[balances]
WETH = "6"
[terms]
max_loss = "1.5"
[[positions]]
action = "supply"
asset = "WETH"
amount = "4"
"""


@cache
def wide_book() -> AddressBook:
    """A book with every section that a book can have."""
    vault = TokenEntry(address("vault"), 6, address("vault feed"), 8, 3600)
    return replace(
        book(),
        tokens={**book().tokens, "vUSDC": vault},
        native=NativeEntry("ETH", "WETH", address("reader")),
        recipients=RecipientsEntry(address("rule"), {"landlord": address("landlord")}),
        vaults={"vUSDC": "USDC"},
    )


def served(of: AddressBook, observes: Sequence[str]) -> list[Kit]:
    """The kits that a program on this book, with these observations, can have."""
    return [
        kit
        for kit in KITS.values()
        if all(rule.get("enum") != [] for rule in kit.schema(of)["properties"].values())
        and all(
            any(name.startswith(need) for name in observes) for need in kit.required
        )
    ]


OBSERVES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")


@cache
def program(*, temperature: Fraction | None = None) -> Program:
    return Program.define(
        objective="Keep WETH near 60 %.",
        kits=served(book(), OBSERVES),
        observes=OBSERVES,
        book=book(),
        model=commitment().root,
        engine=manifest().hash,
        sampling=Sampling(temperature),
        max_tokens=64,
        validity_seconds=600,
        questions=[Question("Where is the price going?", 8)],
    )


def mandate_of(planned: Program) -> Mandate:
    return Mandate(
        account=address("account"),
        operator=NATIVE,
        guardian=address("guardian"),
        program=planned.hash,
        model=planned.model,
        engine=planned.engine,
        cadence=CADENCE,
        expiry=NOW + 10**6,
        max_loss=50 * 10**8,
        record_holds=False,
        quorum=1,
        salt=digest("salt"),
        nodes=(NodePermit(own_address(), 0),),
        workloads=(Workload(address("attestation"), digest("workload")),),
        endorsers=(address("endorser"),),
        ladder=(Rung(20_000 * 10**8, 0, 1, 60),),
        allow_list=(Permission(address("router"), bytes.fromhex("414bf389")),),
        feeds=(Feed(address("WETH feed"), 8, 3600),),
        tracked=(Tracked(address("WETH"), 0, 18, False),),
        rules=(Rule(address("rule"), b"\x01\x02"),),
    )


def _returned(calldata: bytes) -> bytes:
    words: Mapping[str, list[int]] = {
        "70a08231": [2 * 10**18],
        "feaf968c": [7, 2500 * 10**8, NOW - 60, NOW - 60, 7],
        "3850c7bd": [2**96, 0, 0, 1, 1, 0, 1],
        "1a686502": [10**18],
        "35ea6a75": [10**27] * 11 + [NOW - 60],
    }
    values = words[calldata[:4].hex()]
    return encode(["uint256"] * len(values), values)


@cache
def observation() -> Observation:
    account = address("account")
    return Observation(
        chain_id=CHAIN_ID,
        block_number=SLOT * CADENCE,
        block_hash=digest("block"),
        timestamp=NOW,
        account=account,
        reads=tuple(
            RecordedRead(read.target, read.calldata, _returned(read.calldata))
            for read in planned_reads(program().observes, book=book(), account=account)
        ),
    )


def trace_of(output: tuple[int, ...]) -> Trace:
    return Trace.of(output, [bytes([n, *range(31)]) for n in range(len(output))])


@cache
def contents() -> dict[str, Any]:
    """Sections of a decision after one question, as a node seals them."""
    planned = program()
    asked = [
        derive_request(
            planned,
            observation=observation(),
            book=book(),
            mandate=mandate_of(planned),
            slot=SLOT,
            anchor_hash=digest("block"),
            previous=None,
            answers=answers,
        ).request
        for answers in ((), (ANSWER,))
    ]
    tokens = [([1, 5, 9], [7, 2]), ([1, 5, 9, 4], [70, 71, 2])]
    return {
        "attestation": {"tier": 0},
        "manifests": {
            "book": book().to_json(),
            "engine": manifest().to_json(),
            "model": commitment().summary(),
            "program": planned.to_manifest(),
        },
        "observation": observation().to_json(),
        "plan": derive_plan(PLAN, program=planned, book=book()).to_json(),
        "requests": asked,
        "tokens": [{"prompt": p, "output": o} for p, o in tokens],
        "traces": [trace_of(tuple(output)).to_json() for _, output in tokens],
    }


def forge(sealed_contents: Mapping[str, Any]) -> EvidenceBundle:
    """Swear to any contents at all, as a liar with a key and a mandate of their own.

    What a receipt or the decision cannot be made of is left at zeros.
    """

    def hashed(make: Callable[[], Digest]) -> Digest:
        try:
            return make()
        except Exception:
            return Digest(bytes(32))

    sealed = seal(
        sealed_contents, salts={name: digest(f"salt of {name}") for name in SECTIONS}
    )
    manifests = sealed_contents["manifests"]

    def manifest_hash(name: str) -> Digest:
        return hashed(lambda: keccak256(canonical_json(manifests[name])))

    def receipt(index: int) -> InferenceReceipt:
        def of(section: str) -> Any:
            return sealed_contents[section][index]

        return InferenceReceipt(
            model=honest.model,
            engine=manifest_hash("engine"),
            request=hashed(lambda: keccak256(canonical_json(of("requests")))),
            prompt=hashed(lambda: tokens_hash(of("tokens")["prompt"])),
            output=hashed(lambda: tokens_hash(of("tokens")["output"])),
            trace=hashed(lambda: Trace.from_json(of("traces")).root),
        )

    honest = program()
    mandate = mandate_of(honest)
    mandate = Mandate(
        **{
            **mandate.__dict__,
            "program": manifest_hash("program"),
            "engine": manifest_hash("engine"),
        }
    )
    tokens = sealed_contents["tokens"]
    receipts = tuple(receipt(i) for i in range(len(tokens))) if tokens else ()
    calls = (
        Call(address("router"), 0, bytes.fromhex("414bf389"), address("WETH"), 10**17),
    )
    decision = Decision(
        mandate=mandate.id,
        program=mandate.program,
        slot=SLOT,
        anchor_hash=digest("block"),
        previous=mandate.id,
        observation=hashed(
            lambda: keccak256(canonical_json(sealed_contents["observation"]))
        ),
        receipts=receipts_hash(receipts),
        calls=calls_hash(calls),
        bounds=bounds_hash([-(10**17)]),
        evidence=sealed.root,
        valid_until=NOW + 600,
    )
    gate = book().gate
    return EvidenceBundle(
        chain_id=CHAIN_ID,
        gate=gate,
        decision=decision,
        node=own_address(),
        signature=sign(decision.digest(chain_id=CHAIN_ID, gate=gate)),
        mandate=mandate,
        calls=calls,
        bounds=(-(10**17),),
        receipts=receipts,
        leaves=sealed.leaves,
        sections=sealed.sections,
    )


@cache
def bundle() -> EvidenceBundle:
    return forge(contents())


@cache
def shard() -> bytes:
    """A safetensors file of two tensors."""
    header = json.dumps(
        {
            "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "b.weight": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]},
            "__metadata__": {"format": "pt"},
        }
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(range(22))


@cache
def commitment() -> ModelCommitment:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.safetensors").write_bytes(shard())
        (folder / "config.json").write_text('{"model_type":"llama"}')
        return commit_model(folder)


def chunk_proof() -> bytes:
    return prove_chunk(commitment(), "tensor:a", chunk=0).to_bytes()


def profile() -> bytes:
    limits = Limits.of(
        [
            SimpleNamespace(
                worst_margin=0.5, mean_margin=0.01, fingerprint=0.02, worst_window=0.03
            )
        ]  # type: ignore[list-item]
    )
    return Profile(
        model=digest("model"),
        generator=manifest(),
        replayer=manifest(),
        prompts=digest("prompts"),
        exactness=Exactness(inferences=4, tokens=60, exact=4, rollbacks=0),
        classes=(LengthClass(1, 32, 4, 2, 0, 0.75, limits, (0.01, 0.02)),),
    ).to_bytes()


PROMPT_FILE = b"\n".join(
    canonical_json(line)
    for line in (
        {"prompt": "Say so.", "maxTokens": 8},
        {"ids": [1, 5, 9], "maxTokens": 4, "temperature": [7, 10]},
        {"prompt": "Plan.", "maxTokens": 16, "schema": SCHEMA},
    )
)


CHAT_REQUEST: dict[str, Any] = {
    "model": "example",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Größe?"}]},
    ],
    "temperature": 0.7,
    "seed": -7,
    "max_completion_tokens": 16,
    "stream": True,
    "stream_options": {"include_usage": True},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "size", "schema": SCHEMA, "strict": True},
    },
    "affiant": {"nonce": "0x" + "ab" * 32, "release": 8},
}


@cache
def completion() -> Completion:
    request = ChatRequest.from_json(CHAT_REQUEST)
    prompt, output = (1, 5, 9), (7, 8, 2)
    trace = trace_of(output)
    receipt = InferenceReceipt(
        model=digest("model"),
        engine=manifest().hash,
        request=request.hash,
        prompt=tokens_hash(prompt),
        output=tokens_hash(output),
        trace=trace.root,
    )
    unsigned = Completion(
        id=bytes(range(16)),
        created=NOW,
        key=own_address(),
        receipt=receipt,
        prompt_ids=prompt,
        output_ids=output,
        trace=trace,
        sampling=request.sampling,
        seed=request.seed(prompt=receipt.prompt),
        schema=request.schema,
        max_tokens=16,
        text=text_hash('{"m":3}'),
        finished=True,
        self_check=SelfCheck(window=None, rollbacks=1, prefills=2),
        manifest=manifest(),
        signature=b"",
    )
    return unsigned.signed(sign(unsigned.digest))


@dataclass(frozen=True)
class Asked:
    """What a node keeps of a request, as far as an answer shows it."""

    name: str
    created: int
    request: ChatRequest


def _asked() -> Any:
    return Asked(completion().name, NOW, ChatRequest.from_json(CHAT_REQUEST))


def answer() -> bytes:
    answered: Any = SimpleNamespace(completion=completion(), text='{"m":3}')
    return canonical_json(completion_body(_asked(), answered))


def stream() -> bytes:
    asked = _asked()
    return (
        event(chunk(asked, {"role": "assistant", "content": ""}))
        + event(chunk(asked, {"content": '{"m":'}))
        + event(chunk(asked, {"content": "3}"}))
        + event(chunk(asked, {}, last=completion()))
        + event(usage_chunk(asked, completion()))
        + DONE
    )


def error_body() -> bytes:
    from affiant.inference.errors import ContextExceededError

    return canonical_json(refusal(ContextExceededError(got=9, limit=8)).body)


def attestation() -> bytes:
    unsigned = Attestation(
        nonce=digest("nonce"),
        key=own_address(),
        model=digest("model"),
        manifest=manifest(),
        issued=NOW,
        evidence={"tier": 0, "note": "none"},
        signature=b"",
    )
    return canonical_json(unsigned.signed(sign(unsigned.digest)).to_json())


def endorsement() -> bytes:
    found = Endorsement(digest("decision"), own_address(), sign(digest("decision")))
    return canonical_json(found.to_json())


def statement(kind: str) -> bytes:
    gate = address("gate")
    said: Checkpoint | Verdict = (
        Checkpoint(digest("mandate"), digest("head"), 10**9, 640, digest("block"))
        if kind == "checkpoint"
        else Verdict(digest("mandate"), address("key"), digest("decision"))
    )
    signature = sign(said.digest(chain_id=CHAIN_ID, gate=gate))
    signed = SignedStatement(CHAIN_ID, gate, said, own_address(), signature)
    return canonical_json(signed.to_json())


def question() -> bytes:
    return canonical_json({"mandate": mandate_of(program()).to_json(), "slot": SLOT})


def saved_run() -> JsonValue:
    """What outlives a process of a run."""
    digest = keccak256(b"decision")
    return Saved(run="0011", slot=7, digest=digest, outcome=None).to_json()


def checkpoint() -> JsonValue:
    """A checkpoint with a run, an interrupt and an error."""
    return {
        "channel_values": {"saved": saved_run()},
        "pending": [{"$": "interrupt", "id": "ab", "value": "approval"}],
        "task": {"$": "error", "text": "ValueError('x')"},
        "v": 4,
    }
