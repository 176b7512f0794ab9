"""The order of the steps, and who may end a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from affiant.agents.durable.journal import JournalError
from affiant.agents.running.graph import ORDER, AgentGraph
from affiant.agents.running.progress import Outcome, Progress, RunResult, Saved
from affiant.agents.running.schedule import SlotSchedule
from affiant.errors import UnavailableError


class Recorder:
    """Steps that only write down that they were taken."""

    def restore(self, saved: Saved, *, step: str) -> Progress:
        return Progress(run=saved.run, slot=saved.slot)

    def stopping(self) -> bool:
        return False

    def __init__(self, *, ends_at: str = "confirm", outcome: Outcome = "executed"):
        self.taken: list[str] = []
        self._ends_at, self._outcome = ends_at, outcome

    def take(self, step: str, progress: Progress) -> Progress:
        self.taken.append(step)
        if step == self._ends_at:
            return replace(progress, outcome=self._outcome)
        return progress


@pytest.mark.parametrize("ends_at", ORDER[:-1])
def test_a_run_that_ends_goes_straight_to_the_record(ends_at: str):
    steps = Recorder(ends_at=ends_at, outcome="refused")
    result = AgentGraph(steps).run(Progress(run="r", slot=1))
    assert result.outcome == "refused"
    assert steps.taken == [*ORDER[: ORDER.index(ends_at) + 1], "record"]


def test_a_bug_in_a_step_is_not_swallowed():
    class Broken(Recorder):
        def take(self, step: str, progress: Progress) -> Progress:
            raise ZeroDivisionError(step)

    with pytest.raises(ZeroDivisionError, match="decide"):
        AgentGraph(Broken()).run(Progress(run="r", slot=1))


def test_a_run_without_outcome_is_a_bug():
    with pytest.raises(RuntimeError, match="outcome"):
        RunResult.of(Progress(run="r", slot=1))


class Slots:
    """A clock of slots and a run with prepared outcomes."""

    def __init__(self, *outcomes: Outcome):
        self.slot, self.ran, self._outcomes = 5, 0, list(outcomes)
        self.away = False

    def newest(self) -> int:
        if self.away:
            raise UnavailableError("the chain is away")
        return self.slot

    def run(self) -> RunResult:
        self.ran += 1
        return RunResult.of(
            Progress(run="r", slot=self.slot, outcome=self._outcomes.pop(0))
        )


@pytest.mark.parametrize("outcome", ["executed", "held", "refused", "skipped"])
def test_a_settled_slot_runs_once(outcome: Outcome):
    slots = Slots(outcome, outcome)
    schedule = SlotSchedule(slots.run, newest_slot=slots.newest)
    for _ in range(3):
        schedule.look()
    assert slots.ran == 1
    slots.slot = 6
    schedule.look()
    assert slots.ran == 2


def test_an_unavailable_run_is_tried_again_in_its_slot():
    slots = Slots("unavailable", "unavailable", "executed")
    schedule = SlotSchedule(slots.run, newest_slot=slots.newest)
    for _ in range(5):
        schedule.look()
    assert slots.ran == 3


def test_with_the_chain_away_the_run_itself_says_so():
    slots = Slots("unavailable", "held")
    slots.away = True
    schedule = SlotSchedule(slots.run, newest_slot=slots.newest)
    assert schedule.look().outcome == "unavailable"
    slots.away = False
    assert schedule.look().outcome == "held"


def test_every_run_is_told_and_a_slot_without_one_is_not():
    told: list[str] = []
    slots = Slots("unavailable", "held")
    schedule = SlotSchedule(
        slots.run,
        newest_slot=slots.newest,
        on_result=lambda result: told.append(result.outcome),
    )
    for _ in range(4):
        schedule.look()
    assert told == ["unavailable", "held"]


def breaks() -> RunResult:
    raise ZeroDivisionError("a bug")


def journal_is_gone() -> RunResult:
    raise JournalError("journal.sqlite", reason="disk full")


def lost_clock() -> int:
    raise ZeroDivisionError("no clock")


def refuses_results(result: RunResult) -> None:
    raise ZeroDivisionError("cannot print")


FAILURES: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "the run": ({"run": breaks}, ZeroDivisionError),
    "the journal": ({"run": journal_is_gone}, JournalError),
    "the clock of slots": ({"newest_slot": lost_clock}, ZeroDivisionError),
    "who is told": ({"on_result": refuses_results}, ZeroDivisionError),
}


@pytest.mark.parametrize("parts, error", FAILURES.values(), ids=list(FAILURES))
def test_what_nobody_expects_ends_the_schedule_and_is_raised(
    parts: dict[str, Any], error: type[Exception]
):
    slots = Slots("held", "held")
    schedule = SlotSchedule(
        **{
            "run": slots.run,
            "newest_slot": slots.newest,
            "poll_seconds": 0.01,
            **parts,
        }
    )
    schedule.start()
    try:
        with pytest.raises(error):
            schedule.wait()
        with pytest.raises(error):  # it is not forgotten
            schedule.wait()
        assert slots.ran <= 1
    finally:
        schedule.stop()


def test_waiting_ends_when_it_is_stopped_from_within():
    slots = Slots("held")
    schedule = SlotSchedule(
        slots.run,
        newest_slot=slots.newest,
        poll_seconds=0.01,
        on_result=lambda _: schedule.stop(),
    )
    schedule.start()
    schedule.wait()
    assert slots.ran == 1
