"""Replaying an inference: one prefill re-checks every token of an output.

It decides whether an output follows from (model, prompt, schema, sampling, seed) by the
canonical sampler, and it trusts nothing that it was handed but its own engine. It does
not check signatures, observations or calls, nor that the engine holds the model that
the receipt names, unless the caller says which model that is.

1. ids are in range, lengths agree, evidence hashes to what the receipt swears to;
2. the output ends where it must: at an end token, or at the stated most tokens;
3. one canonical prefill, masks recomputed, every token chosen again;
4. the verdict:
   - same profile (equal manifest hash): every token and the trace root must be equal:
     *exact*, else *inconsistent*;
   - another profile: every token equal and traces close: *consistent*; a token outside
     the grammar or further than the margin from canonical: *inconsistent*; between the
     two: *inconclusive*.

The margins below are stated, not calibrated: only *exact* may be endorsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import MalformedError
from affiant.inference.engine import Engine, Sampling, check_prefill, check_seed
from affiant.inference.errors import ReceiptMismatchError
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.retrace import Retrace, retrace
from affiant.inference.sampler import UNITS, scores
from affiant.inference.trace import Trace

Grade = Literal["exact", "consistent", "inconsistent", "inconclusive"]
"""What a replay says, from best to worst but the last, which says nothing."""

TOKEN_MARGIN = Fraction(1, 4)
"""Another profile: a token this far below the canonical one, in logits, proves nothing.
DiFR's starting figure for 8 B models across hardware."""
TRACE_MARGIN = Fraction(1, 4)
"""Another profile: candidates' logits may differ by this much from the trace's."""
MAX_REASONS = 32
"""Most reasons listed; the counts are complete."""


@dataclass(frozen=True)
class ReplayVerdict:
    """What a replay found."""

    grade: Grade
    """`exact`, `consistent`, `inconsistent` or `inconclusive`."""
    same_profile: bool
    """Whether the replaying engine has the receipt's manifest hash."""
    tokens: int
    """Length of the output."""
    mismatches: int
    """Tokens that are not the canonical choice of this replay."""
    worst_margin: float
    """Furthest that a token lies below the canonical one, in logits; `inf` where the
    grammar forbids it."""
    worst_trace_distance: float
    """Furthest that a candidate's logit in the trace lies from this replay's, in
    logits."""
    reasons: tuple[str, ...]
    """Why the grade is not `exact`: token index, got, expected; at most 32."""


def replay(
    engine: Engine,
    *,
    receipt: InferenceReceipt,
    prompt_ids: Sequence[int],
    output_ids: Sequence[int],
    trace: Trace,
    schema: JsonValue | None,
    sampling: Sampling,
    seed: bytes | None,
    max_tokens: int | None = None,
    model: Digest | None = None,
) -> ReplayVerdict:
    """Replay one inference on `engine` and return what it shows.

    Args:
        engine: the auditor's own engine.
        receipt: what the node swore.
        prompt_ids: the prompt that the auditor derived, or got and re-derived.
        output_ids: the output, the end token included.
        trace: the node's trace.
        schema: the program's plan schema; `None` for free text.
        sampling: the program's sampling.
        seed: 32 bytes where `sampling` has a temperature.
        max_tokens: the program's limit; an output of just this length need not end with
            an end token. `None`: it must.
        model: commitment of the model that `engine` holds, to compare with the receipt.

    Raises:
        MalformedError: an id out of range, a wrong length, an output that does not end,
            or a missing seed.
        ReceiptMismatchError: evidence does not hash to the receipt's field.
        ContextExceededError: it does not fit the engine.
        SchemaUnsupportedError: the schema does not compile.
        LogitsInvalidError: the engine computes no usable logits.
        EngineUnavailableError: the engine broke down.
    """
    # 1. Shapes, then hashes: nothing is computed on evidence that was not sworn to.
    check_prefill(
        prompt_ids,
        output_ids,
        vocab_size=engine.vocab_size,
        max_context=engine.max_context,
    )
    check_seed(seed, sampling=sampling)
    if len(trace.entries) != len(output_ids):
        raise MalformedError(
            "trace", got=f"{len(trace.entries)} entries", expected=f"{len(output_ids)}"
        )
    if model is not None:
        _same("model", got=model, expected=receipt.model)
    _same("prompt", got=tokens_hash(prompt_ids), expected=receipt.prompt)
    _same("output", got=tokens_hash(output_ids), expected=receipt.output)
    _same("trace", got=trace.root, expected=receipt.trace)
    for index, (entry, token) in enumerate(zip(trace.entries, output_ids, strict=True)):
        if entry.token != token:
            raise MalformedError(
                f"trace[{index}].token", got=str(entry.token), expected=str(token)
            )
    # 2. An output cut short, or continued after its end, is not the model's.
    _check_end(output_ids, stop_ids=engine.stop_ids, max_tokens=max_tokens)
    # 3. One prefill for all tokens.
    grammar = None if schema is None else engine.compile_grammar(schema)
    logits = engine.prefill(prompt_ids, output_ids)
    again = retrace(
        logits,
        output_ids=output_ids,
        grammar=grammar,
        sampling=sampling,
        seed=seed,
    )
    # 4. The verdict.
    margins = _margins(
        again, logits=logits, output_ids=output_ids, sampling=sampling, seed=seed
    )
    distance = _trace_distance(trace, logits=logits)
    mismatches, reasons = _mismatches(again, output_ids=output_ids, margins=margins)
    same_profile = engine.manifest.hash == receipt.engine
    complete = len(again.choices) == len(output_ids) and again.violation is None
    root = Trace.from_choices(again.choices).root if complete else None
    if root != trace.root:
        reasons.append(
            f"trace: got {to_hex(trace.root)}, expected "
            f"{to_hex(root) if root else 'none'}, logits up to {distance:.4f} apart"
        )
    worst = max(margins, default=0.0)
    return ReplayVerdict(
        grade=_grade(
            same_profile=same_profile,
            equal=mismatches == 0 and complete and root == trace.root,
            mismatches=mismatches,
            worst_margin=worst,
            distance=distance,
        ),
        same_profile=same_profile,
        tokens=len(output_ids),
        mismatches=mismatches,
        worst_margin=worst,
        worst_trace_distance=distance,
        reasons=tuple(reasons[:MAX_REASONS]),
    )


def _grade(
    *,
    same_profile: bool,
    equal: bool,
    mismatches: int,
    worst_margin: float,
    distance: float,
) -> Grade:
    if same_profile:
        return "exact" if equal else "inconsistent"
    if worst_margin > TOKEN_MARGIN:
        return "inconsistent"
    if mismatches == 0 and distance <= TRACE_MARGIN:
        return "consistent"
    return "inconclusive"


def _same(field: str, *, got: Digest, expected: Digest) -> None:
    if got != expected:
        raise ReceiptMismatchError(field, got=to_hex(got), expected=to_hex(expected))


def _check_end(
    output_ids: Sequence[int], *, stop_ids: frozenset[int], max_tokens: int | None
) -> None:
    for index, token in enumerate(output_ids[:-1]):
        if token in stop_ids:
            raise MalformedError(
                "output",
                got=f"an end token at {index} of {len(output_ids)}",
                expected="an end token at the end only",
            )
    if max_tokens is not None and len(output_ids) > max_tokens:
        raise MalformedError(
            "output", got=f"{len(output_ids)} tokens", expected=f"at most {max_tokens}"
        )
    if output_ids[-1] not in stop_ids and len(output_ids) != max_tokens:
        raise MalformedError(
            "output", got=f"token {output_ids[-1]} last", expected="an end token"
        )


def _margins(
    again: Retrace,
    *,
    logits: NDArray[np.float32],
    output_ids: Sequence[int],
    sampling: Sampling,
    seed: bytes | None,
) -> list[float]:
    """Return per token how far it lies below the canonical one, in logits."""
    margins: list[float] = []
    denominator = (
        1 if sampling.temperature is None else sampling.temperature.denominator
    )
    for position, token in enumerate(output_ids):
        if position >= len(again.choices) or position == again.violation:
            # Forbidden, or after a forbidden token: no distance is small enough.
            return [*margins, float("inf")]
        choice = again.choices[position]
        if choice.token == token:
            margins.append(0.0)
            continue
        logit = float(logits[position, token])
        if not np.isfinite(logit):
            return [*margins, float("inf")]
        units = round(logit * UNITS)
        offered = np.array([*choice.candidates, (token, units)], dtype=np.int64)
        value = scores(
            offered[:, 0],
            offered[:, 1],
            sampling=sampling,
            seed=seed,
            position=position,
        )
        below = (int(value[:-1].max()) - int(value[-1])) / denominator
        # A token that is no candidate must also have been far from becoming one.
        if (token, units) not in choice.candidates:
            below = max(below, choice.candidates[-1][1] - units)
        margins.append(max(below, 0.0) / UNITS)
    return margins


def _trace_distance(trace: Trace, *, logits: NDArray[np.float32]) -> float:
    """Return how far a candidate of the trace lies from `logits` at most, in logits."""
    worst = 0.0
    for row, entry in zip(logits, trace.entries, strict=True):
        for token, units in entry.candidates:
            if token >= len(row) or not np.isfinite(row[token]):
                return float("inf")
            worst = max(worst, abs(float(row[token]) - units / UNITS))
    return worst


def _mismatches(
    again: Retrace, *, output_ids: Sequence[int], margins: Sequence[float]
) -> tuple[int, list[str]]:
    count, reasons = 0, []
    for position, token in enumerate(output_ids):
        if position == again.violation or position >= len(again.choices):
            reasons.append(
                f"token {position}: got {token}, expected one that the grammar allows"
            )
            return count + len(output_ids) - position, reasons
        expected = again.choices[position].token
        if token != expected:
            count += 1
            reasons.append(
                f"token {position}: got {token}, expected {expected}, "
                f"{margins[position]:.4f} logits below"
            )
    return count, reasons
