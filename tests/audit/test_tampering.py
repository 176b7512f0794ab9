"""Evidence and chain tampered with: each is refused at its own step."""

from __future__ import annotations

import copy
import gc
import json
import os
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from affiant.audit.chain_history import ChainHistory
from affiant.audit.court import Court
from affiant.audit.evidence_file import audit_evidence_file
from affiant.audit.history import Price
from affiant.audit.result import (
    Answer,
    AuditReport,
    DecisionAudit,
    Status,
    Verdict,
    exit_code,
)
from affiant.audit.stored import MAX_KEPT
from affiant.audit.walk import examine_execution, examine_unexecuted
from affiant.encoding import Digest, canonical_json, keccak256, to_hex
from affiant.inference.receipt import receipts_hash, tokens_hash
from affiant.onchain.decision import bounds_hash, calls_hash
from affiant.onchain.events import mandate_history
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.evidence_sections import SECTIONS, Section, evidence_root, seal
from affiant.onchain.evidence_store import EvidenceStore

pytestmark = pytest.mark.anvil

OTHER = Digest(b"\x11" * 32)
Edit = Callable[[EvidenceBundle, EvidenceBundle], bytes]


def _status(audit: DecisionAudit, number: int) -> Status:
    return audit.steps[number - 1].status


def _failed(audit: DecisionAudit) -> list[int]:
    return [step.number for step in audit.steps if step.status is Status.FAIL]


def _skipped(audit: DecisionAudit) -> list[int]:
    return [step.number for step in audit.steps if step.status is Status.SKIPPED]


def _of(report: AuditReport, digest: Digest) -> DecisionAudit:
    return next(audit for audit in report.decisions if audit.digest == digest)


@pytest.fixture
def folder(chronicle: Any, tmp_path: Path) -> Path:
    """A copy of the chronicle's evidence, to be tampered with."""
    copied = tmp_path / "evidence"
    shutil.copytree(chronicle.folder, copied)
    return copied


def _path(folder: Path, bundle: EvidenceBundle) -> Path:
    return folder / f"{bundle.digest.hex()}.json.zst"


# Files edited after the fact.


def _edited_section(name: str) -> Edit:
    def edit(bundle: EvidenceBundle, _: EvidenceBundle) -> bytes:
        content = copy.deepcopy(bundle.sections[name].content)
        if isinstance(content, list):
            content[0] = {**content[0], **_bump(content[0])}
        else:
            content = {**content, **_bump(content)}
        section = Section(bundle.sections[name].salt, content)
        return replace(bundle, sections={**bundle.sections, name: section}).to_bytes()

    return edit


def _bump(content: dict[str, Any]) -> dict[str, Any]:
    """Change one value so that the outer shape stays right."""
    for key, value in content.items():
        if isinstance(value, str) and value:
            return {key: value[:-1] + ("0" if value[-1] != "0" else "1")}
        if isinstance(value, int) and not isinstance(value, bool):
            return {key: value + 1}
        if isinstance(value, list) and value and isinstance(value[0], int):
            return {key: [value[0] ^ 1, *value[1:]]}
        if isinstance(value, dict):
            return {key: {**value, **_bump(value)}}
    raise AssertionError(content)


def _edited_with_leaf(bundle: EvidenceBundle, _: EvidenceBundle) -> bytes:
    content = {**bundle.content("plan"), "why": "something else"}
    section = Section(bundle.sections["plan"].salt, content)
    return replace(
        bundle,
        sections={**bundle.sections, "plan": section},
        leaves={**bundle.leaves, "plan": section.leaf("plan")},
    ).to_bytes()


@dataclass(frozen=True)
class FileCase:
    id: str
    edit: Edit
    says: str
    """Part of the failed step's detail."""


FILE_CASES = [
    *(
        FileCase(f"section {name} edited", _edited_section(name), f"section `{name}`")
        for name in SECTIONS
    ),
    FileCase("section and leaf edited", _edited_with_leaf, "root"),
    FileCase("evidence of another decision", lambda b, o: o.to_bytes(), "decision"),
    FileCase(
        "receipts of another decision",
        lambda b, o: replace(b, receipts=o.receipts).to_bytes(),
        "receipts",
    ),
    FileCase(
        "calls of another decision",
        lambda b, o: replace(b, calls=o.calls).to_bytes(),
        "calls",
    ),
    FileCase(
        "bounds loosened",
        lambda b, o: replace(b, bounds=(b.bounds[0] - 1, *b.bounds[1:])).to_bytes(),
        "bounds",
    ),
    FileCase(
        "signature of another decision",
        lambda b, o: replace(b, signature=o.signature).to_bytes(),
        "signature",
    ),
    FileCase(
        "one byte flipped in the file",
        lambda b, o: _flipped(b.to_bytes()),
        "evidence",
    ),
    FileCase("cut in half", lambda b, o: b.to_bytes()[:1000], "evidence"),
    FileCase("empty", lambda b, o: b"", "evidence"),
]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("case", FILE_CASES, ids=lambda case: case.id)
def test_tampered_evidence_of_an_execution_is_rejected_and_named(
    chronicle: Any, folder: Path, case: FileCase
) -> None:
    bundle, other = chronicle.bundles["supply"], chronicle.bundles["swap"]
    _path(folder, bundle).write_bytes(case.edit(bundle, other))
    court, past = _court(chronicle, Past(chronicle))
    court = replace(court, find=EvidenceStore(str(folder)).get)
    audit = examine_execution(past.executed[1], court=court).audit
    assert audit.digest == bundle.digest
    assert _failed(audit) == [3]
    assert case.says in audit.steps[2].detail.lower()
    assert {5, 6, 7, 8, 9} <= set(_skipped(audit))
    assert audit.grade("signed").answer is Answer.YES
    assert audit.grade("reproduced").answer is Answer.NO
    assert audit.verdict is Verdict.REJECTED


def test_one_tampered_file_rejects_the_whole(chronicle: Any, folder: Path) -> None:
    bundle = chronicle.bundles["supply"]
    _path(folder, bundle).write_bytes(_flipped(bundle.to_bytes()))
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert _failed(_of(report, bundle.digest)) == [3]
    assert report.verdict is Verdict.REJECTED


@pytest.mark.parametrize("case", FILE_CASES, ids=lambda case: case.id)
def test_tampered_file_is_caught_offline(
    chronicle: Any, folder: Path, case: FileCase
) -> None:
    bundle, other = chronicle.bundles["supply"], chronicle.bundles["swap"]
    path = _path(folder, bundle)
    assert audit_evidence_file(path).intact
    path.write_bytes(case.edit(bundle, other))
    found = audit_evidence_file(path)
    assert not found.intact
    assert found.damaged
    if case.id.startswith("section ") and "leaf" not in case.id:
        assert found.damaged == case.says


def test_withheld_sections_are_named_offline(chronicle: Any, folder: Path) -> None:
    bundle = chronicle.bundles["supply"]
    path = _path(folder, bundle)
    assert "withheld" not in audit_evidence_file(path).detail
    path.write_bytes(bundle.withhold(["tokens", "plan"]).to_bytes())
    found = audit_evidence_file(path)
    assert found.intact
    assert found.detail == (
        f"Intact, and signed by {bundle.node}; withheld, not checked: plan, tokens."
    )


def test_every_flipped_byte_is_caught_offline(chronicle: Any, folder: Path) -> None:
    path = _path(folder, chronicle.bundles["hold"])
    data = path.read_bytes()
    for position in range(0, len(data), max(len(data) // 40, 1)):
        mangled = bytearray(data)
        mangled[position] ^= 0x40
        path.write_bytes(bytes(mangled))
        assert not audit_evidence_file(path).intact, position


# Evidence missing or withheld: nothing passes silently.


def test_missing_evidence_caps_the_grade(chronicle: Any, folder: Path) -> None:
    bundle = chronicle.bundles["withdraw"]
    _path(folder, bundle).unlink()
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    audit = _of(report, bundle.digest)
    assert _failed(audit) == []
    assert _skipped(audit) == [3, 5, 6, 7, 8, 9]
    assert audit.grade("signed").answer is Answer.YES
    assert audit.verdict is Verdict.INCOMPLETE
    assert report.verdict is Verdict.INCOMPLETE
    assert str(folder) not in json.dumps(report.to_json())


def test_without_the_evidence_before_the_request_cannot_be_rebuilt(
    chronicle: Any, folder: Path
) -> None:
    _path(folder, chronicle.bundles["swap"]).unlink()
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    audit = _of(report, chronicle.bundles["supply"].digest)
    assert 6 in _skipped(audit) and 9 in _skipped(audit)
    assert audit.verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("observation", [5, 6, 9]),
        ("manifests", [6, 7, 8, 9]),
        ("tokens", [7, 8, 9]),
        ("traces", [8]),
        ("plan", [9]),
        ("requests", []),
        ("attestation", []),
    ],
)
def test_withheld_sections_skip_what_needs_them(
    chronicle: Any, folder: Path, name: str, skipped: list[int]
) -> None:
    bundle = chronicle.bundles["withdraw"]
    _path(folder, bundle).write_bytes(bundle.withhold([name]).to_bytes())
    audit = _of(chronicle.audit(store=EvidenceStore(str(folder))), bundle.digest)
    assert _failed(audit) == []
    assert _skipped(audit) == skipped
    expected = Verdict.INCOMPLETE if skipped else Verdict.ACCEPTED
    assert audit.verdict is expected
    assert name in audit.steps[2].detail


@dataclass
class OtherModel:
    """A folder of some other model."""

    root: Digest = OTHER
    profiles: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"`{name}` of another model was used")


def test_another_model_folder_reproduces_nothing(chronicle: Any) -> None:
    report = chronicle.audit(replayer=OtherModel())
    for audit in report.decisions:
        assert _failed(audit) == []
        assert _skipped(audit) == [6, 8, 9]
        assert "other model folder" in audit.steps[7].detail
        assert audit.grade("signed").answer is Answer.YES
    assert report.verdict is Verdict.INCOMPLETE


def test_without_a_model_folder_signed_is_the_most(chronicle: Any) -> None:
    report = chronicle.audit(replayer=None)
    assert report.verdict is Verdict.INCOMPLETE
    assert "No model folder" in report.model_words
    assert chronicle.audit(replayer=None, required="signed").verdict is Verdict.ACCEPTED


# A store that fails, and one that is open to strangers.


class Failing(EvidenceStore):
    """The real store, which does not answer when asked for some files."""

    def __init__(self, folder: Path, *, silent: set[Digest], deaf: bool = False):
        super().__init__(str(folder))
        self.silent, self.deaf = silent, deaf

    def read(self, digest: Digest) -> bytes:
        if digest in self.silent:
            cause = TimeoutError(f"while reading {self.url}")
            raise EvidenceUnavailableError(self.uri(digest), reason="late") from cause
        return super().read(digest)

    def digests(self) -> tuple[Digest, ...]:
        if self.deaf:
            raise EvidenceUnavailableError(self.url, reason="late") from TimeoutError()
        return super().digests()


@pytest.mark.parametrize("required", ["signed", "reproduced"])
def test_a_store_that_does_not_answer_leaves_the_audit_incomplete(
    chronicle: Any, folder: Path, required: str
) -> None:
    second = chronicle.bundles["hold"]
    store = Failing(folder, silent={second.digest})
    report = chronicle.audit(store=store, required=required)
    assert report.verdict is Verdict.INCOMPLETE
    assert exit_code(report) == 3
    assert second.decision.slot in report.completeness.unexplained
    assert second.digest.hex() in report.findings[0]
    assert "could not be read" in report.headline
    assert str(folder) not in json.dumps(report.to_json())


def test_a_store_that_cannot_be_listed_leaves_the_audit_incomplete(
    chronicle: Any, folder: Path
) -> None:
    report = chronicle.audit(store=Failing(folder, silent=set(), deaf=True))
    assert report.verdict is Verdict.INCOMPLETE
    assert [audit.verdict for audit in report.decisions] == [Verdict.ACCEPTED] * 3
    assert report.findings[0] == "The evidence store could not be listed: TimeoutError."


def test_a_silent_store_hides_no_rejection(chronicle: Any, folder: Path) -> None:
    bundle = chronicle.bundles["supply"]
    _path(folder, bundle).write_bytes(_flipped(bundle.to_bytes()))
    silent = {chronicle.bundles["hold"].digest}
    assert chronicle.audit(store=Failing(folder, silent=silent)).verdict is (
        Verdict.REJECTED
    )


def test_a_damaged_hold_explains_nothing_and_is_named(
    chronicle: Any, folder: Path
) -> None:
    bundle = chronicle.bundles["hold"]
    _path(folder, bundle).write_bytes(_flipped(bundle.to_bytes()))
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert report.verdict is Verdict.ACCEPTED
    assert bundle.decision.slot in report.completeness.unexplained
    assert any(bundle.digest.hex() in finding for finding in report.findings)


def test_a_strangers_folder_or_pipe_does_not_spoil_the_verdict(
    chronicle: Any, folder: Path
) -> None:
    (folder / f"{'ab' * 32}.json.zst").mkdir()
    os.mkfifo(folder / f"{'cd' * 32}.json.zst")
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert report.verdict is Verdict.ACCEPTED


class Counting(EvidenceStore):
    """The real store, which remembers what of its evidence is still in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.given: list[weakref.ref[EvidenceBundle]] = []

    def get(self, digest: Digest) -> EvidenceBundle:
        bundle = super().get(digest)
        self.given.append(weakref.ref(bundle))
        return bundle

    def alive(self) -> list[EvidenceBundle]:
        gc.collect()
        return [bundle for ref in self.given if (bundle := ref()) is not None]


def test_an_open_store_does_not_fill_the_memory(chronicle: Any, folder: Path) -> None:
    honest = chronicle.bundles["hold"]
    key = chronicle.world.key
    for index in range(2 * MAX_KEPT):
        contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
        signer = key if index % 2 else _stranger(index)
        lie = Lie(contents, honest)
        lie.decide(slot=honest.decision.slot + 1000, valid_until=index)
        forged = lie.sealed(signer)
        _path(folder, forged).write_bytes(forged.to_bytes())
    store, seen = Counting(folder), 0

    def watch(done: int, total: int, words: str) -> None:
        nonlocal seen
        if words.startswith("slot "):
            alive = store.alive()
            seen = max(seen, len(alive))
            assert {bundle.node for bundle in alive} <= {key.address}

    assert chronicle.audit(store=store, progress=watch).verdict is Verdict.ACCEPTED
    assert len(store.given) > 2 * MAX_KEPT
    assert 0 < seen <= MAX_KEPT + 1
    assert len(store.alive()) == 0


def _stranger(index: int = 0) -> Any:
    from eth_account import Account

    from affiant.inference.keys import NodeKey

    return NodeKey(Account.from_key(keccak256(b"a stranger %d" % index)))


# A node that lies and signs.


@dataclass
class Lie:
    """A signed decision under construction; edits fall through to every hash."""

    contents: dict[str, Any]
    bundle: EvidenceBundle

    def sealed(self, key: Any) -> EvidenceBundle:
        sealed = seal(self.contents, salts={name: b"\x07" * 32 for name in SECTIONS})
        bundle = self.bundle
        receipt = bundle.receipts[0]
        if receipt == self.receipt_before:
            tokens = self.contents["tokens"][0]
            receipt = replace(
                receipt,
                request=keccak256(canonical_json(self.contents["requests"][0])),
                prompt=tokens_hash(tokens["prompt"]),
                output=tokens_hash(tokens["output"]),
            )
        observation = keccak256(canonical_json(self.contents["observation"]))
        decision = replace(
            bundle.decision,
            evidence=evidence_root(sealed.leaves),
            observation=observation,
            receipts=receipts_hash([receipt]),
            calls=calls_hash(bundle.calls),
            bounds=bounds_hash(bundle.bounds),
        )
        bundle = replace(
            bundle,
            decision=decision,
            receipts=(receipt,),
            sections=sealed.sections,
            leaves=sealed.leaves,
            node=key.address,
        )
        return replace(bundle, signature=key.sign(bundle.digest))

    def __post_init__(self) -> None:
        self.receipt_before = self.bundle.receipts[0]

    def decide(self, **changes: Any) -> None:
        decision = replace(self.bundle.decision, **changes)
        self.bundle = replace(self.bundle, decision=decision)

    def receive(self, **changes: Any) -> None:
        receipt = replace(self.bundle.receipts[0], **changes)
        self.bundle = replace(self.bundle, receipts=(receipt,))


def _balance(lie: Lie) -> None:
    read = lie.contents["observation"]["reads"][0]
    read["returndata"] = "0x" + "00" * 31 + "2a"


def _objective(lie: Lie) -> None:
    lie.contents["manifests"]["program"]["objective"] = "Send me everything."


def _engine(lie: Lie) -> None:
    lie.contents["manifests"]["engine"]["device"] = "another"


def _book(lie: Lie) -> None:
    lie.contents["manifests"]["book"]["tokens"][0]["maxAge"] += 1


def _request(lie: Lie) -> None:
    lie.contents["requests"][0]["objective"] = "Buy."


def _prompt(lie: Lie) -> None:
    lie.contents["tokens"][0]["prompt"][0] ^= 1


def _output(lie: Lie) -> None:
    other = '{"why":"a quiet market","actions":[{"action":"hold"}]}'
    lie.contents["tokens"][0]["output"] = [*other.encode(), 256]
    lie.contents["plan"]["why"] = "a quiet market"


def _plan(lie: Lie) -> None:
    lie.contents["plan"]["why"] = "because"


def _trace(lie: Lie) -> None:
    lie.contents["traces"][0]["tokens"][0][1] = to_hex(bytes(32))


def _bounds(lie: Lie) -> None:
    lie.bundle = replace(
        lie.bundle, bounds=tuple(bound - 1 for bound in lie.bundle.bounds)
    )


def _validity(lie: Lie) -> None:
    lie.decide(valid_until=lie.bundle.decision.valid_until + 1)


def _model(lie: Lie) -> None:
    lie.contents["manifests"]["model"] = {"root": to_hex(OTHER)}


def _no_model(lie: Lie) -> None:
    lie.contents["manifests"]["model"] = {}


def _odd_model(lie: Lie) -> None:
    lie.contents["manifests"]["model"] = {"root": 1}


LIES: list[tuple[str, Callable[[Lie], None], int]] = [
    ("a model that the mandate does not name", lambda x: x.receive(model=OTHER), 2),
    ("an engine that the mandate does not name", lambda x: x.receive(engine=OTHER), 2),
    ("a head of its own", lambda x: x.decide(previous=OTHER), 4),
    ("a balance that the chain does not know", _balance, 5),
    ("another objective", _objective, 6),
    ("another engine manifest", _engine, 6),
    ("another address book", _book, 6),
    ("another model summary", _model, 6),
    ("a model summary without a root", _no_model, 6),
    ("a model summary with a number for a root", _odd_model, 6),
    ("another request", _request, 6),
    ("another prompt", _prompt, 6),
    ("a longer validity", _validity, 6),
    ("an output that the model does not give", _output, 8),
    ("a trace that is not sworn", _trace, 8),
    ("a plan that the tokens do not say", _plan, 9),
    ("bounds that allow a loss", _bounds, 9),
]


def _strict(chronicle: Any) -> Any:
    """A replayer that knows what the model says: the HOLD, and nothing else."""
    world = chronicle.world
    engine = replace(world.engine, text=world.hold)
    right = [*engine.encode(world.hold), 256]

    def prefill(prompt_ids: Any, output_ids: Any) -> Any:
        found = type(engine).prefill(engine, prompt_ids, output_ids)
        found.logits[:] = 0
        for row in range(len(output_ids)):
            found.logits[row, right[min(row, len(right) - 1)]] = 20.0
        return found

    engine.prefill = prefill
    return engine


@pytest.mark.parametrize(
    ("tell", "step"), [case[1:] for case in LIES], ids=[case[0] for case in LIES]
)
def test_a_lying_node_is_found_out(
    chronicle: Any, folder: Path, tell: Callable[[Lie], None], step: int
) -> None:
    honest = chronicle.bundles["hold"]
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = Lie(contents, honest)
    tell(lie)
    lied = lie.sealed(chronicle.world.key)
    assert lied.digest != honest.digest
    _path(folder, honest).unlink()
    _path(folder, lied).write_bytes(lied.to_bytes())
    replayer = chronicle.replayer(_strict(chronicle))
    report = chronicle.audit(store=EvidenceStore(str(folder)), replayer=replayer)
    audit = _of(report, lied.digest)
    assert _failed(audit)[0] == step, [s.detail for s in audit.steps]
    assert audit.verdict is Verdict.REJECTED
    assert audit.slot in report.completeness.unexplained
    assert report.verdict is Verdict.REJECTED


def test_a_hold_anchored_elsewhere_explains_nothing(
    chronicle: Any, folder: Path
) -> None:
    honest = chronicle.bundles["hold"]
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = Lie(contents, honest)
    lie.decide(anchor_hash=OTHER)
    lied = lie.sealed(chronicle.world.key)
    _path(folder, honest).unlink()
    _path(folder, lied).write_bytes(lied.to_bytes())
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert honest.decision.slot in report.completeness.unexplained
    assert any("reorganised or invented" in finding for finding in report.findings)
    court, _ = _court(chronicle, Past(chronicle))
    assert _failed(examine_unexecuted(lied, court=court).audit)[0] == 4


def test_two_outcomes_on_one_head_reject_the_whole(
    chronicle: Any, folder: Path
) -> None:
    honest = chronicle.bundles["hold"]
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = Lie(contents, honest)
    _bounds(lie)
    second = lie.sealed(chronicle.world.key)
    _path(folder, second).write_bytes(second.to_bytes())
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert report.completeness.contradictory == (honest.decision.slot,)
    assert report.verdict is Verdict.REJECTED


def test_a_strangers_evidence_is_named_and_left_out(
    chronicle: Any, folder: Path
) -> None:
    honest = chronicle.bundles["hold"]
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    stranger = _stranger()
    forged = Lie(contents, honest).sealed(stranger)
    _path(folder, forged).write_bytes(forged.to_bytes())
    _path(folder, honest).unlink()
    (folder / f"{'ab' * 32}.json.zst").write_bytes(b"rubbish")
    report = chronicle.audit(store=EvidenceStore(str(folder)))
    assert report.verdict is Verdict.ACCEPTED
    assert honest.decision.slot in report.completeness.unexplained
    assert any(stranger.address in finding for finding in report.findings)
    assert any("abab" in finding for finding in report.findings)


# A chain that says something else.


class Past(ChainHistory):
    """The real past, with one answer changed."""

    def __init__(self, chronicle: Any, **answers: Any) -> None:
        world = chronicle.world
        super().__init__(world.chain, gate=world.book.gate)
        for name, change in answers.items():
            real = getattr(self, name)
            setattr(self, name, _changed(real, change))


def _changed(real: Any, change: Callable[[Any], Any]) -> Any:
    return lambda *args, **named: change(real(*args, **named))


PAST: list[tuple[str, dict[str, Callable[[Any], Any]], int]] = [
    (
        "key never announced",
        {"node": lambda r: replace(r, valid_from=0, valid_until=0)},
        2,
    ),
    ("key announced later", {"node": lambda r: replace(r, valid_from=2**40)}, 2),
    ("key over", {"node": lambda r: replace(r, valid_until=1)}, 2),
    ("key revoked before", {"node": lambda r: replace(r, revoked_at=1)}, 2),
    ("key serves another model", {"node": lambda r: replace(r, service=OTHER)}, 2),
    ("mandate revoked", {"standing": lambda s: replace(s, revoked=True)}, 2),
    ("mandate stopped", {"standing": lambda s: replace(s, stopped_until=2**47)}, 2),
    ("mandate not live yet", {"standing": lambda s: replace(s, live_from=2**47)}, 2),
    (
        "mandate unknown",
        {"standing": lambda s: replace(s, account="0x" + "00" * 20)},
        2,
    ),
    ("another head", {"standing": lambda s: replace(s, head=OTHER)}, 4),
    ("a read that differs", {"reread": lambda m: (_mismatch(),)}, 5),
    ("an allowance left", {"allowance": lambda a: 1}, 10),
    (
        "balances that differ",
        {"balances": lambda b: (b[0], (b[1][0] + 1, *b[1][1:]))},
        10,
    ),
    (
        "a price that makes more of the risk",
        {"price": lambda p: Price(p.answer + 10**8, 0)},
        10,
    ),
    ("a price of nothing", {"price": lambda p: Price(0, p.updated_at)}, 10),
    (
        "a price at which it loses too much",
        {"price": lambda p: Price(p.answer * 10**6, p.updated_at)},
        10,
    ),
]


def _mismatch() -> Any:
    from affiant.onchain.observation import ReadMismatch

    return ReadMismatch(2, "0x" + "11" * 20, b"\0" * 4, b"\1", b"\2")


def _court(chronicle: Any, history: ChainHistory) -> tuple[Court, Any]:
    world = chronicle.world
    past = mandate_history(
        world.chain, gate=world.book.gate, mandate_id=world.mandate.id
    )
    court = Court(
        history=history,
        mandate=past.granted.mandate,
        granted_block=past.granted_block,
        find=EvidenceStore(str(chronicle.folder)).get,
        replayer=chronicle.replayer(),
        required="reproduced",
        audited=past.upto,
        refusals={},
    )
    return court, past


@pytest.mark.parametrize(
    ("answers", "step"), [case[1:] for case in PAST], ids=[case[0] for case in PAST]
)
def test_a_past_that_contradicts_is_found(
    chronicle: Any, answers: dict[str, Any], step: int
) -> None:
    court, past = _court(chronicle, Past(chronicle, **answers))
    audit = examine_execution(past.executed[0], court=court).audit
    assert _failed(audit) == [step], [s.detail for s in audit.steps]
    assert audit.verdict is Verdict.REJECTED


def _event(**changes: Any) -> Callable[[Any], Any]:
    return lambda item: replace(item, event=replace(item.event, **changes))


def _sent(**changes: Any) -> Callable[[Any], Any]:
    return lambda item: replace(item, submission=replace(item.submission, **changes))


def _decided(**changes: Any) -> Callable[[Any], Any]:
    return lambda item: replace(
        item,
        submission=replace(
            item.submission, decision=replace(item.submission.decision, **changes)
        ),
    )


EVENTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("event of another mandate", _event(mandate=OTHER)),
    ("event with another digest", _event(digest=OTHER)),
    ("event with another node", _event(node="0x" + "11" * 20)),
    ("event with another slot", _event(slot=77_777)),
    ("event with another head", _event(previous=OTHER)),
    ("event in another block", lambda item: replace(item, block_hash=OTHER)),
    ("calldata without its calls", _sent(calls=())),
    ("calldata without its receipts", _sent(receipts=())),
    ("calldata with looser bounds", _sent(bounds=(-1,))),
    ("calldata with another decision", _decided(slot=77_777)),
    ("calldata signed by nobody", _sent(signature=bytes(65))),
    ("calldata naming another node", _sent(node="0x" + "11" * 20)),
]


@pytest.mark.parametrize(
    "change", [case[1] for case in EVENTS], ids=[case[0] for case in EVENTS]
)
def test_event_calldata_and_digest_must_agree(
    chronicle: Any, change: Callable[[Any], Any]
) -> None:
    court, past = _court(chronicle, Past(chronicle))
    audit = examine_execution(change(past.executed[0]), court=court).audit
    assert _failed(audit)[0] == 1, [s.detail for s in audit.steps]
    assert audit.grade("signed").answer is Answer.NO
    assert audit.verdict is Verdict.REJECTED


SHARED: list[tuple[str, dict[str, Callable[[Any], Any]]]] = [
    case[:2] for case in PAST if case[2] == 10
]


@pytest.mark.parametrize(
    "answers", [case[1] for case in SHARED], ids=[case[0] for case in SHARED]
)
def test_other_transactions_in_the_block_leave_it_open(
    chronicle: Any, answers: dict[str, Any]
) -> None:
    shared = {**answers, "transaction_count": lambda _: 2}
    court, past = _court(chronicle, Past(chronicle, **shared))
    audit = examine_execution(past.executed[0], court=court).audit
    assert (_failed(audit), _skipped(audit)) == ([], [10])
    assert "share block" in audit.steps[9].detail
    assert audit.verdict is Verdict.INCOMPLETE


def test_the_events_value_at_risk_is_recomputed(chronicle: Any) -> None:
    court, past = _court(chronicle, Past(chronicle))
    item = past.executed[0]
    less = _event(value_at_risk=item.event.value_at_risk - 1)(item)
    assert _failed(examine_execution(less, court=court).audit) == [10]


def test_calls_outside_of_the_allow_list_are_found(chronicle: Any) -> None:
    court, past = _court(chronicle, Past(chronicle))
    item = past.executed[0]
    stray = replace(item.submission.calls[0], data=b"\xde\xad\xbe\xef")
    audit = examine_execution(_sent(calls=(stray,))(item), court=court).audit
    assert {1, 2} <= set(_failed(audit))
    assert "allow-list" in audit.steps[1].detail


def test_changes_below_the_bounds_are_found(chronicle: Any) -> None:
    court, past = _court(chronicle, Past(chronicle))
    item = past.executed[0]
    changes = tuple(bound - 1 for bound in item.submission.bounds)
    audit = examine_execution(_event(changes=changes)(item), court=court).audit
    assert _failed(audit) == [10]


def test_calls_through_another_contract_rest_on_the_evidence(chronicle: Any) -> None:
    court, past = _court(chronicle, Past(chronicle))
    item = replace(past.executed[0], submission=None, unreadable="sent elsewhere")
    audit = examine_execution(item, court=court).audit
    assert audit.verdict is Verdict.ACCEPTED
    bare = replace(court, find=EvidenceStore("memory://nothing").get)
    audit = examine_execution(item, court=bare).audit
    assert audit.grade("signed").answer is Answer.NO
    assert audit.verdict is Verdict.INCOMPLETE


def test_a_key_revoked_later_does_not_spoil_what_it_signed(chronicle: Any) -> None:
    from affiant.onchain.registry import NodeRegistryClient

    world = chronicle.world
    snapshot = world.devnet.rpc.request("evm_snapshot")
    try:
        NodeRegistryClient(world.chain, world.book.node_registry).revoke_for(
            world.key, payer=world.operator
        )
        assert chronicle.audit().verdict is Verdict.ACCEPTED
    finally:
        world.devnet.rpc.request("evm_revert", snapshot)
