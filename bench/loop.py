"""`make bench-loop`: where a decision's time and memory go.

A node in a process of its own (real vLLM), an agent, and the local chain with real
protocols: the same parts as the demonstration. Prices alternate, so that most slots
call for a transaction; slots that hold are left out of the medians. The first
decisions are warm-up and are left out too.

The model's work is its inference and the prefill that checks it; all the rest is the
framework's: reads, derivations, evidence, HTTP, the agent's own checks, transaction.

    python bench/loop.py [--slots N] [--engine vllm|transformers] [--memory DECISIONS]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loop_memory import MIN_DECISIONS, memory_rows, resident_mebibytes
from rich.console import Console
from rich.progress import track
from table import Row, publish

from affiant.agents import RunResult
from affiant.demo.run import EXAMPLES
from affiant.demo.stage import Stage, set_stage, start_node
from affiant.demo.story import load_price_path, move_market
from affiant.onchain.devnet import Devnet

WARM_UP = 2
"""Decisions left out at the beginning."""

PRICES = (2500, 3600)
"""Dollars per WETH, in turn: far enough apart to leave the band each time."""

GOAL_MS = 150.0
"""Most that everything but the model may take of a decision, median."""

STEPS = ("decide", "check", "simulate", "submit", "confirm", "record")
"""An agent's steps; together they are the decision."""

MODEL = ("node.generate", "node.self_check")
"""The model's work."""

PHASES = (
    ("node.observe", "observe: read everything at the anchor, by its hash"),
    ("node.request", "request: facts to prompt tokens"),
    ("node.generate", "infer: vLLM with the canonical sampler"),
    ("node.self_check", "self-check: prefill of the node's own output"),
    ("node.compile", "compile: plan to calls and bounds"),
    ("node.seal", "seal: evidence, signature, store"),
    ("decide", "decide: all of the above, seen from the agent"),
    ("check", "check: re-derive, re-read at the agent's endpoint"),
    ("simulate", "simulate: the exact gate call"),
    ("submit", "submit: journal, sign, send"),
    ("confirm", "confirm: receipt and event"),
    ("record", "record: journal"),
)
"""Name in `RunResult.seconds`, and what it is."""

NODE_PHASES = [name for name, _ in PHASES if name.startswith("node.")]
"""Phases inside the node, as it tells them."""


def run_slots(stage: Stage, slots: int) -> list[RunResult]:
    """Run `slots` decisions and return those that were executed, warm ones only."""
    results = []
    for number in track(range(slots), description="deciding", transient=True):
        move_market(stage, PRICES[number % len(PRICES)])
        result = stage.agent.run_once()
        if result.error is not None:
            raise SystemExit(f"slot {result.slot}: {result.error}")
        if number >= WARM_UP and result.outcome == "executed":
            results.append(result)
    if not results:
        raise SystemExit("no decision was executed")
    return results


def rows_of(results: Sequence[RunResult]) -> list[Row]:
    """Return the median of each phase."""
    rows = []
    for name, words in PHASES:
        taken = [r.seconds[name] for r in results if name in r.seconds]
        if taken:
            rows.append(Row(words, statistics.median(taken) * 1000, "ms"))
    totals = [sum(r.seconds.get(step, 0.0) for step in STEPS) for r in results]
    model = [sum(r.seconds.get(name, 0.0) for name in MODEL) for r in results]
    rest = [total - part for total, part in zip(totals, model, strict=True)]
    told = [
        sum(s for name, s in r.seconds.items() if name in NODE_PHASES) for r in results
    ]
    between = [
        r.seconds["decide"] - inside for r, inside in zip(results, told, strict=True)
    ]
    return [
        Row("all but the model's work", _median(rest), "ms", GOAL_MS),
        Row("the model's work: inference and self-check", _median(model), "ms"),
        Row("a decision, all in all", _median(totals), "ms"),
        *rows,
        Row("decide: HTTP, parsing, the gate's state", _median(between), "ms"),
    ]


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def main() -> None:
    """Set the stage, run, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=22)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    parser.add_argument("--memory", type=int, default=1000, metavar="DECISIONS")
    options = parser.parse_args()
    if 0 < options.memory < MIN_DECISIONS:
        parser.error(f"--memory: expected 0, or at least {MIN_DECISIONS}")
    console = Console(stderr=True)
    path = load_price_path(EXAMPLES / "planner" / "price_path.py")
    model, agent = EXAMPLES / "planner" / "model", EXAMPLES / "rebalancer.py"
    with tempfile.TemporaryDirectory() as name, Devnet.start() as devnet:
        folder = Path(name)
        started = start_node(
            folder,
            devnet=devnet,
            model=str(model),
            revision=None,
            agent=f"{agent}:Rebalancer",
            engine=options.engine,
        )
        try:
            with console.status("setting the stage") as status:
                stage = set_stage(
                    folder,
                    devnet=devnet,
                    started=started,
                    model=str(model),
                    revision=None,
                    agent=f"{agent}:Rebalancer",
                    start=path.start,
                    show_mandate=lambda mandate, book: None,
                    say=lambda text: status.update(text),
                )
            before = resident_mebibytes("self")
            results = run_slots(stage, options.slots)
            rows = rows_of(results)
            grown = resident_mebibytes("self") - before
            stage.close()
            rows += [
                Row("decisions measured", len(results), "decisions", better="higher"),
                Row(
                    "memory of the node, model included",
                    resident_mebibytes(started.process.pid),
                    "MiB",
                ),
                Row("memory of the agent", before + grown, "MiB"),
                Row("memory that the agent grew by", grown, "MiB"),
            ]
        finally:
            started.stop()
    if options.memory:
        rows += memory_rows(options.memory)
    publish("loop", rows, title="Where a decision's time and memory go (medians)")


if __name__ == "__main__":
    main()
