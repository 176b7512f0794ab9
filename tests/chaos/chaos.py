"""`make chaos`: an agent is killed with SIGKILL, again and again, and counted after.

    python tests/chaos/chaos.py [--kills N] [--seed N]

A real agent process, a real node, anvil with the real contracts and Uniswap, a real
journal. One part is a double: the *model*, which says what a script tells it, so that
most slots call for a transaction, of which those above a value wait out a delay: it
passes, or they are cancelled, or their time ends. Half of the kills are at named points
around every write and every sending, in turn; the others at any instant. Meanwhile the
endpoint drops, delays and garbles, and the chain is reorganised. In the end nobody is
killed any more, and journal and chain are compared (`agreement.py`). Exit status 1:
they differ.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
from agreement import disagreements, executed_on_chain  # noqa: E402
from dying_agent import DELAY, Keeper, Orders, live  # noqa: E402
from faulty_proxy import FaultyProxy  # noqa: E402
from neighbours import neighbour  # noqa: E402

from affiant.agents.durable.journal import Journal  # noqa: E402
from affiant.encoding import Digest, to_hex  # noqa: E402
from affiant.errors import RejectedError  # noqa: E402
from affiant.onchain.account import AccountClient  # noqa: E402
from affiant.onchain.devnet import Devnet  # noqa: E402
from affiant.onchain.gate_events import (  # noqa: E402
    CANCELLED_TOPIC,
    EXECUTED_TOPIC,
    QUEUED_TOPIC,
)
from affiant.onchain.mandate import Rung  # noqa: E402

POINTS: tuple[str, ...] = tuple(
    dict.fromkeys(
        name
        for file in ("points.json", "queued_points.json")
        for name in json.loads((HERE / file).read_text())
        # Met twice only by a process that outlives the delay.
        if not name.endswith("(2)")
    )
)
"""Every named point that an executed decision passes, queued or not."""

DIRECT_VALUE = 5_000 * 10**8
"""Value, 8 decimals, up to which decisions execute at once; above it they wait."""

SERVE_SHARE, EXPIRE_SHARE, CANCEL_SHARE = 0.7, 0.1, 0.1
"""What becomes of a decision that waits, by slot: its delay passes, its validity ends,
its account cancels it; otherwise it waits on."""

NAMED_SHARE = 0.5
"""Share of kills that are at a named point."""

SLOT_SECONDS = 12.0
"""How long a slot lasts in which no run ends; after one that does, it moves on."""

REORG_SHARE = 0.3
"""Share of slots after which the newest blocks are replaced."""

MAX_DEPTH = 3
"""Most blocks that are replaced at once."""

MIDDLE_SHARE = 0.05
"""Share of looks at a slot in which its newest block may be replaced."""

LOOK_SECONDS = 0.15
"""How often the journal is looked at for that."""

PATIENCE_SECONDS = 8.0
"""How long a process may take to reach its named point before it is killed anyway."""

END_SECONDS = 60.0
"""How long the last process, which nobody kills, may take until nothing is open."""


@dataclass
class Tally:
    """What happened."""

    seed: int
    kills: int = 0
    at_step: Counter[str] = field(default_factory=Counter)
    """Kills by the step that the journal had reached, or by named point."""
    named: Counter[str] = field(default_factory=Counter)
    broke: int = 0
    """Processes that ended by themselves, and were started again."""
    slots: int = 0
    reorgs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    executed: int = 0
    queued: int = 0
    """Times that a decision took the head to wait out its delay."""
    cancelled: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """Runs by how they ended."""
    resumed: int = 0
    """Runs that one process began and another one ended."""
    found: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def rows(self) -> Iterator[str]:
        """Return what there is to say."""
        yield f"seed {self.seed}; {self.seconds:.0f} s"
        yield f"kills: {self.kills}, {sum(self.named.values())} of them at named points"
        for step, count in sorted(self.at_step.items(), key=lambda item: -item[1]):
            yield f"    {count:4}  {step}"
        missing = [name for name in POINTS if name not in self.named]
        yield f"named points: {len(POINTS) - len(missing)} of {len(POINTS)} hit"
        yield f"processes that ended by themselves: {self.broke}"
        yield f"slots: {self.slots}; reorganisations: {self.reorgs}"
        faults = {kind: n for kind, n in sorted(self.faults.items()) if kind != "none"}
        yield f"faults of {sum(self.faults.values())} questions: {faults}"
        yield f"runs by their end: {dict(sorted(self.ends.items()))}"
        yield f"runs begun by one process and ended by another: {self.resumed}"
        yield f"executed on chain: {self.executed}"
        yield f"queued on chain: {self.queued}; cancelled there: {self.cancelled}"
        for sentence in self.found:
            yield f"WRONG: {sentence}"
        yield "journal and chain agree" if not self.found else "THEY DIFFER"


class World:
    """The chain and the node, which live while agents die."""

    def __init__(self, folder: Path, *, seed: int, stack: ExitStack) -> None:
        """Start everything that is not killed."""
        # The tests' own small world; a scripted engine is the double in it.
        from affiant.agents.nodes.service import NodeServer

        self.random = random.Random(seed)
        self.folder = folder
        self.inner: Any = neighbour("agents/conftest.py").settle(
            stack.enter_context(Devnet.start()),
            keeper=Keeper,
            ladder=(
                Rung(DIRECT_VALUE, 0, 0, 0),
                Rung(1_000 * DIRECT_VALUE, 0, 0, DELAY),
            ),
        )
        stack.callback(self.inner.chain.close)
        node = self.inner.node(folder)
        stack.callback(node.close)
        server = NodeServer(node).start()
        stack.callback(server.stop)
        self.proxy = FaultyProxy(self.inner.devnet.url, seed=seed, rate=0.03)
        stack.callback(self.proxy.close)
        self.node_url = server.url
        # The grant itself is out of a reorganisation's reach.
        self.inner.scenario.mine(2 * MAX_DEPTH)
        self.tally = Tally(seed)
        self._treated: set[Digest] = set()
        """Queued decisions of which it is settled what becomes of them."""
        self.calm = False
        """No more trouble: everything is to come to its end."""
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._mover = threading.Thread(target=self._move)
        self._mover.start()
        stack.callback(self._stop_moving)

    def orders(self, *, at: str | None) -> Orders:
        """Return what the next agent is told."""
        return Orders(
            folder=str(self.folder),
            chain_url=self.proxy.url,
            node_url=self.node_url,
            mandate=self.inner.mandate.to_json(),
            book=self.inner.book.to_json(),
            operator=to_hex(bytes(self.inner.operator.key)),
            at=at,
        )

    def _move(self) -> None:
        """Move the chain from slot to slot, what the model says, and the past."""
        texts = (self.inner.swap, self.inner.swap, self.inner.supply, self.inner.hold)
        try:
            while not self._over.is_set():
                self._wait_for_a_run()
                self.inner.engine.text = self.random.choice(texts)
                self._reorganise(depth=self.random.randint(1, MAX_DEPTH))
                self._pass_time()
                self.inner.scenario.refresh_feeds()
                self.inner.scenario.next_slot(self.inner.mandate.cadence)
                self.tally.slots += 1
        except BaseException as error:  # told to whoever ends the world
            self._failure = error

    def _pass_time(self) -> None:
        """Do something about a decision that waits, now and then."""
        state = self.inner.gate.state_of(self.inner.mandate.id)
        if not state.queued_at or state.head in self._treated:
            return
        drawn = 0.0 if self.calm else self.random.random()
        if drawn < SERVE_SHARE + EXPIRE_SHARE + CANCEL_SHARE:
            # Once: an hour in each slot would end its validity in the third.
            self._treated.add(state.head)
        if drawn < SERVE_SHARE:
            self.inner.scenario.warp(DELAY + 1)
        elif drawn < SERVE_SHARE + EXPIRE_SHARE:
            self.inner.scenario.warp(Keeper.validity_seconds + 1)
        elif drawn < SERVE_SHARE + EXPIRE_SHARE + CANCEL_SHARE:
            account = self.inner.mandate.account
            call = self.inner.gate.cancel_call(
                self.inner.mandate.id, digest=state.head, sender=account
            )
            with suppress(RejectedError):  # It was executed this very moment.
                AccountClient(self.inner.chain, account).execute(
                    call, owner=self.inner.owner
                )

    def _reorganise(self, *, depth: int) -> None:
        """Replace the newest blocks, now and then, but none with an execution."""
        if self.calm or self.random.random() > REORG_SHARE:
            return
        newest = self.inner.chain.block_number()
        executed = self.inner.chain.logs(
            self.inner.book.gate,
            topics=[EXECUTED_TOPIC, self.inner.mandate.id],
            from_block=newest - depth + 1,
            to_block=newest,
        )
        if not executed:
            self.inner.scenario.reorg(depth)
            self.tally.reorgs += 1

    def _wait_for_a_run(self) -> None:
        """Wait until the slot's run has ended, or for as long as a slot lasts."""
        slot = self.inner.mandate.slot_of(self.inner.chain.block_number())
        deadline = time.monotonic() + SLOT_SECONDS
        while time.monotonic() < deadline and not self._over.wait(LOOK_SECONDS):
            if self.random.random() < MIDDLE_SHARE:
                self._reorganise(depth=1)
            entries = self.read(
                lambda j: j.entries(mandate=self.inner.mandate.id, last=1)
            )
            queued = entries and entries[0].status == "queued"
            ended = entries and entries[0].slot == slot and entries[0].step == "record"
            if ended or queued:
                # It may be tried again, or be killed on its way out.
                self._over.wait(self.random.uniform(0, 0.5))
                return

    def read(self, ask: Callable[[Journal], Any]) -> Any:
        """Ask the journal, as another process may."""
        journal = Journal(str(self.folder / "journal.sqlite"))
        try:
            return ask(journal)
        finally:
            journal.close()

    def _stop_moving(self) -> None:
        self._over.set()
        self._mover.join()
        if self._failure is not None:
            raise self._failure


def chaos(
    folder: Path, *, kills: int, seed: int, say: Callable[[str], None] = print
) -> Tally:
    """Kill an agent `kills` times, let the last one live, and compare.

    Args:
        folder: the agent's; empty.
    """
    started, tried = time.monotonic(), Counter[str]()
    context = _forkserver()
    with ExitStack() as stack:
        world = World(folder, seed=seed, stack=stack)
        tally = world.tally
        while tally.kills < kills:
            at = None
            if world.random.random() < NAMED_SHARE:
                least = min(tried[name] for name in POINTS)
                at = world.random.choice([n for n in POINTS if tried[n] == least])
                tried[at] += 1
            process = context.Process(target=live, args=(world.orders(at=at),))
            process.start()
            _await_death(process, world, at=at)
            if tally.kills % 20 == 0:
                say(f"{tally.kills} kills, {tally.slots} slots")
        _come_to_an_end(context, world)
        tally.faults = world.proxy.count
        _compare(world)
    tally.seconds = time.monotonic() - started
    return tally


def _forkserver() -> Any:
    """Return a context whose processes begin with everything imported.

    The server of forks gets no `sys.path` of ours, only the environment, and does not
    say when it cannot import: then each process spends its short life importing.
    """
    folders = [str(HERE), str(HERE.parent / "support")]
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [before])])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dying_agent"])
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    return context


def _await_death(process: BaseProcess, world: World, *, at: str | None) -> None:
    """Kill a process, or wait until it has killed itself; count where it was."""
    tally = world.tally
    wait = PATIENCE_SECONDS if at is not None else world.random.uniform(0.05, 4.0)
    process.join(wait)
    died_there = process.exitcode == -9
    if process.exitcode is None:
        process.kill()
        process.join()
    elif not died_there:
        tally.broke += 1
        return
    tally.kills += 1
    if died_there and at is not None:
        tally.named[at] += 1
    tally.at_step[_reached(world)] += 1


def _reached(world: World) -> str:
    """Return the step at which the journal says that the run in progress is."""
    last = world.read(lambda j: j.entries(mandate=world.inner.mandate.id, last=1))
    if not last:
        return "before the first row"
    if last[0].step == "record":
        return "between runs, or starting"
    return f"after {last[0].step}/{last[0].status}"


def _come_to_an_end(context: Any, world: World) -> None:
    """Let one agent live without trouble until nothing is open."""
    world.calm, world.proxy.rate = True, 0.0
    deadline = time.monotonic() + END_SECONDS
    slots = world.tally.slots
    process = context.Process(target=live, args=(world.orders(at=None),))
    process.start()
    try:
        while time.monotonic() < deadline:
            time.sleep(1)
            if not process.is_alive():
                world.tally.found.append(f"the last agent ended: {process.exitcode}")
                return
            if world.tally.slots >= slots + 5 and not _open(world):
                return
        world.tally.found.append(f"stuck: {_open(world)}")
    finally:
        process.kill()
        process.join()


def _open(world: World) -> list[str]:
    mandate = world.inner.mandate
    newest = mandate.slot_of(world.inner.chain.block_number())
    waiting = world.read(lambda journal: journal.unsettled(mandate.id))
    runs = world.read(lambda journal: journal.open_runs(mandate.id))
    queued = world.read(lambda journal: journal.queued(mandate.id))
    return [
        *(entry.run for entry in queued),
        *(str(entry.transaction) for entry in waiting if entry.slot < newest),
        *(entry.run for entry in runs if entry.slot < newest),
    ]


def _compare(world: World) -> None:
    """Count how everything ended, and find what does not agree."""
    tally = world.tally
    # One look more settles what the last kill left open; nobody dies of it.
    last = world.inner.agent(world.folder, url=world.node_url)
    world._over.set()
    world._mover.join()
    world.inner.scenario.next_slot(world.inner.mandate.cadence)
    world.inner.engine.text = world.inner.hold
    result = last.run_once()
    for _ in range(4):
        if result.outcome == "held":
            break
        # What was queued last is waited for.
        world.inner.scenario.warp(DELAY + 1)
        world.inner.scenario.refresh_feeds()
        world.inner.scenario.next_slot(world.inner.mandate.cadence)
        result = last.run_once()
    if result.outcome != "held":
        tally.found.append(f"stuck: the last look was {result.outcome}: {result.error}")
    entries = last.journal.entries(mandate=world.inner.mandate.id)
    ends = {entry.run: entry.status for entry in entries if entry.step == "record"}
    tally.ends = Counter(ends.values())
    tally.resumed = _resumed(entries)
    tally.executed = len(executed_on_chain(world.inner))
    tally.queued = _events(world, QUEUED_TOPIC)
    tally.cancelled = _events(world, CANCELLED_TOPIC)
    tally.found += disagreements(world.inner, last.journal)
    if not tally.executed:
        tally.found.append("nothing was ever executed: nothing is shown")
    while world.inner.opened:
        world.inner.opened.pop().close()


def _events(world: World, topic: Digest) -> int:
    return len(
        world.inner.chain.logs(
            world.inner.book.gate,
            topics=[topic, world.inner.mandate.id],
            from_block=0,
            to_block=world.inner.chain.block_number(),
        )
    )


def _resumed(entries: Any) -> int:
    """Count runs of which a step was taken again, and that ended nonetheless."""
    steps: dict[str, Counter[str]] = {}
    for entry in entries:
        if entry.status == "done":
            steps.setdefault(entry.run, Counter())[entry.step] += 1
    return sum(1 for taken in steps.values() if max(taken.values()) > 1)


def main() -> None:
    """Run, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tally = chaos(Path(name), kills=options.kills, seed=options.seed)
    print("\n".join(tally.rows()))
    sys.exit(1 if tally.found else 0)


if __name__ == "__main__":
    main()
