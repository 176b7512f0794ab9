"""The most that a mandate's decisions can cost, if everybody who decides is hostile.

Pure. It decides what is printed to an owner before granting, and what the adversaries
of `tests/contracts/Adversaries.t.sol` are held against: whoever holds the operator's,
the node's and the model's keys can lose at most this much per day, at feed prices. Two
facts carry it, both enforced by the gate:

- one decision loses at most `maxLoss`, and at most its own value at risk, which is at
  most the last rung's limit;
- a slot acts once, so a day has a limited number of decisions.

A third holds only while endorsers do not sign: value at risk adds up, and without them
nothing takes it down again. Endorsers who sign whatever *reproduces* are no help
against a hostile **model**: its decisions reproduce. So the printed bound counts on the
ladder only where a mandate has no endorsers, and on rules that bound the outflow or the
losses themselves.

What it does not count: assets that the mandate does not track, prices that feeds do not
tell (a stale one, within its age), a loan's later liquidation (borrowing costs nothing
at feed prices; a health-factor rule bounds it), other mandates on the same account, and
gas. It trusts nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from affiant.onchain.mandate import Mandate, Rung

DAY = 86_400
"""Seconds of a day."""

ATTESTED_TIER = 3
"""Highest tier that a workload can reach."""


@dataclass(frozen=True)
class RuleLimit:
    """How much a rule lets a mandate lose per day."""

    name: str
    """What the rule is called, in a sentence: "the spend-rate rule"."""
    daily: int
    """Value, 8 decimals, in any span of a day."""


@dataclass(frozen=True)
class WorstCase:
    """The most that hostile operator, node and model together can take."""

    decisions: int
    """Most decisions in any span of a day."""
    per_decision: int
    """Value, 8 decimals, that one decision can lose."""
    unendorsed: int
    """Value, 8 decimals: all that can ever be lost while no endorser signs anything."""
    daily: int
    """Value, 8 decimals: the printed bound, in any span of a day."""
    held_by: str
    """What keeps it from being more, in a sentence's object."""


def worst_case(
    mandate: Mandate, *, block_seconds: float, rules: Sequence[RuleLimit] = ()
) -> WorstCase:
    """Return the bounds of `mandate`.

    Args:
        block_seconds: least seconds between blocks on its chain.
        rules: what the mandate's own rules bound, where that is known.

    Raises:
        ValueError: `block_seconds` is not positive.
    """
    if not block_seconds > 0:
        raise ValueError(f"block_seconds {block_seconds}: expected more than 0")
    decisions = decisions_per_day(mandate, block_seconds=block_seconds)
    last = max((rung.limit for rung in mandate.ladder), default=0)
    per_decision = min(mandate.max_loss, last)
    unendorsed = _unendorsed_limit(mandate)
    candidates = [(decisions * per_decision, "the loss limit and the pace")]
    if not mandate.endorsers:
        candidates.append((unendorsed, "the ladder, which nothing resets"))
    candidates += [(rule.daily, rule.name) for rule in rules]
    daily, held_by = min(candidates, key=lambda item: item[0])
    return WorstCase(
        decisions=decisions,
        per_decision=per_decision,
        unendorsed=min(unendorsed, 2**256 - 1),
        daily=daily,
        held_by=held_by,
    )


def decisions_per_day(mandate: Mandate, *, block_seconds: float) -> int:
    """Return how many decisions any span of a day can see executed; 0 without slots.

    One for each slot that the span touches, and one that was queued before it.
    """
    slot_seconds = mandate.cadence * block_seconds
    if not slot_seconds:
        return 0
    queued = any(rung.delay for rung in mandate.ladder)
    return math.ceil(DAY / slot_seconds) + 1 + queued


def reachable_tier(mandate: Mandate) -> int:
    """Return the highest tier that any key of the mandate can have."""
    if mandate.workloads:
        return ATTESTED_TIER
    return max((node.tier for node in mandate.nodes), default=0)


def unendorsed_rungs(mandate: Mandate) -> tuple[Rung, ...]:
    """Return the rungs that ask for no endorsement and a tier that can be had."""
    most = reachable_tier(mandate)
    return tuple(
        rung for rung in mandate.ladder if not rung.endorsements and rung.tier <= most
    )


def _unendorsed_limit(mandate: Mandate) -> int:
    return max((rung.limit for rung in unendorsed_rungs(mandate)), default=0)
