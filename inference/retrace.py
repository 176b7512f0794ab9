"""Choosing every token of an output again, from one prefill's logits.

Pure: logits and ids in, canonical tokens out. Self-check and replay share it, so that a
node and its auditor cannot disagree about the rules. It stops at the first token that
the grammar forbids: what the grammar allows after that is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affiant.inference.errors import LogitsInvalidError
from affiant.inference.sampler import Draw, choose_tokens
from affiant.inference.sampling import Sampling

if TYPE_CHECKING:
    from affiant.inference.grammar import Grammar


@dataclass(frozen=True)
class Retrace:
    """What the canonical sampler chooses along an output."""

    chosen: tuple[int, ...]
    """One token per output token, up to and including the first grammar violation,
    where the grammar allows a token there at all."""
    violation: int | None
    """Position of the first token that the grammar forbids; `None` if none."""
    allowed: NDArray[np.bool_] | None
    """(tokens chosen, vocab) grammar masks; `None` without a grammar."""
    mismatches: tuple[int, ...]
    """Positions of tokens that are not the chosen ones, ascending; everything from a
    violation on counts."""


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
        logits: (len(output_ids), vocab) float32, raw, from a prefill.
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
    draws = [Draw(sampling, seed=seed, position=position) for position in range(rows)]
    chosen = choose_tokens(logits[:rows], draws, allowed=allowed)
    legal = len(output_ids) if violation is None else violation
    wrong = np.flatnonzero(chosen[:legal] != np.asarray(output_ids[:legal]))
    return Retrace(
        chosen=tuple(chosen.tolist()),
        violation=violation,
        allowed=allowed,
        mismatches=(*wrong.tolist(), *range(legal, len(output_ids))),
    )
