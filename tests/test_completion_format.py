"""The worked completion of `docs/formats.md`: every number in it is recomputed here.

    python tests/test_completion_format.py   # writes the example, prints the list

Built with our own code, and recomputed from the written rules alone with other
libraries (pycryptodome's Keccak, the standard JSON encoder, eth-account).
"""

from __future__ import annotations

import json
import re
import struct
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import keccak as pycryptodome_keccak
from eth_account import Account
from eth_keys.datatypes import PrivateKey

from affiant.encoding import canonical_json, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.chat.completion import Completion, SelfCheck, text_hash
from affiant.inference.chat.request import ChatRequest
from affiant.inference.errors import ReceiptMismatchError, SamplingUnsupportedError
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.manifest import EngineManifest, GrammarManifest
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.sampler import SAMPLER
from affiant.inference.trace import Trace
from affiant.signature import Address

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "formats.md"
EXAMPLE = DOCS / "formats-completion.json"
SECRET = keccak256(b"affiant worked example: node key; never use it")
REQUEST: dict[str, Any] = {
    "model": "example",
    "messages": [{"role": "user", "content": "Größe?"}],
    "temperature": 0.7,
    "seed": -7,
    "max_completion_tokens": 16,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "size",
            "schema": {
                "type": "object",
                "properties": {"m": {"type": "integer"}},
                "required": ["m"],
                "additionalProperties": False,
            },
        },
    },
    "affiant": {"nonce": "0x" + "ab" * 32},
}
TEXT = '{"m":3}'
REFUSALS = (MalformedError, ReceiptMismatchError, SamplingUnsupportedError)
PROMPT, OUTPUT = (1, 5, 9), (7, 8, 2)


def build_example() -> Completion:
    """Build the example with our own code; every input is a fixed name."""
    key = PrivateKey(SECRET)
    manifest = EngineManifest(
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
    request = ChatRequest.from_json(REQUEST)
    trace = Trace.of(OUTPUT, [bytes([32 * n]) + bytes(31) for n in range(3)])
    receipt = InferenceReceipt(
        model=keccak256(b"model"),
        engine=manifest.hash,
        request=request.hash,
        prompt=tokens_hash(PROMPT),
        output=tokens_hash(OUTPUT),
        trace=trace.root,
    )
    assert request.sampling.temperature == Fraction(7, 10)
    unsigned = Completion(
        id=bytes(range(16)),
        created=1_750_000_000,
        key=Address(key.public_key.to_checksum_address()),
        receipt=receipt,
        prompt_ids=PROMPT,
        output_ids=OUTPUT,
        trace=trace,
        sampling=request.sampling,
        seed=request.seed(prompt=receipt.prompt),
        schema=request.schema,
        max_tokens=16,
        text=text_hash(TEXT),
        finished=True,
        self_check=SelfCheck(window=None, rollbacks=1, prefills=2),
        manifest=manifest,
        signature=b"",
    )
    signature = key.sign_msg_hash(unsigned.digest).to_bytes()
    return unsigned.signed(signature[:64] + bytes([signature[64] + 27]))


def document() -> dict[str, Any]:
    """Return the example's file."""
    return {
        "request": REQUEST,
        "text": TEXT,
        "completion": build_example().to_json(),
    }


def hash_bytes(data: bytes) -> bytes:
    return pycryptodome_keccak.new(digest_bits=256, data=data).digest()


def spell(value: Any) -> bytes:
    """Canonical JSON of the example: its only fraction is 0.7, its names are ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def ids(tokens: list[int]) -> bytes:
    return hash_bytes(b"".join(struct.pack(">I", token) for token in tokens))


def recompute(example: dict[str, Any]) -> dict[str, str]:
    """Compute every number of the page from the file, by the written rules alone."""
    stated = example["completion"]
    receipt = b"".join(
        unhex(stated["receipt"][name])
        for name in ("model", "engine", "request", "prompt", "output", "trace")
    )
    request = hash_bytes(spell(example["request"]))
    schema = hash_bytes(spell(stated["schema"]))
    text = hash_bytes(example["text"].encode())
    seed = hash_bytes(
        b"affiant-chat-seed/1"
        + ids(stated["promptIds"])
        + b"\x01"
        + struct.pack(">q", example["request"]["seed"])
    )
    leaves = [
        hash_bytes(
            b"\0"
            + hash_bytes(
                b"affiant-trace/2" + struct.pack(">II", at, token) + unhex(image)
            )
        )
        for at, (token, image) in enumerate(stated["trace"]["tokens"])
    ]
    pair = hash_bytes(b"\1" + leaves[0] + leaves[1])
    trace = hash_bytes(
        b"\2" + struct.pack(">Q", 3) + hash_bytes(b"\1" + pair + leaves[2])
    )
    numerator, denominator = stated["sampling"]["temperature"]
    check = stated["selfCheck"]
    signed = (
        b"affiant-completion/1"
        + unhex(stated["id"])
        + struct.pack(">Q", stated["created"])
        + receipt
        + struct.pack(">II", numerator, denominator)
        + seed
        + schema
        + struct.pack(
            ">III",
            stated["maxTokens"],
            len(stated["promptIds"]),
            len(stated["outputIds"]),
        )
        + text
        + struct.pack(">B", stated["finished"])
        + struct.pack(
            ">III", check["window"] or 0, check["rollbacks"], check["prefills"]
        )
    )
    assert len(signed) == 365
    digest = hash_bytes(signed)
    values = {
        "chat request": request,
        "chat prompt": ids(stated["promptIds"]),
        "chat output": ids(stated["outputIds"]),
        "chat trace": trace,
        "chat engine": hash_bytes(spell(stated["manifest"])),
        "chat seed": seed,
        "chat schema": schema,
        "chat text": text,
        "completion": digest,
        "completion signature": unhex(stated["signature"]),
    }
    shown = {name: "0x" + value.hex() for name, value in values.items()}
    signer = Account._recover_hash(digest, signature=values["completion signature"])
    return shown | {"completion signer": str(signer)}


def page_values() -> dict[str, str]:
    """Read the example's numbers off the page."""
    block = re.search(
        r"```text\ncompletion example\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    assert block is not None
    lines = [line for line in block.group(1).splitlines() if line]
    return dict(re.split(r" +=\s", line, maxsplit=1) for line in lines)


def test_the_file_is_what_our_code_builds() -> None:
    assert EXAMPLE.read_bytes() == canonical_json(document())


def test_the_page_shows_what_the_rules_give() -> None:
    assert page_values() == recompute(json.loads(EXAMPLE.read_bytes()))


def test_the_page_shows_what_our_code_gives() -> None:
    completion = Completion.from_json(json.loads(EXAMPLE.read_bytes())["completion"])
    assert completion == build_example()
    completion.check()
    shown = page_values()
    assert shown["completion"] == to_hex(completion.digest)
    assert shown["completion signer"] == completion.key
    assert completion.seed is not None
    assert shown["chat seed"] == to_hex(completion.seed)
    for name in ("request", "prompt", "output", "trace", "engine"):
        assert shown[f"chat {name}"] == to_hex(getattr(completion.receipt, name))


def spoilt(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        last = "1" if value[-1] == "0" else "0"
        return value[:-1] + last
    if value is None:
        return 1
    raise TypeError(value)


def places(value: Any, *, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every single value inside `value`."""
    if isinstance(value, dict):
        return [p for k in value for p in places(value[k], at=(*at, k))]
    if isinstance(value, list):
        return [p for k, v in enumerate(value) for p in places(v, at=(*at, k))]
    return [at]


PLACES = places(build_example().to_json())


@pytest.mark.parametrize("place", PLACES, ids=lambda p: ".".join(map(str, p)))
def test_every_single_value_is_bound(place: tuple[Any, ...]) -> None:
    document = deepcopy(build_example().to_json())
    inner: Any = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = spoilt(inner[place[-1]])
    with pytest.raises(REFUSALS):
        Completion.from_json(document).check()


@pytest.mark.parametrize("name", sorted(build_example().to_json()))
def test_every_field_is_needed_and_nothing_else_is(name: str) -> None:
    document = build_example().to_json()
    with pytest.raises(MalformedError):
        Completion.from_json({k: v for k, v in document.items() if k != name})
    for value in (None, [], {}, "", -1, 1.5, True, "0x", float("nan")):
        if value == document[name] and type(value) is type(document[name]):
            continue
        try:
            changed = Completion.from_json({**document, name: value})
        except REFUSALS:
            continue
        with pytest.raises(REFUSALS):
            changed.check()
    with pytest.raises(MalformedError):
        Completion.from_json({**document, "more": 1})


def test_another_statement_has_another_digest() -> None:
    example = build_example()
    digests = {
        example.digest,
        replace(example, seed=None).digest,
        replace(example, schema=None).digest,
        replace(example, self_check=SelfCheck(8, 1, 2)).digest,
    }
    assert len(digests) == 4


def main() -> None:
    """Write the example and print what belongs on the page."""
    EXAMPLE.write_bytes(canonical_json(document()))
    values = recompute(document())
    width = max(map(len, values))
    for name, value in values.items():
        print(f"{name:<{width}} = {value}")


if __name__ == "__main__":
    main()
