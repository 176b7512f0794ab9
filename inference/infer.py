"""One inference, checked against itself before anybody swears to it.

1. generate by the canonical sampler;
2. prefill the whole output in the canonical shape, recompute the grammar masks, choose
   every token again;
3. at the first token that differs, keep what is before it, take the canonical token and
   go on generating from there; back to 2.

Decoding and prefill differ in the last bits, so near-ties can fall differently; after
this, an honest inference replays exactly in the same profile. The number of rollbacks
is bounded: an engine that never agrees with itself is refused. Whether the output is a
sensible plan is not decided here.

Text may be released before the end, in windows: each is generated, and checked like a
whole output, before the next. The check that counts is still the last one, over the
whole output; should it differ in what was released, nothing is sworn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from affiant.encoding import Digest, JsonValue, keccak256
from affiant.inference.engine import Engine, Prefill
from affiant.inference.errors import (
    AbandonedError,
    LogitsInvalidError,
    ReleasedTokenError,
    SelfCheckError,
)
from affiant.inference.fingerprint import fingerprint_key, fingerprints
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.retrace import retrace
from affiant.inference.sampling import Sampling
from affiant.inference.trace import Trace

MAX_ROLLBACKS = 16
"""Most rollbacks per 1 024 tokens of an inference; honest ones need none or one."""


@dataclass(frozen=True)
class Release:
    """How an output is handed out while it grows."""

    window: int
    """Tokens that are generated between two checks; positive."""
    to: Callable[[tuple[int, ...]], None]
    """Told the output so far each time a window was checked; at the end, all of it."""


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of one inference."""

    generate: float
    """Time in generation, continuations after rollbacks included."""
    self_check: float
    """Time in canonical prefills, masks and re-choosing."""
    trace: float
    """Time in fingerprints and in hashing the trace."""

    def to_json(self) -> dict[str, float]:
        """Return the seconds by name."""
        return {
            "generate": self.generate,
            "self_check": self.self_check,
            "trace": self.trace,
        }


@dataclass(frozen=True)
class Inference:
    """A finished inference: what is sworn to, and what backs it."""

    receipt: InferenceReceipt
    """The statement that the node signs."""
    prompt_ids: tuple[int, ...]
    """Token ids of the prompt."""
    output_ids: tuple[int, ...]
    """Token ids of the output, the end token included where one was reached."""
    trace: Trace
    """What each token was chosen from, by the canonical prefill."""
    text: str
    """The output as text, special tokens left out; not sworn to."""
    finished: bool
    """Whether the output ends with an end token, rather than at `max_tokens`."""
    rollbacks: int
    """How often the self-check corrected the generation."""
    prefills: int
    """How many canonical prefills the self-check took; at least one."""
    timings: Timings
    """Where the time went."""


def infer(
    engine: Engine,
    *,
    model: Digest,
    request: bytes,
    prompt_ids: Sequence[int],
    schema: JsonValue | None,
    max_tokens: int,
    sampling: Sampling,
    seed: bytes | None,
    max_rollbacks: int | None = None,
    release: Release | None = None,
    wanted: Callable[[], bool] | None = None,
) -> Inference:
    """Run one inference and return it with its receipt.

    Args:
        engine: the engine; its model must be the one that `model` commits to.
        model: root of the model commitment, which the caller computed.
        request: canonical JSON of the request.
        prompt_ids: token ids that the request renders to.
        schema: JSON schema of the plan; `None` for free text.
        max_tokens: largest length of the output.
        sampling: how tokens are chosen.
        seed: 32 bytes where `sampling` has a temperature.
        max_rollbacks: how often the generation may be corrected; `MAX_ROLLBACKS` per
            1 024 tokens if `None`.
        release: hands out the output while it grows; `None`: only at the end.
        wanted: asked now and then, in any thread; once it says no, the inference stops.

    Raises:
        SelfCheckError: the engine does not agree with itself.
        ReleasedTokenError: it did, in a window, and does no longer.
        SchemaUnsupportedError, MalformedError, ContextExceededError: as the engine.
        LogitsInvalidError: the model computes no usable logits.
        AbandonedError: it is no longer wanted.
        EngineUnavailableError: the engine broke down.
    """
    # An engine that nobody interrupts need not know how.
    asked: dict[str, Any] = {} if wanted is None else {"wanted": wanted}
    grammar = None if schema is None else engine.compile_grammar(schema)
    if max_rollbacks is None:
        max_rollbacks = MAX_ROLLBACKS * -(-max_tokens // 1024)
    generating = checking = 0.0
    rollbacks = prefills = released = 0
    output: tuple[int, ...] = ()
    while True:
        started = time.perf_counter()
        if not _over(output, engine=engine, max_tokens=max_tokens):
            window = max_tokens if release is None else release.window
            output = engine.generate(
                prompt_ids,
                schema=schema,
                max_tokens=min(len(output) + window, max_tokens),
                sampling=sampling,
                seed=seed,
                prefix=output,
                **asked,
            )
        if wanted is not None and not wanted():
            raise AbandonedError
        generated = time.perf_counter()
        found = engine.prefill(prompt_ids, output)
        again = retrace(
            found.logits,
            output_ids=output,
            grammar=grammar,
            sampling=sampling,
            seed=seed,
        )
        prefills += 1
        generating += generated - started
        checking += time.perf_counter() - generated
        if not again.mismatches:
            if release is not None:
                release.to(output)
                released = len(output)
            if _over(output, engine=engine, max_tokens=max_tokens):
                break
            continue
        position = again.mismatches[0]
        if position < released:
            raise ReleasedTokenError(position=position, released=released)
        if rollbacks == max_rollbacks:
            raise SelfCheckError(rollbacks=rollbacks, position=position)
        if position == len(again.chosen):
            raise LogitsInvalidError(position, got="no allowed token", expected="one")
        rollbacks += 1
        output = (*output[:position], again.chosen[position])
    checked = time.perf_counter()
    trace = trace_of(found, prompt_ids=prompt_ids, output_ids=output)
    receipt = InferenceReceipt(
        model=model,
        engine=engine.manifest.hash,
        request=keccak256(request),
        prompt=tokens_hash(prompt_ids),
        output=tokens_hash(output),
        trace=trace.root,
    )
    return Inference(
        receipt=receipt,
        prompt_ids=tuple(prompt_ids),
        output_ids=output,
        trace=trace,
        text=engine.decode(output),
        finished=output[-1] in engine.stop_ids,
        rollbacks=rollbacks,
        prefills=prefills,
        timings=Timings(
            generate=generating,
            self_check=checking,
            trace=time.perf_counter() - checked,
        ),
    )


def trace_of(
    found: Prefill, *, prompt_ids: Sequence[int], output_ids: Sequence[int]
) -> Trace:
    """Return the trace of an output from its prefill.

    Raises:
        LogitsInvalidError: a hidden state is not finite, or out of range.
    """
    key = fingerprint_key(tokens_hash(prompt_ids), tokens_hash(output_ids))
    return Trace.of(output_ids, fingerprints(found.hidden, key=key))


def _over(output: tuple[int, ...], *, engine: Engine, max_tokens: int) -> bool:
    """Whether `output` is one that ends: at a stop token, or for want of room."""
    return len(output) == max_tokens or (bool(output) and output[-1] in engine.stop_ids)
