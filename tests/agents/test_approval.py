"""Approval above a value: one digest, one slot, whatever happens in between.

nobody answers                       test_without_an_answer_nothing_is_sent
another digest is approved           test_only_the_digest_that_was_asked…
the answer comes too late            test_an_approval_after_the_slot_is_none
the agent is killed meanwhile        test_a_wait_survives_its_process
the chain moves meanwhile            test_what_was_approved_is_checked_again…
a checkpoint says "approved"         test_a_checkpoint_cannot_approve
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.durable.approvals import (
    ApprovalRefusedError,
    Approvals,
    Asked,
    NotPendingError,
)
from affiant.agents.durable.database import Database
from affiant.agents.running.approve import ApprovalSection, last_block
from affiant.encoding import Digest, keccak256, to_hex

MANDATE, DIGEST = keccak256(b"mandate"), keccak256(b"decision")


def asked(digest: Digest = DIGEST) -> Asked:
    return Asked(
        digest=digest, slot=7, value=5, last_block=78, valid_until=9, detail={"a": 1}
    )


@pytest.fixture
def approvals(tmp_path: Path) -> Approvals:
    database = Database(str(tmp_path / "journal.sqlite"))
    return Approvals(database, mandate=MANDATE, clock=lambda: 1.0)


def test_an_answer_is_to_one_digest_and_the_first_counts(approvals: Approvals):
    approvals.ask(asked())
    approvals.ask(asked())
    assert approvals.pending() == (asked(),)
    approvals.answer(DIGEST, "approved", sender="me")
    assert (approvals.state(DIGEST), approvals.pending()) == ("approved", ())
    with pytest.raises(NotPendingError, match="approved"):
        approvals.answer(DIGEST, "rejected", sender="me")


def test_nothing_is_answered_that_was_not_asked(approvals: Approvals):
    with pytest.raises(NotPendingError, match="unknown"):
        approvals.answer(DIGEST, "approved", sender="me")
    assert approvals.state(DIGEST) is None
    approvals.ask(asked())
    approvals.close(DIGEST, why="over")
    with pytest.raises(NotPendingError, match="closed"):
        approvals.answer(DIGEST, "approved", sender="me")


def test_another_mandates_answer_is_none(approvals: Approvals, tmp_path: Path):
    database = Database(str(tmp_path / "journal.sqlite"))
    other = Approvals(database, mandate=keccak256(b"other"), clock=lambda: 1.0)
    approvals.ask(asked())
    with pytest.raises(NotPendingError):
        other.answer(DIGEST, "approved", sender="me")
    assert other.pending() == ()


@pytest.mark.parametrize(
    "text, value",
    [("1000", 1000 * 10**8), ("0", 0), ("0.5", 5 * 10**7), ("1.00000001", 10**8 + 1)],
)
def test_a_value_is_read_with_its_decimals(text: str, value: int):
    assert ApprovalSection(above=text).value == value


@pytest.mark.parametrize("text", ["", "-1", "1,000", "1e3", " 1", "0.123456789", "٣"])
def test_what_is_no_value_is_refused(text: str):
    with pytest.raises(ValueError):
        ApprovalSection(above=text)
    assert ApprovalSection().value is None


# With a chain.


def waiting(world: Any, folder: Path, url: str, **changes: Any) -> tuple[Any, Any]:
    """Return an agent that asks for everything, and what it waits for."""
    world.engine.text = world.swap
    agent = world.agent(folder, url=url, approve_above=0, **changes)
    result = agent.run_once()
    assert (result.outcome, result.waits_for) == ("waiting", "approval"), result.error
    return agent, result


def of_person(folder: Path, mandate: Any) -> Approvals:
    """What a person's command opens: another connection."""
    return Approvals(
        Database(str(folder / "journal.sqlite")), mandate=mandate.id, clock=lambda: 2.0
    )


def records(agent: Any) -> list[tuple[str, str]]:
    return [(e.step, e.status) for e in agent.journal.entries() if e.step == "record"]


@pytest.mark.anvil
def test_below_the_value_nobody_is_asked(world, node_url, tmp_path):
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url, approve_above=10**6 * 10**8)
    result = agent.run_once()
    assert result.outcome == "executed"
    assert not [e for e in agent.journal.entries() if e.step == "approve"]


@pytest.mark.anvil
def test_the_value_is_the_gates_own_measure(world, node_url, tmp_path):
    world.engine.text = world.swap
    probe = world.agent(tmp_path / "probe", url=node_url, approve_above=0)
    probe.run_once()
    (request,) = of_person(tmp_path / "probe", world.mandate).pending()
    # Exactly at the limit is not above it.
    agent = world.agent(tmp_path, url=node_url, approve_above=request.value)
    result = agent.run_once()
    assert result.outcome == "executed"
    assert result.executed.value_at_risk == request.value
    assert request.detail["value"].startswith("$")


@pytest.mark.anvil
def test_without_an_answer_nothing_is_sent(world, node_url, tmp_path):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    told: list[str] = []
    agent.on_waiting = lambda result: told.append(result.waits_for)
    for _ in range(3):
        assert agent.run_once().outcome == "waiting"
    assert world.nonce() == nonce
    assert records(agent) == []
    asked_for = [e for e in agent.journal.entries() if e.step == "approve"]
    assert [e.status for e in asked_for] == ["waiting"], "asked once"
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    assert agent.run_once().outcome == "held"
    assert records(agent) == [("record", "abandoned"), ("record", "held")]
    assert of_person(tmp_path, world.mandate).pending() == ()
    assert world.nonce() == nonce


@pytest.mark.anvil
def test_an_approved_decision_is_executed(world, node_url, tmp_path):
    agent, result = waiting(world, tmp_path, node_url)
    (request,) = of_person(tmp_path, world.mandate).pending()
    assert request.digest == result.digest
    assert request.last_block == last_block(world.mandate, slot=result.slot)
    of_person(tmp_path, world.mandate).answer(request.digest, "approved", sender="me")
    done = agent.run_once()
    assert (done.outcome, done.digest) == ("executed", request.digest)
    assert world.gate.head_of(world.mandate.id) == request.digest
    assert records(agent) == [("record", "done")]


@pytest.mark.anvil
def test_a_rejected_decision_is_never_sent(world, node_url, tmp_path):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    of_person(tmp_path, world.mandate).answer(result.digest, "rejected", sender="me")
    done = agent.run_once()
    assert (done.outcome, done.failed_step) == ("refused", "approve")
    assert isinstance(done.error, ApprovalRefusedError)
    # Asked again in the same slot, the node says the same, and so did the person.
    assert isinstance(agent.run_once().error, ApprovalRefusedError)
    assert world.nonce() == nonce


@pytest.mark.anvil
def test_only_the_digest_that_was_asked_about_is_approved(world, node_url, tmp_path):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    person = of_person(tmp_path, world.mandate)
    with pytest.raises(NotPendingError):
        person.answer(keccak256(b"another"), "approved", sender="me")
    assert agent.run_once().outcome == "waiting"
    # The slot's approval says nothing about the next slot's decision.
    world.scenario.next_slot(world.mandate.cadence)
    again = agent.run_once()
    assert (again.outcome, again.waits_for) == ("waiting", "approval")
    assert again.digest != result.digest
    with pytest.raises(NotPendingError, match="closed"):
        person.answer(result.digest, "approved", sender="me")
    assert world.nonce() == nonce


@pytest.mark.anvil
@pytest.mark.parametrize("how", ["the slot is over", "the last block has come"])
def test_an_approval_that_comes_too_late_is_none(world, node_url, tmp_path, how):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    end = last_block(world.mandate, slot=result.slot) + 1
    world.scenario.mine_to(end + (how == "the slot is over"))
    of_person(tmp_path, world.mandate).answer(result.digest, "approved", sender="me")
    world.engine.text = world.hold
    agent.run_once()
    assert world.nonce() == nonce
    assert records(agent)[0][1] in ("refused", "abandoned")


@pytest.mark.anvil
@pytest.mark.parametrize("answer", ["approved", "rejected", None])
def test_a_wait_survives_its_process(world, node_url, tmp_path, answer):
    nonce = world.nonce()
    _, result = waiting(world, tmp_path, node_url)
    if answer is not None:
        of_person(tmp_path, world.mandate).answer(result.digest, answer, sender="me")
    asked_before = len(world.engine.asked)
    # Nothing was closed: this is what is left after a kill.
    again = world.agent(tmp_path, url=node_url, approve_above=0)
    done = again.run_once()
    assert done.outcome == {"approved": "executed", "rejected": "refused"}.get(
        answer, "waiting"
    )
    assert done.run == result.run, "the same run goes on"
    assert len(world.engine.asked) == asked_before, "nobody is asked twice"
    assert world.nonce() == nonce + (answer == "approved")


@pytest.mark.anvil
def test_what_was_approved_is_checked_again_before_it_is_sent(
    world, node_url, tmp_path
):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    of_person(tmp_path, world.mandate).answer(result.digest, "approved", sender="me")
    world.scenario.reorg(2)  # the anchor's block is another one now
    done = agent.run_once()
    assert done.outcome in ("refused", "unavailable"), done
    assert world.nonce() == nonce


@pytest.mark.anvil
def test_a_checkpoint_cannot_approve(world, node_url, tmp_path):
    """Whoever edits the checkpoints has the run resumed, and asked again."""
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    with sqlite3.connect(tmp_path / "journal.checkpoints.sqlite") as connection:
        connection.execute("DELETE FROM writes WHERE channel = '__interrupt__'")
    connection.close()
    again = world.agent(tmp_path, url=node_url, approve_above=0)
    assert again.run_once().waits_for == "approval"
    assert again.run_once().waits_for == "approval"
    assert world.nonce() == nonce


@pytest.mark.anvil
@pytest.mark.parametrize("field", ["digest", "run", "slot"])
def test_a_checkpoint_of_another_run_or_decision_sends_nothing(
    world, node_url, tmp_path, field: str
):
    nonce = world.nonce()
    agent, result = waiting(world, tmp_path, node_url)
    of_person(tmp_path, world.mandate).answer(result.digest, "approved", sender="me")
    other = {
        "digest": to_hex(keccak256(b"another")),
        "run": "0011223344556677",
        "slot": result.slot + 1,
    }[field]
    file = tmp_path / "journal.checkpoints.sqlite"
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT rowid, checkpoint FROM checkpoints"
        ).fetchall()
        for row, data in rows:
            value = json.loads(data)
            if "saved" in value["channel_values"]:
                value["channel_values"]["saved"][field] = other
            changed = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
            connection.execute(
                "UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", (changed, row)
            )
    connection.close()
    again = world.agent(tmp_path, url=node_url, approve_above=0)
    done = again.run_once()
    if done.outcome == "executed":
        # It was abandoned and begun anew: what was approved is what was sent.
        assert done.digest == result.digest
        assert done.run not in (result.run, other)
        assert world.nonce() == nonce + 1
    else:
        assert world.nonce() == nonce


@pytest.mark.anvil
def test_a_checkpoint_cannot_say_that_it_was_sent(world, node_url, tmp_path):
    from affiant.agents.running.progress import Saved

    agent, result = waiting(world, tmp_path, node_url)
    steps = agent._runs._graph._steps
    saved = Saved(run=result.run, slot=result.slot, digest=result.digest, outcome=None)
    for step, forged in (
        ("confirm", saved),
        ("record", replace(saved, outcome="executed")),
    ):
        restored = steps.restore(forged, step=step)
        assert restored.outcome == "refused"
        assert "never sent" in str(restored.error)
