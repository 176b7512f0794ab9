"""Choosing every token of an output again, from one prefill's logits.

Pure: logits and ids in, canonical choices out. Self-check and replay share it, so that
a node and its auditor cannot disagree about the rules. It stops at the first token that
the grammar forbids: what the grammar allows after that is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affiant.inference.engine import Sampling
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.grammar import Grammar
from affiant.inference.sampler import Choice, choose_rows


@dataclass(frozen=True)
class Retrace:
    """What the canonical sampler chooses along an output."""

    choices: tuple[Choice, ...]
    """One per output token, up to and including the first grammar violation."""
    violation: int | None
    """Position of the first token that the grammar forbids; `None` if none."""


def retrace(
    logits: NDArray[np.float32],
    *,
    output_ids: Sequence[int],
    grammar: Grammar | None,
    sampling: Sampling,
    seed: bytes | None,
) -> Retrace:
    """Return the canonical choices along `output_ids`.

    Args:
        logits: (len(output_ids), vocab) float32, raw, from a canonical prefill.
        output_ids: the output that was prefilled.
        grammar: the plan schema's grammar; `None` for free text.
        sampling: how tokens are chosen.
        seed: 32 bytes where `sampling` has a temperature.

    Raises:
        LogitsInvalidError: rows are missing, not usable or allow no token.
        MalformedError: an id is out of range, or the seed is missing.
    """
    if logits.ndim != 2 or len(logits) != len(output_ids):
        raise LogitsInvalidError(
            0, got=f"shape {logits.shape}", expected=f"{len(output_ids)} rows"
        )
    allowed, violation, rows = None, None, len(output_ids)
    if grammar is not None:
        masks = grammar.masks(output_ids)
        allowed, violation, rows = masks.allowed, masks.violation, len(masks.allowed)
        if violation is not None and not allowed[violation].any():
            # A token after the end: there is no canonical token to name.
            allowed, rows = allowed[:violation], violation
    choices = choose_rows(logits[:rows], allowed=allowed, sampling=sampling, seed=seed)
    return Retrace(choices=tuple(choices), violation=violation)


def first_mismatch(
    choices: Sequence[Choice], *, output_ids: Sequence[int]
) -> int | None:
    """Return the first position where `output_ids` is not canonical; `None` if none.

    A token without a choice counts as a mismatch.
    """
    for position, token in enumerate(output_ids):
        if position >= len(choices) or choices[position].token != token:
            return position
    return None
