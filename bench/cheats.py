"""What a cheating node would swear to, as cleverly as it can.

Each cheat gets the honest house and the questions, does something else than was asked,
and swears consistently: hashes, trace and profile fit one another. Where a cheat has
the honest model at hand, its trace comes from an honest prefill over its own tokens.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from affiant.encoding import Digest, keccak256
from affiant.inference.calibrate import CalibrationQuestion as Question
from affiant.inference.calibrate import generate
from affiant.inference.candidates import offer
from affiant.inference.engine import Engine, Prefill
from affiant.inference.infer import trace_of
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import SwornInference
from affiant.inference.sampler import Draw, scores
from affiant.inference.sampler_reference import UNITS
from affiant.inference.sampling import Sampling

MODEL = keccak256(b"the model that was sworn to")
"""Root that every receipt here names."""


@dataclass
class House:
    """The honest engine, and what it honestly says to the questions at hand."""

    engine: Engine
    _said: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def outputs(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """Return the settled output of each question; computed once."""
        new = [item for item in questions if repr(item) not in self._said]
        found = outputs(self.engine, new)
        self._said.update(zip(map(repr, new), found, strict=True))
        return [self._said[repr(item)] for item in questions]


Tell = Callable[[House, Engine, Sequence[Question]], list[SwornInference]]
"""(honest house, engine that serves, questions) to what is sworn."""


@dataclass(frozen=True)
class Cheat:
    """One way to cheat."""

    name: str
    words: str
    """What it does, in one line."""
    tell: Tell
    serves: str = "honest"
    """Whose weights generate: `honest`, or the name of a relative."""
    constrained: bool = False
    """Whether it needs a grammar to break."""
    draws: bool = False
    """Whether it needs a temperature to lie about; greedy questions are drawn then."""
    proves_honestly: bool = False
    """Whether its proof is the honest one wherever its text is."""


def swear(
    engine: Digest,
    question: Question,
    output_ids: Sequence[int],
    *,
    found: Prefill,
) -> SwornInference:
    """Return consistent evidence of `output_ids`, with the trace of some prefill."""
    output = tuple(int(token) for token in output_ids)
    trace = trace_of(found, prompt_ids=question.prompt_ids, output_ids=output)
    return SwornInference(
        receipt=InferenceReceipt(
            model=MODEL,
            engine=engine,
            request=keccak256(b"{}"),
            prompt=tokens_hash(question.prompt_ids),
            output=tokens_hash(output),
            trace=trace.root,
        ),
        prompt_ids=question.prompt_ids,
        output_ids=output,
        trace=trace,
        schema=question.schema,
        sampling=question.sampling,
        seed=question.seed,
        max_tokens=question.max_tokens,
    )


def outputs(engine: Engine, questions: Sequence[Question]) -> list[tuple[int, ...]]:
    """Return the settled output of each question."""
    found = generate(engine, questions, model=MODEL)
    return [item.output_ids for item in found]


def honest(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Do what was asked, on whatever weights `serving` has; the trace is its own."""
    return _as_told(house, serving, questions, asked=questions)


def _as_told(
    house: House,
    serving: Engine,
    questions: Sequence[Question],
    *,
    asked: Sequence[Question],
) -> list[SwornInference]:
    """Answer `asked` and swear that it was `questions`."""
    said = house.outputs(asked) if serving is house.engine else outputs(serving, asked)
    return [
        swear(
            house.engine.manifest.hash,
            question,
            output,
            found=serving.prefill(other.prompt_ids, output),
        )
        for question, other, output in zip(questions, asked, said, strict=True)
    ]


def wrong_seed(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Draw with another seed."""
    asked = []
    for question in questions:
        assert question.seed is not None
        asked.append(replace(question, seed=keccak256(question.seed)))
    return _as_told(house, serving, questions, asked=asked)


def other_temperature(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Draw at a temperature an eighth higher."""
    asked = []
    for question in questions:
        told = question.sampling.temperature
        assert told is not None
        asked.append(replace(question, sampling=Sampling(told * Fraction(9, 8))))
    return _as_told(house, serving, questions, asked=asked)


def edited_prompt(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Change one token in the first half of the prompt."""
    draw = random.Random(1)
    asked = []
    for question in questions:
        ids = list(question.prompt_ids)
        at = draw.randrange(len(ids) // 2)
        # Another token that occurs in the prompts of this kind.
        ids[at] = draw.choice([token for token in ids if token != ids[at]])
        asked.append(replace(question, prompt_ids=tuple(ids)))
    return _as_told(house, serving, questions, asked=asked)


def injected_token(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Put another of the five likeliest tokens at one place; go on honestly."""
    engine = house.engine
    draw = random.Random(2)
    sworn = []
    for question, output in zip(questions, house.outputs(questions), strict=True):
        places = list(range(len(output) - 1))
        draw.shuffle(places)
        offered = _offered(engine, question, output)
        for at in places:
            others = [token for token, _ in offered[at][:5] if token != output[at]]
            if others:
                break
        else:
            continue  # every token was the only one allowed: nothing to inject
        changed = _continued(engine, question, (*output[:at], draw.choice(others)))
        sworn.append(_proved(engine, question, changed))
    return sworn


def broken_grammar(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Put the likeliest token that the grammar forbids at one place."""
    engine = house.engine
    draw = random.Random(3)
    sworn = []
    for question, output in zip(questions, house.outputs(questions), strict=True):
        at = draw.randrange(len(output) - 1)
        logits = engine.prefill(question.prompt_ids, output).logits[at].copy()
        assert question.schema is not None
        masks = engine.compile_grammar(question.schema).masks(output).allowed
        logits[masks[at]] = -np.inf
        logits[sorted(engine.stop_ids)] = -np.inf
        changed = (*output[:at], int(logits.argmax()), *output[at + 1 :])
        sworn.append(_proved(engine, question, changed))
    return sworn


def cut_output(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Stop after three quarters of the output, with an end token."""
    engine = house.engine
    sworn = []
    for question, output in zip(questions, house.outputs(questions), strict=True):
        cut = (*output[: len(output) * 3 // 4], engine.eos_id)
        sworn.append(_proved(engine, question, cut))
    return sworn


def proved_honestly(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Serve cheaply, prove honestly: cheap tokens, the honest model's own trace."""
    engine = house.engine
    return [
        _proved(engine, question, output)
        for question, output in zip(questions, outputs(serving, questions), strict=True)
    ]


def steered(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Take the runner-up at the first three places where it is within 0.25 logits."""
    engine = house.engine

    def steer(question: Question, output: tuple[int, ...]) -> SwornInference | None:
        prefix: tuple[int, ...] = ()
        for _ in range(3):
            # After each turn the rest is another text: look for the next tie in it.
            ties = _ties(engine, question, output)[len(prefix) :]
            at = next((place for place, tie in enumerate(ties) if tie.gap < 0.25), None)
            if at is None:
                break
            at += len(prefix)
            prefix = (*output[:at], _ties(engine, question, output)[at].other)
            output = _continued(engine, question, prefix)
        return _proved(engine, question, output) if prefix else None

    return _at_once(steer, questions, house.outputs(questions))


def nearest_tie(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Take the runner-up once, at the nearest tie of the whole output."""
    engine = house.engine

    def turn(question: Question, output: tuple[int, ...]) -> SwornInference | None:
        ties = _ties(engine, question, output)
        at = min(range(len(ties)), key=lambda place: ties[place].gap)
        if ties[at].gap == math.inf:
            return None
        prefix = (*output[:at], ties[at].other)
        return _proved(engine, question, _continued(engine, question, prefix))

    return _at_once(turn, questions, house.outputs(questions))


def blank_trace(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Swear the honest tokens with fingerprints of nothing."""
    engine = house.engine
    sworn = []
    for question, output in zip(questions, house.outputs(questions), strict=True):
        found = engine.prefill(question.prompt_ids, output)
        nothing = Prefill(found.logits, np.zeros_like(found.hidden))
        sworn.append(swear(engine.manifest.hash, question, output, found=nothing))
    return sworn


def one_in_three(
    house: House, serving: Engine, questions: Sequence[Question]
) -> list[SwornInference]:
    """Serve every third inference from the cheap weights, the others honestly."""
    cheap = honest(house, serving, questions[::3])
    sworn = honest(house, house.engine, questions)
    sworn[::3] = cheap
    return sworn


def _at_once(
    turn: Callable[[Question, tuple[int, ...]], SwornInference | None],
    questions: Sequence[Question],
    said: Sequence[tuple[int, ...]],
) -> list[SwornInference]:
    """Steer many outputs at the same time, so that they share the engine's batch."""
    with ThreadPoolExecutor(32) as pool:
        return [item for item in pool.map(turn, questions, said) if item is not None]


def _proved(
    engine: Engine, question: Question, output: Sequence[int]
) -> SwornInference:
    found = engine.prefill(question.prompt_ids, output)
    return swear(engine.manifest.hash, question, output, found=found)


def _offered(
    engine: Engine, question: Question, output: Sequence[int]
) -> list[tuple[tuple[int, int], ...]]:
    logits = engine.prefill(question.prompt_ids, output).logits
    if question.schema is None:
        return offer(logits).in_order()
    masks = engine.compile_grammar(question.schema).masks(output)
    return offer(logits[: len(masks.allowed)], allowed=masks.allowed).in_order()


@dataclass(frozen=True)
class _Tie:
    gap: float
    """Distance of the runner-up, in logits; infinite where there is none."""
    other: int
    """Its id."""


def _ties(engine: Engine, question: Question, output: Sequence[int]) -> list[_Tie]:
    """Return per token how near the runner-up of an honest output is."""
    logits = engine.prefill(question.prompt_ids, output).logits
    allowed = None
    if question.schema is not None:
        allowed = engine.compile_grammar(question.schema).masks(output).allowed
    temperature = question.sampling.temperature
    scale = UNITS * (1 if temperature is None else temperature.denominator)
    ties = []
    for at, token in enumerate(output):
        row = slice(at, at + 1)
        offered = offer(logits[row], allowed=None if allowed is None else allowed[row])
        value = scores(offered, [Draw(question.sampling, question.seed, at)])
        others = np.flatnonzero(offered.ids != token)
        if not len(others) or token in engine.stop_ids:
            ties.append(_Tie(math.inf, -1))
            continue
        best = others[np.argmax(value[others])]
        ties.append(
            _Tie(float(value.max() - value[best]) / scale, int(offered.ids[best]))
        )
    return ties


def _continued(
    engine: Engine, question: Question, prefix: tuple[int, ...]
) -> tuple[int, ...]:
    if len(prefix) == question.max_tokens or prefix[-1] in engine.stop_ids:
        return prefix
    return engine.generate(
        question.prompt_ids,
        schema=question.schema,
        max_tokens=question.max_tokens,
        sampling=question.sampling,
        seed=question.seed,
        prefix=prefix,
    )


CHEATS = (
    Cheat(
        "wrong seed",
        "draws with another seed",
        wrong_seed,
        draws=True,
        proves_honestly=True,
    ),
    Cheat(
        "temperature",
        "draws at 9/8 of it",
        other_temperature,
        draws=True,
        proves_honestly=True,
    ),
    Cheat("injected token", "one of the five likeliest, once", injected_token),
    Cheat(
        "broken grammar", "a forbidden token, once", broken_grammar, constrained=True
    ),
    Cheat("cut output", "ends after three quarters", cut_output),
    Cheat("edited prompt", "one prompt token is another", edited_prompt),
    Cheat("other model", "a smaller model, its own trace", honest, serves="small"),
    Cheat("older model", "an earlier checkpoint", honest, serves="early"),
    Cheat("int4 weights", "its own trace", honest, serves="int4"),
    Cheat("int8 weights", "its own trace", honest, serves="int8"),
    Cheat("1 % weight noise", "its own trace", honest, serves="noise"),
    Cheat(
        "int4, proved honestly",
        "cheap tokens, the honest model's trace",
        proved_honestly,
        serves="int4",
        proves_honestly=True,
    ),
    Cheat(
        "int8, proved honestly",
        "cheap tokens, the honest model's trace",
        proved_honestly,
        serves="int8",
        proves_honestly=True,
    ),
    Cheat("int8, one in three", "the others honest", one_in_three, serves="int8"),
    Cheat("no proof run", "honest tokens, blank fingerprints", blank_trace),
    Cheat("steered", "three runners-up within 0.25 logits", steered),
    Cheat("nearest tie", "one runner-up, the nearest of all", nearest_tie),
)
"""Every cheat."""
