"""vLLM: honest outputs replay exactly, in transformers token by token, lies do not."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.candidates import offer
from affiant.inference.engine import PrefillJob
from affiant.inference.errors import (
    AbandonedError,
    ContextExceededError,
    EngineUnavailableError,
    LogitsInvalidError,
    SamplingUnsupportedError,
    SchemaUnsupportedError,
)
from affiant.inference.infer import Inference, infer
from affiant.inference.profile import Profile
from affiant.inference.replay import ReplayVerdict, SwornInference, replay
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.transformers_engine import TransformersEngine
from affiant.inference.vllm_loop import RequestRefusedError

pytestmark = pytest.mark.vllm

WARM = Sampling(Fraction(7, 10))
HOT = Sampling(Fraction(13, 10))
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
    engine: Any,
    done: Inference,
    schema: Any,
    sampling: Sampling,
    seed: bytes | None,
    profiles: Sequence[Profile] = (),
) -> ReplayVerdict:
    return replay(
        engine,
        SwornInference(
            receipt=done.receipt,
            prompt_ids=done.prompt_ids,
            output_ids=done.output_ids,
            trace=done.trace,
            schema=schema,
            sampling=sampling,
            seed=seed,
            max_tokens=MAX_TOKENS,
        ),
        profiles=profiles,
    )


@pytest.mark.parametrize("constrained", [True, False], ids=["schema", "free"])
@pytest.mark.parametrize(
    ("sampling", "seed"),
    [(GREEDY, None), (WARM, SEED), (WARM, bytes(32))],
    ids=["greedy", "warm", "warm, another seed"],
)
def test_honest_output_is_exact_here_and_close_in_transformers(
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
    assert there.grade == "inconclusive", there  # nothing was calibrated
    assert there.measures.mismatches == 0
    assert there.measures.worst_window < 0.001
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
    found = vllm_engine.prefill(prompt, output)
    assert found.logits.shape == (60, 320) and found.logits.dtype == np.float32
    assert found.hidden.shape == (60, 64) and found.hidden.dtype == np.float32
    again = vllm_engine.prefill(prompt, output)
    assert np.array_equal(found.logits, again.logits)
    assert np.array_equal(found.hidden, again.hidden)
    there = engine.prefill(prompt, output)
    assert np.allclose(found.logits, there.logits, atol=1e-3)
    assert np.allclose(found.hidden, there.hidden, atol=1e-3)


def test_prefills_of_several_are_close_to_those_of_each(
    vllm_engine: Any, engine: TransformersEngine
) -> None:
    draw = np.random.default_rng(1)
    jobs = [
        PrefillJob(
            tuple(draw.integers(3, 300, before).tolist()),
            tuple(draw.integers(3, 300, after).tolist()),
        )
        for before, after in [(5, 9), (200, 40), (1, 1), (60, 60), (300, 150), (7, 3)]
    ]
    for ours in (vllm_engine, engine):
        together = ours.prefill_many(jobs)
        for job, found in zip(jobs, together, strict=True):
            alone = ours.prefill(job.prompt_ids, job.output_ids)
            assert np.allclose(found.logits, alone.logits, atol=1e-3)
            assert np.allclose(found.hidden, alone.hidden, atol=1e-3)
        assert ours.prefill_many([]) == []


def test_prefill_is_the_same_in_the_middle_of_others_work(vllm_engine: Any) -> None:
    prompt, output = list(range(3, 60)), list(range(60, 120))
    alone = vllm_engine.prefill(prompt, output)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(vllm_engine.prefill, prompt, output) for _ in range(4)]
        noise = [
            pool.submit(
                vllm_engine.generate,
                prompt,
                schema=None,
                max_tokens=60,
                sampling=WARM,
                seed=SEED,
            )
            for _ in range(4)
        ]
        assert len({job.result() for job in noise}) == 1
        for job in jobs:
            assert np.array_equal(alone.logits, job.result().logits)
            assert np.array_equal(alone.hidden, job.result().hidden)


def test_a_grammar_without_a_way_on_ends_its_own_request_only(
    vllm_engine: Any, schema: dict[str, Any], dead_end: dict[str, Any]
) -> None:
    alone = ask(vllm_engine, schema, WARM, SEED)
    with ThreadPoolExecutor(5) as pool:
        dead = [pool.submit(ask, vllm_engine, dead_end, GREEDY, None) for _ in range(3)]
        beside = pool.submit(ask, vllm_engine, schema, WARM, SEED)
        for failed in dead:
            with pytest.raises(LogitsInvalidError, match="no allowed token"):
                failed.result(timeout=600)
        assert beside.result(timeout=600).receipt == alone.receipt
    assert ask(vllm_engine, schema, WARM, SEED).receipt == alone.receipt


def test_what_nobody_waits_for_leaves_the_batch(vllm_engine: Any) -> None:
    alone = ask(vllm_engine, None, WARM, SEED)
    asked: list[None] = []

    def wanted() -> bool:
        asked.append(None)
        return len(asked) < 10

    def abandoned() -> None:
        vllm_engine.generate(
            vllm_engine.encode("what now?"),
            schema=None,
            max_tokens=400,
            sampling=WARM,
            seed=SEED,
            wanted=wanted,
        )

    with ThreadPoolExecutor(2) as pool:
        dropped = pool.submit(abandoned)
        beside = pool.submit(ask, vllm_engine, None, WARM, SEED)
        with pytest.raises(AbandonedError):
            dropped.result(timeout=600)
        assert beside.result(timeout=600).receipt == alone.receipt
    assert len(asked) == 10
    assert vllm_engine._loop.vllm.get_num_unfinished_requests() == 0


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_close_is_final(vllm_engine: Any, tiny_model: Path) -> None:
    # Also: two engines may live in one process, one after or beside the other, and what
    # a closed one took is given back while the other runs on.
    from affiant.inference.vllm_engine import VllmEngine

    beside = vllm_engine.prefill([5, 6], [7, 8, 9])
    before = resident()
    extra = VllmEngine.load(tiny_model)
    asked: dict[str, Any] = {
        "schema": None,
        "max_tokens": 4,
        "sampling": GREEDY,
        "seed": None,
    }
    assert len(extra.generate([5, 6], **asked)) == 4
    # The key-value cache alone is a GiB.
    assert resident() > before + 2**30
    extra.close()
    assert resident() < before + 2**27
    extra.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        extra.generate([5, 6], **asked)
    with pytest.raises(EngineUnavailableError, match="closed"):
        extra.prefill([5, 6], [7])
    assert len(vllm_engine.generate([5, 6], **asked)) == 4
    # The other one has its own weights still, bit for bit.
    again = vllm_engine.prefill([5, 6], [7, 8, 9])
    assert np.array_equal(again.logits, beside.logits)
    assert np.array_equal(again.hidden, beside.hidden)


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


def test_swapped_model_is_far_away(
    vllm_engine: Any, other_engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    done = ask(vllm_engine, schema, GREEDY, None)
    verdict = judge(other_engine, done, schema, GREEDY, None)
    assert verdict.grade == "inconclusive" and verdict.measures.mismatches > 0
    assert verdict.measures.fingerprint > 0.1
    # As a consistent liar: another model claims to have been run by this very engine.
    claimed = replace(
        done, receipt=replace(done.receipt, engine=other_engine.manifest.hash)
    )
    assert judge(other_engine, claimed, schema, GREEDY, None).grade == "inconsistent"


def test_swapped_receipt_profile_is_inconsistent(
    vllm_engine: Any, tiny_model: Path
) -> None:
    # A node claims another precision than it ran: its trace is not that engine's.
    done = ask(vllm_engine, None, GREEDY, None)
    half = TransformersEngine.load(tiny_model, dtype="bfloat16")
    claimed = replace(done, receipt=replace(done.receipt, engine=half.manifest.hash))
    assert judge(half, claimed, None, GREEDY, None).grade == "inconsistent"
    assert judge(vllm_engine, claimed, None, GREEDY, None).grade == "inconclusive"
    # Told the truth, the other precision only says how far apart the two are.
    verdict = judge(half, done, None, GREEDY, None)
    assert verdict.grade == "inconclusive" and verdict.measures.fingerprint > 0.001


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


CROWD = [
    ([10 + i] * (4 + 9 * i), sampling, seed, 12 + 5 * (i % 7), i % 3 == 2)
    for i, (sampling, seed) in enumerate(
        [(GREEDY, None), (WARM, SEED), (WARM, bytes(32)), (HOT, SEED)] * 5
    )
]
"""Requests of different lengths: prompt, sampling, seed, most tokens, constrained."""


def crowd(engine: Any, schema: Any) -> list[tuple[int, ...]]:
    """Return the settled outputs of all of `CROWD`, asked for at the same time."""

    def one(request: tuple[Any, ...]) -> tuple[int, ...]:
        prompt, sampling, seed, length, constrained = request
        return infer(
            engine,
            model=keccak256(b"model"),
            request=b"{}",
            prompt_ids=prompt,
            schema=schema if constrained else None,
            max_tokens=length,
            sampling=sampling,
            seed=seed,
        ).output_ids

    with ThreadPoolExecutor(len(CROWD)) as pool:
        return list(pool.map(one, CROWD))


def watch(engine: Any, name: str) -> list[Any]:
    """Return a list that grows whenever vLLM's scheduler calls its method `name`."""
    seen: list[Any] = []
    scheduler = engine._loop._scheduler
    method = getattr(scheduler, name)

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(args)
        return method(*args, **options)

    setattr(scheduler, name, watched)
    return seen


def watch_prompts(engine: Any) -> Counter[str]:
    """Return a count of prompts that were found in the cache, and cut in chunks."""
    seen: Counter[str] = Counter()
    scheduler = engine._loop._scheduler
    schedule = scheduler.schedule

    def watched(*args: Any, **options: Any) -> Any:
        step = schedule(*args, **options)
        for new in step.scheduled_new_reqs:
            done = new.num_computed_tokens + step.num_scheduled_tokens[new.req_id]
            seen["cached"] += new.num_computed_tokens > 0
            seen["chunked"] += done < len(new.prompt_token_ids)
        return step

    scheduler.schedule = watched
    return seen


@dataclass(frozen=True)
class Regime:
    """A way in which vLLM may run generations."""

    id: str
    settings: dict[str, Any]
    preempts: bool = False
    caches: bool | None = True
    """None: as it happens."""
    chunks: bool = False
    """False: only what a step has no room for is cut."""


@pytest.mark.parametrize(
    "regime",
    [
        Regime("batches of 32, shared prefixes", {}),
        Regime("no shared prefixes", {"prefix_cache": False}, caches=False),
        Regime("two at a time", {"max_batch": 2}),
        Regime("prompts in chunks of 16", {"prefill_chunk": 16}, chunks=True),
        # Blocks of 128 tokens; growing requests throw others out, which start again.
        Regime("too little memory", {"kv_blocks": 6}, preempts=True, caches=None),
    ],
    ids=lambda regime: regime.id,
)
def test_neighbours_change_nothing(
    engine: TransformersEngine,
    tiny_model: Path,
    schema: dict[str, Any],
    regime: Regime,
) -> None:
    from affiant.inference.vllm_engine import VllmEngine
    from affiant.inference.vllm_process import VllmSettings

    alone = [
        engine.generate(
            prompt,
            schema=schema if constrained else None,
            max_tokens=length,
            sampling=sampling,
            seed=seed,
        )
        for prompt, sampling, seed, length, constrained in CROWD
    ]
    loaded = VllmEngine.load(tiny_model, settings=VllmSettings(**regime.settings))
    thrown_out = watch(loaded, "_preempt_request")
    prompts = watch_prompts(loaded)
    try:
        assert crowd(loaded, schema) == alone
        # Once more: what was cached for the first round changes nothing either.
        assert crowd(loaded, schema) == alone
        for _ in range(5):
            # How many meet in memory depends on when their threads come.
            if bool(thrown_out) == regime.preempts:
                break
            assert crowd(loaded, schema) == alone
        # Otherwise the comparison above says nothing of what the regime is for.
        assert bool(thrown_out) == regime.preempts
        assert regime.caches in (None, bool(prompts["cached"]))
        assert prompts["chunked"] or not regime.chunks
    finally:
        loaded.close()


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

    request = RequestSampling(sampling=GREEDY, seed=None, prefix=(), start=0)
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
    with pytest.raises(RequestRefusedError) as refused:
        vllm_engine._loop.generate([5], SamplingParams(**asked)).result()
    assert isinstance(refused.value.__cause__, VLLMValidationError)
    # The others are served all the same.
    assert len(ask(vllm_engine, None, GREEDY, None).output_ids) > 0


def test_candidates_on_a_device_equal_those_in_memory(vllm_engine: Any) -> None:
    import torch

    from affiant.inference.vllm_sampler import offer_on_device

    draw = np.random.default_rng(3)
    for scale in (4096, 4, 2**20):
        logits = (draw.integers(-scale, scale, (40, 300)) / 512).astype(np.float32)
        logits[draw.random(logits.shape) < 0.3] = -np.inf
        logits[0, 1:] = -np.inf
        logits[0, 0] = 1.0
        found = offer_on_device(torch.from_numpy(logits), positions=range(40))
        assert found.in_order() == offer(logits).in_order()
    for bad in (np.nan, np.inf, 1e9, -1e9):
        logits[3, 4] = bad
        with pytest.raises(LogitsInvalidError, match="position 103"):
            offer_on_device(torch.from_numpy(logits), positions=range(100, 140))
    with pytest.raises(LogitsInvalidError, match="position 7"):
        offer_on_device(torch.full((2, 5), -torch.inf), positions=[7, 8])


def test_rows_keep_their_requests_through_removal_addition_moves_and_swaps() -> None:
    import torch
    from vllm import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality

    from affiant.inference.vllm_sampler import (
        CanonicalLogitsProcessor,
        RequestSampling,
    )

    def forcing(token: int) -> Any:
        """Return parameters of a request that must say `token` next."""
        request = RequestSampling(sampling=GREEDY, seed=None, prefix=(token,), start=0)
        return SamplingParams(temperature=0.0, extra_args=request.to_extra_args())

    processor = CanonicalLogitsProcessor(
        None,
        torch.device("cpu"),
        is_pin_memory=False,  # type: ignore[arg-type]
    )

    def after(
        size: int,
        removed: Sequence[int] = (),
        added: Mapping[int, int] | None = None,
        moved: Sequence[tuple[int, int, Any]] = (),
    ) -> list[int]:
        """Return what the rows say once vLLM changed its batch like this."""
        rows = [(row, forcing(token), [], []) for row, token in (added or {}).items()]
        processor.update_state(
            BatchUpdate(
                batch_size=size, removed=list(removed), added=rows, moved=list(moved)
            )
        )
        said = processor.apply(torch.zeros(size, 9)).argmax(dim=1)
        return [int(token) for token in said]

    swap, one_way = MoveDirectionality.SWAP, MoveDirectionality.UNIDIRECTIONAL
    assert after(3, added={0: 1, 1: 2, 2: 3}) == [1, 2, 3]
    assert after(3, moved=[(0, 2, swap)]) == [3, 2, 1]
    # One leaves, the last moves into its place, which another had for a moment.
    assert after(2, removed=[0], moved=[(2, 0, one_way)]) == [1, 2]
    assert after(2, removed=[1], added={1: 7}) == [1, 7]
    assert after(3, added={2: 8}, moved=[(0, 1, swap), (1, 2, swap)]) == [7, 8, 1]
    with pytest.raises(RuntimeError, match="row 3"):
        processor.apply(torch.zeros(4, 9))


@pytest.mark.parametrize("reset", [{"top_p": 0.5}, {"top_k": 3}, {"min_p": 0.2}])
def test_what_vllm_puts_back_has_no_effect(reset: dict[str, Any]) -> None:
    from vllm import SamplingParams

    from affiant.inference.vllm_sampler import RequestSampling

    request = RequestSampling(sampling=GREEDY, seed=None, prefix=(), start=0)
    extra = request.to_extra_args()
    params = SamplingParams(temperature=0.0, extra_args=extra, **reset)
    assert (params.top_p, params.top_k, params.min_p) in [(1.0, 0, 0.0), (1.0, -1, 0.0)]
    with pytest.raises(SamplingUnsupportedError):
        RequestSampling.from_params(
            SamplingParams(temperature=0.7, extra_args=extra, **reset)
        )


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
