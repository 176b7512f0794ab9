"""How far a replay lies from what was sworn: numbers, no verdict.

Between engines, and between decoding and prefill, logits differ in their last bits. An
honest inference therefore lies a little off; another model, precision, prompt or seed
lies further. What is too far is calibrated (`affiant.inference.profile`), not decided
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affiant.inference.candidates import Offered, offer
from affiant.inference.fingerprint import distances
from affiant.inference.retrace import Retrace
from affiant.inference.sampler import Draw, scores
from affiant.inference.sampler_reference import GAP_UNITS, TOP_K, UNITS
from affiant.inference.sampling import Sampling
from affiant.inference.trace import Trace

CLIPPED_MARGIN = 0.5
"""Margins count up to this many logits in their mean (Token-DiFR, arXiv 2511.20621)."""
WINDOW = 32
"""Tokens of one window."""


@dataclass(frozen=True)
class Measures:
    """What one replay measured."""

    tokens: int
    """Length of the output."""
    mismatches: int
    """Tokens that are not the canonical choice of this replay."""
    worst_margin: float
    """Furthest that a token is from being the canonical one, in logits; `inf` where
    the grammar forbids it."""
    mean_margin: float
    """Mean of the margins in logits, each counted up to 0.5."""
    fingerprint: float
    """Median relative distance of the trace's fingerprints from this replay's."""
    worst_window: float
    """The same over the 32 consecutive tokens where it is largest."""


def measure(
    again: Retrace,
    *,
    logits: NDArray[np.float32],
    images: NDArray[np.float64],
    trace: Trace,
    output_ids: Sequence[int],
    sampling: Sampling,
    seed: bytes | None,
) -> tuple[Measures, dict[int, float]]:
    """Return what a replay measured, and the margin in logits of each mismatch.

    Args:
        again: the canonical choices of the replay.
        logits: (tokens, vocab), that they were made from.
        images: (tokens, 16), of the same prefill's states
            (`affiant.inference.fingerprint`).
        trace: the sworn one, as long as the output.
        output_ids: the output.
        sampling: how tokens are chosen.
        seed: 32 bytes where `sampling` has a temperature.
    """
    margins = {
        at: _margin(
            at,
            again=again,
            logits=logits,
            token=output_ids[at],
            draw=Draw(sampling, seed=seed, position=at),
        )
        for at in again.mismatches
    }
    far = distances(tuple(entry.fingerprint for entry in trace.entries), ours=images)
    clipped = sum(min(margin, CLIPPED_MARGIN) for margin in margins.values())
    measures = Measures(
        tokens=len(output_ids),
        mismatches=len(again.mismatches),
        worst_margin=max(margins.values(), default=0.0),
        mean_margin=clipped / len(output_ids),
        fingerprint=float(np.median(far)),
        worst_window=_worst_window(far),
    )
    return measures, margins


def _worst_window(far: NDArray[np.float64]) -> float:
    """Return the largest median over windows that begin every half a window."""
    starts = range(0, max(len(far) - WINDOW // 2, 1), WINDOW // 2)
    return max(float(np.median(far[start : start + WINDOW])) for start in starts)


def _margin(
    at: int,
    *,
    again: Retrace,
    logits: NDArray[np.float32],
    token: int,
    draw: Draw,
) -> float:
    """Return by how much logits must be off for `token` to be the canonical one.

    Every candidate with a higher score must either score less, or fall out of the
    candidates; and the token must be among them.
    """
    logit = float(logits[at, token])
    if again.violation is not None and at >= again.violation:
        # Forbidden, or after a forbidden token: no distance is small enough.
        return float("inf")
    if not np.isfinite(logit):
        return float("inf")
    row = slice(at, at + 1)
    offered = offer(
        logits[row], allowed=None if again.allowed is None else again.allowed[row]
    )
    value = scores(offered, [draw])
    units = round(logit * UNITS)
    alone = Offered(np.array([token]), np.array([units]), np.array([1]))
    temperature = draw.sampling.temperature
    scale = 1 if temperature is None else temperature.denominator
    ahead = (value - scores(alone, [draw])[0]) / scale
    # What is offered only just here may not have been offered there at all.
    least = max(
        int(offered.units.max()) - GAP_UNITS,
        int(offered.units.min()) if len(offered.ids) == TOP_K else -(2**62),
    )
    below = float(np.minimum(ahead, offered.units - least).max())
    if token not in offered.ids:
        # And it must have been far from being offered itself.
        below = max(below, least - units)
    return max(below, 0.0) / UNITS
