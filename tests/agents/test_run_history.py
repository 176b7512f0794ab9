"""Rows of a journal put together into runs, whatever hostile text they hold."""

from __future__ import annotations

from typing import Any

from affiant.agents.durable.journal import Entry
from affiant.agents.durable.run_history import MAX_WHY_CHARS, runs_of
from affiant.encoding import Digest

MANDATE, DIGEST = Digest(b"\1" * 32), Digest(b"\2" * 32)


def row(
    step: str, status: str, *, run: str = "a", at: float = 1.0, **more: Any
) -> Entry:
    parts: dict[str, Any] = {"mandate": MANDATE, "slot": 7, "detail": None, **more}
    return Entry(run=run, step=step, status=status, at=at, **parts)  # type: ignore[arg-type]


PLAN = {"why": "above its band", "actions": [{"action": "swap"}, {"action": "supply"}]}


def test_an_executed_run_says_what_and_why():
    (run,) = runs_of(
        [
            row("decide", "done", digest=DIGEST),
            row("check", "done", digest=DIGEST, detail={"plan": PLAN}),
            row("simulate", "done", digest=DIGEST, detail={"gas": 5}),
            row("submit", "sending", digest=DIGEST, transaction="0xab"),
            row(
                "confirm", "done", digest=DIGEST, transaction="0xab", detail={"gas": 9}
            ),
            row("record", "done", at=3.0, detail={"outcome": "executed"}),
        ]
    )
    assert (run.outcome, run.slot, run.at, run.gas) == ("executed", 7, 3.0, 9)
    assert (run.actions, run.why) == (("swap", "supply"), "above its band")
    assert (run.digest, run.transaction, run.error) == (DIGEST, "0xab", "")
    assert run.to_json()["digest"] == "0x" + "02" * 32


def test_a_refused_run_names_error_and_step():
    detail = {"error": "NotLiveError", "message": "stopped"}
    (run,) = runs_of(
        [
            row("decide", "refused", detail=detail),
            row("record", "refused", detail={"step": "decide", **detail}),
        ]
    )
    assert (run.outcome, run.step, run.error) == ("refused", "decide", "NotLiveError")
    assert run.why == "stopped"


def test_a_run_that_a_crash_ended_is_running_until_it_is_settled():
    sending = row("submit", "sending", transaction="0xab")
    assert runs_of([sending])[0].outcome == "running"
    lost = {"detail": {"why": "not mined in its slot"}, "transaction": "0xab"}
    (run,) = runs_of(
        [sending, row("confirm", "lost", **lost), row("record", "lost", **lost)]
    )
    assert (run.outcome, run.why) == ("lost", "not mined in its slot")


def test_runs_are_in_the_order_of_their_newest_row():
    rows = [row("decide", "done", run=name) for name in ("a", "b", "a")]
    assert [run.run for run in runs_of(rows)] == ["b", "a"]


def test_hostile_reasons_are_one_bounded_line():
    plan = {
        "why": "\x1b[31m" + "x\n" * 5000,
        "actions": [{"action": "\x1b]0;x\x07" * 99}],
    }
    (run,) = runs_of([row("check", "done", detail={"plan": plan})])
    assert len(run.why) <= MAX_WHY_CHARS
    assert not set("\x1b\n\x07") & set(run.why + run.actions[0])


def test_rows_of_any_shape_are_told():
    for detail in ([], "x", {"plan": []}, {"plan": {"actions": [1, {}]}}, {"gas": "5"}):
        assert runs_of([row("check", "done", detail=detail)])[0].outcome == "running"
