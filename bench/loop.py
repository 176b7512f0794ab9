"""`make bench-loop`: where a decision's time and memory go.

A node in a process of its own (real vLLM), an agent, and the local chain with real
protocols: the same parts as the demonstration. Prices alternate, so that most slots
call for a transaction; slots that hold are left out of the medians. The first
decisions are warm-up and are left out too.

    python bench/loop.py [--slots N] [--engine vllm|transformers]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

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


def resident_mebibytes(process_id: int | str) -> float:
    """Return a process's resident memory (Linux)."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no resident size of process {process_id}")


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
    steps = ("decide", "check", "simulate", "submit", "confirm", "record")
    totals = [sum(r.seconds.get(step, 0.0) for step in steps) for r in results]
    model = [
        r.seconds.get("node.generate", 0.0) + r.seconds.get("node.self_check", 0.0)
        for r in results
    ]
    rest = [total - part for total, part in zip(totals, model, strict=True)]
    rows.append(Row("a decision, all in all", statistics.median(totals) * 1000, "ms"))
    rows.append(
        Row(
            "all but the model and its self-check", statistics.median(rest) * 1000, "ms"
        )
    )
    return rows


def main() -> None:
    """Set the stage, run, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=22)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    options = parser.parse_args()
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
    publish("loop", rows, title="Where a decision's time and memory go (medians)")


if __name__ == "__main__":
    main()
