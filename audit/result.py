"""What an audit says: steps, grades, decisions, and the report over a mandate.

Pure values. Nothing here decides whether a step passes (`steps.py` and its
neighbours do) or how strong a decision is (`grades.py`). `to_json` is stable: it holds
no clock, path or timing of the auditor, so that two auditors of the same chain,
evidence and model can compare their reports byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.onchain.mandate import Address

REPORT_FORMAT = "affiant-audit/1"
"""Name and version of the report's JSON."""


class Status(StrEnum):
    """How one step ended."""

    PASS = "pass"
    FAIL = "fail"
    SKIPPED = "skipped"


class Kind(StrEnum):
    """What became of a signed decision."""

    EXECUTED = "executed"
    HELD = "held"
    UNUSED = "unused"
    """Signed with calls, found in the evidence, never executed."""


class Answer(StrEnum):
    """Whether a decision reaches a grade."""

    YES = "yes"
    NO = "no"
    NOT_CLAIMED = "not claimed"


class Verdict(StrEnum):
    """The one word over a decision or a report."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INCOMPLETE = "incomplete"
    """Nothing contradicts, but something that the asked grade needs was not done: a
    step of a decision, or reading the evidence store. Or nothing was decided at all
    though there were slots to decide in."""


@dataclass(frozen=True)
class Step:
    """One numbered check of one decision."""

    number: int
    """1 to 10; the numbers mean the same in every report."""
    name: str
    status: Status
    detail: str
    """One sentence: what was found, or why the step was skipped."""
    got: str | None = None
    """Where the step failed: what the chain or the evidence says."""
    expected: str | None = None
    """Where the step failed: what the auditor derived."""
    error: str = field(default="", compare=False)
    """Name of the error that failed or skipped it; for code, not part of the JSON."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the step as JSON."""
        return {
            "number": self.number,
            "name": self.name,
            "status": self.status.value,
            "detail": self.detail,
            "got": self.got,
            "expected": self.expected,
        }


@dataclass(frozen=True)
class Grade:
    """One grade of a decision's verdict."""

    name: str
    """signed, reproduced, endorsed or hardware."""
    answer: Answer
    reason: str
    """One sentence: why this answer."""
    does_not_show: str
    """One sentence: what the grade does not show even where the answer is yes."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the grade as JSON."""
        return {
            "name": self.name,
            "answer": self.answer.value,
            "reason": self.reason,
            "doesNotShow": self.does_not_show,
        }


@dataclass(frozen=True)
class Change:
    """What was sworn about one tracked token, and what was measured."""

    name: str
    """The address book's name, or the address."""
    token: Address
    decimals: int
    debt: bool
    bound: int
    """Base units: least signed change sworn."""
    measured: int | None
    """Base units: the event's signed change; None where nothing was executed."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the change as JSON."""
        return {
            "name": self.name,
            "token": self.token,
            "decimals": self.decimals,
            "debt": self.debt,
            "bound": str(self.bound),
            "measured": None if self.measured is None else str(self.measured),
        }


@dataclass(frozen=True)
class Account:
    """The account's tokens and their worth at one block, from a verified reading."""

    block: int
    timestamp: int
    """Unix seconds."""
    slot: int | None
    """Slot whose anchor this is; None at the audited block."""
    holdings: tuple[tuple[str, int], ...]
    """(token name, wallet + supplied - debt in base units), sorted by name."""
    values: tuple[tuple[str, int], ...]
    """(token name, value with 8 decimals), same order."""
    held_value: int
    """What the first entry's holdings would be worth now, 8 decimals."""
    verified: bool
    """Whether the auditor re-read it at his own endpoint."""

    @property
    def value(self) -> int:
        """Sum of the values, 8 decimals."""
        return sum(value for _, value in self.values)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the entry as JSON."""
        return {
            "block": self.block,
            "timestamp": self.timestamp,
            "slot": self.slot,
            "holdings": {name: str(units) for name, units in self.holdings},
            "values": {name: str(value) for name, value in self.values},
            "value": str(self.value),
            "heldValue": str(self.held_value),
            "verified": self.verified,
        }


@dataclass(frozen=True)
class Story:
    """What a person wants to know about one decision. Text in it is hostile."""

    saw: tuple[tuple[str, str], ...] = ()
    """(label, value) in words."""
    asked: tuple[tuple[str, str], ...] = ()
    """(question, answer) of each question that the program asked before the plan."""
    why: str = ""
    """The model's own words."""
    plan: tuple[str, ...] = ()
    """Each planned action in words."""
    calls: tuple[str, ...] = ()
    """Each call in words."""
    changes: tuple[Change, ...] = ()
    value_at_risk: int | None = None
    """Value with 8 decimals, from the event."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the story as JSON."""
        return {
            "saw": [[label, value] for label, value in self.saw],
            "asked": [[question, answer] for question, answer in self.asked],
            "why": self.why,
            "plan": list(self.plan),
            "calls": list(self.calls),
            "changes": [change.to_json() for change in self.changes],
            "valueAtRisk": (
                None if self.value_at_risk is None else str(self.value_at_risk)
            ),
        }


@dataclass(frozen=True)
class DecisionAudit:
    """The audit of one signed decision."""

    digest: Digest
    kind: Kind
    mandate: Digest
    slot: int
    anchor: int
    """Number of the slot's first block."""
    block: int | None
    """Block of execution; None where nothing was executed."""
    timestamp: int | None
    """Unix seconds of the execution's block, or of the anchor; None if unknown."""
    transaction: Digest | None
    node: Address
    previous: Digest
    outcome: Digest
    """keccak256(calls ‖ bounds): what the decision would do."""
    steps: tuple[Step, ...]
    grades: tuple[Grade, ...]
    """signed, reproduced, endorsed, hardware, in this order."""
    verdict: Verdict
    story: Story

    def grade(self, name: str) -> Grade:
        """Return the grade called `name`.

        Raises:
            ValueError: there is none of that name.
        """
        for grade in self.grades:
            if grade.name == name:
                return grade
        raise ValueError(f"no grade `{name}`")

    def to_json(self) -> dict[str, JsonValue]:
        """Return the audit as JSON."""
        return {
            "digest": to_hex(self.digest),
            "kind": self.kind.value,
            "mandate": to_hex(self.mandate),
            "slot": self.slot,
            "anchor": self.anchor,
            "block": self.block,
            "timestamp": self.timestamp,
            "transaction": (
                None if self.transaction is None else to_hex(self.transaction)
            ),
            "node": self.node,
            "previous": to_hex(self.previous),
            "outcome": to_hex(self.outcome),
            "steps": [step.to_json() for step in self.steps],
            "grades": [grade.to_json() for grade in self.grades],
            "verdict": self.verdict.value,
            "story": self.story.to_json(),
        }


@dataclass(frozen=True)
class Completeness:
    """What became of every slot in which the mandate could act."""

    first: int
    """First slot counted."""
    last: int
    """Last slot counted; `first - 1` where none is."""
    executed: tuple[int, ...]
    held: tuple[int, ...]
    """Slots with a signed HOLD in the evidence store, audited without a failure."""
    unused: tuple[int, ...]
    """Slots with a signed decision that was never executed."""
    stopped: tuple[int, ...]
    """Slots in which guardian or owner had stopped the mandate."""
    unexplained: tuple[int, ...]
    contradictory: tuple[int, ...]
    """Slots with two signed decisions on the same head that would do different things.
    Each is also counted once above."""
    waiting: tuple[int, ...] = ()
    """Slots that began while a queued decision had the head: nothing else could act."""

    @property
    def total(self) -> int:
        """Number of slots counted."""
        return self.last - self.first + 1

    @property
    def sentence(self) -> str:
        """One sentence, such as `47 slots: 31 executed, 14 held, 2 unexplained`."""
        parts = [f"{len(self.executed)} executed", f"{len(self.held)} held"]
        if self.unused:
            parts.append(f"{len(self.unused)} sworn but not executed")
        if self.stopped:
            parts.append(f"{len(self.stopped)} stopped")
        if self.waiting:
            parts.append(f"{len(self.waiting)} in which a queued decision waited")
        parts.append(f"{len(self.unexplained)} unexplained")
        noun = "slot" if self.total == 1 else "slots"
        return f"{self.total} {noun}: {', '.join(parts)}"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the account of the slots as JSON."""
        return {
            "first": self.first,
            "last": self.last,
            "total": self.total,
            "executed": list(self.executed),
            "held": list(self.held),
            "unused": list(self.unused),
            "stopped": list(self.stopped),
            "waiting": list(self.waiting),
            "unexplained": list(self.unexplained),
            "contradictory": list(self.contradictory),
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class Attack:
    """One attack that was sent to the real gate, for the report's table."""

    name: str
    expected: str
    """Name of the contract error that must refuse it."""
    got: str
    """Name of the contract error that did, or what happened instead."""
    ok: bool

    def to_json(self) -> dict[str, JsonValue]:
        """Return the attack as JSON."""
        return {
            "name": self.name,
            "expected": self.expected,
            "got": self.got,
            "ok": self.ok,
        }


@dataclass(frozen=True)
class AuditReport:
    """The audit of a mandate, from its grant to the audited block."""

    chain_id: int
    gate: Address
    account: Address
    mandate: Digest
    program: Digest
    model: Digest
    engine: Digest
    granted_block: int
    audited_block: int
    audited_hash: Digest
    required: str
    """Grade that every decision must reach to be accepted: signed or reproduced."""
    objective: str
    """The program's objective, in its author's words; empty if unknown. Hostile."""
    mandate_words: tuple[str, ...]
    """The mandate in plain words."""
    model_words: str
    """Which model folder the replay used, or why there was none."""
    decisions: tuple[DecisionAudit, ...]
    """By slot, then executed first."""
    completeness: Completeness
    portfolio: tuple[Account, ...]
    """In order of block."""
    findings: tuple[str, ...]
    """What concerns the mandate as a whole and is not right."""
    verdict: Verdict
    attacks: tuple[Attack, ...] = ()

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        count = len(self.decisions)
        noun = "decision" if count == 1 else "decisions"
        if not count and self.verdict is not Verdict.REJECTED:
            if self.verdict is Verdict.ACCEPTED:
                return "Nothing was decided, and no slot is unexplained."
            silent = len(self.completeness.unexplained)
            slots = "slot is" if silent == 1 else "slots are"
            return f"Nothing was decided: incomplete, {silent} {slots} unexplained."
        if self.verdict is Verdict.ACCEPTED:
            return f"Accepted: {count} {noun}, all {self.required}."
        if self.verdict is Verdict.REJECTED:
            bad = sum(item.verdict is Verdict.REJECTED for item in self.decisions)
            if not bad:
                return f"Rejected: {self.findings[0] if self.findings else 'see below'}"
            return (
                f"Rejected: {bad} of {count} {noun} contradict the evidence or chain."
            )
        part = sum(item.verdict is Verdict.INCOMPLETE for item in self.decisions)
        if not part:
            return f"Incomplete: {self.findings[0] if self.findings else 'see below'}"
        return f"Incomplete: {part} of {count} {noun} could not be {self.required}."

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report as JSON, the same for the same chain and evidence."""
        return {
            "format": REPORT_FORMAT,
            "chainId": self.chain_id,
            "gate": self.gate,
            "account": self.account,
            "mandate": to_hex(self.mandate),
            "program": to_hex(self.program),
            "model": to_hex(self.model),
            "engine": to_hex(self.engine),
            "grantedBlock": self.granted_block,
            "auditedBlock": self.audited_block,
            "auditedHash": to_hex(self.audited_hash),
            "required": self.required,
            "objective": self.objective,
            "mandateWords": list(self.mandate_words),
            "modelWords": self.model_words,
            "decisions": [decision.to_json() for decision in self.decisions],
            "completeness": self.completeness.to_json(),
            "portfolio": [entry.to_json() for entry in self.portfolio],
            "findings": list(self.findings),
            "verdict": self.verdict.value,
            "headline": self.headline,
            "attacks": [attack.to_json() for attack in self.attacks],
        }


def exit_code(report: AuditReport) -> int:
    """Return the process exit code: 0 accepted, 1 rejected, 3 unavailable.

    Misuse (2) never yields a report. A report without a decision is accepted only if
    no slot is unexplained: nothing was done, and nothing was to be done.
    """
    codes = {Verdict.ACCEPTED: 0, Verdict.REJECTED: 1, Verdict.INCOMPLETE: 3}
    return codes[report.verdict]
