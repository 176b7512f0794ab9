"""One inference: generation, self-check, rollback, receipt. On transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.commitment import ModelCommitment
from affiant.inference.engine import Prefill
from affiant.inference.errors import (
    AbandonedError,
    ContextExceededError,
    LogitsInvalidError,
    ReleasedTokenError,
    SelfCheckError,
)
from affiant.inference.infer import Release, infer
from affiant.inference.receipt import tokens_hash
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.transformers_engine import TransformersEngine

SEED = bytes(range(32))
WARM = Sampling(Fraction(7, 10))


@pytest.fixture(scope="module")
def prompt(engine: TransformersEngine) -> list[int]:
    """A short prompt."""
    return engine.encode("what now? WETH 1500 USDC hold")


def ask(engine: Any, **changes: Any) -> Any:
    """Run `infer` with defaults."""
    asked: dict[str, Any] = {
        "model": keccak256(b"model"),
        "request": b"{}",
        "schema": None,
        "max_tokens": 40,
        "sampling": GREEDY,
        "seed": None,
    }
    return infer(engine, **{**asked, **changes})


@pytest.mark.parametrize(
    ("sampling", "seed"), [(GREEDY, None), (WARM, SEED)], ids=["greedy", "warm"]
)
def test_receipt_binds_the_inference(
    engine: TransformersEngine,
    tiny_commitment: ModelCommitment,
    prompt: list[int],
    schema: dict[str, Any],
    sampling: Sampling,
    seed: bytes | None,
) -> None:
    done = ask(
        engine,
        model=tiny_commitment.root,
        request=b'{"a":1}',
        max_tokens=64,
        prompt_ids=prompt,
        schema=schema,
        sampling=sampling,
        seed=seed,
    )
    assert done.receipt.model == tiny_commitment.root
    assert done.receipt.engine == engine.manifest.hash
    assert done.receipt.request == keccak256(b'{"a":1}')
    assert done.receipt.prompt == tokens_hash(prompt)
    assert done.receipt.output == tokens_hash(done.output_ids)
    assert done.receipt.trace == done.trace.root
    assert tuple(entry.token for entry in done.trace.entries) == done.output_ids
    assert done.finished and done.output_ids[-1] in engine.stop_ids
    assert done.rollbacks == 0
    assert done.timings.generate > 0 and done.timings.self_check > 0
    assert done.text.startswith('{"why":"') and done.text.endswith("]}")


@pytest.mark.parametrize("constrained", [True, False], ids=["schema", "free"])
@pytest.mark.parametrize(
    ("sampling", "seed"), [(GREEDY, None), (WARM, SEED)], ids=["greedy", "warm"]
)
def test_rollback_leads_to_the_honest_output(
    engine: TransformersEngine,
    drifting_engine: Callable[..., Any],
    prompt: list[int],
    schema: dict[str, Any],
    constrained: bool,
    sampling: Sampling,
    seed: bytes | None,
) -> None:
    asked = {
        "prompt_ids": prompt,
        "schema": schema if constrained else None,
        "sampling": sampling,
        "seed": seed,
    }
    honest = ask(engine, **asked)
    drifting = drifting_engine(engine, drifts=[7, 9, 12])
    corrected = ask(drifting, **asked)
    assert corrected.rollbacks >= 2
    assert corrected.output_ids == honest.output_ids
    assert corrected.receipt == honest.receipt
    # Each continuation starts from the corrected token, never further back.
    lengths = [len(prefix) for prefix in drifting.prefixes]
    assert lengths == sorted(set(lengths))
    assert all(
        prefix == honest.output_ids[: len(prefix)] for prefix in drifting.prefixes
    )


def test_rejects_an_engine_that_never_settles(
    engine: TransformersEngine,
    drifting_engine: Callable[..., Any],
    prompt: list[int],
) -> None:
    drifting = drifting_engine(engine, drifts=range(24))
    with pytest.raises(SelfCheckError) as caught:
        ask(drifting, prompt_ids=prompt, max_tokens=24, max_rollbacks=3)
    assert caught.value.rollbacks == 3
    assert len(drifting.prefixes) == 4


def test_an_output_may_stop_at_max_tokens_and_says_so(
    engine: TransformersEngine, prompt: list[int], schema: dict[str, Any]
) -> None:
    done = ask(engine, prompt_ids=prompt, schema=schema, max_tokens=5)
    assert len(done.output_ids) == 5 and not done.finished


@pytest.mark.parametrize("window", [1, 7, 40])
@pytest.mark.parametrize("constrained", [True, False], ids=["schema", "free"])
def test_windows_release_a_growing_output_and_change_nothing(
    engine: TransformersEngine,
    prompt: list[int],
    schema: dict[str, Any],
    window: int,
    constrained: bool,
) -> None:
    told: list[tuple[int, ...]] = []
    asked = {"prompt_ids": prompt, "schema": schema if constrained else None}
    done = ask(engine, **asked, release=Release(window, told.append))
    assert done.receipt == ask(engine, **asked).receipt
    assert told[-1] == done.output_ids
    assert done.prefills == len(told) == -(-len(done.output_ids) // window)
    for earlier, later in pairwise(told):
        assert later[: len(earlier)] == earlier and len(later) - len(earlier) <= window


def test_a_mismatch_in_a_window_is_corrected_before_it_is_released(
    engine: TransformersEngine, drifting_engine: Callable[..., Any], prompt: list[int]
) -> None:
    told: list[tuple[int, ...]] = []
    drifting = drifting_engine(engine, drifts=[3, 9])
    done = ask(drifting, prompt_ids=prompt, release=Release(8, told.append))
    assert done.rollbacks == 2
    assert done.receipt == ask(engine, prompt_ids=prompt).receipt
    assert all(done.output_ids[: len(output)] == output for output in told)


def test_nothing_is_sworn_if_a_released_token_does_not_stay(
    engine: TransformersEngine, prompt: list[int]
) -> None:
    class Fickle:
        """A real engine that changes its mind about token 2 once there are 20."""

        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def prefill(self, prompt_ids: Any, output_ids: Any) -> Prefill:
            found = engine.prefill(prompt_ids, output_ids)
            if len(output_ids) < 20:
                return found
            logits = found.logits.copy()
            logits[2, output_ids[2]] -= 50
            return replace(found, logits=logits)

    told: list[tuple[int, ...]] = []
    with pytest.raises(ReleasedTokenError) as caught:
        ask(Fickle(), prompt_ids=prompt, release=Release(8, told.append))
    assert (caught.value.position, caught.value.released) == (2, 16)
    assert [len(output) for output in told] == [8, 16]
    assert isinstance(caught.value, SelfCheckError)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompt_ids": []}, MalformedError),
        ({"prompt_ids": [-1]}, MalformedError),
        ({"prompt_ids": [320]}, MalformedError),
        ({"prompt_ids": [True]}, MalformedError),
        ({"max_tokens": 0}, MalformedError),
        ({"max_tokens": 10_000}, ContextExceededError),
        ({"prompt_ids": [5] * 500}, ContextExceededError),
        ({"sampling": WARM, "seed": None}, MalformedError),
        ({"sampling": WARM, "seed": b"short"}, MalformedError),
    ],
    ids=repr,
)
def test_rejects_what_cannot_be_run(
    engine: TransformersEngine,
    prompt: list[int],
    changes: dict[str, Any],
    expected: type[Exception],
) -> None:
    with pytest.raises(expected):
        ask(engine, **{"prompt_ids": prompt, **changes})


def test_stops_when_nobody_waits_any_more(
    engine: TransformersEngine, prompt: list[int]
) -> None:
    asked: list[None] = []

    def wanted() -> bool:
        asked.append(None)
        return len(asked) < 6

    with pytest.raises(AbandonedError):
        ask(engine, prompt_ids=prompt, max_tokens=40, wanted=wanted)
    assert len(asked) == 6


def test_a_grammar_without_a_way_on_is_named(
    engine: TransformersEngine, prompt: list[int], dead_end: dict[str, Any]
) -> None:
    with pytest.raises(LogitsInvalidError, match="no allowed token"):
        ask(engine, prompt_ids=prompt, schema=dead_end)


def test_prefill_rows_stand_before_their_tokens(
    engine: TransformersEngine, prompt: list[int]
) -> None:
    output = engine.generate(
        prompt, schema=None, max_tokens=12, sampling=GREEDY, seed=None
    )
    found = engine.prefill(prompt, output)
    assert found.logits.shape == (12, engine.vocab_size)
    assert found.hidden.shape == (12, 64)
    assert found.logits.argmax(axis=1).tolist() == list(output)
    # A row depends on what is before it only.
    again = engine.prefill([*prompt, *output[:4]], output[4:])
    assert np.allclose(again.logits, found.logits[4:], atol=1e-4)
    assert np.allclose(again.hidden, found.hidden[4:], atol=1e-4)


def test_forced_prefix_must_be_allowed(
    engine: TransformersEngine, prompt: list[int], schema: dict[str, Any]
) -> None:
    with pytest.raises(MalformedError, match="prefix"):
        engine.generate(
            prompt,
            schema=schema,
            max_tokens=9,
            sampling=GREEDY,
            seed=None,
            prefix=engine.encode("x"),
        )
