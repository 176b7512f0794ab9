"""Drift: small, steady differences over a node's many inferences, found by adding up.

One inference of slightly coarser weights may pass every limit. If all of a node's lie
on the far side of what honest ones do, that adds up. For each inference the share of
honest calibration values that lie at least as far is a p-value; honest nodes have
uniform ones. Against them it bets (the mixture of all power bets, Vovk 1993):

    e(p) = (1 - p + p ln p) / (p (ln p)²)            expectation 1 under honesty
    level = max(level, 1) · e(p)                     so that drift may begin at any time

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


@dataclass(frozen=True)
class Drift:
    """What a node's inferences say together."""

    inferences: int
    """How many were counted: replayed elsewhere, within a calibrated length."""
    level: float
    """The last level; at least 1 where any was counted."""
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
    counted, level, highest, alarm = 0, 0.0, 0.0, None
    for verdict in distinct(verdicts):
        profile = None if verdict.profile is None else by_hash.get(verdict.profile)
        limits = None if profile is None else profile.class_of(verdict.measures.tokens)
        if limits is None:
            continue
        counted += 1
        level = max(level, 1.0) * bet(
            p_value(verdict.measures.fingerprint, honest=limits.drift)
        )
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


def bet(p: float) -> float:
    """Return what a unit bet against honesty pays at `p`, 0 < p ≤ 1."""
    if p > 0.9999:
        return 0.5  # the limit at 1
    return (1 - p + p * math.log(p)) / (p * math.log(p) ** 2)
