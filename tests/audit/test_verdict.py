"""A key is banned on proof only: for what it swore, never for what is missing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.endorser_errors import (
    AlreadySignedError,
    CheckpointRefusedError,
    NotProvenFalseError,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.result import Status, Step
from affiant.audit.steps import STEP_NAMES
from affiant.audit.verdict import CONDITIONS, PROOFS, proof_of, sign_verdict
from affiant.encoding import Digest, keccak256
from affiant.errors import AffiantError, RejectedError
from affiant.onchain.checkpoint import Verdict
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceError
from affiant.onchain.evidence_sections import SECTIONS
from affiant.onchain.evidence_store import EvidenceStore
from affiant.signature import recover_signer

OTHER = Digest(b"\x11" * 32)


TAMPERING = neighbour("audit/test_tampering.py")
strict = neighbour("audit/endorser_stage.py").strict


WATCHED = neighbour("audit/test_endorser.py").watched


# Which failed steps prove a lie: pure.


def steps(**changes: tuple[Status, str]) -> list[Step]:
    """All ten passed, but for `s5=(Status.FAIL, "AuditRejectedError")` and the like."""
    made = []
    for number, name in STEP_NAMES.items():
        status, error = changes.get(f"s{number}", (Status.PASS, ""))
        made.append(Step(number, name, status, "…", error=error))
    return made


FAILED = (Status.FAIL, "AuditRejectedError")
SKIPPED = (Status.SKIPPED, "AuditUnavailableError")


@pytest.mark.parametrize("number", PROOFS)
def test_a_failed_comparison_proves(number: int) -> None:
    later = {f"s{n}": SKIPPED for n in range(number + 1, 10)}
    (sentence,) = proof_of(OTHER, steps(**{f"s{number}": FAILED}, **later))
    assert sentence.startswith(f"step {number} (")
    assert PROOFS[number] in sentence


def test_a_plan_that_the_tokens_do_not_say_proves() -> None:
    assert proof_of(OTHER, steps(s9=(Status.FAIL, "PlanRefusedError")))


PROVES_NOTHING = {
    "everything passed": {},
    "a key that is not permitted": {"s2": FAILED},
    "effects that differ": {"s10": FAILED},
    "unavailable tokens": {"s8": SKIPPED},
    "a manifest that this version cannot read": {"s6": (Status.FAIL, "MalformedError")},
    "a plan before that this version refuses": {
        "s6": (Status.FAIL, "PlanRefusedError")
    },
    "evidence before that is damaged": {"s6": (Status.FAIL, "EvidenceCorruptError")},
    "a prompt too long for this engine": {"s8": (Status.FAIL, "ContextExceededError")},
    "an observation that this version cannot read": {
        "s5": (Status.FAIL, "ObservationContextError")
    },
    **{
        f"a lie, but step {number} failed": {f"s{number}": FAILED, "s8": FAILED}
        for number in CONDITIONS
    },
    **{
        f"a lie, but step {number} was not taken": {
            f"s{number}": SKIPPED,
            "s8": FAILED,
        }
        for number in CONDITIONS
    },
}


@pytest.mark.parametrize("changes", PROVES_NOTHING.values(), ids=PROVES_NOTHING)
def test_nothing_else_proves(changes: dict[str, tuple[Status, str]]) -> None:
    with pytest.raises(NotProvenFalseError):
        proof_of(OTHER, steps(**changes))


def test_absent_steps_prove_nothing() -> None:
    with pytest.raises(NotProvenFalseError):
        proof_of(OTHER, [])
    with pytest.raises(NotProvenFalseError):
        proof_of(OTHER, [step for step in steps(s8=FAILED) if step.number != 4])


# On a real chain.

anvil = pytest.mark.anvil


def sign(stage: Any, decision: Digest, **changes: Any) -> Any:
    desk = stage.desk(
        key=changes.pop("key", "first"), engine=changes.pop("engine", None)
    )
    parts: dict[str, Any] = {
        "gate": desk.gate,
        "mandate": stage.mandate.id,
        "decision": decision,
        "store": desk.store,
        "replayer": stage.replayer,
        "key": desk.key,
        "signed": desk.signed,
    }
    try:
        return sign_verdict(
            changes.pop("chain", stage.world.chain), **{**parts, **changes}
        )
    finally:
        desk.signed.close()


def kept(stage: Any) -> int:
    import sqlite3

    with sqlite3.connect(stage.folder / "signed-first.sqlite") as connection:
        (count,) = connection.execute("select count(*) from verdicts").fetchone()
    connection.close()
    return int(count)


def refuse(stage: Any, decision: Digest, kind: type[Exception], **changes: Any) -> Any:
    with pytest.raises(kind) as caught:
        sign(stage, decision, **changes)
    assert kept(stage) == 0
    return caught.value


def lied(
    stage: Any, honest: EvidenceBundle, tell: Callable[[Any], None]
) -> EvidenceBundle:
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = TAMPERING.Lie(contents, honest)
    tell(lie)
    bundle: EvidenceBundle = lie.sealed(stage.world.key)
    stage.evidence.put(bundle)
    return bundle


@anvil
def test_a_key_that_executed_what_the_model_never_said_is_found_false(
    stage: Any,
) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    other = stage.world.swap.replace("too much WETH", "too much WETI")
    signed, proof = sign(stage, bundle.digest, engine=strict(stage, other))
    assert signed.statement == Verdict(stage.mandate.id, bundle.node, bundle.digest)
    assert recover_signer(signed.digest, signature=signed.signature) == signed.endorser
    assert len(proof) == 1 and proof[0].startswith("step 8")
    # Two audits, each with a replay of its own.
    assert kept(stage) == 1


LIES = {case[0]: case[1:] for case in TAMPERING.LIES}
PROVEN = {
    "a balance that the chain does not know": 5,
    "another objective": 6,
    "another engine manifest": 6,
    "another model summary": 6,
    "another request": 6,
    "another prompt": 6,
    "a longer validity": 6,
    "an output that the model does not give": 8,
    "a trace that is not sworn": 8,
    "a plan that the tokens do not say": 9,
    "bounds that allow a loss": 9,
}
"""Lies that prove the key false, and the step that does."""


@anvil
@pytest.mark.parametrize("name", LIES)
def test_of_the_lies_those_are_proven_that_contradict_what_was_sworn(
    stage: Any, name: str
) -> None:
    tell, _ = LIES[name]
    honest = stage.sworn(stage.world.hold)
    stage.next_slot()
    bundle = lied(stage, honest, tell)
    engine = strict(stage, stage.world.hold)
    if name not in PROVEN:
        refuse(stage, bundle.digest, NotProvenFalseError, engine=engine)
        return
    signed, proof = sign(stage, bundle.digest, engine=engine)
    assert signed.statement.decision == bundle.digest
    assert proof[0].startswith(f"step {PROVEN[name]} ")


@anvil
def test_an_honest_decision_is_not_found_false(stage: Any) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    error = refuse(stage, bundle.digest, NotProvenFalseError)
    assert "every step passed" in str(error)


@anvil
def test_missing_evidence_proves_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    (stage.folder / "node-evidence" / f"{bundle.digest.hex()}.json.zst").unlink()
    error = refuse(stage, bundle.digest, NotProvenFalseError)
    assert "step 3" in str(error)


@anvil
def test_evidence_damaged_by_anybody_proves_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    path = stage.folder / "node-evidence" / f"{bundle.digest.hex()}.json.zst"
    data = path.read_bytes()
    path.write_bytes(data[:99] + bytes([data[99] ^ 1]) + data[100:])
    refuse(stage, bundle.digest, NotProvenFalseError)


@anvil
def test_an_unknown_decision_is_unavailable(stage: Any) -> None:
    refuse(stage, OTHER, AuditUnavailableError)


@anvil
def test_a_strangers_lie_does_not_ban_a_node(stage: Any) -> None:
    honest = stage.sworn(stage.world.hold)
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = TAMPERING.Lie(contents, honest)
    TAMPERING._balance(lie)
    forged = lie.sealed(TAMPERING._stranger())
    stage.evidence.put(forged)
    stage.next_slot()
    error = refuse(stage, forged.digest, NotProvenFalseError)
    assert "does not permit" in str(error)


@anvil
def test_a_decision_of_a_reorganised_slot_proves_nothing(stage: Any) -> None:
    rpc = stage.world.devnet.rpc
    before = rpc.request("evm_snapshot")
    stage.next_slot()
    bundle = stage.sworn()
    rpc.request("evm_revert", before)
    stage.world.scenario.warp(17)
    stage.next_slot()
    stage.next_slot()
    error = refuse(stage, bundle.digest, NotProvenFalseError)
    assert "another fork" in str(error)


@anvil
def test_another_profile_proves_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()

    class Elsewhere:
        root = stage.mandate.model

        def __getattr__(self, name: str) -> Any:
            return getattr(stage.world.engine, name)

        def replay(self, sworn: Any, *, manifest: Any) -> Any:
            verdict = stage.desk().benches[0].replayer.replay(sworn, manifest=manifest)
            return replace(verdict, grade="inconsistent", same_profile=False)

    error = refuse(stage, bundle.digest, NotProvenFalseError, replayer=Elsewhere())
    assert "another profile" in str(error)


@anvil
def test_a_replay_that_fails_once_proves_nothing(stage: Any) -> None:
    """A bit that fell over in the auditor's own memory, say."""
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    wrong = strict(stage, stage.world.supply)
    right = stage.world.engine
    replays = 0

    class Flaky:
        root = stage.mandate.model

        def __getattr__(self, name: str) -> Any:
            return getattr(right, name)

        def replay(self, sworn: Any, *, manifest: Any) -> Any:
            nonlocal replays
            replays += 1
            from affiant.inference.replay import replay

            return replay(wrong if replays == 1 else right, sworn, model=self.root)

    refuse(stage, bundle.digest, NotProvenFalseError, replayer=Flaky())
    assert replays == 2


class Changing(EvidenceStore):
    """A store that gives another file for one decision from some reading on."""

    def __init__(
        self,
        store: EvidenceStore,
        digest: Digest,
        change: Callable[[bytes], bytes],
        *,
        after: int = 0,
    ) -> None:
        super().__init__(store.url)
        self.digest, self.change, self.left = digest, change, after

    def read(self, digest: Digest) -> bytes:
        data = super().read(digest)
        if digest != self.digest:
            return data
        self.left -= 1
        return data if self.left >= 0 else self.change(data)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "damaged": lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:],
    "cut": lambda data: data[:-1],
    "empty": lambda data: b"",
    "without its plan": lambda data: (
        EvidenceBundle.from_bytes(data).withhold(["plan"]).to_bytes()
    ),
    "without anything": lambda data: (
        EvidenceBundle.from_bytes(data).withhold(SECTIONS).to_bytes()
    ),
}


@anvil
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_key_is_not_banned_for_the_evidence_of_the_decision_before(
    stage: Any, change: Callable[[bytes], bytes]
) -> None:
    """Somebody else's decision, in a store that anybody may write to."""
    first = stage.sworn()
    stage.execute(first)
    stage.next_slot()
    second = stage.sworn(stage.world.supply)
    stage.execute(second)
    stage.next_slot()
    store = Changing(stage.evidence, first.digest, change)
    error = refuse(stage, second.digest, NotProvenFalseError, store=store)
    assert "step 6" in str(error)
    store = Changing(stage.evidence, first.digest, change)
    refuse(stage, first.digest, NotProvenFalseError, store=store)


@anvil
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_evidence_that_changes_between_the_two_audits_proves_nothing(
    stage: Any, change: Callable[[bytes], bytes]
) -> None:
    honest = stage.sworn(stage.world.hold)
    stage.next_slot()
    bundle = lied(stage, honest, TAMPERING._balance)
    if change is CHANGES["without its plan"]:
        # What proves it is there both times.
        store = Changing(stage.evidence, bundle.digest, change, after=1)
        assert sign(stage, bundle.digest, store=store)
        return
    store = Changing(stage.evidence, bundle.digest, change, after=1)
    error = refuse(stage, bundle.digest, RejectedError, store=store)
    assert isinstance(error, NotProvenFalseError | EvidenceError)
    assert store.left < 0  # It did change.
    assert sign(stage, bundle.digest)


@anvil
def test_an_endpoint_that_lies_once_bans_nobody(stage: Any) -> None:
    """A balance read that comes out differently in one of the two audits."""
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    asked = 0

    def trouble(question: Any, answer: bytes) -> bytes:
        nonlocal asked
        value = json.loads(answer)
        for item in value if isinstance(value, list) else [value]:
            result = item.get("result")
            if not (isinstance(result, str) and len(result) == 66):
                continue
            asked += 1
            if asked == at:
                item["result"] = result[:-1] + ("1" if result[-1] != "1" else "2")
        return json.dumps(value).encode()

    at, proofs = 0, 0
    world = WATCHED(stage)
    world.proxy.trouble = trouble
    with world as (chain, _):
        refuse(stage, bundle.digest, NotProvenFalseError, chain=chain)
        total, at = asked, 1
        while at <= total:
            asked = 0
            refuse(stage, bundle.digest, AffiantError, chain=chain)
            at += max(total // 12, 1)
            proofs += 1
    assert proofs >= 10


@anvil
def test_an_endpoint_that_goes_away_half_way_bans_nobody(stage: Any) -> None:
    honest = stage.sworn(stage.world.hold)
    stage.next_slot()
    bundle = lied(stage, honest, TAMPERING._balance)
    rounds, most, refused = 0, 0, 0

    def die(_: Any, answer: bytes) -> bytes | None:
        nonlocal rounds
        rounds += 1
        return answer if rounds <= most else None

    world = WATCHED(stage)
    world.proxy.trouble = die
    with world as (chain, _):
        while True:
            rounds = 0
            try:
                assert sign(stage, bundle.digest, chain=chain)
                break
            except AffiantError:
                assert kept(stage) == 0
            most += 1
            refused += 1
    assert refused >= 8 and kept(stage) == 1


@anvil
def test_what_this_key_endorsed_it_does_not_condemn(stage: Any) -> None:
    bundle = stage.sworn()
    stage.endorser().endorse(bundle.to_bytes())
    stage.execute(bundle)
    stage.next_slot()
    error = refuse(
        stage,
        bundle.digest,
        AlreadySignedError,
        engine=strict(stage, stage.world.supply),
    )
    assert "endorsement" in str(error)


@anvil
def test_only_the_mandates_endorsers_judge(stage: Any) -> None:
    bundle = stage.sworn()
    stage.execute(bundle)
    stage.next_slot()
    with pytest.raises(CheckpointRefusedError, match="endorser"):
        sign(stage, bundle.digest, key="third")


@anvil
def test_asked_again_it_repeats_itself(stage: Any) -> None:
    honest = stage.sworn(stage.world.hold)
    stage.next_slot()
    bundle = lied(stage, honest, TAMPERING._balance)
    assert sign(stage, bundle.digest) == sign(stage, bundle.digest)
    assert kept(stage) == 1


@anvil
def test_a_gate_without_such_a_mandate_is_refused(stage: Any) -> None:
    with pytest.raises(AffiantError):
        sign(stage, OTHER, mandate=keccak256(b"never granted"))
    assert kept(stage) == 0
