"""Evidence: every edit is refused by a typed error, and an edited section is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from eth_keys.datatypes import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import Digest, canonical_json, keccak256, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.receipt import InferenceReceipt, receipts_hash, tokens_hash
from affiant.onchain import evidence_errors as errors
from affiant.onchain import evidence_frame
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.evidence import SECTIONS, EvidenceBundle, seal
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_frame import MAX_COMPRESSED_BYTES, pack, unpack
from affiant.onchain.evidence_store import EvidenceStore
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
from affiant.signature import CURVE_ORDER, recover_signer

KEY = PrivateKey(keccak256(b"evidence test key"))
GATE = parse_address("0x" + "9a" * 20, what="gate")
TOKEN = parse_address("0x" + "70" * 20, what="token")
ROUTER = parse_address("0x" + "c0" * 20, what="router")
CONTENTS: dict[str, Any] = {
    "attestation": {"tier": 0},
    "manifests": {"program": {"a": 1}, "engine": {}, "model": {}, "book": {}},
    "observation": {"blockNumber": 640, "reads": []},
    "plan": {"why": "hold it", "actions": [{"action": "hold"}]},
    "requests": [{"facts": {"price": "2000.00"}}],
    "tokens": [{"prompt": [1, 5, 9], "output": [7, 2]}],
    "traces": [{"steps": [[7, 120], [2, 99]]}],
}
SALTS = {name: keccak256(b"salt" + name.encode()) for name in SECTIONS}


def digest_of(text: str) -> Digest:
    return keccak256(text.encode())


def make_bundle(
    contents: dict[str, Any] | None = None,
    *,
    change: Callable[[Decision], Decision] = lambda decision: decision,
) -> EvidenceBundle:
    """Build a bundle that verifies, unless `change` swears something else."""
    contents = CONTENTS if contents is None else contents
    mandate = Mandate(
        account=parse_address("0x" + "ac" * 20, what="account"),
        operator=NATIVE,
        guardian=NATIVE,
        program=digest_of("program"),
        model=digest_of("model"),
        engine=digest_of("engine"),
        cadence=64,
        expiry=2_000_000_000,
        max_loss=50 * 10**8,
        record_holds=False,
        salt=digest_of("mandate salt"),
        nodes=(NodePermit(Address(KEY.public_key.to_checksum_address()), 0),),
        workloads=(),
        endorsers=(),
        ladder=(Rung(10_000 * 10**8, 0, 0, 0),),
        allow_list=(Permission(ROUTER, bytes.fromhex("414bf389")),),
        feeds=(Feed(parse_address("0x" + "fe" * 20, what="feed"), 8, 3600),),
        tracked=(Tracked(TOKEN, 0, 18, False),),
        rules=(),
    )
    receipts = tuple(
        InferenceReceipt(
            model=mandate.model,
            engine=mandate.engine,
            request=keccak256(canonical_json(contents["requests"][i])),
            prompt=tokens_hash(contents["tokens"][i]["prompt"]),
            output=tokens_hash(contents["tokens"][i]["output"]),
            trace=digest_of("trace"),
        )
        for i in range(len(contents["tokens"]))
    )
    calls = (Call(ROUTER, 0, bytes.fromhex("414bf389") + bytes(32), TOKEN, 10**18),)
    bounds = (-(10**18),)
    sealed = seal(contents, salts=SALTS)
    decision = change(
        Decision(
            mandate=mandate.id,
            program=mandate.program,
            slot=10,
            anchor_hash=digest_of("anchor"),
            previous=mandate.id,
            observation=keccak256(canonical_json(contents["observation"])),
            receipts=receipts_hash(receipts),
            calls=calls_hash(calls),
            bounds=bounds_hash(bounds),
            evidence=sealed.root,
            valid_until=1_900_000_000,
        )
    )
    signature = KEY.sign_msg_hash(decision.digest(chain_id=31337, gate=GATE))
    raw = signature.to_bytes()
    return EvidenceBundle(
        chain_id=31337,
        gate=GATE,
        decision=decision,
        node=Address(KEY.public_key.to_checksum_address()),
        signature=raw[:64] + bytes([raw[64] + 27]),
        mandate=mandate,
        calls=calls,
        bounds=bounds,
        receipts=receipts,
        leaves=sealed.leaves,
        sections=sealed.sections,
    )


BUNDLE = make_bundle()
PLAIN = BUNDLE.to_plain()


def edited(path: list[str | int], value: Any) -> bytes:
    """Return the canonical JSON of the bundle with one place set to `value`."""
    document = json.loads(PLAIN)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return canonical_json(document)


def check(plain: bytes) -> None:
    verify_evidence(EvidenceBundle.from_plain(plain))


def test_round_trip_gives_the_same_bundle_and_digest() -> None:
    again = EvidenceBundle.from_bytes(BUNDLE.to_bytes())
    assert again == BUNDLE
    assert (
        verify_evidence(again)
        == BUNDLE.digest
        == BUNDLE.decision.digest(chain_id=31337, gate=GATE)
    )
    assert again.to_plain() == PLAIN


def test_withheld_sections_leave_the_root_and_the_rest_checkable() -> None:
    redacted = BUNDLE.withhold(["tokens", "requests"])
    again = EvidenceBundle.from_bytes(redacted.to_bytes())
    assert again.withheld == ("requests", "tokens")
    assert verify_evidence(again) == BUNDLE.digest
    with pytest.raises(errors.EvidenceWithheldError) as caught:
        again.content("tokens")
    assert caught.value.section == "tokens"
    with pytest.raises(errors.EvidenceSectionUnknownError):
        again.content("secrets")
    with pytest.raises(errors.EvidenceSectionUnknownError):
        BUNDLE.withhold(["secrets"])


@pytest.mark.parametrize("section", SECTIONS)
def test_names_the_edited_section(section: str) -> None:
    document = json.loads(PLAIN)
    content = document["sections"][section]["content"]
    if isinstance(content, list):
        content.append(content[0])
    elif section == "attestation":
        content["tier"] = 1
    else:
        content[next(iter(content))] = {"edited": True}
    with pytest.raises(errors.EvidenceSectionMismatchError) as caught:
        check(canonical_json(document))
    assert caught.value.section == section
    assert caught.value.expected == to_hex(BUNDLE.leaves[section])


@pytest.mark.parametrize("section", SECTIONS)
def test_names_the_section_whose_salt_or_leaf_was_edited(section: str) -> None:
    for path in (["sections", section, "salt"], ["leaves", section]):
        with pytest.raises(errors.EvidenceSectionMismatchError) as caught:
            check(edited(list(path), "0x" + "11" * 32))
        assert caught.value.section == section


@dataclass(frozen=True)
class Case:
    """One edited bundle and how it must be refused."""

    id: str
    path: list[str | int]
    value: Any
    error: type[AffiantError]


STRANGER = PrivateKey(keccak256(b"stranger"))
HIGH_S = (
    "0x"
    + BUNDLE.signature[:32].hex()
    + (CURVE_ORDER - int.from_bytes(BUNDLE.signature[32:64], "big"))
    .to_bytes(32, "big")
    .hex()
    + bytes([55 - BUNDLE.signature[64]]).hex()
)

CASES = [
    Case("format", ["format"], "affiant-evidence/2", errors.EvidenceVersionError),
    Case("format type", ["format"], 1, errors.EvidenceVersionError),
    Case("chain id", ["chainId"], 1, errors.EvidenceSignatureError),
    Case("chain id text", ["chainId"], "31337", errors.EvidenceCorruptError),
    Case("chain id huge", ["chainId"], 2**53, MalformedError),
    Case("gate", ["gate"], TOKEN, errors.EvidenceSignatureError),
    Case("gate checksum", ["gate"], GATE.lower(), errors.EvidenceCorruptError),
    Case("node", ["node"], TOKEN, errors.EvidenceSignatureError),
    Case("signature", ["signature"], "0x" + "01" * 65, errors.EvidenceSignatureError),
    Case(
        "signature 64", ["signature"], "0x" + "01" * 64, errors.EvidenceSignatureError
    ),
    Case("signature high s", ["signature"], HIGH_S, errors.EvidenceSignatureError),
    Case(
        "signature zero",
        ["signature"],
        "0x" + "00" * 64 + "1b",
        errors.EvidenceSignatureError,
    ),
    Case("slot", ["decision", "slot"], 11, errors.EvidenceSignatureError),
    Case(
        "previous",
        ["decision", "previous"],
        "0x" + "22" * 32,
        errors.EvidenceSignatureError,
    ),
    Case(
        "evidence",
        ["decision", "evidence"],
        "0x" + "22" * 32,
        errors.EvidenceRootMismatchError,
    ),
    Case(
        "mandate cadence",
        ["mandate", "cadence"],
        65,
        errors.EvidenceMandateMismatchError,
    ),
    Case(
        "decision mandate",
        ["decision", "mandate"],
        "0x" + "22" * 32,
        errors.EvidenceMandateMismatchError,
    ),
    Case(
        "program",
        ["decision", "program"],
        "0x" + "22" * 32,
        errors.EvidenceProgramMismatchError,
    ),
    Case(
        "observation",
        ["decision", "observation"],
        "0x" + "22" * 32,
        errors.EvidenceObservationMismatchError,
    ),
    Case(
        "receipt",
        ["receipts", 0, "trace"],
        "0x" + "22" * 32,
        errors.EvidenceReceiptsMismatchError,
    ),
    Case("no receipts", ["receipts"], [], errors.EvidenceReceiptsMismatchError),
    Case("call value", ["calls", 0, "value"], "1", errors.EvidenceCallsMismatchError),
    Case("no calls", ["calls"], [], errors.EvidenceCallsMismatchError),
    Case("too many calls", ["calls"], [{}] * 17, MalformedError),
    Case("bound", ["bounds", 0], "-1", errors.EvidenceBoundsMismatchError),
    Case("bound zero", ["bounds", 0], "-0", errors.EvidenceCorruptError),
    Case("bound number", ["bounds", 0], -1, MalformedError),
    Case("bound range", ["bounds", 0], str(2**255), MalformedError),
    Case("bound digits", ["bounds", 0], "\u0661", MalformedError),
    Case("extra field", ["comment"], "hello", MalformedError),
    Case(
        "extra section",
        ["sections", "notes"],
        {"salt": "0x" + "00" * 32, "content": {}},
        errors.EvidenceSectionUnknownError,
    ),
    Case(
        "extra leaf",
        ["leaves", "notes"],
        "0x" + "00" * 32,
        errors.EvidenceSectionUnknownError,
    ),
    Case("no sections", ["sections"], {}, errors.EvidenceSectionMissingError),
    Case("sections list", ["sections"], [], MalformedError),
    Case("no leaves", ["leaves"], {}, errors.EvidenceSectionMissingError),
    Case(
        "salt short",
        ["sections", "plan", "salt"],
        "0x00",
        errors.EvidenceSectionMalformedError,
    ),
    Case("salt number", ["sections", "plan", "salt"], 5, MalformedError),
    Case("section extra field", ["sections", "plan", "x"], 5, MalformedError),
    Case(
        "withheld and disclosed",
        ["withheld"],
        ["plan"],
        errors.EvidenceSectionUnknownError,
    ),
    Case("withheld unknown", ["withheld"], ["x"], errors.EvidenceSectionUnknownError),
    Case("withheld text", ["withheld"], "plan", MalformedError),
    Case("withheld numbers", ["withheld"], [1], MalformedError),
    Case(
        "token negative",
        ["sections", "tokens", "content", 0, "prompt", 0],
        -1,
        errors.EvidenceSectionMalformedError,
    ),
    Case(
        "token true",
        ["sections", "tokens", "content", 0, "prompt", 0],
        True,
        errors.EvidenceSectionMalformedError,
    ),
    Case(
        "tokens empty",
        ["sections", "tokens", "content"],
        [],
        errors.EvidenceSectionMalformedError,
    ),
    Case(
        "tier",
        ["sections", "attestation", "content", "tier"],
        4,
        errors.EvidenceSectionMalformedError,
    ),
    Case(
        "plan list",
        ["sections", "plan", "content"],
        [],
        errors.EvidenceSectionMalformedError,
    ),
    Case(
        "manifest missing",
        ["sections", "manifests", "content"],
        {"program": {}},
        errors.EvidenceSectionMalformedError,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_refuses_edited_bundles(case: Case) -> None:
    with pytest.raises(case.error) as caught:
        check(edited(case.path, case.value))
    assert type(caught.value) is case.error


def test_dropping_a_section_is_not_withholding_it() -> None:
    document = json.loads(PLAIN)
    del document["sections"]["traces"]
    with pytest.raises(errors.EvidenceSectionMissingError) as caught:
        check(canonical_json(document))
    assert caught.value.section == "traces"


def test_a_consistent_forgery_of_section_and_leaf_misses_the_root() -> None:
    contents = CONTENTS | {"plan": {"why": "sell", "actions": []}}
    forged = seal(contents, salts=SALTS)
    bundle = replace(BUNDLE, leaves=forged.leaves, sections=forged.sections)
    with pytest.raises(errors.EvidenceRootMismatchError) as caught:
        verify_evidence(bundle)
    assert caught.value.got == to_hex(forged.root)
    assert caught.value.expected == to_hex(BUNDLE.decision.evidence)


def test_two_sections_cannot_swap_names() -> None:
    salts = dict.fromkeys(SECTIONS, bytes(32))
    first = seal(CONTENTS | {"plan": {"x": 1}, "observation": {"y": 1}}, salts=salts)
    second = seal(CONTENTS | {"plan": {"y": 1}, "observation": {"x": 1}}, salts=salts)
    assert first.root != second.root
    assert first.leaves["plan"] != second.leaves["observation"]


@pytest.mark.parametrize(
    ("section", "what"),
    [("requests", "request"), ("tokens", "prompt"), ("tokens", "output")],
)
def test_sealed_sections_must_be_those_of_the_receipts(section: str, what: str) -> None:
    swapped = {
        "request": [{"facts": "another"}],
        "prompt": [{"prompt": [1], "output": [7, 2]}],
        "output": [{"prompt": [1, 5, 9], "output": [7]}],
    }[what]
    forged = seal(CONTENTS | {section: swapped}, salts=SALTS)
    signed = make_bundle(change=lambda d: replace(d, evidence=forged.root))
    with pytest.raises(errors.EvidenceInferenceMismatchError) as caught:
        verify_evidence(replace(signed, leaves=forged.leaves, sections=forged.sections))
    assert what in str(caught.value)
    assert caught.value.index == 0


def test_every_receipt_has_its_tokens() -> None:
    forged = seal(CONTENTS | {"traces": CONTENTS["traces"] * 2}, salts=SALTS)
    signed = make_bundle(change=lambda d: replace(d, evidence=forged.root))
    with pytest.raises(errors.EvidenceInferenceMismatchError):
        verify_evidence(replace(signed, leaves=forged.leaves, sections=forged.sections))


def test_seal_refuses_missing_unknown_and_uncanonical_sections() -> None:
    with pytest.raises(errors.EvidenceSectionMissingError):
        seal({"plan": {}}, salts=SALTS)
    with pytest.raises(errors.EvidenceSectionUnknownError):
        seal(CONTENTS | {"notes": {}}, salts=SALTS)
    with pytest.raises(errors.EvidenceSectionMissingError):
        seal(CONTENTS, salts={})
    with pytest.raises(errors.EvidenceSectionMalformedError):
        seal(CONTENTS, salts=SALTS | {"plan": b"short"})
    with pytest.raises(MalformedError):
        seal(CONTENTS | {"plan": {"x": 2**60}}, salts=SALTS)
    with pytest.raises(MalformedError):
        seal(CONTENTS | {"plan": {"x": float("nan")}}, salts=SALTS)


def test_every_byte_change_of_the_text_is_refused() -> None:
    for index in range(len(PLAIN)):
        # Another bit each time, every other time a letter's case; the whole byte space
        # is the fuzz's.
        flip = 1 << (index // 2) % 8 if index % 2 else 0x20
        mangled = bytearray(PLAIN)
        mangled[index] ^= flip
        with pytest.raises(AffiantError):
            check(bytes(mangled))


def test_every_byte_change_of_the_file_is_refused() -> None:
    frame = BUNDLE.to_bytes()
    for index in range(len(frame)):
        for flip in (1 << index % 8, 0xFF):
            mangled = bytearray(frame)
            mangled[index] ^= flip
            with pytest.raises(AffiantError):
                verify_evidence(EvidenceBundle.from_bytes(bytes(mangled)))


def test_every_prefix_of_the_file_is_refused() -> None:
    frame = BUNDLE.to_bytes()
    for length in range(len(frame)):
        with pytest.raises(errors.EvidenceCorruptError):
            EvidenceBundle.from_bytes(frame[:length])
    with pytest.raises(errors.EvidenceCorruptError):
        EvidenceBundle.from_bytes(frame + b"\x00")
    with pytest.raises(errors.EvidenceCorruptError):
        EvidenceBundle.from_bytes(frame + frame)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3,
        source_size=evidence_frame.MAX_PLAIN_BYTES + 1,
        window_log=27,
        write_checksum=True,
        write_content_size=True,
    )
    bomb = zstandard.ZstdCompressor(compression_params=parameters).compress(
        bytes(evidence_frame.MAX_PLAIN_BYTES + 1)
    )
    assert len(bomb) < 2**16
    with pytest.raises(errors.EvidenceTooLargeError) as caught:
        unpack(with_tail(bomb))
    assert caught.value.what == "declared size"
    lying = bytearray(pack(bytes(2**20))[:-40])
    lying[5:9] = (1000).to_bytes(4, "little")
    with pytest.raises(errors.EvidenceCorruptError):
        unpack(with_tail(bytes(lying)))
    lying[5:9] = (2**32 - 1).to_bytes(4, "little")
    with pytest.raises(errors.EvidenceTooLargeError):
        unpack(with_tail(bytes(lying)))


def with_tail(frame: bytes) -> bytes:
    return frame + bytes.fromhex("502a4d1820000000") + keccak256(frame)


def test_frames_of_other_forms_are_refused() -> None:
    for options in (
        {"write_checksum": False},
        {"write_checksum": True, "write_content_size": False},
    ):
        frame = zstandard.ZstdCompressor(**options).compress(PLAIN)
        with pytest.raises(errors.EvidenceCorruptError):
            unpack(with_tail(frame))
    frame = pack(PLAIN)[:-40]
    for other in (frame, frame + frame, frame + b"\0", frame[:-1], b""):
        with pytest.raises(errors.EvidenceCorruptError):
            unpack(other if other == frame else with_tail(other))
    with pytest.raises(errors.EvidenceCorruptError):
        unpack(bytes.fromhex("502a4d1804000000") + bytes(4))


def test_any_zstandard_tool_unpacks_the_file() -> None:
    reader = zstandard.ZstdDecompressor().stream_reader(
        BUNDLE.to_bytes(), read_across_frames=True
    )
    assert reader.read() == PLAIN


def test_files_over_a_limit_are_refused() -> None:
    with pytest.raises(errors.EvidenceTooLargeError):
        unpack(bytes(MAX_COMPRESSED_BYTES + 1))
    with pytest.raises(errors.EvidenceTooLargeError):
        pack(bytes(evidence_frame.MAX_PLAIN_BYTES + 1))


def test_large_contents_stay_single_segment() -> None:
    plain = bytes(range(256)) * 2**16
    assert unpack(pack(plain)) == plain


def test_a_crowd_of_tiny_values_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(errors.EvidenceTooLargeError) as caught:
        EvidenceBundle.from_plain(b"[" + b"0," * 4_000_001 + b"0]")
    assert caught.value.what == "JSON values"


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"format":"affiant-evidence/1"}',
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b"\xff\xfe",
        b"1e999",
        b'"\\ud800"',
    ],
)
def test_refuses_garbage(plain: bytes) -> None:
    with pytest.raises(AffiantError):
        EvidenceBundle.from_plain(plain)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_never_leak_an_exception(data: bytes) -> None:
    with pytest.raises(AffiantError):
        EvidenceBundle.from_bytes(data)
    with pytest.raises(AffiantError):
        EvidenceBundle.from_bytes(pack(data))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0x" + "00" * 32, GATE, "1", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["salt", "content", "plan", "x"]), inner)
    ),
    max_leaves=6,
)


def paths_of(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    paths = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, child in items:
        paths += paths_of(child, (*prefix, key))
    return paths


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(paths_of(json.loads(PLAIN))), JSON_VALUES)
def test_random_values_in_any_place_are_refused(
    path: tuple[Any, ...], value: Any
) -> None:
    document = json.loads(PLAIN)
    place = document
    for step in path[:-1]:
        place = place[step]
    if json.dumps(place[path[-1]]) == json.dumps(value):
        return
    place[path[-1]] = value
    mangled = json.dumps(document, sort_keys=True, separators=(",", ":"))
    with pytest.raises(AffiantError):
        check(mangled.encode())
    with pytest.raises(AffiantError):
        verify_evidence(EvidenceBundle.from_json(document))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_random_byte_changes_are_refused(index: int, flip: int) -> None:
    mangled = bytearray(PLAIN)
    mangled[index] ^= flip
    with pytest.raises(AffiantError):
        check(bytes(mangled))


def test_recovery_agrees_with_the_signer_and_refuses_other_forms() -> None:
    digest = digest_of("message")
    raw = KEY.sign_msg_hash(digest).to_bytes()
    signature = raw[:64] + bytes([raw[64] + 27])
    assert recover_signer(digest, signature=signature) == BUNDLE.node
    for mangled in (raw, signature + b"\0", b"", bytes(65), signature[:64] + b"\x1d"):
        with pytest.raises(MalformedError):
            recover_signer(digest, signature=mangled)


def test_store_gives_back_what_was_put(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path / "evidence"))
    uri = store.put(BUNDLE)
    path = tmp_path / "evidence" / f"{BUNDLE.digest.hex()}.json.zst"
    assert uri == f"file://{path}"
    assert store.get(BUNDLE.digest) == BUNDLE
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert store.put(BUNDLE) == uri


def test_store_works_over_another_driver() -> None:
    store = EvidenceStore("memory://affiant-test-evidence")
    store.put(BUNDLE)
    assert store.get(BUNDLE.digest) == BUNDLE
    with pytest.raises(errors.EvidenceUnavailableError):
        store.get(digest_of("absent"))


def test_store_names_the_section_of_a_file_edited_by_one_byte(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    store.put(BUNDLE)
    path = tmp_path / f"{BUNDLE.digest.hex()}.json.zst"
    at = PLAIN.index(b"2000.00")
    path.write_bytes(pack(PLAIN[:at] + b"9" + PLAIN[at + 1 :]))
    with pytest.raises(errors.EvidenceSectionMismatchError) as caught:
        store.get(BUNDLE.digest)
    assert caught.value.section == "requests"
    raw = bytearray(BUNDLE.to_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(errors.EvidenceCorruptError):
        store.get(BUNDLE.digest)
    store.put(BUNDLE)
    assert store.get(BUNDLE.digest) == BUNDLE


def test_store_refuses_evidence_of_another_decision(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    store.put(BUNDLE)
    asked = digest_of("another decision")
    stored = tmp_path / f"{BUNDLE.digest.hex()}.json.zst"
    stored.rename(tmp_path / f"{asked.hex()}.json.zst")
    with pytest.raises(errors.EvidenceDigestMismatchError) as caught:
        store.get(asked)
    assert caught.value.expected == to_hex(asked)


def test_store_keeps_the_fuller_evidence(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    store.put(BUNDLE.withhold(["plan"]))
    assert store.get(BUNDLE.digest).withheld == ("plan",)
    store.put(BUNDLE)
    store.put(BUNDLE.withhold(["plan"]))
    assert store.get(BUNDLE.digest).withheld == ()


def test_store_adds_what_is_disclosed_later(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    store.put(BUNDLE.withhold(["plan", "tokens"]))
    store.put(BUNDLE.withhold(["observation", "tokens"]))
    assert store.get(BUNDLE.digest).withheld == ("tokens",)


def test_store_replaces_whatever_is_damaged(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    path = tmp_path / f"{BUNDLE.digest.hex()}.json.zst"
    for damage in (b"", b"garbage", pack(b"{}"), pack(b'{"format":"x"}'), pack(b"[")):
        path.write_bytes(damage)
        store.put(BUNDLE)
        assert store.get(BUNDLE.digest) == BUNDLE


def test_store_refuses_to_keep_what_does_not_verify(tmp_path: Path) -> None:
    store = EvidenceStore(str(tmp_path))
    with pytest.raises(errors.EvidenceSignatureError):
        store.put(replace(BUNDLE, chain_id=1))
    assert list(tmp_path.iterdir()) == []


def test_store_says_when_it_is_unavailable(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(errors.EvidenceUnavailableError):
        EvidenceStore(str(blocked)).put(BUNDLE)
    with pytest.raises(errors.EvidenceUnavailableError) as caught:
        EvidenceStore(str(tmp_path)).get(BUNDLE.digest)
    assert BUNDLE.digest.hex() in caught.value.uri
    with pytest.raises(errors.EvidenceUnavailableError):
        EvidenceStore("nosuchdriver://x")
    blocked.unlink()


def test_store_lists_files_and_links_to_files_only(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    store = EvidenceStore(str(root))
    assert store.digests() == ()
    store.put(BUNDLE)
    names = [digest_of(text).hex() + ".json.zst" for text in "abcde"]
    (root / names[0]).mkdir()
    os.mkfifo(root / names[1])
    (root / names[2]).symlink_to(root / "nowhere")
    (root / names[3]).symlink_to(root / names[1])
    (root / names[4]).symlink_to(root / f"{BUNDLE.digest.hex()}.json.zst")
    (root / names[4].upper()).write_bytes(b"another name")
    (root / f"{names[4]}.0011.part").write_bytes(b"half written")
    expected = sorted([BUNDLE.digest, digest_of("e")])
    assert list(store.digests()) == expected


def test_store_lists_other_drivers_files(tmp_path: Path) -> None:
    store = EvidenceStore("memory://affiant-test-listing")
    assert store.digests() == ()
    store.put(BUNDLE)
    assert store.digests() == (BUNDLE.digest,)


def test_store_that_cannot_be_listed_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(errors.EvidenceUnavailableError):
        EvidenceStore(str(tmp_path / "file" / "evidence")).digests()
