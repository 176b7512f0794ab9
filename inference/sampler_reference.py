"""The canonical sampler in plain Python: to be read, and to hold the fast ones to.

`docs/sampler.md` in code, one function per step, with nothing but integers, `math` and
Keccak. `affiant.inference.sampler` does the same over arrays; property tests and the
vectors hold all implementations equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from affiant.encoding import keccak256
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.sampling import Sampling, check_seed

GRID_BITS = 8
"""Logits and noise are rounded to multiples of 2^-8."""
UNITS = 1 << GRID_BITS
"""Grid units per logit."""
TOP_K = 64
"""Most candidates per position."""
GAP_UNITS = 8 * UNITS
"""Candidates lie within 8.0 logits of the largest; others weigh under e^-8 of it."""
MAX_UNITS = 2**31 - 1
"""Largest magnitude of a quantised logit; it fits in an int32."""
GOLDEN = 0x9E3779B97F4A7C15
"""SplitMix64's increment."""
MIX_1 = 0xBF58476D1CE4E5B9
"""SplitMix64's first multiplier."""
MIX_2 = 0x94D049BB133111EB
"""SplitMix64's second multiplier."""

_MASK64 = 2**64 - 1


def noise_key(seed: bytes, *, position: int) -> int:
    """Return the first 8 bytes of keccak256(seed ‖ uint32 position), big-endian."""
    return int.from_bytes(keccak256(seed + position.to_bytes(4, "big"))[:8], "big")


def gumbel_reference(key: int, *, token: int) -> int:
    """Return the Gumbel noise of `token` in grid units (SplitMix64 of key and id)."""
    h = (key + (token + 1) * GOLDEN) & _MASK64
    h = ((h ^ (h >> 30)) * MIX_1) & _MASK64
    h = ((h ^ (h >> 27)) * MIX_2) & _MASK64
    h ^= h >> 31
    uniform = ((h >> 12) + 0.5) * 2.0**-52
    return round(-math.log(-math.log(uniform)) * UNITS)


def candidates_reference(
    logits: Sequence[float], *, allowed: Sequence[bool] | None, position: int
) -> tuple[tuple[int, int], ...]:
    """Return the candidates of one row: (id, units), by units descending, id ascending.

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


def choose_reference(
    offered: Sequence[tuple[int, int]],
    *,
    sampling: Sampling,
    seed: bytes | None,
    position: int,
) -> int:
    """Return the canonical token among candidates.

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
