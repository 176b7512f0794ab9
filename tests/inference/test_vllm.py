"""vLLM: honest outputs replay exactly, in transformers token by token, lies do not."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.engine import GREEDY, Sampling
from affiant.inference.errors import (
    ContextExceededError,
    EngineUnavailableError,
    LogitsInvalidError,
    SamplingUnsupportedError,
    SchemaUnsupportedError,
)
from affiant.inference.infer import Inference, infer
from affiant.inference.replay import ReplayVerdict, replay
from affiant.inference.sampler import candidates
from affiant.inference.transformers_engine import TransformersEngine

pytestmark = pytest.mark.vllm

WARM = Sampling(Fraction(7, 10))
SEED = bytes(range(32))
MAX_TOKENS = 64


def ask(engine: Any, schema: Any, sampling: Sampling, seed: bytes | None) -> Inference:
    return infer(
        engine,
        model=keccak256(b"model"),
        request=b"{}",
        prompt_ids=engine.encode("what now? WETH 1500 USDC hold"),
        schema=schema,
        max_tokens=MAX_TOKENS,
        sampling=sampling,
        seed=seed,
    )


def judge(
    engine: Any, done: Inference, schema: Any, sampling: Sampling, seed: bytes | None
) -> ReplayVerdict:
    return replay(
        engine,
        receipt=done.receipt,
        prompt_ids=done.prompt_ids,
        output_ids=done.output_ids,
        trace=done.trace,
        schema=schema,
        sampling=sampling,
        seed=seed,
        max_tokens=MAX_TOKENS,
    )


@pytest.mark.parametrize("constrained", [True, False], ids=["schema", "free"])
@pytest.mark.parametrize(
    ("sampling", "seed"),
    [(GREEDY, None), (WARM, SEED), (WARM, bytes(32))],
    ids=["greedy", "warm", "warm, another seed"],
)
def test_honest_output_is_exact_here_and_consistent_in_transformers(
    vllm_engine: Any,
    engine: TransformersEngine,
    schema: dict[str, Any],
    constrained: bool,
    sampling: Sampling,
    seed: bytes | None,
) -> None:
    plan = schema if constrained else None
    done = ask(vllm_engine, plan, sampling, seed)
    here = judge(vllm_engine, done, plan, sampling, seed)
    assert here.grade == "exact", here
    there = judge(engine, done, plan, sampling, seed)
    assert there.grade == "consistent" and there.mismatches == 0, there
    assert there.worst_trace_distance < 0.01
    # And the other way round: transformers chooses the same tokens by itself.
    assert done.output_ids == engine.generate(
        done.prompt_ids,
        schema=plan,
        max_tokens=MAX_TOKENS,
        sampling=sampling,
        seed=seed,
    )


def test_seeds_matter(vllm_engine: Any) -> None:
    one = ask(vllm_engine, None, WARM, SEED)
    two = ask(vllm_engine, None, WARM, bytes(32))
    assert one.output_ids != two.output_ids


def test_prefill_equals_transformers_and_repeats_bit_for_bit(
    vllm_engine: Any, engine: TransformersEngine
) -> None:
    prompt, output = list(range(3, 60)), list(range(60, 120))
    logits = vllm_engine.prefill(prompt, output)
    assert logits.shape == (60, 320) and logits.dtype == np.float32
    assert np.array_equal(logits, vllm_engine.prefill(prompt, output))
    assert np.allclose(logits, engine.prefill(prompt, output), atol=1e-3)


def test_prefill_is_the_same_from_every_thread(vllm_engine: Any) -> None:
    prompt, output = list(range(3, 60)), list(range(60, 120))
    logits = vllm_engine.prefill(prompt, output)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(vllm_engine.prefill, prompt, output) for _ in range(4)]
        noise = [
            pool.submit(
                vllm_engine.generate,
                prompt,
                schema=None,
                max_tokens=20,
                sampling=GREEDY,
                seed=None,
            )
            for _ in range(4)
        ]
        assert len({job.result() for job in noise}) == 1
        assert all(np.array_equal(logits, job.result()) for job in jobs)


def test_close_is_final(vllm_engine: Any, tiny_model: Path) -> None:
    # Also: two engines may live in one process, one after or beside the other.
    from affiant.inference.vllm_engine import VllmEngine

    extra = VllmEngine.load(tiny_model)
    asked: dict[str, Any] = {
        "schema": None,
        "max_tokens": 4,
        "sampling": GREEDY,
        "seed": None,
    }
    assert len(extra.generate([5, 6], **asked)) == 4
    extra.close()
    extra.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        extra.generate([5, 6], **asked)
    with pytest.raises(EngineUnavailableError, match="closed"):
        extra.prefill([5, 6], [7])
    assert len(vllm_engine.generate([5, 6], **asked)) == 4


def test_forced_prefix_is_kept_and_the_grammar_goes_on(
    vllm_engine: Any, engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    prompt = vllm_engine.encode("what now?")
    prefix = tuple(vllm_engine.encode('{"why":"zz'))
    asked: dict[str, Any] = {
        "schema": schema,
        "max_tokens": MAX_TOKENS,
        "sampling": GREEDY,
        "seed": None,
        "prefix": prefix,
    }
    output = vllm_engine.generate(prompt, **asked)
    assert output[: len(prefix)] == prefix
    assert output == engine.generate(prompt, **asked)
    masks = vllm_engine.compile_grammar(schema).masks(output)
    assert masks.violation is None and masks.complete


@pytest.mark.parametrize("constrained", [True, False], ids=["schema", "free"])
def test_rollback_goes_on_from_the_corrected_token(
    vllm_engine: Any,
    drifting_engine: Callable[..., Any],
    schema: dict[str, Any],
    constrained: bool,
) -> None:
    plan = schema if constrained else None
    honest = ask(vllm_engine, plan, WARM, SEED)
    corrected = ask(drifting_engine(vllm_engine, drifts=[7, 9, 12]), plan, WARM, SEED)
    assert corrected.rollbacks >= 2
    assert corrected.receipt == honest.receipt
    assert judge(vllm_engine, corrected, plan, WARM, SEED).grade == "exact"


def test_swapped_model_is_inconsistent(
    vllm_engine: Any, other_engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    done = ask(vllm_engine, schema, GREEDY, None)
    assert judge(other_engine, done, schema, GREEDY, None).grade == "inconsistent"


def test_swapped_receipt_profile_is_inconsistent(
    vllm_engine: Any, tiny_model: Path
) -> None:
    # A node claims another precision than it ran: its trace is not that engine's.
    done = ask(vllm_engine, None, GREEDY, None)
    half = TransformersEngine.load(tiny_model, dtype="bfloat16")
    claimed = replace(done, receipt=replace(done.receipt, engine=half.manifest.hash))
    assert judge(half, claimed, None, GREEDY, None).grade == "inconsistent"
    assert judge(vllm_engine, claimed, None, GREEDY, None).grade == "consistent"
    # Told the truth, the other precision only says how far apart the two are.
    verdict = judge(half, done, None, GREEDY, None)
    assert verdict.grade != "exact" and verdict.worst_trace_distance > 0.004


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompt_ids": []}, MalformedError),
        ({"prompt_ids": [320]}, MalformedError),
        ({"max_tokens": 511}, ContextExceededError),
        ({"sampling": WARM}, MalformedError),
        ({"schema": {"type": "nonsense"}}, SchemaUnsupportedError),
    ],
    ids=repr,
)
def test_refuses_and_stays_alive(
    vllm_engine: Any, changes: dict[str, Any], expected: type[Exception]
) -> None:
    asked: dict[str, Any] = {
        "prompt_ids": [5, 6, 7],
        "schema": None,
        "max_tokens": 4,
        "sampling": GREEDY,
        "seed": None,
    }
    with pytest.raises(expected):
        vllm_engine.generate(**{**asked, **changes})
    assert len(vllm_engine.generate(**asked)) == 4


def test_requests_share_a_batch_and_keep_their_own_parameters(
    vllm_engine: Any, engine: TransformersEngine
) -> None:
    # Different lengths: requests leave the batch and others move to their rows.
    from vllm import SamplingParams

    from affiant.inference.vllm_sampler import RequestSampling

    requests = [
        ([10 + i] * (4 + i), RequestSampling(sampling, seed, prefix), 6 + 5 * (i % 4))
        for i, (sampling, seed, prefix) in enumerate(
            [
                (GREEDY, None, ()),
                (WARM, SEED, ()),
                (WARM, bytes(32), ()),
                (GREEDY, None, (70, 71)),
                (WARM, SEED, (72,)),
                (GREEDY, None, ()),
            ]
        )
    ]
    answers = vllm_engine._llm.generate(
        [{"prompt_token_ids": prompt} for prompt, _, _ in requests],
        [
            SamplingParams(
                temperature=0.0,
                max_tokens=length,
                detokenize=False,
                extra_args=request.to_extra_args(),
            )
            for _, request, length in requests
        ],
        use_tqdm=False,
    )
    for answer, (prompt, request, length) in zip(answers, requests, strict=True):
        assert tuple(answer.outputs[0].token_ids) == engine.generate(
            prompt,
            schema=None,
            max_tokens=length,
            sampling=request.sampling,
            seed=request.seed,
            prefix=request.prefix,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.7},
        {"presence_penalty": 0.1},
        {"frequency_penalty": 0.1},
        {"repetition_penalty": 1.1},
        {"min_tokens": 3},
        {"ignore_eos": True},
        {"logit_bias": {5: 1.0}},
        {"allowed_token_ids": [5]},
        {"bad_words": ["x"]},
        {"watermarking": True},
        {"seed": 7},
        {"stop": ["x"]},
        {"extra_args": None},
        {"extra_args": {"affiant": {"sampling": {"temperature": None}}}},
    ],
    ids=repr,
)
def test_processor_refuses_uncovered_parameters(
    vllm_engine: Any, changes: dict[str, Any]
) -> None:
    from vllm import SamplingParams
    from vllm.exceptions import VLLMValidationError

    from affiant.inference.vllm_sampler import (
        CanonicalLogitsProcessor,
        RequestSampling,
    )

    request = RequestSampling(sampling=GREEDY, seed=None, prefix=())
    asked: dict[str, Any] = {
        "temperature": 0.0,
        "max_tokens": 4,
        "extra_args": request.to_extra_args(),
        **changes,
    }
    with pytest.raises(SamplingUnsupportedError):
        RequestSampling.from_params(SamplingParams(**asked))
    with pytest.raises(ValueError, match="."):
        CanonicalLogitsProcessor.validate_params(SamplingParams(**asked))
    with pytest.raises(VLLMValidationError):
        vllm_engine._llm.generate(
            {"prompt_token_ids": [5]}, SamplingParams(**asked), use_tqdm=False
        )


def test_torch_candidates_equal_numpy(vllm_engine: Any) -> None:
    import torch

    from affiant.inference.vllm_sampler import batch_candidates

    draw = np.random.default_rng(3)
    for scale in (4096, 4, 2**20):
        logits = (draw.integers(-scale, scale, (40, 300)) / 512).astype(np.float32)
        logits[draw.random(logits.shape) < 0.3] = -np.inf
        logits[0, 1:] = -np.inf
        logits[0, 0] = 1.0
        expected = candidates(logits, allowed=None)
        assert batch_candidates(torch.from_numpy(logits)) == expected
    for bad in (np.nan, np.inf, 1e9, -1e9):
        logits[3, 4] = bad
        with pytest.raises(LogitsInvalidError):
            batch_candidates(torch.from_numpy(logits))
    with pytest.raises(LogitsInvalidError):
        batch_candidates(torch.full((2, 5), -torch.inf))


def test_manifest_says_what_runs(vllm_engine: Any, engine: TransformersEngine) -> None:
    manifest = vllm_engine.manifest
    assert manifest.engine == "vllm" and manifest.dtype == manifest.kv_dtype
    assert manifest.hash != engine.manifest.hash
    assert vllm_engine.stop_ids == engine.stop_ids == frozenset({1, 2})


def test_standard_output_stays_clean(
    vllm_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    ask(vllm_engine, None, GREEDY, None)
    assert printed.getvalue() == ""
