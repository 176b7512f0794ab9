"""Decisions that waited out a delay: audited, accounted for, and checkpointed.

Real chain and gate; the model is the scripted double.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.agents import Hold, Supply, Swap, VerifiedAgent, Withdraw
from affiant.agents.deciding.decide import decide
from affiant.agents.nodes.service import NodeServer
from affiant.audit.auditor import audit_mandate
from affiant.audit.checkpoint import sign_checkpoint
from affiant.audit.result import AuditReport, Kind, Status, Verdict
from affiant.encoding import to_hex
from affiant.onchain.account import AccountClient
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address, Rung
from affiant.onchain.observation import ChainView
from affiant.onchain.sending import send

pytestmark = pytest.mark.anvil

HOUR = 3600
AGENTS = neighbour("agents/conftest.py")


class Patient(VerifiedAgent):
    """Its decisions outlive the delay."""

    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Supply, Withdraw, Hold)
    max_tokens = 512
    validity_seconds = 3 * HOUR

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")


class Life:
    """A mandate whose every decision waits an hour, and a way to read its audit."""

    def __init__(self, world: Any, folder: Path, make_replayer: Any) -> None:
        self.world, self.folder = world, folder
        self.replayer = make_replayer(world.engine)
        self.serving = world.serving(
            folder, model_summary={"root": to_hex(AGENTS.MODEL)}
        )

    def decided(self, text: str) -> Any:
        world = self.world
        world.engine.text = text
        return decide(
            program=world.program(),
            book=world.book,
            mandate=world.mandate,
            slot=world.mandate.slot_of(world.chain.block_number()),
            serving=self.serving,
        )

    def queue(self, text: str | None = None) -> Any:
        bundle = self.decided(text or self.world.swap)
        call = self.world.gate.queue_call(
            Submission.of(bundle), sender=Address(self.world.operator.address)
        )
        send(self.world.chain, call, signer=self.world.operator, timeout=10)
        return bundle

    def slots(self, count: int) -> None:
        for _ in range(count):
            self.world.scenario.next_slot(self.world.mandate.cadence)

    def serve_the_delay(self) -> None:
        self.world.scenario.warp(HOUR + 1)
        self.world.scenario.refresh_feeds()

    def execute(self, bundle: Any) -> Any:
        return self.world.gate.execute(
            Submission.of(bundle), operator=self.world.operator
        )

    def cancel(self, bundle: Any) -> None:
        mandate = self.world.mandate
        AccountClient(self.world.chain, mandate.account).execute(
            self.world.gate.cancel_call(
                mandate.id, digest=bundle.digest, sender=mandate.account
            ),
            owner=self.world.owner,
        )

    def audit(self) -> AuditReport:
        return audit_mandate(
            self.world.chain,
            gate=self.world.book.gate,
            mandate=self.world.mandate.id,
            store=EvidenceStore(str(self.folder / "node-evidence")),
            replayer=self.replayer,
        )


@pytest.fixture(scope="module")
def _waiting(settling: Callable[..., Any]) -> Iterator[Any]:
    keys = neighbour("audit/endorser_stage.py").KEYS
    world = settling(
        keeper=Patient,
        ladder=(Rung(100_000 * 10**8, 0, 0, HOUR),),
        endorsers=(Address(keys["first"].address),),
    )
    world.scenario.next_slot(world.mandate.cadence)
    yield world
    world.chain.close()


@pytest.fixture
def life(_waiting: Any, tmp_path: Path, make_replayer: Any) -> Iterator[Life]:
    rpc = _waiting.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    yield Life(_waiting, tmp_path, make_replayer)
    rpc.request("evm_revert", snapshot)


def problems(report: AuditReport) -> list[str]:
    return [
        f"slot {audit.slot} step {step.number}: {step.detail}"
        for audit in report.decisions
        for step in audit.steps
        if step.status is not Status.PASS
    ]


def test_queued_then_executed_is_whole_and_every_slot_explained(life):
    bundle = life.queue()
    life.slots(3)
    life.serve_the_delay()
    life.execute(bundle)
    life.slots(1)
    # What comes next follows it.
    second = life.queue(life.world.supply)
    life.slots(2)
    life.serve_the_delay()
    life.execute(second)
    life.slots(1)
    report = life.audit()
    assert (problems(report), report.verdict) == ([], Verdict.ACCEPTED)
    assert [audit.kind for audit in report.decisions] == [Kind.EXECUTED] * 2
    done = report.completeness
    assert done.unexplained == ()
    first = bundle.decision.slot
    assert done.executed == (first, second.decision.slot)
    assert {first + 1, first + 2, first + 3} <= set(done.waiting)
    assert "in which a queued decision waited" in done.sentence


def test_queued_then_cancelled_is_told_and_every_slot_explained(life):
    bundle = life.queue()
    life.slots(2)
    life.cancel(bundle)
    life.slots(1)
    second = life.queue()
    assert second.decision.previous == bundle.digest
    life.slots(1)
    life.serve_the_delay()
    life.execute(second)
    life.slots(1)
    report = life.audit()
    assert (problems(report), report.verdict) == ([], Verdict.ACCEPTED)
    kinds = {audit.digest: audit.kind for audit in report.decisions}
    assert kinds == {bundle.digest: Kind.UNUSED, second.digest: Kind.EXECUTED}
    assert report.completeness.unexplained == ()
    assert any("cancelled" in finding for finding in report.findings)


def test_what_still_waits_explains_the_slots_since(life):
    life.queue()
    life.slots(3)
    report = life.audit()
    assert report.verdict is Verdict.ACCEPTED
    assert report.completeness.unexplained == ()
    assert len(report.completeness.waiting) >= 2


def test_silence_after_the_wait_is_unexplained_again(life):
    """A queue entry that is over does not cover for an operator for ever."""
    bundle = life.queue()
    life.world.scenario.warp(Patient.validity_seconds + 1)
    life.slots(4)
    report = life.audit()
    silent = set(report.completeness.unexplained)
    assert bundle.decision.slot + 3 in silent
    assert len(report.completeness.waiting) <= 1


def test_a_checkpoint_while_one_waits_counts_only_what_was_executed(life):
    stage = neighbour("audit/endorser_stage.py")
    bundle = life.queue()
    life.slots(1)
    life.serve_the_delay()
    life.execute(bundle)
    life.slots(1)
    outflow = life.world.gate.state_of(life.world.mandate.id).outflow
    life.queue(life.world.supply)
    life.slots(1)
    signed = sign_checkpoint(
        life.world.chain,
        gate=life.world.book.gate,
        mandate=life.world.mandate.id,
        store=EvidenceStore(str(life.folder / "node-evidence")),
        replayer=life.replayer,
        key=stage.KEYS["first"],
        signed=stage.SignedMemory(
            life.folder / "signed.sqlite",
            chain_id=life.world.book.chain_id,
            gate=life.world.book.gate,
            signer=Address(stage.KEYS["first"].address),
        ),
    )
    assert signed.statement.outflow == outflow > 0
    call = life.world.gate.checkpoint_call(
        signed.statement,
        signatures=signed.signature,
        sender=Address(life.world.operator.address),
    )
    send(life.world.chain, call, signer=life.world.operator, timeout=10)
    state = life.world.gate.state_of(life.world.mandate.id)
    assert (state.unaudited, bool(state.queued_at)) == (0, True)


def test_an_agent_and_its_auditor_agree_about_a_wait(life, tmp_path):
    """The agent's own journal and store, from queue to execution."""
    world = life.world
    world.engine.text = world.swap
    with NodeServer(world.node(tmp_path)) as server:
        agent = world.agent(tmp_path, url=server.url)
        assert agent.run_once().outcome == "queued"
        life.slots(2)
        assert agent.run_once().outcome == "waiting"
        life.serve_the_delay()
        assert agent.run_once().outcome == "executed"
        life.slots(1)
        report = life.audit()
        while world.opened:
            world.opened.pop().close()
    assert (problems(report), report.verdict) == ([], Verdict.ACCEPTED)
    assert report.completeness.unexplained == ()
