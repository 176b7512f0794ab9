"""One chain with real Uniswap v3, Aave v3 and an ERC-4626 vault for the ready agents.

What decides is the planner's own teacher, on the request that the agent really makes:
its plan is what the scripted engine says. Everything else is the real thing.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from affiant.agents.programs.request import build_request
from affiant.onchain.account import AccountClient
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.extension import extend
from affiant.onchain.observation import facts, record

PLANNER = Path(__file__).parents[3] / "examples" / "planner"
MODULES = tuple(path.stem for path in PLANNER.glob("*.py"))


@pytest.fixture(scope="module")
def planner() -> Iterator[dict[str, ModuleType]]:
    """The planner's scripts that need no torch; they are no package."""
    sys.path.insert(0, str(PLANNER))
    try:
        yield {name: importlib.import_module(name) for name in ("teacher", "plans")}
    finally:
        sys.path.remove(str(PLANNER))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def _wide(_devnet: Devnet) -> Iterator[Devnet]:
    """The chain with a vault in its book."""
    before, _devnet.book = _devnet.book, extend(_devnet)
    yield _devnet
    _devnet.book = before


@dataclass
class Days:
    """Lets an agent live through slots, and says what it did."""

    world: Any
    agent: Any
    planner: dict[str, ModuleType]

    def open_slot(self) -> None:
        cadence = self.world.mandate.cadence
        self.world.scenario.refresh_feeds()
        self.world.scenario.next_slot(cadence)

    def request(self) -> dict[str, Any]:
        """Return the newest slot's request, as the program makes it."""
        world = self.world
        program, mandate = world.program(), world.mandate
        slot = mandate.slot_of(world.chain.block_number())
        seen = record(
            world.chain,
            names=program.observes,
            book=world.book,
            account=mandate.account,
            block=world.chain.block_by_number(mandate.anchor_of(slot)),
        )
        return build_request(
            program.to_manifest(),
            facts=facts(seen, names=program.observes, book=world.book),
            book=world.book,
            mandate_id=mandate.id,
            slot=slot,
            previous=None,
        )

    def live(self, *, plan: dict[str, Any] | None = None) -> tuple[Any, str]:
        """Take one slot's decision; return the run and the class of its plan.

        Args:
            plan: what the engine says; the teacher's plan if None.
        """
        self.open_slot()
        asked = self.request()
        said = self.planner["teacher"].teach(asked) if plan is None else plan
        self.world.engine.text = self.planner["plans"].plan_text(said)
        result = self.agent.run_once()
        if result.derived is not None:
            # The teacher was asked what the agent, node and auditor all derive.
            real = result.derived.asked[-1].request
            assert {**real, "previous": None} == json.loads(json.dumps(asked))
        return result, self.planner["teacher"].branch(said)

    def does(self, *wanted: str) -> list[Any]:
        """Live through as many slots; each plan must be of the class wanted."""
        results = []
        for index, name in enumerate(wanted):
            result, did = self.live()
            assert did == name, (index, self.world.engine.text)
            assert result.error is None, result.error
            assert result.outcome == ("held" if name == "hold" else "executed")
            results.append(result)
        return results

    def owner(self, *calls: CallRequest) -> None:
        """Let the owner make calls by hand."""
        AccountClient(self.world.chain, self.world.mandate.account).execute_batch(
            list(calls), owner=self.world.owner
        )

    def share(self, token: str, part: str) -> int:
        """Return a whole percent of the portfolio, as the newest request says it."""
        (item,) = [
            item
            for item in self.request()["portfolio"]["tokens"]
            if item["token"] == token
        ]
        return int(item["share"][part])


@pytest.fixture
def days_of(
    _wide: Devnet,
    settling: Callable[..., Any],
    planner: dict[str, ModuleType],
    tmp_path: Path,
) -> Iterator[Callable[..., Days]]:
    """Put an agent on the chain with 10 WETH and 20,000 USDC; undone after the test."""
    from affiant.agents.nodes.service import NodeServer

    snapshot = _wide.rpc.request("evm_snapshot")
    opened: list[Callable[[], None]] = []

    def start(keeper: type, **changes: Any) -> Days:
        world = settling(keeper=keeper, **changes)
        server = NodeServer(world.node(tmp_path)).start()
        opened.extend((server.stop, server.node.close, world.chain.close))
        agent = world.agent(tmp_path, url=server.url)
        opened.insert(0, lambda: [item.close() for item in world.opened])
        return Days(world, agent, planner)

    yield start
    for close in opened:
        close()
    _wide.rpc.request("evm_revert", snapshot)
