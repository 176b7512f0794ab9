"""`make bench-replay`: what checking costs, beside running.

Side by side and in turns, on the same tokens: a replay (hashes, masks, one prefill,
every token chosen again, fingerprints, verdict) and a bare forward pass of the same
engine. Then how much faster a replay is than the generation that it checks, at batches
1 and 8. Once with a model of 5.4 million parameters, beside which the judge's own work
is large, and once with one of 187 million. And the model commitment, beside plain
hashing (`bench/commitment.py`).

Ratios are of medians. *Fastest* is the ratio of the fastest rounds: what is left of it
on a machine that others use as well.

    python bench/replay.py [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch
from commitment import measure_commitment
from large_model import large_folder
from rich.console import Console
from sampler import plain_engine
from table import Row, publish
from text_model import TEXT, model_folder, prompts

from affiant.encoding import keccak256
from affiant.inference.calibrate import CalibrationQuestion, generate, sworn_of
from affiant.inference.replay import SwornInference, replay, replay_many
from affiant.inference.sampling import Sampling
from affiant.inference.transformers_engine import TransformersEngine
from affiant.inference.vllm_engine import VllmEngine
from affiant.inference.vllm_process import VllmSettings

GOAL = 1.3
"""Most that a replay may take, of a bare forward pass."""
TOGETHER = 8
"""Inferences of a batched replay, and of the larger generation."""
MODEL = keccak256(b"bench")
log = Console(stderr=True)


@dataclass(frozen=True)
class Pair:
    """Two ways over the same tokens, timed in turns."""

    ours: float
    """Median seconds."""
    bare: float
    """Median seconds."""
    fastest: float
    """Ratio of the fastest of each."""

    @property
    def ratio(self) -> float:
        """Ratio of the medians."""
        return self.ours / self.bare


def in_turns(
    ours: Callable[[], object], bare: Callable[[], object], *, rounds: int
) -> Pair:
    """Time both, `rounds` times each after one warm-up, alternating who is first."""
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(rounds + 1):
        ways = [("ours", ours), ("bare", bare)]
        for name, way in ways if number % 2 else ways[::-1]:
            started = time.perf_counter()
            way()
            if number:
                taken[name].append(time.perf_counter() - started)
    return Pair(
        ours=statistics.median(taken["ours"]),
        bare=statistics.median(taken["bare"]),
        fastest=min(taken["ours"]) / min(taken["bare"]),
    )


def questions(folder: Path, count: int) -> list[CalibrationQuestion]:
    """Return free texts of 256 tokens after prompts of 128."""
    return [
        CalibrationQuestion(
            prompt_ids=tuple(ids),
            schema=None,
            sampling=Sampling(Fraction(4, 5)),
            seed=keccak256(number.to_bytes(4, "big")),
            max_tokens=256,
        )
        for number, ids in enumerate(prompts(count, seed=9, tokens=128, folder=folder))
    ]


def vllm_rows(
    folder: Path, *, name: str, rounds: int, count: int
) -> tuple[list[Row], list[SwornInference]]:
    """Measure vLLM: a replay in the same profile against vLLM's own prefill.

    Args:
        folder: the model's.
        name: said in the rows.
        rounds: of each way.
        count: inferences that are generated; against generation only if there are
            `TOGETHER`.
    """
    engine = VllmEngine.load(folder, settings=VllmSettings(kv_blocks=256))
    llm = plain_engine(folder)
    try:
        asked = questions(folder, count)
        sworn = [
            sworn_of(done, told)
            for done, told in zip(
                generate(engine, asked, model=MODEL), asked, strict=True
            )
        ]
        one = sworn[0]
        single = in_turns(
            lambda: replay(engine, one),
            lambda: _vllm_forward(llm, [one]),
            rounds=rounds,
        )
        generations = []
        for batch in (1, TOGETHER) if count == TOGETHER else ():
            taken = in_turns(
                partial(_generate, engine, asked[:batch]),
                partial(_replay_each, engine, sworn[:batch]),
                rounds=max(rounds // 4, 2),
            )
            generations.append((batch, taken.ratio))
    finally:
        engine.close()
        llm.llm_engine.engine_core.shutdown()
    tokens = len(one.prompt_ids) + len(one.output_ids)
    return [
        Row(f"vLLM, {name}: bare prefill of {tokens} tokens", 1000 * single.bare, "ms"),
        Row(f"vLLM, {name}: replay, same profile", 1000 * single.ours, "ms"),
        Row(f"vLLM, {name}: replay / bare prefill", single.ratio, "×", GOAL),
        Row(f"vLLM, {name}: replay / bare prefill, fastest", single.fastest, "×"),
        *(
            Row(f"vLLM, {name}: generation / replay, batch {batch}", ratio, "×")
            for batch, ratio in generations
        ),
    ], sworn


def transformers_rows(
    folder: Path, sworn: Sequence[SwornInference], *, name: str, rounds: int
) -> list[Row]:
    """Measure transformers: replays of another profile against its forward pass."""
    engine = TransformersEngine.load(folder)
    model = engine._model  # the bare rival: nothing around it
    one = sworn[0]
    same = replace(one, receipt=replace(one.receipt, engine=engine.manifest.hash))
    single = in_turns(
        lambda: replay(engine, same), lambda: _forward(model, [one]), rounds=rounds
    )
    rows = [
        Row(f"transformers, {name}: bare forward pass", 1000 * single.bare, "ms"),
        Row(f"transformers, {name}: replay", 1000 * single.ours, "ms"),
        Row(f"transformers, {name}: replay / bare", single.ratio, "×", GOAL),
        Row(f"transformers, {name}: replay / bare, fastest", single.fastest, "×"),
    ]
    if len(sworn) > 1:
        batch = in_turns(
            lambda: replay_many(engine, sworn),
            lambda: _forward(model, sworn),
            rounds=rounds,
        )
        words = f"{len(sworn)} replays in a batch / bare batch"
        rows += [
            Row(f"transformers, {name}: {words}", batch.ratio, "×", GOAL),
            Row(f"transformers, {name}: {words}, fastest", batch.fastest, "×"),
        ]
    engine.close()
    return rows


def _vllm_forward(llm: Any, sworn: Sequence[SwornInference]) -> None:
    from vllm import SamplingParams

    params = SamplingParams(
        temperature=0.0,
        max_tokens=1,
        detokenize=False,
        skip_reading_prefix_cache=True,
    )
    tokens = [
        {"prompt_token_ids": [*item.prompt_ids, *item.output_ids[:-1]]}
        for item in sworn
    ]
    llm.generate(tokens, params, use_tqdm=False)


def _forward(model: Any, sworn: Sequence[SwornInference]) -> None:
    rows = [[*item.prompt_ids, *item.output_ids[:-1]] for item in sworn]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    keep = max(len(item.output_ids) for item in sworn)
    with torch.inference_mode():
        model(input_ids=ids, use_cache=False, logits_to_keep=keep)


def _replay_each(engine: VllmEngine, sworn: Sequence[SwornInference]) -> None:
    for item in sworn:
        replay(engine, item)


def _generate(engine: VllmEngine, asked: Sequence[CalibrationQuestion]) -> None:
    def one(question: CalibrationQuestion) -> None:
        engine.generate(
            question.prompt_ids,
            schema=None,
            max_tokens=question.max_tokens,
            sampling=question.sampling,
            seed=question.seed,
        )

    with ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(one, asked))


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    rows: list[Row] = []
    for name, folder, count in (
        ("5.4 M", model_folder(TEXT), TOGETHER),
        ("187 M", large_folder(), 1),
    ):
        rounds = options.rounds if count > 1 else max(options.rounds // 2, 2)
        with log.status(f"replaying {name} with vLLM"):
            found, sworn = vllm_rows(folder, name=name, rounds=rounds, count=count)
        with log.status(f"replaying {name} with transformers"):
            rows += found + transformers_rows(folder, sworn, name=name, rounds=rounds)
    with log.status("committing to a made-up model"):
        rows += measure_commitment()
    publish("replay", rows, title="Replay beside running")


if __name__ == "__main__":
    main()
