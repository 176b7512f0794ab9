"""The canonical sampler over arrays: many rows at once, the same everywhere.

It decides which token follows from (logits, mask, seed, position) and nothing else. It
does not trust the engine: rows with NaN, infinite or oversized logits are refused. The
written specification is `docs/sampler.md`, the readable version `sampler_reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affiant.inference.candidates import Offered, keep_largest, nearly_candidates
from affiant.inference.manifest import SamplerManifest
from affiant.inference.sampler_reference import (
    GAP_UNITS,
    GOLDEN,
    GRID_BITS,
    MIX_1,
    MIX_2,
    TOP_K,
    UNITS,
    noise_key,
)
from affiant.inference.sampling import Sampling, check_seed

SAMPLER = SamplerManifest(
    name="affiant-gumbel",
    version=1,
    grid_bits=GRID_BITS,
    top_k=TOP_K,
    gap_units=GAP_UNITS,
)
"""What an engine manifest says of this sampler."""


@dataclass(frozen=True)
class Draw:
    """How one row's token is chosen."""

    sampling: Sampling
    """Greedy or a temperature."""
    seed: bytes | None
    """32 bytes where `sampling` has a temperature."""
    position: int
    """Output position of the token."""


def choose_tokens(
    logits: NDArray[np.float32],
    draws: Sequence[Draw],
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return the canonical token of each row, (rows,) int64.

    Args:
        logits: (rows, vocab) float32.
        draws: one per row; rows may belong to different requests.
        allowed: (rows, vocab) grammar masks; `None` where all is allowed, or where the
            mask is already minus infinity.

    Raises:
        LogitsInvalidError: a row cannot be quantised or allows nothing.
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    positions = [draw.position for draw in draws]
    greedy = all(draw.sampling.temperature is None for draw in draws)
    kept = nearly_candidates(
        logits, allowed=allowed, positions=positions, largest=greedy
    )
    if greedy:
        # Only the largest were kept; ids ascend, and ties go to the smaller one.
        first: NDArray[np.int64] = kept.ids[np.cumsum(kept.counts) - kept.counts]
        return first
    return _choose_kept(kept, draws, width=logits.shape[1])


def choose_offered(offered: Offered, draws: Sequence[Draw]) -> NDArray[np.int64]:
    """Return the canonical token of each row among its candidates, (rows,) int64.

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    rows = np.repeat(np.arange(len(draws)), offered.counts)
    value = scores(offered, draws)
    starts = np.cumsum(offered.counts) - offered.counts
    largest = np.maximum.reduceat(value, starts)
    winners = np.where(value == largest[rows], offered.ids, np.iinfo(np.int64).max)
    chosen: NDArray[np.int64] = np.minimum.reduceat(winners, starts)
    return chosen


def scores(offered: Offered, draws: Sequence[Draw]) -> NDArray[np.int64]:
    """Return each candidate's score; the largest of a row wins, ties to the smaller id.

    A score is `logit / T + noise` in grid units, multiplied by `T`'s numerator, which
    makes it an integer; greedily it is the quantised logit.

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    factors = np.ones(len(draws), dtype=np.int64)
    weights = np.zeros(len(draws), dtype=np.int64)
    keys = np.zeros(len(draws), dtype=np.uint64)
    for row, draw in enumerate(draws):
        check_seed(draw.seed, sampling=draw.sampling)
        if draw.sampling.temperature is None or draw.seed is None:
            continue
        factors[row] = draw.sampling.temperature.denominator
        weights[row] = draw.sampling.temperature.numerator
        keys[row] = noise_key(draw.seed, position=draw.position)
    rows = np.repeat(np.arange(len(draws)), offered.counts)
    found: NDArray[np.int64] = offered.units * factors[rows]
    if weights.any():
        found = found + gumbel_units(keys[rows], offered.ids) * weights[rows]
    return found


def gumbel_units(
    keys: NDArray[np.uint64], tokens: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the noise of many tokens in grid units, under one key each."""
    with np.errstate(over="ignore"):
        h = keys + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(MIX_1)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(MIX_2)
    h = h ^ (h >> np.uint64(31))
    uniform = ((h >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    noise: NDArray[np.int64] = np.rint(-np.log(-np.log(uniform)) * UNITS).astype(
        np.int64
    )
    return noise


def _choose_kept(
    kept: Offered, draws: Sequence[Draw], *, width: int
) -> NDArray[np.int64]:
    """Return what `choose_offered` does of each row's candidates, without ranking all.

    The best score among more than the candidates is the best of the candidates too, if
    it is one of them. That takes a count, where to find the candidates takes a sort.
    """
    chosen = choose_offered(kept, draws)
    rows = np.repeat(np.arange(len(draws)), kept.counts)
    units = kept.units[kept.ids == chosen[rows]]
    ahead = kept.units > units[rows]
    ahead |= (kept.units == units[rows]) & (kept.ids < chosen[rows])
    starts = np.cumsum(kept.counts) - kept.counts
    outside = np.add.reduceat(ahead, starts, dtype=np.int64) >= TOP_K
    if outside.any():
        left = outside[rows]
        offered = keep_largest(
            kept.ids[left], kept.units[left], kept.counts[outside], width=width
        )
        again = [draw for draw, out in zip(draws, outside, strict=True) if out]
        chosen[outside] = choose_offered(offered, again)
    return chosen
