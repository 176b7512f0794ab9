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
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import Digest, JsonValue, keccak256
from affiant.inference.engine import Engine, Sampling
from affiant.inference.errors import SelfCheckError
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.retrace import first_mismatch, retrace
from affiant.inference.trace import Trace

MAX_ROLLBACKS = 16
"""Most rollbacks of one inference; honest ones need none or one."""


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds of one inference."""

    generate: float
    """Time in generation, continuations after rollbacks included."""
    self_check: float
    """Time in canonical prefills, masks and re-choosing."""

    def to_json(self) -> dict[str, float]:
        """Return the seconds by name."""
        return {"generate": self.generate, "self_check": self.self_check}


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
    max_rollbacks: int = MAX_ROLLBACKS,
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
        max_rollbacks: how often the generation may be corrected.

    Raises:
        SelfCheckError: the engine does not agree with itself.
        SchemaUnsupportedError, MalformedError, ContextExceededError: as the engine.
        LogitsInvalidError: the model computes no usable logits.
        EngineUnavailableError: the engine broke down.
    """
    grammar = None if schema is None else engine.compile_grammar(schema)
    generating = checking = 0.0
    rollbacks = 0
    prefix: tuple[int, ...] = ()
    while True:
        started = time.perf_counter()
        ended = bool(prefix) and prefix[-1] in engine.stop_ids
        output = (
            prefix
            if ended or len(prefix) == max_tokens
            else engine.generate(
                prompt_ids,
                schema=schema,
                max_tokens=max_tokens,
                sampling=sampling,
                seed=seed,
                prefix=prefix,
            )
        )
        generated = time.perf_counter()
        choices = retrace(
            engine.prefill(prompt_ids, output),
            output_ids=output,
            grammar=grammar,
            sampling=sampling,
            seed=seed,
        ).choices
        position = first_mismatch(choices, output_ids=output)
        generating += generated - started
        checking += time.perf_counter() - generated
        if position is None:
            break
        if rollbacks == max_rollbacks:
            raise SelfCheckError(rollbacks=rollbacks, position=position)
        rollbacks += 1
        canonical = tuple(choice.token for choice in choices[position : position + 1])
        prefix = (*output[:position], *canonical)
    trace = Trace.from_choices(choices)
    return Inference(
        receipt=InferenceReceipt(
            model=model,
            engine=engine.manifest.hash,
            request=keccak256(request),
            prompt=tokens_hash(prompt_ids),
            output=tokens_hash(output),
            trace=trace.root,
        ),
        prompt_ids=tuple(prompt_ids),
        output_ids=output,
        trace=trace,
        text=engine.decode(output),
        finished=output[-1] in engine.stop_ids,
        rollbacks=rollbacks,
        timings=Timings(generate=generating, self_check=checking),
    )
