"""How each token of an output was chosen: alternatives, probabilities, margins.

Pure: one prefill's logits in, numbers out. It describes what the canonical sampler did
and judges nothing; `replay` judges. Three numbers per token, which differ:

- *probability*: the softmax over all tokens that the grammar allows there, of the raw
  logits divided by the temperature. A greedy program has none and takes 1: its
  probabilities say what the model thought, not that anything was drawn.
- *margin*: by how much the token's score beats the best of the others, in logits. The
  score is the quantised logit; where tokens are sampled, plus the temperature times the
  public noise. It is negative where the token is not the canonical one.
- *surprise*: −log2 of the probability, in bits; it adds up over tokens.

Sampling draws among candidates only (top 64 within 8 logits); `beyond` says how much
probability the allowed tokens have that could not be drawn for that reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affiant.inference.candidates import Offered, offer
from affiant.inference.retrace import Retrace
from affiant.inference.sampler import Draw, gumbel_units, scores
from affiant.inference.sampler_reference import UNITS, noise_key
from affiant.inference.sampling import Sampling

ALTERNATIVES = 5
"""Most alternatives kept of a token, unless more are asked for."""


@dataclass(frozen=True)
class Alternative:
    """One token that could have stood somewhere."""

    token: int
    probability: float
    """0 to 1, over the allowed tokens."""
    logit: float
    """Raw, as the model computed it."""
    noise: float | None
    """What the public noise adds, in logits: temperature times Gumbel noise; None where
    nothing is sampled or the token could not be drawn."""

    @property
    def score(self) -> float:
        """Logit and noise, before quantisation."""
        return self.logit + (self.noise or 0.0)


@dataclass(frozen=True)
class Choice:
    """How one token came about."""

    position: int
    """Output position, from 0."""
    token: int
    allowed: int
    """Number of tokens that the grammar allows here; the whole vocabulary without."""
    alternatives: tuple[Alternative, ...]
    """The most probable allowed tokens, by probability, then id; the chosen one is
    always among them if it is allowed."""
    probability: float
    """Of the token; 0 where the grammar forbids it."""
    margin: float | None
    """In logits, see the module's header; None where nothing else could be chosen."""
    runner_up: int | None
    """The token of the best score but for this one; None likewise."""
    greedy: int
    """The allowed token of the largest quantised logit."""
    canonical: int
    """The token that the sampler chooses here."""
    noise: float | None
    """As `Alternative.noise`, for the token itself."""
    beyond: float
    """Probability of allowed tokens that could not be drawn; 0 for greedy programs."""
    forbidden: bool
    """Whether the grammar forbids the token."""

    @property
    def forced(self) -> bool:
        """Whether the grammar left nothing to choose."""
        return self.allowed == 1 and not self.forbidden

    @property
    def surprise(self) -> float:
        """Bits; infinite where the probability is 0."""
        return -math.log2(self.probability) if self.probability > 0 else math.inf


def explain_choices(
    logits: NDArray[np.float32],
    *,
    output_ids: Sequence[int],
    again: Retrace,
    sampling: Sampling,
    seed: bytes | None,
    most: int = ALTERNATIVES,
) -> tuple[Choice, ...]:
    """Return how each token was chosen, up to the first that breaks the grammar.

    Args:
        logits: (tokens, vocab) float32, raw, from a prefill of the output.
        output_ids: the output that was prefilled.
        again: its canonical choices, from the same logits.
        sampling: how tokens are chosen.
        seed: 32 bytes where `sampling` has a temperature.
        most: alternatives kept per token.

    Raises:
        LogitsInvalidError: a row cannot be quantised.
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    return tuple(
        _choice(
            logits[position],
            token=output_ids[position],
            canonical=canonical,
            again=again,
            draw=Draw(sampling, seed=seed, position=position),
            most=most,
        )
        for position, canonical in enumerate(again.chosen)
    )


def closest_calls(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Return the choices that were any, the closest first.

    Closest is the smallest margin, whichever way it fell; a forbidden token, which no
    margin is small enough for, comes before all.
    """
    open_ones = [item for item in choices if item.margin is not None or item.forbidden]
    return tuple(
        sorted(
            open_ones,
            key=lambda item: (
                not item.forbidden,
                abs(item.margin or 0.0),
                item.position,
            ),
        )
    )


def _choice(
    row: NDArray[np.float32],
    *,
    token: int,
    canonical: int,
    again: Retrace,
    draw: Draw,
    most: int,
) -> Choice:
    mask = None if again.allowed is None else again.allowed[draw.position]
    allowed = np.arange(len(row)) if mask is None else np.flatnonzero(mask)
    forbidden = mask is not None and not mask[token]
    found = _Row(row, allowed=allowed, draw=draw)
    margin: float | None = -math.inf
    runner_up: int | None = canonical
    if not forbidden:
        margin, runner_up = found.lead(token)
    order = np.lexsort((allowed, -found.probability))
    kept = [int(index) for index in order[:most]]
    at = int(np.searchsorted(allowed, token))
    if not forbidden and at not in kept:
        kept = [*kept[: most - 1], at]
    alternatives = tuple(found.alternative(index) for index in kept)
    own = None if forbidden else found.alternative(at)
    return Choice(
        position=draw.position,
        token=token,
        allowed=len(allowed),
        alternatives=alternatives,
        probability=0.0 if own is None else own.probability,
        margin=margin,
        runner_up=runner_up,
        greedy=found.greedy,
        canonical=canonical,
        noise=None if own is None else own.noise,
        beyond=found.beyond,
        forbidden=forbidden,
    )


class _Row:
    """One row of logits, over the allowed tokens."""

    def __init__(
        self, row: NDArray[np.float32], *, allowed: NDArray[np.int64], draw: Draw
    ) -> None:
        temperature = draw.sampling.temperature
        self._draw = draw
        self.allowed = allowed
        self.logits = row[allowed].astype(np.float64)
        # Columns stand for allowed ids, ascending: ties fall as they do over all ids.
        offered = offer(row[allowed][None, :], first_position=draw.position)
        self.greedy = int(allowed[offered.in_order()[0][0][0]])
        scaled = self.logits / (1.0 if temperature is None else float(temperature))
        weights = np.exp(scaled - scaled.max())
        self.probability = weights / weights.sum()
        self.beyond = 0.0
        self._noise = np.full(len(allowed), np.nan)
        if temperature is None or draw.seed is None:
            self._scores = np.rint(self.logits * UNITS)
            return
        # Noise belongs to ids, not to columns.
        columns, ids = offered.ids, allowed[offered.ids]
        candidates = Offered(ids, offered.units, offered.counts)
        self._scores = np.full(len(allowed), -np.inf)
        self._scores[columns] = scores(candidates, [draw]) / temperature.denominator
        key = noise_key(draw.seed, position=draw.position)
        noise = gumbel_units(np.full(len(ids), key, np.uint64), ids)
        self._noise[columns] = noise * float(temperature) / UNITS
        undrawn = np.ones(len(allowed), dtype=np.bool_)
        undrawn[columns] = False
        self.beyond = float(self.probability[undrawn].sum())

    def lead(self, token: int) -> tuple[float | None, int | None]:
        """Return by how much `token` leads, in logits, and who comes second."""
        others = (self.allowed != token) & np.isfinite(self._scores)
        if not others.any():
            return None, None
        ids, rest = self.allowed[others], self._scores[others]
        best = int(ids[rest == rest.max()].min())
        return (self._score(token) - float(rest.max())) / UNITS, best

    def _score(self, token: int) -> float:
        """Return a token's score in grid units, as if it were a candidate."""
        index = int(np.searchsorted(self.allowed, token))
        if np.isfinite(self._scores[index]) or not np.isfinite(self.logits[index]):
            return float(self._scores[index])
        temperature = self._draw.sampling.temperature
        units = np.array([round(self.logits[index] * UNITS)])
        alone = Offered(np.array([token]), units, np.array([1]))
        scale = 1 if temperature is None else temperature.denominator
        return float(scores(alone, [self._draw])[0]) / scale

    def alternative(self, index: int) -> Alternative:
        """Return the allowed token number `index` as an alternative."""
        noise = float(self._noise[index])
        return Alternative(
            token=int(self.allowed[index]),
            probability=float(self.probability[index]),
            logit=float(self.logits[index]),
            noise=None if math.isnan(noise) else noise,
        )
