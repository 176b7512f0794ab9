"""What an auditor brings to a decision, and what comes of examining it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affiant.audit.check_evidence import FindEvidence, Manifests
from affiant.audit.history import History
from affiant.audit.refusals import RecordedRefusal
from affiant.audit.replayer import Replayer
from affiant.audit.result import DecisionAudit
from affiant.encoding import Digest, keccak256
from affiant.inference.replay import ReplayVerdict
from affiant.onchain.chain_types import Block
from affiant.onchain.decision import Decision
from affiant.onchain.facts import Facts
from affiant.onchain.mandate import Mandate


@dataclass(frozen=True)
class Court:
    """What an auditor brings to every decision of one mandate."""

    history: History
    mandate: Mandate
    """As the gate's event of its grant states it."""
    granted_block: int
    find: FindEvidence
    replayer: Replayer | None
    required: str
    """Grade that a decision must reach to be accepted: signed or reproduced."""
    audited: Block | None
    """Nothing after this block is looked at; None where only decisions that wait for
    their execution are examined."""
    refusals: Mapping[Digest, tuple[RecordedRefusal, ...]]
    """Refusals that the operator had recorded, by the decision they name."""


@dataclass(frozen=True)
class Examined:
    """An audited decision, and what its evidence said if that was sound."""

    audit: DecisionAudit
    facts: Facts | None
    """From the observation, if it is under the sworn root."""
    manifests: Manifests | None
    reread: bool
    """Whether the auditor read the same at his own endpoint."""
    replays: tuple[ReplayVerdict, ...] = ()
    """One per inference, if all of them were replayed and none contradicts."""


def outcome_of(decision: Decision) -> Digest:
    """Return keccak256(calls ‖ bounds): what the decision would do."""
    return keccak256(decision.calls + decision.bounds)
