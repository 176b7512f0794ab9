"""A journal's rows put together into runs: what happened in each slot, and why.

Pure. It decides nothing and adds nothing to what the journal says. The reasons in plans
are model text, and messages of refusals may be a node's: both are hostile, and put on
one line of bounded length here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from affiant.agents.durable.journal import Entry
from affiant.agents.programs.one_line import one_line
from affiant.encoding import Digest, JsonValue, to_hex

MAX_WHY_CHARS = 300
"""Longest reason kept, in characters."""

RUNNING = "running"
"""Outcome of a run that has not ended, or that a crash ended."""


@dataclass(frozen=True)
class Run:
    """What the journal says of one run."""

    run: str
    slot: int
    at: float
    """Unix seconds of its newest row."""
    outcome: str
    """`executed`, `held`, `refused`, `unavailable`, or as the journal has it; `running`
    where nothing says how it ended."""
    step: str
    """The step of its newest row; of a failed run, the one that failed."""
    actions: tuple[str, ...]
    """Names of the plan's actions, where a plan was checked."""
    why: str
    """The plan's own reason (model text), or the refusal's."""
    error: str
    """Name of the error that ended it; empty for none."""
    digest: Digest | None
    transaction: str | None
    gas: int | None
    """Gas that its transaction used."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the run as JSON."""
        return {
            "run": self.run,
            "slot": self.slot,
            "at": self.at,
            "outcome": self.outcome,
            "step": self.step,
            "actions": list(self.actions),
            "why": self.why,
            "error": self.error or None,
            "digest": None if self.digest is None else to_hex(self.digest),
            "transaction": self.transaction,
            "gas": self.gas,
        }


def runs_of(entries: Iterable[Entry]) -> tuple[Run, ...]:
    """Return the runs that `entries` tell of, in the order of their newest row.

    Args:
        entries: oldest first.
    """
    rows: dict[str, list[Entry]] = {}
    for entry in entries:
        # Put back at the end: a run is as new as its newest row.
        rows[entry.run] = [*rows.pop(entry.run, []), entry]
    return tuple(_run(found) for found in rows.values())


def _run(rows: list[Entry]) -> Run:
    newest = rows[-1]
    step, outcome, why, error = str(newest.step), RUNNING, "", ""
    actions: tuple[str, ...] = ()
    gas: int | None = None
    for row in rows:
        detail: Mapping[str, Any] = row.detail if isinstance(row.detail, dict) else {}
        plan = detail.get("plan")
        if isinstance(plan, dict):
            actions, why = _actions(plan), _text(plan.get("why"))
        if row.step == "confirm" and type(detail.get("gas")) is int:
            gas = detail["gas"]
        if isinstance(detail.get("error"), str):
            error, why = detail["error"][:80], _text(detail.get("message"))
            step = str(detail.get("step") or row.step)
        if row.step == "record":
            told = detail.get("outcome")
            outcome = told if isinstance(told, str) else _outcome(row)
            # What `settle` found out about a run that a crash ended.
            why = _text(detail.get("why")) or why
    return Run(
        run=newest.run,
        slot=newest.slot,
        at=newest.at,
        outcome=outcome,
        step=step,
        actions=actions,
        why=why,
        error=error,
        digest=next((row.digest for row in reversed(rows) if row.digest), None),
        transaction=next(
            (r.transaction for r in reversed(rows) if r.transaction), None
        ),
        gas=gas,
    )


def _outcome(row: Entry) -> str:
    return "executed" if row.status == "done" else str(row.status)


def _actions(plan: Mapping[str, Any]) -> tuple[str, ...]:
    actions = plan.get("actions")
    if not isinstance(actions, list):
        return ()
    return tuple(
        _text(item.get("action"))[:32] for item in actions if isinstance(item, dict)
    )


def _text(value: object) -> str:
    return one_line(value)[:MAX_WHY_CHARS] if isinstance(value, str) else ""
