"""What is known of one run, what outlives its process, and what its caller gets.

Pure values. A `Progress` travels through the graph, one step adding to it what the next
needs; of it, a `Saved` is written to disk; a `RunResult` is what `run_once` returns and
the hooks are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from affiant.agents.deciding.derive import Derived
from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import DecisionExecuted
from affiant.onchain.mandate import object_fields, parse_integer

Outcome = Literal[
    "executed", "queued", "held", "refused", "unavailable", "skipped", "waiting"
]
"""How a run ended.

`queued`: its decision has the head, and waits out its rung's delay; it ends once more;
`refused`: the rules or somebody's wrong answer stopped it; `unavailable`: something did
not answer, the next run may do better; `skipped`: this slot already has its decision;
`waiting`: it has not ended, and goes on when what it waits for has come.
"""

FORMAT = "affiant-run/1"
"""Name and version of what is saved of a run."""


@dataclass(frozen=True)
class Saved:
    """What is written to disk of a run between two steps; the rest is found again.

    The decision itself is in the evidence store, under its digest; what was sent, in
    the journal; what became of it, on the chain.
    """

    run: str
    slot: int
    digest: Digest | None
    """The decision's, after decide."""
    outcome: Outcome | None
    """How it ended, where only the record is missing."""

    def to_json(self) -> JsonValue:
        """Return it as JSON."""
        return {
            "format": FORMAT,
            "run": self.run,
            "slot": self.slot,
            "digest": None if self.digest is None else to_hex(self.digest),
            "outcome": self.outcome,
        }

    @classmethod
    def parse(cls, value: JsonValue) -> Saved:
        """Read what a hostile checkpoint says.

        Raises:
            MalformedError: another version, or not its form.
        """
        item = object_fields(
            value, what="run", names=["format", "run", "slot", "digest", "outcome"]
        )
        run, digest, outcome = item["run"], item["digest"], item["outcome"]
        if item["format"] != FORMAT:
            raise MalformedError(
                "run.format", got=repr(item["format"])[:80], expected=FORMAT
            )
        if not isinstance(run, str) or len(run) > 64:
            raise MalformedError("run.run", got=repr(run)[:80], expected="a name")
        if outcome is not None and outcome not in get_args(Outcome):
            raise MalformedError(
                "run.outcome", got=repr(outcome)[:80], expected="an outcome"
            )
        return cls(
            run=run,
            slot=parse_integer(item["slot"], what="run.slot", bits=53),
            digest=None if digest is None else digest_from_hex(digest, what="run"),
            outcome=outcome,
        )


@dataclass(frozen=True)
class Progress:
    """What a run knows so far."""

    run: str
    slot: int
    bundle: EvidenceBundle | None = None
    """After decide."""
    tried: tuple[str, ...] = ()
    """URLs of the nodes that answered, the one whose decision it is last."""
    derived: Derived | None = None
    """After check: what the agent derived by itself."""
    endorsements: bytes = b""
    """After simulate: endorsers' signatures, joined as the gate takes them."""
    gas_estimate: int | None = None
    """After simulate."""
    value_at_risk: int | None = None
    """After simulate: 8 decimals, as the gate itself measured it there."""
    queues: bool = False
    """After simulate: its rung asks for a delay, so that it is queued, not executed."""
    transaction: str | None = None
    """After submit."""
    executed: DecisionExecuted | None = None
    """After confirm: the gate's event."""
    gas_used: int | None = None
    """After confirm."""
    outcome: Outcome | None = None
    """Set by the step that ends the run."""
    waits_for: str | None = None
    """Set by a step that did nothing yet: `approval`; `stop` where it was stopped.
    `delay` where a queued decision waits."""
    decided: Digest | None = None
    """The decision's digest, where its bundle is not at hand any more."""
    error: AffiantError | None = None
    """Why it ended, where it was not meant to."""
    failed_step: str | None = None
    """The step that ended it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time per step, and per phase inside the node as the node tells it (unsworn)."""

    @property
    def digest(self) -> Digest | None:
        """The decision's digest, once there is a decision."""
        return self.decided if self.bundle is None else self.bundle.digest

    def waiting(self, reason: str) -> Progress:
        """Return it as one that waits."""
        return replace(self, waits_for=reason)

    def saved(self) -> Saved:
        """Return what of it outlives the process."""
        return Saved(
            run=self.run,
            slot=self.slot,
            digest=self.digest,
            outcome=self.outcome,
        )


@dataclass(frozen=True)
class RunResult:
    """What became of one run."""

    outcome: Outcome
    slot: int
    run: str
    bundle: EvidenceBundle | None
    """The decision's evidence, once a decision was received and checked."""
    derived: Derived | None
    """Facts, request, plan, calls and bounds, as the agent derived them."""
    transaction: str | None
    executed: DecisionExecuted | None
    """The gate's event, where the decision was executed."""
    gas_used: int | None
    error: AffiantError | None
    failed_step: str | None
    seconds: Mapping[str, float]
    """Time per step in seconds."""
    waits_for: str | None = None
    """`approval`, `delay`, `stop` or `resume`, where the outcome is `waiting`."""
    decided: Digest | None = None
    """The decision's digest, where its bundle is not at hand any more."""

    @property
    def digest(self) -> Digest | None:
        """The decision's digest, where there is a decision."""
        return self.decided if self.bundle is None else self.bundle.digest

    @classmethod
    def of(cls, progress: Progress) -> RunResult:
        """Return the result of a run that has ended.

        Raises:
            RuntimeError: it has not.
        """
        outcome: Outcome | None = progress.outcome
        if progress.waits_for is not None:
            outcome = "waiting"
        if outcome is None:
            raise RuntimeError("the run has no outcome")
        return cls(
            outcome=outcome,
            slot=progress.slot,
            run=progress.run,
            bundle=progress.bundle,
            derived=progress.derived,
            transaction=progress.transaction,
            executed=progress.executed,
            gas_used=progress.gas_used,
            error=progress.error,
            failed_step=progress.failed_step,
            seconds=progress.seconds,
            waits_for=progress.waits_for,
            decided=progress.decided,
        )
