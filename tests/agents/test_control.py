"""Pause, resume, drain, stop, from this process and others; clocks that jump."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.durable.commands import Commands, Orders
from affiant.agents.durable.database import Database
from affiant.agents.running.progress import Progress, RunResult
from affiant.agents.running.schedule import SlotSchedule
from affiant.encoding import keccak256

MANDATE = keccak256(b"mandate")


def commands(folder: Path, mandate: Any = MANDATE) -> Commands:
    """What a process sees that starts now."""
    database = Database(str(folder / "journal.sqlite"))
    return Commands(database, mandate=mandate, clock=lambda: 1.0)


def test_commands_of_another_process_are_seen(tmp_path: Path):
    running, other = commands(tmp_path), commands(tmp_path)
    assert running.orders() == Orders()
    other.give("pause", sender="other")
    assert running.orders() == Orders(paused=True)
    other.give("drain", sender="other")
    assert running.orders() == Orders(paused=True, drain=True)
    other.give("resume", sender="other")
    other.give("stop", sender="other")
    assert running.orders() == Orders(drain=True, stop=True)


def test_a_pause_outlives_the_process_and_an_end_does_not(tmp_path: Path):
    for command in ("pause", "drain", "stop"):
        commands(tmp_path).give(command, sender="other")  # type: ignore[arg-type]
    assert commands(tmp_path).orders() == Orders(paused=True)


def test_commands_are_for_one_agent(tmp_path: Path):
    running = commands(tmp_path)
    commands(tmp_path, keccak256(b"another")).give("stop", sender="other")
    assert running.orders() == Orders()


def result(slot: int, outcome: Any = "held", **more: Any) -> RunResult:
    return RunResult.of(Progress(run="r", slot=slot, outcome=outcome, **more))


@pytest.mark.parametrize("jump", [-(10**8), 10**8, 0])
def test_a_wall_clock_that_jumps_changes_no_timing(monkeypatch: Any, jump: int):
    """Back by three years, on by three: the next look comes when it would have."""
    slots, looked = iter(range(1000)), threading.Semaphore(0)

    def run() -> RunResult:
        looked.release()
        return result(next(slots))

    schedule = SlotSchedule(run, newest_slot=lambda: 10**6, poll_seconds=0.02)
    schedule.start()
    try:
        assert looked.acquire(timeout=5)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        for _ in range(3):
            assert looked.acquire(timeout=5)
    finally:
        schedule.stop()


def test_what_waits_is_looked_at_again_and_told_of_once():
    told: list[str] = []
    outcomes = [
        result(5, None, waits_for="approval"),
        result(5, None, waits_for="approval"),
        result(5, "executed"),
    ]
    left = iter(outcomes)
    schedule = SlotSchedule(
        lambda: next(left),
        newest_slot=lambda: 5,
        on_result=lambda result: told.append(result.outcome),
    )
    for _ in range(5):
        schedule.look()
    assert told == ["waiting", "executed"]


def test_a_transaction_on_its_way_is_looked_at_again_within_its_slot():
    left = iter([result(5, "skipped", transaction="0x1"), result(5, "skipped")])
    schedule = SlotSchedule(lambda: next(left), newest_slot=lambda: 5)
    for _ in range(4):
        schedule.look()
    assert next(left, None) is None


# With a chain.


@pytest.mark.anvil
def test_a_paused_agent_takes_no_new_decision(world, node_url, tmp_path):
    agent = world.agent(tmp_path, url=node_url)
    agent.pause()
    paused = agent.run_once()
    assert (paused.outcome, paused.waits_for) == ("waiting", "resume")
    assert (world.engine.asked, agent.journal.entries()) == ([], ())
    # Also after a restart.
    again = world.agent(tmp_path, url=node_url)
    assert again.run_once().outcome == "waiting"
    again.resume()
    assert again.run_once().outcome == "held"


@pytest.mark.anvil
def test_a_paused_agent_still_settles_what_it_sent(world, node_url, tmp_path):
    from affiant.onchain.errors import ChainUnavailableError

    class Dropping:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.chain, name)

        def broadcast(self, transaction: bytes) -> None:
            world.chain.broadcast(transaction)
            raise ChainUnavailableError("test", method="send", reason="cut off")

    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url, chain=Dropping())
    assert agent.run_once().outcome == "unavailable"
    agent.pause()
    again = world.agent(tmp_path, url=node_url)
    again.run_once()
    assert again.journal.unsettled(world.mandate.id) == ()
    assert again.told == ["executed"]


@pytest.mark.anvil
@pytest.mark.parametrize("how", ["drain", "stop"])
@pytest.mark.parametrize("whose", ["its own", "another process's"])
def test_ends_when_it_is_told_to(world, node_url, tmp_path, how, whose):
    agent = world.agent(tmp_path, url=node_url)
    held = threading.Semaphore(0)
    agent.on_held = lambda result: held.release()
    agent.start(poll_seconds=0.05)
    assert held.acquire(timeout=20)
    if whose == "its own":
        getattr(agent, how)()
    else:
        commands(tmp_path, world.mandate.id).give(how, sender="other")
    agent.wait()
    # A later process is not told: it takes the next decision.
    agent.close()
    world.scenario.next_slot(world.mandate.cadence)
    assert world.agent(tmp_path, url=node_url).run_once().outcome == "held"


@pytest.mark.anvil
def test_draining_ends_the_run_in_progress_and_takes_no_other(
    world, node_url, tmp_path
):
    world.engine.text = world.swap
    inside, go_on = threading.Event(), threading.Event()

    def during() -> None:
        inside.set()
        go_on.wait(20)

    world.engine.during = during
    agent = world.agent(tmp_path, url=node_url)
    agent.start(poll_seconds=0.05)
    assert inside.wait(20)
    agent.drain(wait=False)
    go_on.set()
    agent.wait()
    assert agent.told == ["executed"]
    assert agent.journal.open_runs(world.mandate.id) == ()


@pytest.mark.anvil
def test_a_run_that_is_stopped_sends_nothing_and_goes_on_later(
    world, node_url, tmp_path
):
    world.engine.text = world.swap
    nonce = world.nonce()
    inside, go_on = threading.Event(), threading.Event()

    def during() -> None:
        inside.set()
        go_on.wait(20)

    world.engine.during = during
    agent = world.agent(tmp_path, url=node_url)
    agent.start(poll_seconds=0.05)
    assert inside.wait(20)
    agent.stop(wait=False)
    go_on.set()
    agent.stop()
    assert world.nonce() == nonce
    (left,) = agent.journal.open_runs(world.mandate.id)
    assert (left.step, left.status) == ("decide", "done")
    world.engine.during = None
    again = world.agent(tmp_path, url=node_url)
    done = again.run_once()
    assert (done.outcome, done.run) == ("executed", left.run)
    assert len(world.engine.asked) == 1, "the node gave the same answer again"


@pytest.mark.anvil
@pytest.mark.parametrize("jump", [-(10**8), 10**8])
def test_a_decision_is_taken_and_recovered_whatever_the_wall_clock_says(
    world, node_url, tmp_path, jump
):
    """Validity is the chain's time, order the journal's; the wall clock is a note."""
    from affiant.onchain.errors import ChainUnavailableError

    class Dropping:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.chain, name)

        def broadcast(self, transaction: bytes) -> None:
            world.chain.broadcast(transaction)
            raise ChainUnavailableError("test", method="send", reason="cut off")

    world.engine.text = world.swap
    now = 1_800_000_000
    first = world.agent(tmp_path, url=node_url, clock=lambda: now, chain=Dropping())
    assert first.run_once().outcome == "unavailable"
    nonce = world.nonce()
    again = world.agent(tmp_path, url=node_url, clock=lambda: now + jump)
    assert again.run_once().outcome == "skipped"
    assert again.journal.unsettled(world.mandate.id) == ()
    assert world.nonce() == nonce
    world.scenario.next_slot(world.mandate.cadence)
    assert again.run_once().outcome == "executed"
