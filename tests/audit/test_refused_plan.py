"""Auditing a plan that could not be carried out, on a real chain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.deciding.decide import decide
from affiant.audit.auditor import audit_mandate
from affiant.audit.result import Kind, Status, Verdict
from affiant.encoding import to_hex
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import seal
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission

pytestmark = pytest.mark.anvil

NOTHING = (
    '{"why":"sell the bitcoin","actions":[{"action":"swap","sell":"WBTC","buy":"USDC",'
    '"share_bps":1000,"max_slippage_bps":100}]}'
)
REASON = "PlanAmountZeroError: swap.share_bps: got 1000 bps of 0 base units"


@pytest.fixture(scope="module")
def _settled(settling: Callable[..., Any]) -> Iterator[Any]:
    world = settling(record_holds=True)
    yield world
    world.chain.close()


@pytest.fixture
def world(_settled: Any) -> Iterator[Any]:
    snapshot = _settled.devnet.rpc.request("evm_snapshot")
    yield _settled
    _settled.devnet.rpc.request("evm_revert", snapshot)


def act(
    world: Any, folder: Path, text: str, *, false: dict[str, Any] | None = None
) -> EvidenceBundle:
    """Decide in a fresh slot and execute; with `false` as the stated plan."""
    world.scenario.next_slot(world.mandate.cadence)
    world.scenario.refresh_feeds()
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = text
    root = to_hex(world.mandate.model)
    serving = world.serving(folder, model_summary={"root": root})
    bundle = decide(
        program=world.program(),
        book=world.book,
        mandate=world.mandate,
        slot=world.mandate.slot_of(world.chain.block_number()),
        serving=serving,
    )
    if false is not None:
        contents = {name: item.content for name, item in bundle.sections.items()}
        contents["plan"] = false
        salts = {name: item.salt for name, item in bundle.sections.items()}
        sealed = seal(contents, salts=salts)
        decision = replace(bundle.decision, evidence=sealed.root)
        digest = decision.digest(chain_id=bundle.chain_id, gate=bundle.gate)
        bundle = replace(
            bundle,
            decision=decision,
            signature=world.key.sign(digest),
            leaves=sealed.leaves,
            sections=sealed.sections,
        )
        serving.store.put(bundle)
    world.gate.execute(Submission.of(bundle), operator=world.operator)
    return bundle


def audit(world: Any, folder: Path, replayer: Any) -> Any:
    return audit_mandate(
        world.chain,
        gate=world.book.gate,
        mandate=world.mandate.id,
        store=EvidenceStore(str(folder / "node-evidence")),
        replayer=replayer,
    )


def test_a_refused_plan_is_reproduced_with_its_reason(
    world: Any, tmp_path: Path, make_replayer: Any
) -> None:
    refused = act(world, tmp_path, NOTHING)
    after = act(world, tmp_path, world.swap)
    report = audit(world, tmp_path, make_replayer(world.engine))
    assert report.verdict is Verdict.ACCEPTED, report.findings
    first, second = (
        next(item for item in report.decisions if item.digest == bundle.digest)
        for bundle in (refused, after)
    )
    assert (first.kind, second.kind) == (Kind.HELD, Kind.EXECUTED)
    assert first.block is not None
    assert f"for the reason stated ({REASON}" in first.steps[8].detail
    assert first.story.plan[-1].startswith(f"not carried out: {REASON}")
    assert first.story.calls == () and second.story.calls
    # The request after it was rebuilt with the reason in it.
    assert second.steps[5].status is Status.PASS
    said = after.content("requests")[0]["previous"]["refused"]
    assert said.startswith(REASON)


def test_a_slot_that_a_refused_plan_took_is_explained(
    world: Any, tmp_path: Path, make_replayer: Any
) -> None:
    """Off chain, where holds are not recorded: signed, and reproduced all the same."""
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = NOTHING
    bundle = decide(
        program=world.program(),
        book=world.book,
        mandate=world.mandate,
        slot=world.mandate.slot_of(world.chain.block_number()),
        serving=world.serving(
            tmp_path, model_summary={"root": to_hex(world.mandate.model)}
        ),
    )
    world.scenario.next_slot(world.mandate.cadence)
    report = audit(world, tmp_path, make_replayer(world.engine))
    (found,) = [item for item in report.decisions if item.digest == bundle.digest]
    assert (found.kind, found.verdict) == (Kind.HELD, Verdict.ACCEPTED)
    assert bundle.decision.slot in report.completeness.held


LIES = {
    "another reason": {**json.loads(NOTHING), "refused": "PlanHealthError: too low"},
    "no reason": json.loads(NOTHING),
    "no text": {**json.loads(NOTHING), "refused": 7},
}


@pytest.mark.parametrize("false", LIES.values(), ids=LIES)
def test_a_false_reason_is_rejected_and_misleads_nobody_after_it(
    world: Any, tmp_path: Path, make_replayer: Any, false: dict[str, Any]
) -> None:
    liar = act(world, tmp_path, NOTHING, false=false)
    after = act(world, tmp_path, world.swap)
    report = audit(world, tmp_path, make_replayer(world.engine))
    assert report.verdict is Verdict.REJECTED
    by_digest = {item.digest: item for item in report.decisions}
    failed = [
        step.number
        for step in by_digest[liar.digest].steps
        if step.status is Status.FAIL
    ]
    assert failed == [9]
    assert by_digest[after.digest].verdict is not Verdict.REJECTED
    said = after.content("requests")[0]["previous"]["refused"]
    assert said.startswith(REASON)
