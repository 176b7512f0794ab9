"""What is known of one run, and what its caller gets in the end.

Pure values. A `Progress` travels through the graph, one step adding to it what the next
needs; a `RunResult` is what `run_once` returns and the hooks are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from affiant.agents.derive import Derived
from affiant.encoding import Digest
from affiant.errors import AffiantError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import DecisionExecuted

Outcome = Literal["executed", "held", "refused", "unavailable", "skipped"]
"""How a run ended.

`refused`: the rules or somebody's wrong answer stopped it; `unavailable`: something did
not answer, the next run may do better; `skipped`: this slot already has its decision.
"""


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
    transaction: str | None = None
    """After submit."""
    executed: DecisionExecuted | None = None
    """After confirm: the gate's event."""
    gas_used: int | None = None
    """After confirm."""
    outcome: Outcome | None = None
    """Set by the step that ends the run."""
    error: AffiantError | None = None
    """Why it ended, where it was not meant to."""
    failed_step: str | None = None
    """The step that ended it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time per step, and per phase inside the node as the node tells it (unsworn)."""


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

    @property
    def digest(self) -> Digest | None:
        """The decision's digest, where there is a decision."""
        return None if self.bundle is None else self.bundle.digest

    @classmethod
    def of(cls, progress: Progress) -> RunResult:
        """Return the result of a run that has ended.

        Raises:
            RuntimeError: it has not.
        """
        if progress.outcome is None:
            raise RuntimeError("the run has no outcome")
        return cls(
            outcome=progress.outcome,
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
        )
