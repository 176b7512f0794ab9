"""Memory over many decisions: does an agent, or a node, grow with what it has done?

The model is a double (the tests' own scripted engine), because a thousand inferences
would measure patience; everything else is the real thing: chain, protocols, gate,
evidence, journal, HTTP. Agent and node run in this process, so the figure is of both.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.progress import track
from table import Row

from affiant.onchain.devnet import Devnet

ROOT = Path(__file__).resolve().parent.parent

WARM_UP = 100
"""Decisions left out at the beginning: caches fill, pools of threads and connections
grow to their size."""

EVERY = 10
"""Decisions between two looks at the memory."""

MIN_DECISIONS = 200
"""Fewer say nothing about a slope."""

REFRESH = 20
"""Decisions between two updates of the feeds, so that none grows stale."""

GOAL = 2.0
"""MiB that a thousand decisions may add once caches are full: flat, but for the noise
of an allocator."""


def resident_mebibytes(process_id: int | str) -> float:
    """Return a process's resident memory (Linux)."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no resident size of process {process_id}")


def swap(sell: str, buy: str) -> str:
    """Return what the double says: a tenth of one token for another."""
    action = {
        "action": "swap",
        "sell": sell,
        "buy": buy,
        "share_bps": 1000,
        "max_slippage_bps": 300,
    }
    return json.dumps({"why": "to and fro", "actions": [action]})


def memory_rows(decisions: int) -> list[Row]:
    """Make `decisions` decisions and return how memory went."""
    with tempfile.TemporaryDirectory() as name, Devnet.start() as devnet:
        samples, took = _run(devnet, folder=Path(name), decisions=decisions)
    sizes = [size for _, size in samples]
    numbers, late = zip(*samples[len(samples) // 2 :], strict=True)
    slope = statistics.linear_regression(numbers, late).slope
    return [
        Row("memory: decisions made with a double for the model", decisions, "", None),
        Row("memory: agent and node double at the end", sizes[-1], "MiB"),
        Row("memory: grown since the warm-up", sizes[-1] - sizes[0], "MiB"),
        Row(
            "memory: slope of the second half, per 1 000 decisions",
            slope * 1000,
            "MiB",
            GOAL,
        ),
        Row("memory run: a decision, all in all", statistics.median(took) * 1000, "ms"),
    ]


def _run(
    devnet: Devnet, *, folder: Path, decisions: int
) -> tuple[list[tuple[int, float]], list[float]]:
    tests = _tests_world()
    world: Any = tests.settle(
        devnet,
        ladder=(_wide_rung(tests),),
        max_loss=10**6 * tests.VALUE,
    )
    node = world.node(folder)
    from affiant.agents.nodes.service import NodeServer

    server = NodeServer(node).start()
    agent = world.agent(folder, url=server.url)
    samples: list[tuple[int, float]] = []
    took: list[float] = []
    plans = (swap("WETH", "USDC"), swap("USDC", "WETH"))
    try:
        for number in track(range(decisions), description="deciding", transient=True):
            if number % REFRESH == 0:
                world.scenario.refresh_feeds()
            world.scenario.next_slot(world.mandate.cadence)
            world.engine.text = plans[number % 2]
            world.engine.asked.clear()
            result = agent.run_once()
            if result.outcome != "executed":
                raise SystemExit(f"decision {number}: {result.outcome}: {result.error}")
            took.append(sum(v for k, v in result.seconds.items() if "." not in k))
            if number >= WARM_UP and number % EVERY == 0:
                samples.append((number, resident_mebibytes("self")))
    finally:
        server.stop()
        node.close()
        agent.close()
    return samples, took


def _wide_rung(tests: ModuleType) -> Any:
    """Return a rung that a thousand swaps do not fill."""
    return replace(tests.Rung(0, 0, 0, 0), limit=10**9 * tests.VALUE)


def _tests_world() -> ModuleType:
    """Return the agents' tests' world; the double is theirs."""
    path = ROOT / "tests" / "agents" / "conftest.py"
    spec = importlib.util.spec_from_file_location("agents_world", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["agents_world"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
