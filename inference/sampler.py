"""The canonical sampler over arrays: many rows at once, the same everywhere.

It decides which token follows from (logits, mask, seed, position) and nothing else. It
does not trust the engine: rows with NaN, infinite or oversized logits are refused. The
written specification is `docs/sampler.md`, the readable version `sampler_reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from affiant.inference.errors import LogitsInvalidError
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

UNITS_LIMIT = 2.0**31
"""Every float32 below it is at most `MAX_UNITS`, which float32 itself cannot hold."""
SAMPLER = SamplerManifest(
    name="affiant-gumbel",
    version=1,
    grid_bits=GRID_BITS,
    top_k=TOP_K,
    gap_units=GAP_UNITS,
)
"""What an engine manifest says of this sampler."""

_BLOCK_LOGITS = 2**17
"""Logits that are looked at in one go: they stay in a processor's cache."""


@dataclass(frozen=True)
class Draw:
    """How one row's token is chosen."""

    sampling: Sampling
    """Greedy or a temperature."""
    seed: bytes | None
    """32 bytes where `sampling` has a temperature."""
    position: int
    """Output position of the token."""


@dataclass(frozen=True)
class Offered:
    """The candidates of several rows, row after row, ids ascending in each."""

    ids: NDArray[np.int64]
    units: NDArray[np.int64]
    """Quantised logits in grid units."""
    counts: NDArray[np.int64]
    """(rows,) how many candidates each row has; 1 to `TOP_K`."""

    def in_order(self) -> list[tuple[tuple[int, int], ...]]:
        """Return each row's (id, units), by units descending, then id ascending."""
        ends = [0, *np.cumsum(self.counts).tolist()]
        rows = []
        for start, end in pairwise(ends):
            ids, units = self.ids[start:end], self.units[start:end]
            order = np.argsort(-units, kind="stable")
            pairs = zip(ids[order].tolist(), units[order].tolist(), strict=True)
            rows.append(tuple(pairs))
        return rows


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
    greedy = all(draw.sampling.temperature is None for draw in draws)
    chosen = []
    rows = max(_BLOCK_LOGITS // max(logits.shape[1], 1), 1)
    for start in range(0, len(draws), rows):
        block = slice(start, start + rows)
        scaled, best = _quantised(
            logits[block],
            allowed=None if allowed is None else allowed[block],
            positions=[draw.position for draw in draws[block]],
        )
        if greedy:
            # The first of the largest: ties go to the smaller id.
            chosen.append(scaled.argmax(axis=1).astype(np.int64))
        else:
            chosen.append(choose_offered(_offer(scaled, best), draws[block]))
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)


def offer(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None = None,
    first_position: int = 0,
) -> Offered:
    """Return the candidates of consecutive rows of one output.

    Args:
        logits: (rows, vocab) float32.
        allowed: as in `choose_tokens`.
        first_position: of the first row, for error messages.

    Raises:
        LogitsInvalidError: a row cannot be quantised or allows nothing.
    """
    positions = range(first_position, first_position + len(logits))
    return _offer(*_quantised(logits, allowed=allowed, positions=positions))


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


def keep_largest(
    ids: NDArray[np.int64],
    units: NDArray[np.int64],
    counts: NDArray[np.int64],
    *,
    width: int,
) -> Offered:
    """Return at most `TOP_K` candidates of each row, of those within the gap.

    Args:
        ids: row after row, ascending in each.
        units: their quantised logits.
        counts: (rows,) how many each row has.
        width: size of the vocabulary.
    """
    if counts.max(initial=0) > TOP_K:
        # Distinct ranks: by logit, then by smaller id.
        rank = units * width - ids
        ends = np.cumsum(counts)
        kept = np.concatenate(
            [
                np.arange(end - count, end)
                if count <= TOP_K
                else np.sort(np.argpartition(rank[end - count : end], -TOP_K)[-TOP_K:])
                + (end - count)
                for end, count in zip(ends, counts, strict=True)
            ]
        )
        ids, units, counts = ids[kept], units[kept], np.minimum(counts, TOP_K)
    return Offered(ids=ids, units=units, counts=counts)


def _offer(scaled: NDArray[np.float32], best: NDArray[np.float32]) -> Offered:
    width = scaled.shape[1]
    near = scaled >= (best - GAP_UNITS)[:, None]
    counts = np.count_nonzero(near, axis=1)
    # Several times as fast as looking in two dimensions.
    flat = np.flatnonzero(near)
    return keep_largest(
        flat - np.repeat(np.arange(len(scaled)) * width, counts),
        scaled.ravel()[flat].astype(np.int64),
        counts,
        width=width,
    )


def _quantised(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None,
    positions: Sequence[int],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits in grid units, as float32, and the largest of each row.

    Raises:
        LogitsInvalidError: an allowed logit is NaN, +inf or oversized, or none is left;
            names the row's position.
    """
    masked = logits if allowed is None else np.where(allowed, logits, -np.inf)
    with np.errstate(over="ignore"):
        # Exact in float32: a power of two, and what has no fraction is kept.
        scaled = np.rint(masked.astype(np.float32, copy=False) * np.float32(UNITS))
    best = scaled.max(axis=1)
    # Most often all are finite; NaN is neither above nor below.
    if not (scaled.min(initial=0) > -UNITS_LIMIT and best.max(initial=0) < UNITS_LIMIT):
        _require_usable(scaled, logits=logits, masked=masked, positions=positions)
    return scaled, best


def _require_usable(
    scaled: NDArray[np.float32],
    *,
    logits: NDArray[np.float32],
    masked: NDArray[np.float32],
    positions: Sequence[int],
) -> None:
    bad = ~((np.abs(scaled) < UNITS_LIMIT) | (masked == -np.inf))
    if bad.any():
        row, token = (int(index) for index in np.argwhere(bad)[0])
        raise LogitsInvalidError(
            positions[row],
            got=f"{logits[row, token]} for token {token}",
            expected="a finite logit",
        )
    empty = (scaled == -np.inf).all(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise LogitsInvalidError(positions[row], got="no allowed token", expected="one")
