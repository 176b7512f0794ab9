"""The canonical sampler: one token from one row of logits, the same everywhere.

It decides which token follows from (logits, mask, seed, position) and nothing else. It
does not trust the engine: rows with NaN, infinite or oversized logits are refused. The
written specification with test vectors is `docs/sampler.md`. Every function exists
twice: `*_reference` in Python integers, to be read, and over whole arrays, to be used;
property tests hold them equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from affiant.encoding import keccak256
from affiant.inference.engine import Sampling, check_seed
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.manifest import SamplerManifest

GRID_BITS = 8
"""Logits and noise are rounded to multiples of 2^-8."""
UNITS = 1 << GRID_BITS
"""Grid units per logit."""
TOP_K = 64
"""Most candidates per position."""
GAP_UNITS = 8 * UNITS
"""Candidates lie within 8.0 logits of the largest; others weigh under e^-8 of it."""
MAX_UNITS = 2**31 - 1
"""Largest magnitude of a quantised logit; it fits in an int32 in the trace."""
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

_MASK64 = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_BLOCK_ROWS = 32


@dataclass(frozen=True)
class Choice:
    """The canonical token at one position, and what it was chosen from."""

    token: int
    """The chosen id."""
    candidates: tuple[tuple[int, int], ...]
    """(id, quantised logit in grid units), by logit descending, then id ascending."""


def noise_key(seed: bytes, *, position: int) -> int:
    """Return the first 8 bytes of keccak256(seed ‖ uint32 position), big-endian."""
    return int.from_bytes(keccak256(seed + position.to_bytes(4, "big"))[:8], "big")


def gumbel_reference(key: int, *, token: int) -> int:
    """Return the Gumbel noise of `token` in grid units (SplitMix64 of key and id)."""
    h = (key + (token + 1) * _GOLDEN) & _MASK64
    h = ((h ^ (h >> 30)) * _MIX_1) & _MASK64
    h = ((h ^ (h >> 27)) * _MIX_2) & _MASK64
    h ^= h >> 31
    uniform = ((h >> 12) + 0.5) * 2.0**-52
    return round(-math.log(-math.log(uniform)) * UNITS)


def gumbel_units(key: int, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the noise of many tokens in grid units; `gumbel_reference`, vectorised."""
    with np.errstate(over="ignore"):
        h = np.uint64(key) + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(
            _GOLDEN
        )
        h = (h ^ (h >> np.uint64(30))) * np.uint64(_MIX_1)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(_MIX_2)
    h = h ^ (h >> np.uint64(31))
    uniform = ((h >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    noise: NDArray[np.int64] = np.rint(-np.log(-np.log(uniform)) * UNITS).astype(
        np.int64
    )
    return noise


def candidates_reference(
    logits: Sequence[float], *, allowed: Sequence[bool] | None, position: int
) -> tuple[tuple[int, int], ...]:
    """Return the candidates of one row, in plain Python.

    A logit of minus infinity is a token that the model itself excludes.

    Raises:
        LogitsInvalidError: an allowed logit is NaN, +inf or oversized, or none is left.
    """
    units: list[tuple[int, int]] = []
    for token, logit in enumerate(logits):
        if (allowed is not None and not allowed[token]) or logit == -math.inf:
            continue
        if not math.isfinite(logit) or abs(logit) * UNITS > MAX_UNITS:
            raise LogitsInvalidError(
                position, got=f"{logit} for token {token}", expected="a finite logit"
            )
        units.append((token, round(logit * UNITS)))
    if not units:
        raise LogitsInvalidError(position, got="no allowed token", expected="one")
    best = max(value for _, value in units)
    kept = [item for item in units if item[1] >= best - GAP_UNITS]
    return tuple(sorted(kept, key=lambda item: (-item[1], item[0]))[:TOP_K])


def candidates(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None,
    first_position: int = 0,
) -> list[tuple[tuple[int, int], ...]]:
    """Return the candidates of each row of `logits`, (rows, vocab) float32.

    Raises:
        LogitsInvalidError: as `candidates_reference`.
    """
    found: list[tuple[tuple[int, int], ...]] = []
    for start in range(0, len(logits), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        found += _candidates_block(
            logits[rows],
            allowed=None if allowed is None else allowed[rows],
            first_position=first_position + start,
        )
    return found


def _candidates_block(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None,
    first_position: int,
) -> list[tuple[tuple[int, int], ...]]:
    masked = logits if allowed is None else np.where(allowed, logits, -np.inf)
    with np.errstate(over="ignore"):
        # Exact in float32: a power of two, and what has no fraction is kept.
        scaled = np.rint(masked.astype(np.float32, copy=False) * np.float32(UNITS))
    bad = ~((np.abs(scaled) < UNITS_LIMIT) | (masked == -np.inf))
    if bad.any():
        row, token = (int(index) for index in np.argwhere(bad)[0])
        raise LogitsInvalidError(
            first_position + row,
            got=f"{logits[row, token]} for token {token}",
            expected="a finite logit",
        )
    best = scaled.max(axis=1)
    if (best == -np.inf).any():
        row = int(np.argmin(best))
        raise LogitsInvalidError(
            first_position + row, got="no allowed token", expected="one"
        )
    place = max(scaled.shape[1] - TOP_K, 0)
    floor = np.maximum(np.partition(scaled, place, axis=1)[:, place], best - GAP_UNITS)
    kept = [
        np.flatnonzero(row >= least) for row, least in zip(scaled, floor, strict=True)
    ]
    return [
        in_order(ids, row[ids].astype(np.int64))
        for ids, row in zip(kept, scaled, strict=True)
    ]


def in_order(
    ids: NDArray[np.int64], units: NDArray[np.int64]
) -> tuple[tuple[int, int], ...]:
    """Return the candidates among tokens that are all within the gap.

    Args:
        ids: ascending.
        units: their quantised logits; ties at the 64th place may make them more.
    """
    first = np.argsort(-units, kind="stable")[:TOP_K]
    return tuple(zip(ids[first].tolist(), units[first].tolist(), strict=True))


def choose_reference(
    offered: Sequence[tuple[int, int]],
    *,
    sampling: Sampling,
    seed: bytes | None,
    position: int,
) -> int:
    """Return the canonical token among candidates, in plain Python.

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    check_seed(seed, sampling=sampling)
    temperature = sampling.temperature
    if temperature is None or seed is None:
        return offered[0][0]
    key = noise_key(seed, position=position)
    best = max(
        offered,
        key=lambda item: (
            Fraction(item[1]) / temperature + gumbel_reference(key, token=item[0]),
            -item[0],
        ),
    )
    return best[0]


def scores(
    tokens: NDArray[np.int64],
    units: NDArray[np.int64],
    *,
    sampling: Sampling,
    seed: bytes | None,
    position: int,
) -> NDArray[np.int64]:
    """Return each token's score, in grid units times the temperature's denominator.

    That is `logit / T + noise` multiplied by `T · denominator`, an integer; greedy
    scores are the quantised logits.

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    check_seed(seed, sampling=sampling)
    if sampling.temperature is None or seed is None:
        return units
    noise = gumbel_units(noise_key(seed, position=position), tokens)
    return units * sampling.temperature.denominator + (
        noise * sampling.temperature.numerator
    )


def choose(
    offered: tuple[tuple[int, int], ...],
    *,
    sampling: Sampling,
    seed: bytes | None,
    position: int,
) -> Choice:
    """Return the canonical token among `offered` (in canonical order).

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    if sampling.temperature is None:
        return Choice(token=offered[0][0], candidates=offered)
    pairs = np.array(offered, dtype=np.int64)
    value = scores(
        pairs[:, 0], pairs[:, 1], sampling=sampling, seed=seed, position=position
    )
    token = int(pairs[value == value.max(), 0].min())
    return Choice(token=token, candidates=offered)


def choose_rows(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None,
    sampling: Sampling,
    seed: bytes | None,
    first_position: int = 0,
) -> list[Choice]:
    """Return the canonical choice at every row of `logits`, (rows, vocab) float32.

    Raises:
        LogitsInvalidError: a row cannot be quantised or allows nothing.
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    offered = candidates(logits, allowed=allowed, first_position=first_position)
    return [
        choose(row, sampling=sampling, seed=seed, position=first_position + index)
        for index, row in enumerate(offered)
    ]
