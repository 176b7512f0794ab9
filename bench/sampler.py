"""`make bench-sampler`: what the canonical sampler and the trace cost.

vLLM's own greedy sampling against ours, in one process, in turns: the same model, the
same prompts, the same options but for what ours needs (its logits processor, its
scheduler). *Sampler + trace* is generation and everything that makes the trace out of
hidden states (fingerprints, leaves, root). The self-check's prefill, which yields those
states and re-chooses every token, is reported apart. Ratios are of medians of rounds.

    python bench/sampler.py [--rounds N] [--tokens N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from table import Row, matrix, publish
from text_model import TEXT, model_folder, prompts

from affiant.encoding import keccak256
from affiant.inference.infer import trace_of
from affiant.inference.retrace import retrace
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.vllm_engine import VllmEngine
from affiant.inference.vllm_process import VllmSettings, model_context, vllm_options

BATCHES = (1, 8, 32)
"""Requests at the same time."""
WARM = Sampling(Fraction(4, 5))
GOAL_BATCH = 8
GOAL = 0.95
"""Least throughput at that batch, relative to plain greedy."""
SETTINGS = VllmSettings(kv_blocks=160, prefix_cache=False)
"""The same for both; no prefix cache, so that every round computes the same."""

log = Console(stderr=True)


@dataclass
class Timing:
    """Seconds and tokens of one way, over all rounds of one batch size."""

    seconds: list[float]
    tokens: list[int]

    @property
    def rate(self) -> float:
        """Median tokens per second."""
        pairs = zip(self.tokens, self.seconds, strict=True)
        return statistics.median(count / taken for count, taken in pairs)


def plain_engine(folder: Path) -> Any:
    """Return vLLM as it comes, with the same options."""
    from vllm import LLM

    options = vllm_options(folder, context=model_context(folder), settings=SETTINGS)
    # What only ours needs; vLLM may do as it likes.
    del options["async_scheduling"]
    return LLM(**options)


def plain(llm: Any, asked: Sequence[list[int]], *, tokens: int) -> int:
    """Generate greedily with vLLM alone; return how many tokens came."""
    from vllm import SamplingParams

    params = SamplingParams(
        temperature=0.0, max_tokens=tokens, detokenize=False, ignore_eos=True
    )
    answers = llm.generate(
        [{"prompt_token_ids": ids} for ids in asked], params, use_tqdm=False
    )
    return sum(len(answer.outputs[0].token_ids) for answer in answers)


class Ours:
    """The canonical sampler, the self-check and the trace, timed apart."""

    def __init__(self, engine: VllmEngine, pool: ThreadPoolExecutor) -> None:
        self.engine = engine
        self.pool = pool

    def round(
        self, asked: Sequence[list[int]], *, sampling: Sampling, tokens: int
    ) -> tuple[int, float, float, float]:
        """Return tokens, and seconds of generation, self-check and trace."""

        def one(number: int) -> tuple[int, ...]:
            return self.engine.generate(
                asked[number],
                schema=None,
                max_tokens=tokens,
                sampling=sampling,
                seed=_seed(number),
            )

        started = time.perf_counter()
        outputs = list(self.pool.map(one, range(len(asked))))
        generated = time.perf_counter() - started
        checked = traced = 0.0
        for number, (prompt, output) in enumerate(zip(asked, outputs, strict=True)):
            started = time.perf_counter()
            found = self.engine.prefill(prompt, output)
            again = retrace(
                found.logits,
                output_ids=output,
                grammar=None,
                sampling=sampling,
                seed=_seed(number),
            )
            checked += time.perf_counter() - started
            assert not again.mismatches or len(again.mismatches) < len(output)
            started = time.perf_counter()
            assert trace_of(found, prompt_ids=prompt, output_ids=output).root
            traced += time.perf_counter() - started
        return sum(map(len, outputs)), generated, checked, traced


def _seed(number: int) -> bytes:
    return keccak256(number.to_bytes(4, "big"))


def measure(rounds: int, tokens: int) -> list[Row]:
    """Measure every batch size, in turns, and return the rows."""
    folder = model_folder(TEXT)
    # Ours first: it tells vLLM to stay in this process, and so does the other then.
    engine = VllmEngine.load(folder, settings=SETTINGS)
    llm = plain_engine(folder)
    rows: list[Row] = []
    lines: list[list[str]] = []
    try:
        with ThreadPoolExecutor(max(BATCHES)) as pool:
            ours = Ours(engine, pool)
            for batch in BATCHES:
                with log.status(f"batch {batch}"):
                    found = _batch(llm, ours, folder, batch, rounds, tokens)
                rows += _rows(batch, found)
                lines.append(_line(batch, found))
    finally:
        engine.close()
        llm.llm_engine.engine_core.shutdown()
    matrix(
        [
            "tokens/s (share of plain greedy)",
            "plain greedy",
            "greedy + trace",
            "T = 4/5 + trace",
            "greedy alone",
            "self-check, share of plain greedy's time",
        ],
        lines,
        title="The canonical sampler in vLLM",
    )
    return rows


def _batch(
    llm: Any, ours: Ours, folder: Path, batch: int, rounds: int, tokens: int
) -> dict[str, Timing]:
    found = {
        name: Timing([], [])
        for name in ("plain", "greedy", "greedy alone", "warm", "self-check")
    }

    def note(name: str, count: int, seconds: float) -> None:
        found[name].seconds.append(seconds)
        found[name].tokens.append(count)

    def vllm_alone(asked: Sequence[list[int]], kept: bool) -> None:
        started = time.perf_counter()
        count = plain(llm, asked, tokens=tokens)
        if kept:
            note("plain", count, time.perf_counter() - started)

    def canonical(asked: Sequence[list[int]], kept: bool) -> None:
        count, generated, checked, traced = ours.round(
            asked, sampling=GREEDY, tokens=tokens
        )
        if kept:
            note("greedy", count, generated + traced)
            note("greedy alone", count, generated)
            note("self-check", count, checked)

    def drawn(asked: Sequence[list[int]], kept: bool) -> None:
        count, generated, _, traced = ours.round(asked, sampling=WARM, tokens=tokens)
        if kept:
            note("warm", count, generated + traced)

    ways: list[Callable[[Sequence[list[int]], bool], None]] = [
        vllm_alone,
        canonical,
        drawn,
    ]
    for number in range(rounds + 1):
        asked = prompts(batch, seed=number, tokens=48, folder=folder)
        # In turns, each time another first: what the machine does else hits all.
        for place in range(len(ways)):
            ways[(number + place) % len(ways)](asked, number > 0)
    return found


def _rows(batch: int, found: dict[str, Timing]) -> list[Row]:
    plain_rate = found["plain"].rate
    goal = GOAL if batch == GOAL_BATCH else None
    title = f"batch {batch}"
    return [
        Row(f"{title}: vLLM's plain greedy", plain_rate, "tokens/s"),
        Row(
            f"{title}: sampler + trace, greedy",
            found["greedy"].rate / plain_rate,
            "of plain",
            goal,
            "higher",
        ),
        Row(
            f"{title}: sampler + trace, T = 4/5",
            found["warm"].rate / plain_rate,
            "of plain",
            goal,
            "higher",
        ),
        Row(
            f"{title}: sampler alone, greedy",
            found["greedy alone"].rate / plain_rate,
            "of plain",
            None,
            "higher",
        ),
        Row(
            f"{title}: self-check, of plain greedy's time",
            plain_rate / found["self-check"].rate,
            "of plain",
        ),
    ]


def _line(batch: int, found: dict[str, Timing]) -> list[str]:
    plain_rate = found["plain"].rate

    def share(name: str) -> str:
        rate = found[name].rate
        return f"{rate:,.0f} ({100 * rate / plain_rate:.1f} %)"

    return [
        f"batch {batch}",
        f"{plain_rate:,.0f}",
        share("greedy"),
        share("warm"),
        share("greedy alone"),
        f"{100 * plain_rate / found['self-check'].rate:.1f} %",
    ]


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    rows = measure(options.rounds, options.tokens)
    publish("sampler", rows, title="", show=False)


if __name__ == "__main__":
    main()
