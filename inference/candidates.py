"""Candidates: which tokens of a row of logits may be chosen at all.

It quantises logits over arrays, refuses rows that are NaN, infinite or oversized, and
finds the tokens that `docs/sampler.md` calls candidates. It chooses none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from affiant.inference.errors import LogitsInvalidError
from affiant.inference.sampler_reference import GAP_UNITS, TOP_K, UNITS

UNITS_LIMIT = 2.0**31
"""Every float32 below it is at most `MAX_UNITS`, which float32 itself cannot hold."""

_BLOCK_LOGITS = 2**17
"""Logits that are looked at in one go: they stay in a processor's cache."""
_DEEP = 4
"""Least tokens of a group for which groups pay."""
_LOGIT_LIMIT = UNITS_LIMIT / UNITS
"""Every float32 below it is below `UNITS_LIMIT` on the grid."""
_NOTHING = np.float32(-np.inf)
"""A token that is left out."""


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
    kept = nearly_candidates(logits, allowed=allowed, positions=positions)
    return keep_largest(kept.ids, kept.units, kept.counts, width=logits.shape[1])


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


def nearly_candidates(
    logits: NDArray[np.float32],
    *,
    allowed: NDArray[np.bool_] | None,
    positions: Sequence[int],
    largest: bool = False,
) -> Offered:
    """Return the candidates of each row, and few tokens besides.

    What has as many units as a token that is returned is returned as well, so the
    candidates are the first `TOP_K` of each row.

    Args:
        logits: (rows, vocab) float32.
        allowed: (rows, vocab) grammar masks, or `None`.
        positions: of the rows, for error messages.
        largest: whether only tokens with the most units are wanted.

    Raises:
        LogitsInvalidError: an allowed logit is NaN, +inf or oversized, or none is left;
            names the row's position.
    """
    width = logits.shape[1]
    rows = max(_BLOCK_LOGITS // max(width, 1), 1)
    flat, values, floors = [], [], []
    for start in range(0, len(logits), rows):
        block = slice(start, start + rows)
        with np.errstate(over="ignore"):
            masked = logits[block].astype(np.float32, copy=False)
        if allowed is not None:
            masked = np.where(allowed[block], masked, np.float32(-np.inf))
        best, floor = _heights(masked, largest=largest)
        if not _usable(masked, best=best):
            _require_usable(masked, logits=logits[block], positions=positions[block])
        floor = np.maximum(floor, np.rint(best * UNITS) - (0 if largest else GAP_UNITS))
        # Rounding lifts a logit by half a unit at most: one look leaves most out.
        lowest = np.nextafter(((floor - 0.5) / UNITS).astype(np.float32), _NOTHING)
        near = np.flatnonzero(masked >= lowest[:, None])
        flat.append(near + start * width)
        values.append(masked.ravel()[near])
        floors.append(floor)
    if not flat:
        return Offered(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    at = np.concatenate(flat)
    # Exact: a power of two; halves go to even.
    units = np.rint(np.concatenate(values).astype(np.float64) * UNITS)
    row = at // width
    kept = units >= np.concatenate(floors)[row]
    row = row[kept]
    return Offered(
        ids=at[kept] - row * width,
        units=units[kept].astype(np.int64),
        counts=np.bincount(row, minlength=len(logits)),
    )


def _heights(
    masked: NDArray[np.float32], *, largest: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each row's largest logit, and units that at least `TOP_K` tokens have.

    Of `2 * TOP_K` groups of tokens, `TOP_K` have a largest token that is no smaller
    than the `TOP_K`-th of these largest: cheaper than ranking the tokens themselves,
    and nearly as high. Where a row is short, no such units are known (minus infinity).
    """
    groups, width = 2 * TOP_K, masked.shape[1]
    deep = width // groups
    if largest or deep < _DEEP:
        best = masked.max(axis=1).astype(np.float64)
        return best, np.full(len(masked), -np.inf)
    shape = (len(masked), deep, groups)
    tops = masked[:, : deep * groups].reshape(shape).max(axis=1)
    best = np.maximum(
        tops.max(axis=1), masked[:, deep * groups :].max(axis=1, initial=-np.inf)
    )
    common = np.partition(tops, groups - TOP_K, axis=1)[:, groups - TOP_K]
    return best.astype(np.float64), np.rint(common.astype(np.float64) * UNITS)


def _usable(masked: NDArray[np.float32], *, best: NDArray[np.float64]) -> bool:
    """Say whether all logits can be quantised, or are left out, and each row has one.

    NaN and infinity are in `best` if they are anywhere, and below no limit.
    """
    if not (best.max() < _LOGIT_LIMIT and best.min() > -_LOGIT_LIMIT):
        return False
    if masked.min() > -_LOGIT_LIMIT:
        return True
    low = np.count_nonzero(masked <= -_LOGIT_LIMIT)
    return bool(low == np.count_nonzero(masked == _NOTHING))


def _require_usable(
    masked: NDArray[np.float32],
    *,
    logits: NDArray[np.float32],
    positions: Sequence[int],
) -> None:
    bad = ~((np.abs(masked) < _LOGIT_LIMIT) | (masked == _NOTHING))
    if bad.any():
        row, token = (int(index) for index in np.argwhere(bad)[0])
        raise LogitsInvalidError(
            positions[row],
            got=f"{logits[row, token]} for token {token}",
            expected="a finite logit",
        )
    empty = (masked == _NOTHING).all(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise LogitsInvalidError(positions[row], got="no allowed token", expected="one")
