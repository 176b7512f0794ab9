"""Drift: small, steady differences over a node's many inferences, found by adding up.

One inference of slightly coarser weights may pass every limit. If all of a node's lie
on the far side of what honest ones do, that adds up. For each inference the share of
honest calibration values that lie at least as far is a p-value; honest nodes have
uniform ones. Against them it bets, nine times beside each other (power bets; Shafer,
Shen, Vereshchagin and Vovk 2011):

    e(p, k)  = k p^(k - 1),  k = 0.1 … 0.9           expectation 1 under honesty
    level(k) = max(level(k), 1) · e(p, k)            so that drift may begin at any time
    level    = mean of level(k)

Each k has its own level: a bet that suits this node's distances keeps what it wins. The
mean of the bets at each step (which this once was) pays for all that do not suit, each
time anew: it needed more inferences, and never saw one cheat in ten (ADR 57).

An honest node reaches a level of `ALARM` less often than once in `ALARM` inferences
(e-detectors: Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532), as far as its p-values
are independent of one another and the calibration set is like its work. What is
measured is the fingerprint's distance; inferences that were replayed exactly say
nothing here, because nothing of them is left to doubt.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from affiant.inference.profile import Profile
from affiant.inference.replay import ReplayVerdict

ALARM = 10_000.0
"""Level that is called drift."""
POWERS = tuple(tenths / 10 for tenths in range(1, 10))
"""The `k` of each bet: small ones for far inferences, large ones for few of them."""
MOST = 1e100
"""Where a level stops: it must stay a number after any count of inferences."""


@dataclass(frozen=True)
class Drift:
    """What a node's inferences say together."""

    inferences: int
    """How many were counted: replayed elsewhere, within a calibrated length."""
    level: float
    """The last level; 0 where none was counted."""
    highest: float
    """The highest level reached."""
    alarm: int | None
    """Number of the inference, from 1, at which it first reached `ALARM`."""


def drift_of(
    verdicts: Sequence[ReplayVerdict], *, profiles: Sequence[Profile]
) -> Drift:
    """Return the cumulative test over a node's inferences, in order.

    Args:
        verdicts: of one node, oldest first.
        profiles: the calibrations that they rest on.
    """
    by_hash = {profile.hash: profile for profile in profiles}
    levels = [1.0] * len(POWERS)
    counted, level, highest, alarm = 0, 0.0, 0.0, None
    for verdict in distinct(verdicts):
        profile = None if verdict.profile is None else by_hash.get(verdict.profile)
        limits = None if profile is None else profile.class_of(verdict.measures.tokens)
        if limits is None:
            continue
        counted += 1
        p = p_value(verdict.measures.fingerprint, honest=limits.drift)
        levels = [
            min(max(before, 1.0) * bet(p, power=power), MOST)
            for before, power in zip(levels, POWERS, strict=True)
        ]
        level = sum(levels) / len(levels)
        highest = max(highest, level)
        if alarm is None and level >= ALARM:
            alarm = counted
    return Drift(inferences=counted, level=level, highest=highest, alarm=alarm)


def distinct(verdicts: Sequence[ReplayVerdict]) -> Iterator[ReplayVerdict]:
    """Yield each inference's first verdict.

    Copies of a file, or the same question asked again and again, say what one of them
    says; counted each, they would turn an honest node's bad luck into a proof. Requests
    may differ (in a nonce, say) where all that was computed is the same.
    """
    seen = set()
    for verdict in verdicts:
        said = verdict.receipt
        if said is not None:
            computed = (said.model, said.engine, said.prompt, said.output, said.trace)
            if computed in seen:
                continue
            seen.add(computed)
        yield verdict


def p_value(value: float, *, honest: Sequence[float]) -> float:
    """Return the share of honest values, and this one, that lie at least as far.

    Args:
        value: a distance; infinite or not a number counts as furthest.
        honest: ascending.
    """
    if math.isnan(value):
        return 1 / (len(honest) + 1)
    beyond = len(honest) - bisect_left(honest, value)
    return (beyond + 1) / (len(honest) + 1)


def bet(p: float, *, power: float) -> float:
    """Return what a unit bet against honesty pays at `p`, 0 < p ≤ 1.

    Args:
        p: a p-value.
        power: one of `POWERS`.
    """
    return power * float(p ** (power - 1))
