"""Every parser of hostile input: a valid seed, and what it may answer.

A target takes bytes and gives bytes: what it parsed, written again. Anything that it
does not take it refuses with one of the errors that it names; there is no third way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import fuzz_seeds as seeds
import numpy as np

from affiant.agents.backtest import parse_opening, parse_prices
from affiant.agents.durable.checkpoints import FORMAT as CHECKPOINT
from affiant.agents.durable.checkpoints import CanonicalSerializer
from affiant.agents.nodes.refusal_words import words_of_refusal
from affiant.agents.nodes.service import parse_question
from affiant.agents.programs.features import Feature, parse_features
from affiant.agents.programs.plan import parse_plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import stated_answers
from affiant.agents.running.progress import Saved
from affiant.agents.settings.config import AgentConfig
from affiant.agents.settings.config_file import parse_toml
from affiant.audit.check_evidence import (
    check_manifests,
    check_request,
)
from affiant.audit.check_inference import (
    check_sampling,
    stated_plan,
    sworn_inferences,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.encoding import JsonValue, canonical_json, keccak256, parse_json
from affiant.errors import AffiantError, MalformedError, RejectedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.chat.attestation import Attestation
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.errors import StreamCutError
from affiant.inference.chat.events import events
from affiant.inference.chat.reply import Shown, read_stream, read_whole, refusal_of
from affiant.inference.chat.request import ChatRequest
from affiant.inference.commitment import ModelCommitment
from affiant.inference.errors import LogitsInvalidError, SchemaUnsupportedError
from affiant.inference.json_places import json_places
from affiant.inference.manifest import EngineManifest
from affiant.inference.model_proof import ChunkProof
from affiant.inference.profile import Profile
from affiant.inference.prompt_file import parse_prompt_file
from affiant.inference.receipt import InferenceReceipt
from affiant.inference.safetensors_header import read_header, read_index
from affiant.inference.sampler import Draw, choose_tokens
from affiant.inference.sampler_reference import candidates_reference, choose_reference
from affiant.inference.sampling import Sampling
from affiant.inference.schema_limits import check_schema
from affiant.inference.trace import Trace
from affiant.onchain.address_book import AddressBook
from affiant.onchain.attestation.binding import NOBODY, TdxWorkload
from affiant.onchain.attestation.claim import AttestationClaim
from affiant.onchain.chain_types import parse_block, parse_fee_history
from affiant.onchain.decision import Call, Decision
from affiant.onchain.endorsement import Endorsement
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_frame import unpack
from affiant.onchain.kits import KITS
from affiant.onchain.mandate import Mandate
from affiant.onchain.observation import Observation
from affiant.onchain.signed_statement import SignedStatement

DEV_ROOT = DevRoot(bytes(32))
"""Signs the quotes and collateral that are changed here."""

MAX_BYTES = 2**20
"""What a target is given at most here; each format has a limit of its own."""


@dataclass(frozen=True)
class Target:
    """One parser."""

    name: str
    seed: bytes
    """Valid, and as `parse` writes it."""
    parse: Callable[[bytes], bytes]
    """Parses bytes and writes again what it read."""
    json_text: bool = True
    """Whether the input is JSON, or lines of it."""
    errors: tuple[type[AffiantError], ...] = (RejectedError,)
    """What it may raise."""
    exact: bool = True
    """Whether what is taken must come out as it went in, in canonical form. Else it may
    be another spelling (a number in digits, an address in small letters), and what
    comes out must be its own canonical form."""

    def check(self, data: bytes) -> bytes | None:
        """Parse `data` and check the promise; `None` where it was refused.

        Raises:
            AssertionError: it was taken and came out as something else.
            Exception: whatever leaks.
        """
        try:
            written = self.parse(data)
        except self.errors:
            return None
        if self.exact:
            expected = self.canonical(data)
            assert written == expected, (self.name, written[:300], expected[:300])
        assert self.parse(written) == written, (self.name, written[:300])
        return written

    def canonical(self, data: bytes) -> bytes:
        """Return the one form of what `data` says."""
        return canonical_json(_json(data)) if self.json_text else data


def _json(data: bytes) -> JsonValue:
    return parse_json(data, what="fuzz", max_bytes=64 * 2**20)


def _of(parse: Callable[[JsonValue], Any]) -> Callable[[bytes], bytes]:
    return lambda data: canonical_json(parse(_json(data)).to_json())


def _checkpoint(data: bytes) -> bytes:
    serializer = CanonicalSerializer()
    value = serializer.loads_typed((CHECKPOINT, data))
    return serializer.dumps_typed(value)[1]


def _whole(parse: Callable[[JsonValue], Any]) -> Callable[[bytes], bytes]:
    """Of parsers that only refuse, or that forget how a thing was said."""

    def run(data: bytes) -> bytes:
        value = _json(data)
        parse(value)
        return canonical_json(value)

    return run


def _checked_completion(value: JsonValue) -> Completion:
    found = Completion.from_json(value)
    found.check()
    return found


def _checked_attestation(value: JsonValue) -> Attestation:
    found = Attestation.from_json(value)
    found.check(nonce=seeds.digest("nonce"))
    return found


def _evidence(data: bytes) -> bytes:
    bundle = EvidenceBundle.from_bytes(data)
    verify_evidence(bundle)
    return bundle.to_bytes()


def _evidence_text(data: bytes) -> bytes:
    bundle = EvidenceBundle.from_plain(data)
    verify_evidence(bundle)
    return bundle.to_plain()


def _forged(data: bytes) -> bytes:
    """Sections that a liar swears to, through every check that needs no chain."""
    contents = _json(data)
    if not isinstance(contents, dict):
        raise RejectedError("no contents")
    bundle = EvidenceBundle.from_plain(seeds.forge(contents).to_plain())
    verify_evidence(bundle)
    mandate = bundle.mandate
    manifests = check_manifests(
        bundle, mandate=mandate, chain_id=bundle.chain_id, gate=bundle.gate
    )
    drawn, _ = check_sampling(bundle, manifests=manifests, mandate=mandate)
    sworn_inferences(bundle, program=manifests.program, seeds=drawn)
    stated_plan(bundle, manifests=manifests)
    stated_answers(bundle.content("requests"))
    check_request(
        bundle,
        manifests=manifests,
        observation=Observation.from_json(bundle.content("observation")),
        mandate=mandate,
        find=EvidenceBundle.from_json,  # never asked: nothing comes before
    )
    return canonical_json({name: bundle.content(name) for name in bundle.sections})


def _file(read: Callable[[Path], Any]) -> Callable[[bytes], bytes]:
    def run(data: bytes) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            read(Path(file.name))
        return data

    return run


class _Words:
    """Ids are bytes: what turns a prompt file's text into tokens."""

    vocab_size = 257

    def encode(self, text: str) -> list[int]:
        """Return the bytes of `text`."""
        return list(text.encode(errors="replace"))


def _prompts(data: bytes) -> bytes:
    parse_prompt_file(data, encoder=_Words())
    return data


def _plan(data: bytes) -> bytes:
    text = data.decode(errors="surrogateescape")
    return canonical_json(parse_plan(text, list(KITS.values()), seeds.book()).to_json())


def _places(data: bytes) -> bytes:
    text = data.decode(errors="surrogateescape")
    assert len(json_places(text)) == len(text)
    return data


def _shown(shown: Shown) -> None:
    assert isinstance(shown.text, str) and isinstance(shown.id, str)


def _answer(data: bytes) -> bytes:
    _shown(read_whole(data, max_bytes=MAX_BYTES))
    return canonical_json(_json(data))


def _stream(data: bytes) -> bytes:
    def parts() -> Iterable[bytes]:
        for start in range(0, len(data), 97):
            yield data[start : start + 97]

    reader = read_stream(events(parts(), max_bytes=MAX_BYTES), max_bytes=MAX_BYTES)
    pieces = []
    try:
        while True:
            pieces.append(next(reader))
    except StopIteration as end:
        assert end.value.text == "".join(pieces)
        _shown(end.value)
    return data


def _words(data: bytes) -> bytes:
    told = words_of_refusal(data)
    assert len(told.error) <= 80 and len(told.message) <= 600
    assert (told.error + told.message).isprintable()
    return data


def _service_error(data: bytes) -> bytes:
    refused = refusal_of(_json(data), status=400)
    assert str(refused).isprintable()
    return canonical_json(_json(data))


def _question(data: bytes) -> bytes:
    mandate, slot = parse_question(data)
    return canonical_json({"mandate": mandate.to_json(), "slot": slot})


def _collateral(data: bytes) -> bytes:
    found = Collateral.parse(data)
    # Read besides by whoever submits it.
    _ = found.fmspc
    return found.to_bytes()


def _program(value: JsonValue) -> Any:
    found = Program.from_manifest(value)
    return _Written(found.to_manifest())


@dataclass(frozen=True)
class _Written:
    value: JsonValue

    def to_json(self) -> JsonValue:
        return self.value


def _features(value: JsonValue) -> Any:
    found = parse_features(value)
    for item in found:
        item.of(seeds.FACTS)
    return _Written([item.to_json() for item in found])


def _feature_source(data: bytes) -> bytes:
    source = data.decode("latin-1")
    value = Feature("worth", 0, source).of(seeds.FACTS)
    assert type(value) is int and value.bit_length() <= 512
    return data


def _configuration(data: bytes) -> bytes:
    parse_toml(data, file="agent.toml", model=AgentConfig, environment={"RPC": "x"})
    return data


def _logits(data: bytes) -> bytes:
    """Choose from a row of any bits, by the arrays as by the plain sampler."""
    row = np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4")[:4096]
    if not len(row):
        raise MalformedError("logits", got="none", expected="at least one")
    sampling, seed = Sampling(Fraction(4, 5)), keccak256(b"seed")
    try:
        offered = candidates_reference(row.tolist(), allowed=None, position=0)
    except LogitsInvalidError:
        offered = ()
    (token,) = choose_tokens(row[None], [Draw(sampling, seed=seed, position=0)])
    assert offered, "the reference refuses them"
    assert token == choose_reference(offered, sampling=sampling, seed=seed, position=0)
    return data


def _opening(data: bytes) -> bytes:
    parse_opening(data, file="opening.toml")
    return data


def _block() -> bytes:
    return canonical_json(
        {
            "number": "0x280",
            "hash": "0x" + "11" * 32,
            "parentHash": "0x" + "22" * 32,
            "timestamp": "0x684eb1c0",
            "baseFeePerGas": "0x7",
            "gasLimit": "0x1c9c380",
        }
    )


def _fee_history() -> bytes:
    return canonical_json(
        {
            "oldestBlock": "0x27f",
            "baseFeePerGas": ["0x3b9aca00", "0x3b9aca07", "0x3b9aca0f"],
            "reward": [["0x1"], ["0x5f5e100"]],
        }
    )


def _index() -> bytes:
    return canonical_json({"metadata": {}, "weight_map": {"a": "model-1.safetensors"}})


def targets() -> tuple[Target, ...]:
    """Return all of them; building the seeds takes a moment."""
    bundle = seeds.bundle()
    honest = seeds.program()

    def seed(value: JsonValue) -> bytes:
        return canonical_json(value)

    return (
        Target(
            "canonical JSON", seed(seeds.contents()), lambda d: canonical_json(_json(d))
        ),
        Target("evidence file", bundle.to_bytes(), _evidence, json_text=False),
        Target(
            "TDX quote",
            DEV_ROOT.quote(bytes(range(64)), td=DevTd(body=3)),
            lambda d: TdxQuote.cut(d).assemble(),
            json_text=False,
            exact=False,
        ),
        Target(
            "collateral",
            DEV_ROOT.collateral(now=1_763_700_000).to_bytes(),
            _collateral,
            exact=False,
        ),
        Target(
            "workload",
            seed(
                TdxWorkload(
                    measurements=keccak256(b"measurements"),
                    engines=(keccak256(b"engine"),),
                ).to_json()
            ),
            _of(TdxWorkload.from_json),
            exact=False,
        ),
        Target(
            "attestation claim",
            seed(AttestationClaim(2, NOBODY, keccak256(b"workload")).to_json()),
            _of(AttestationClaim.from_json),
            exact=False,
        ),
        Target(
            "evidence frame",
            bundle.to_bytes(),
            lambda d: unpack(d) and d,
            json_text=False,
        ),
        Target("evidence text", bundle.to_plain(), _evidence_text),
        Target(
            "forged sections",
            seed(seeds.contents()),
            _forged,
            errors=(RejectedError, AuditUnavailableError),
        ),
        Target(
            "decision",
            seed(bundle.decision.to_json()),
            _of(Decision.from_json),
            exact=False,
        ),
        Target(
            "mandate",
            seed(bundle.mandate.to_json()),
            _of(Mandate.from_json),
            exact=False,
        ),
        Target(
            "call", seed(bundle.calls[0].to_json()), _of(Call.from_json), exact=False
        ),
        Target(
            "receipt",
            seed(bundle.receipts[0].to_json()),
            _of(InferenceReceipt.from_json),
        ),
        Target(
            "observation",
            seed(seeds.observation().to_json()),
            _of(Observation.from_json),
            exact=False,
        ),
        Target(
            "trace",
            seed(seeds.trace_of((7, 2)).to_json()),
            _of(Trace.from_json),
            exact=False,
        ),
        Target(
            "engine manifest",
            seed(seeds.manifest().to_json()),
            _of(EngineManifest.from_json),
        ),
        Target("program", seed(honest.to_manifest()), _of(_program)),
        Target("features", seed([seeds.FEATURE.to_json()]), _of(_features)),
        Target(
            "feature source",
            seeds.FEATURE.source.encode(),
            _feature_source,
            json_text=False,
        ),
        Target("configuration", seeds.CONFIG, _configuration, json_text=False),
        Target(
            "prices",
            seeds.PRICES,
            lambda d: parse_prices(d, source="prices.csv").to_csv(),
            json_text=False,
            exact=False,
        ),
        Target("opening", seeds.OPENING, _opening, json_text=False),
        Target(
            "address book",
            seed(seeds.book().to_json()),
            _of(AddressBook.from_json),
            exact=False,
        ),
        Target("saved run", seed(seeds.saved_run()), _of(Saved.parse), exact=False),
        Target("checkpoint", seed(seeds.checkpoint()), _checkpoint),
        Target(
            "address book with every section",
            seed(seeds.wide_book().to_json()),
            _of(AddressBook.from_json),
            exact=False,
        ),
        Target("plan", canonical_json(_json(seeds.PLAN.encode())), _plan),
        Target("profile", seeds.profile(), lambda d: Profile.from_bytes(d).to_bytes()),
        Target(
            "model commitment",
            seed(seeds.commitment().to_json()),
            _of(ModelCommitment.from_json),
        ),
        Target(
            "chunk proof",
            seeds.chunk_proof(),
            lambda d: ChunkProof.from_bytes(d).to_bytes(),
        ),
        Target(
            "safetensors header",
            seeds.shard(),
            _file(lambda path: read_header(path, name="model.safetensors")),
            json_text=False,
        ),
        Target("safetensors index", _index(), _file(read_index), exact=False),
        Target(
            "logits",
            np.linspace(-9, 9, 600, dtype="<f4").tobytes(),
            _logits,
            json_text=False,
            errors=(LogitsInvalidError, MalformedError),
        ),
        Target("prompt file", seeds.PROMPT_FILE, _prompts, exact=False),
        Target("chat request", seed(seeds.CHAT_REQUEST), _whole(ChatRequest.from_json)),
        Target(
            "completion", seed(seeds.completion().to_json()), _of(_checked_completion)
        ),
        Target("attestation", seeds.attestation(), _of(_checked_attestation)),
        Target("answer", seeds.answer(), _answer),
        Target(
            "stream",
            seeds.stream(),
            _stream,
            errors=(RejectedError, StreamCutError),
            exact=False,
        ),
        Target("service error", seeds.error_body(), _service_error),
        Target(
            "refusal",
            b'{"error":"QueueFull","message":"come back"}',
            _words,
            exact=False,
        ),
        Target("question", seeds.question(), _question, exact=False),
        Target(
            "endorsement", seeds.endorsement(), _of(Endorsement.from_json), exact=False
        ),
        Target(
            "signed checkpoint",
            seeds.statement("checkpoint"),
            _of(SignedStatement.from_json),
            exact=False,
        ),
        Target(
            "signed verdict",
            seeds.statement("verdict"),
            _of(SignedStatement.from_json),
            exact=False,
        ),
        Target(
            "schema",
            seed(seeds.SCHEMA),
            _whole(check_schema),
            errors=(RejectedError, SchemaUnsupportedError),
        ),
        Target("block", _block(), _whole(parse_block)),
        Target("fee history", _fee_history(), _whole(parse_fee_history)),
        Target("places of JSON", seeds.PLAN.encode(), _places, exact=False),
    )
