"""Replaying an inference: one prefill re-checks every token of an output.

It decides whether an output follows from (model, prompt, schema, sampling, seed) by the
canonical sampler, and it trusts nothing that it was handed but its own engine. It does
not check signatures, observations or calls, nor that the engine holds the model that
the receipt names, unless the caller says which model that is.

1. ids are in range, lengths agree, the schema is one that the grammar can bear,
   evidence hashes to what the receipt swears to;
2. the output ends where it must: at an end token, or at the stated most tokens;
3. one prefill, masks recomputed, every token chosen again;
4. the verdict:
   - same profile (equal manifest hash): every token and the trace root must be equal:
     *exact*, else *inconsistent*;
   - another profile: a token outside the grammar is *inconsistent*; without a
     calibration of these two engines on this model, for outputs of this length,
     everything else is *inconclusive*; with one, within its limits *consistent*, beyond
     them *inconsistent*. Logits that cannot be used are the replaying engine's there,
     not the node's: *inconclusive*.

Only *exact* may be endorsed. How sure the other words are stands in the profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.engine import Engine, Prefill, PrefillJob, check_prefill
from affiant.inference.errors import LogitsInvalidError, ReceiptMismatchError
from affiant.inference.fingerprint import fingerprint_key, images, packed
from affiant.inference.measure import Measures, measure
from affiant.inference.profile import Profile
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay_memory import (
    MAX_REPLAY_BYTES,
    batches_of,
    check_replay_memory,
)
from affiant.inference.retrace import Retrace, retrace
from affiant.inference.sampling import Sampling, check_seed
from affiant.inference.schema_limits import check_schema
from affiant.inference.trace import Trace

Grade = Literal["exact", "consistent", "inconsistent", "inconclusive"]
"""What a replay says, from best to worst but the last, which says nothing."""

MAX_REASONS = 32
"""Most reasons listed; the counts are complete."""


@dataclass(frozen=True)
class SwornInference:
    """One inference as evidence states it: nothing of it is believed."""

    receipt: InferenceReceipt
    """What the node swore."""
    prompt_ids: tuple[int, ...]
    """The prompt that the auditor derived, or got and re-derives."""
    output_ids: tuple[int, ...]
    """The output, the end token included."""
    trace: Trace
    """The node's trace."""
    schema: JsonValue | None
    """The program's plan schema; `None` for free text."""
    sampling: Sampling
    """The program's sampling."""
    seed: bytes | None
    """32 bytes where `sampling` has a temperature."""
    max_tokens: int | None
    """The program's limit; an output of just this length need not end with an end
    token. `None`: it must."""


@dataclass(frozen=True)
class ReplayVerdict:
    """What a replay found."""

    grade: Grade
    """`exact`, `consistent`, `inconsistent` or `inconclusive`."""
    same_profile: bool
    """Whether the replaying engine has the receipt's manifest hash."""
    measures: Measures
    """How far the replay lies from what was sworn; not numbers, and no mismatches,
    where nothing could be measured."""
    profile: Digest | None
    """Hash of the calibration that the grade rests on; `None` if it rests on none."""
    reasons: tuple[str, ...]
    """Why the grade is neither exact nor consistent: what, got, expected; at most
    32."""
    receipt: InferenceReceipt | None = None
    """What was replayed, as sworn; `None` where whoever made the verdict did not say.
    Drift counts each inference once by it."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the verdict as JSON."""
        return {
            "grade": self.grade,
            "sameProfile": self.same_profile,
            "tokens": self.measures.tokens,
            "mismatches": self.measures.mismatches,
            "worstMargin": _finite(self.measures.worst_margin),
            "meanMargin": _finite(self.measures.mean_margin),
            "fingerprint": _finite(self.measures.fingerprint),
            "worstWindow": _finite(self.measures.worst_window),
            "profile": None if self.profile is None else to_hex(self.profile),
            "reasons": list(self.reasons),
        }


def replay(
    engine: Engine,
    sworn: SwornInference,
    *,
    model: Digest | None = None,
    profiles: Sequence[Profile] = (),
    most_bytes: int = MAX_REPLAY_BYTES,
) -> ReplayVerdict:
    """Replay one inference on `engine`, in the canonical shape.

    Args:
        engine: the auditor's own engine.
        sworn: hostile evidence.
        model: commitment of the model that `engine` holds, to compare with the receipt.
        profiles: calibrations that the auditor believes.
        most_bytes: memory for logits and masks.

    Raises:
        MalformedError: an id out of range, a wrong length, an output that does not end,
            or a missing seed.
        ReceiptMismatchError: evidence does not hash to the receipt's field.
        ContextExceededError: it does not fit the engine.
        SchemaLimitError: the schema is too much to compile, or would be bent.
        SchemaUnsupportedError: the schema does not compile.
        LogitsInvalidError: the engine computes no usable logits, in the same profile.
        ReplayMemoryError: it takes more memory than `most_bytes`.
        EngineUnavailableError: the engine broke down.
    """
    check_sworn(engine, sworn, model=model, most_bytes=most_bytes)
    found = engine.prefill(sworn.prompt_ids, sworn.output_ids)
    return judge(engine, sworn, found=found, profiles=profiles)


def replay_many(
    engine: Engine,
    sworn: Sequence[SwornInference],
    *,
    model: Digest | None = None,
    profiles: Sequence[Profile] = (),
    most_bytes: int = MAX_REPLAY_BYTES,
) -> list[ReplayVerdict]:
    """Replay several, in shared batches where exactness is not asked for.

    An inference of the engine's own profile is replayed alone, as `replay` does.
    Raises as `replay` does, for the first that it has to refuse.
    """
    verdicts = []
    for found in replay_each(
        engine, sworn, model=model, profiles=profiles, most_bytes=most_bytes
    ):
        if isinstance(found, AffiantError):
            raise found
        verdicts.append(found)
    return verdicts


def replay_each(
    engine: Engine,
    sworn: Sequence[SwornInference],
    *,
    model: Digest | None = None,
    profiles: Sequence[Profile] = (),
    most_bytes: int = MAX_REPLAY_BYTES,
) -> list[ReplayVerdict | AffiantError]:
    """Do the same, and return for each what `replay` returns or raises.

    One that is refused keeps none of the others from being replayed; a breakdown of the
    engine is told of all that were replayed together.
    """
    found: dict[int, ReplayVerdict | AffiantError] = {}
    others: list[int] = []
    for at, item in enumerate(sworn):
        try:
            check_sworn(engine, item, model=model, most_bytes=most_bytes)
            if item.receipt.engine != engine.manifest.hash:
                others.append(at)
                continue
            found[at] = judge(
                engine,
                item,
                found=engine.prefill(item.prompt_ids, item.output_ids),
                profiles=profiles,
            )
        except AffiantError as error:
            found[at] = without_frames(error)
    for batch in batches_of(
        [len(sworn[at].output_ids) for at in others],
        vocab_size=engine.vocab_size,
        most_bytes=most_bytes,
    ):
        places = [others[at] for at in batch]
        done = _together(engine, [sworn[at] for at in places], profiles=profiles)
        found.update(zip(places, done, strict=True))
    return [found[at] for at in range(len(sworn))]


def _together(
    engine: Engine, sworn: Sequence[SwornInference], *, profiles: Sequence[Profile]
) -> list[ReplayVerdict | AffiantError]:
    """Prefill and judge one batch; its logits are gone when it returns."""
    jobs = [PrefillJob(item.prompt_ids, item.output_ids) for item in sworn]
    try:
        prefills = engine.prefill_many(jobs)
    except AffiantError as error:
        return [without_frames(error)] * len(sworn)
    found: list[ReplayVerdict | AffiantError] = []
    for item, prefill in zip(sworn, prefills, strict=True):
        try:
            found.append(judge(engine, item, found=prefill, profiles=profiles))
        except AffiantError as error:
            found.append(without_frames(error))
    return found


def without_frames(error: AffiantError) -> AffiantError:
    """Return an error that is to be kept, without the calls that it came through.

    They hold whatever their variables held, such as all logits of a replay.
    """
    error.__cause__ = error.__context__ = error.__traceback__ = None
    return error


def check_sworn(
    engine: Engine,
    sworn: SwornInference,
    *,
    model: Digest | None = None,
    most_bytes: int = MAX_REPLAY_BYTES,
) -> None:
    """Steps 1 and 2: refuse evidence before anything is computed on it.

    Raises:
        MalformedError, ReceiptMismatchError, ContextExceededError, SchemaLimitError,
            ReplayMemoryError: as `replay`.
    """
    # 1. Shapes, then hashes: nothing is computed on evidence that was not sworn to.
    prompt_ids, output_ids, trace = sworn.prompt_ids, sworn.output_ids, sworn.trace
    check_prefill(
        prompt_ids,
        output_ids,
        vocab_size=engine.vocab_size,
        max_context=engine.max_context,
    )
    check_seed(sworn.seed, sampling=sworn.sampling)
    if sworn.schema is not None:
        check_schema(sworn.schema)
    if len(trace.entries) != len(output_ids):
        raise MalformedError(
            "trace", got=f"{len(trace.entries)} entries", expected=f"{len(output_ids)}"
        )
    receipt = sworn.receipt
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
    _check_end(output_ids, stop_ids=engine.stop_ids, max_tokens=sworn.max_tokens)
    # Last: what is not what was sworn is refused as that, however long it is.
    check_replay_memory(
        len(output_ids), vocab_size=engine.vocab_size, most_bytes=most_bytes
    )


def judge(
    engine: Engine,
    sworn: SwornInference,
    *,
    found: Prefill,
    profiles: Sequence[Profile] = (),
) -> ReplayVerdict:
    """Steps 3 and 4: choose every token again, and compare.

    Args:
        engine: the one that computed `found`.
        sworn: what `check_sworn` let pass.
        found: a prefill of its output; in the canonical shape, where the verdict may be
            *exact*.
        profiles: calibrations that the auditor believes.

    Raises:
        SchemaUnsupportedError, LogitsInvalidError: as `replay`.
    """
    try:
        return _judge(engine, sworn, found=found, profiles=profiles)
    except LogitsInvalidError as error:
        # Only an engine of the very same profile shows that the node's did the same.
        if engine.manifest.hash == sworn.receipt.engine:
            raise
        return _unmeasured(engine, sworn, why=error)


def _judge(
    engine: Engine,
    sworn: SwornInference,
    *,
    found: Prefill,
    profiles: Sequence[Profile],
) -> ReplayVerdict:
    # 3.
    grammar = None if sworn.schema is None else engine.compile_grammar(sworn.schema)
    again = retrace(
        found.logits,
        output_ids=sworn.output_ids,
        grammar=grammar,
        sampling=sworn.sampling,
        seed=sworn.seed,
    )
    # `check_sworn` compared the receipt's hashes with the ids.
    key = fingerprint_key(sworn.receipt.prompt, sworn.receipt.output)
    ours = images(found.hidden, key=key)
    measures, margins = measure(
        again,
        logits=found.logits,
        images=ours,
        trace=sworn.trace,
        output_ids=sworn.output_ids,
        sampling=sworn.sampling,
        seed=sworn.seed,
    )
    # 4.
    same_profile = engine.manifest.hash == sworn.receipt.engine
    profile = None
    if same_profile:
        grade, reasons = _same_profile(sworn, again=again, ours=ours)
    elif again.violation is not None:
        grade, reasons = "inconsistent", []
    else:
        profile = next(
            (
                item
                for item in profiles
                if item.fits(
                    model=sworn.receipt.model,
                    generator=sworn.receipt.engine,
                    replayer=engine.manifest.hash,
                )
            ),
            None,
        )
        grade, reasons = _other_profile(measures, profile=profile)
    if grade in ("inconsistent", "inconclusive"):
        reasons = [*_tokens(again, sworn.output_ids, margins=margins), *reasons]
    return ReplayVerdict(
        grade=grade,
        same_profile=same_profile,
        measures=measures,
        profile=None if profile is None else profile.hash,
        reasons=tuple(reasons[:MAX_REASONS]),
        receipt=sworn.receipt,
    )


def _unmeasured(
    engine: Engine, sworn: SwornInference, *, why: LogitsInvalidError
) -> ReplayVerdict:
    """Return what can be said without logits: only the grammar can be broken."""
    violation = None
    if sworn.schema is not None:
        grammar = engine.compile_grammar(sworn.schema)
        violation = grammar.masks(sworn.output_ids).violation
    return ReplayVerdict(
        grade="inconclusive" if violation is None else "inconsistent",
        same_profile=False,
        measures=Measures(
            tokens=len(sworn.output_ids),
            mismatches=0,
            worst_margin=nan,
            mean_margin=nan,
            fingerprint=nan,
            worst_window=nan,
        ),
        profile=None,
        reasons=(
            f"the replaying engine: {why}"
            if violation is None
            else _forbidden(violation, sworn.output_ids),
        ),
        receipt=sworn.receipt,
    )


def _same_profile(
    sworn: SwornInference, *, again: Retrace, ours: NDArray[np.float64]
) -> tuple[Grade, list[str]]:
    if again.mismatches:
        return "inconsistent", []
    # Entry by entry, which says the same as the roots: `check_sworn` compared the
    # sworn trace's with the receipt.
    trace = Trace.of(sworn.output_ids, packed(ours))
    if trace == sworn.trace:
        return "exact", []
    return "inconsistent", [
        f"trace: got {to_hex(sworn.trace.root)}, expected {to_hex(trace.root)}, though "
        "every token is the canonical one"
    ]


def _other_profile(
    measures: Measures, *, profile: Profile | None
) -> tuple[Grade, list[str]]:
    if profile is None:
        return "inconclusive", [
            "profile: got none for this model and these two engines, expected a "
            "calibration"
        ]
    limits = profile.class_of(measures.tokens)
    if limits is None:
        # How far a single token may be off does not depend on how many there are.
        widest = max((item.limits.worst_margin for item in profile.classes), default=0)
        if profile.classes and measures.worst_margin > widest:
            return "inconsistent", [
                f"worst_margin: got {measures.worst_margin:.6g}, expected at most "
                f"{widest:.6g} at any length"
            ]
        lengths = ", ".join(f"{item.least}-{item.most}" for item in profile.classes)
        return "inconclusive", [
            f"profile: got {measures.tokens} tokens, expected a calibrated length "
            f"({lengths})"
        ]
    beyond = limits.limits.exceeded(measures)
    return ("inconsistent", list(beyond)) if beyond else ("consistent", [])


def _tokens(
    again: Retrace, output_ids: Sequence[int], *, margins: Mapping[int, float]
) -> list[str]:
    """Name the tokens that are not the canonical ones."""
    reasons: list[str] = []
    for at in again.mismatches[:MAX_REASONS]:
        if at == again.violation:
            return [*reasons, _forbidden(at, output_ids)]
        reasons.append(
            f"token {at}: got {output_ids[at]}, expected {again.chosen[at]}, "
            f"{margins[at]:.4f} logits from it"
        )
    return reasons


def _forbidden(at: int, output_ids: Sequence[int]) -> str:
    return f"token {at}: got {output_ids[at]}, expected one that the grammar allows"


def _finite(value: float) -> JsonValue:
    return None if isnan(value) else f"{value:.9g}"


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
