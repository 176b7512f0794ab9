"""Checkpoints: enough to go on from, and nothing that an enemy could use.

it carries a pickle                        test_a_checkpoint_of_another_making…
it names a class to be built               test_nothing_is_built_from_a_checkpoint
it is cut short, or edited                 test_what_is_not_our_encoding_is_refused
it says that a person approved             test_a_checkpoint_cannot_approve
it says that something was sent            test_a_checkpoint_cannot_say_that_it_sent
it names another decision, or run          test_a_checkpoint_of_another_run_…
"""

from __future__ import annotations

import json
import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Interrupt

from affiant.agents.durable.checkpoints import (
    FORMAT,
    MAX_BYTES,
    CanonicalSerializer,
    CheckpointError,
    CheckpointRefusedError,
    Checkpoints,
)
from affiant.agents.durable.database import Database
from affiant.agents.running.graph import ORDER, AgentGraph
from affiant.agents.running.progress import Progress, Saved
from affiant.encoding import canonical_json, keccak256
from affiant.errors import MalformedError

SERDE = CanonicalSerializer()
VALUES: dict[str, Any] = {
    "nothing": None,
    "plain": {"a": [1, "x", True, None], "b": {"c": -5}},
    "a fraction": {"at": 1.5},
    "empty": {},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
def test_plain_values_come_back(value: Any):
    assert SERDE.loads_typed(SERDE.dumps_typed(value)) == value


def test_an_interrupt_comes_back():
    there = [Interrupt(value="approval", id="0123")]
    (back,) = SERDE.loads_typed(SERDE.dumps_typed(there))
    assert (back.value, back.id) == ("approval", "0123")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "it ran"))


@pytest.mark.parametrize("kind", ["pickle", "msgpack", "json", "null", "", FORMAT])
def test_a_checkpoint_of_another_making_is_refused_and_not_unpickled(
    tmp_path: Path, kind: str
):
    mark = tmp_path / "mark"
    with pytest.raises(CheckpointRefusedError):
        SERDE.loads_typed((kind, pickle.dumps(Bomb(mark))))
    assert not mark.exists()


HOSTILE: dict[str, bytes] = {
    "a constructor": canonical_json(
        {"$": "constructor", "id": ["os", "system"], "kwargs": {"command": "true"}}
    ),
    "langchain's constructor": b'{"id":["os","system"],"lc":2,"type":"constructor"}',
    "an interrupt with more": canonical_json(
        {"$": "interrupt", "id": "1", "value": 1, "resume": True}
    ),
    "spaces": b'{"a": 1}',
    "a key twice": b'{"a":1,"a":2}',
    "cut short": b'{"a":1',
    "no number": b'{"a":NaN}',
    "deep": b"[" * 5000 + b"]" * 5000,
    "large": b'"' + b"x" * MAX_BYTES + b'"',
    "no text": b"\xff\xfe",
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_not_our_encoding_is_refused(data: bytes):
    try:
        value = SERDE.loads_typed((FORMAT, data))
    except CheckpointRefusedError:
        return
    # Plain data that only looks like a recipe stays plain data.
    assert value == json.loads(data)


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {"$": "interrupt"}, b"bytes", {"a": {1, 2}}]
)
def test_nothing_else_is_written(value: Any):
    with pytest.raises(CheckpointRefusedError):
        SERDE.dumps_typed(value)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "affiant-run/2"},
        {"run": "x" * 65},
        {"run": 5},
        {"slot": -1},
        {"slot": "x"},
        {"digest": "0x12"},
        {"outcome": "approved"},
        {"more": 1},
    ],
)
def test_what_is_saved_of_a_run_is_read_strictly(change: dict[str, Any]):
    saved = Saved(run="r", slot=7, digest=keccak256(b"d"), outcome=None)
    assert Saved.parse(saved.to_json()) == saved
    with pytest.raises(MalformedError):
        Saved.parse({**saved.to_json(), **change})


class Waiting:
    """Steps of which one waits until it is let go."""

    def __init__(self, *, waits_at: str = "approve") -> None:
        self.taken: list[str] = []
        self.restored: list[str] = []
        self.waits_at: str | None = waits_at
        self.stop = False

    def take(self, step: str, progress: Progress) -> Progress:
        if step == self.waits_at:
            return progress.waiting("approval")
        self.taken.append(step)
        return (
            replace(progress, outcome="executed" if step == "confirm" else None)
            if (step != "record")
            else progress
        )

    def restore(self, saved: Saved, *, step: str) -> Progress:
        self.restored.append(step)
        return Progress(run=saved.run, slot=saved.slot, outcome=saved.outcome)

    def stopping(self) -> bool:
        return self.stop


def graph_in(folder: Path, steps: Any) -> AgentGraph:
    database = Database(str(folder / "journal.sqlite"))
    return AgentGraph(steps, checkpoints=Checkpoints.beside(database))


def test_a_run_that_waits_goes_on_in_another_process(tmp_path: Path):
    first = Waiting()
    result = graph_in(tmp_path, first).run(Progress(run="r", slot=1), thread="t")
    assert (result.waits_for, result.outcome) == ("approval", None)
    assert first.taken == list(ORDER[:3])
    second = Waiting()
    graph = graph_in(tmp_path, second)
    assert graph.unfinished("t") == Saved(run="r", slot=1, digest=None, outcome=None)
    assert graph.waits_for("t") == "approval"
    assert graph.resume("t").waits_for == "approval", "nobody let it go"
    second.waits_at = None
    assert graph.resume("t").outcome == "executed"
    assert second.taken == list(ORDER[3:])
    assert set(second.restored) == {"approve"}
    assert graph.unfinished("t") is None


@pytest.mark.parametrize("at", ORDER[:-1])
def test_a_run_that_is_stopped_goes_on_at_the_same_step(tmp_path: Path, at: str):
    class Stopping(Waiting):
        def take(self, step: str, progress: Progress) -> Progress:
            self.stop = ORDER.index(step) + 1 == ORDER.index(at)
            return super().take(step, progress)

    first = Stopping(waits_at="none")
    first.stop = at == ORDER[0]
    result = graph_in(tmp_path, first).run(Progress(run="r", slot=1), thread="t")
    assert result.waits_for == "stop"
    assert first.taken == list(ORDER[: ORDER.index(at)])
    second = Waiting(waits_at="none")
    assert graph_in(tmp_path, second).resume("t").outcome == "executed"
    assert second.taken == list(ORDER[ORDER.index(at) :])


def test_runs_of_two_slots_do_not_mix(tmp_path: Path):
    steps = Waiting()
    graph = graph_in(tmp_path, steps)
    graph.run(Progress(run="r1", slot=1), thread="t1")
    graph.run(Progress(run="r2", slot=2), thread="t2")
    assert graph.unfinished("t1").run == "r1"
    assert graph.unfinished("t2").run == "r2"
    assert graph.unfinished("t3") is None


def test_the_file_does_not_grow_with_the_runs(tmp_path: Path):
    database = Database(str(tmp_path / "journal.sqlite"))
    checkpoints = Checkpoints.beside(database)
    graph = AgentGraph(Waiting(waits_at="none"), checkpoints=checkpoints)
    file = tmp_path / "journal.checkpoints.sqlite"
    sizes = []
    for number in range(60):
        graph.run(Progress(run=f"r{number}", slot=number), thread=f"t{number}")
        checkpoints.prune(f"t{number}")
        checkpoints.saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes.append(file.stat().st_size)
    assert max(sizes[20:]) <= sizes[19]
    rows = checkpoints.saver.conn.execute("SELECT count(*) FROM checkpoints")
    assert rows.fetchone() == (0,)


EDITS: dict[str, str] = {
    "a pickle": "UPDATE checkpoints SET type = 'pickle'",
    "cut short": "UPDATE checkpoints SET checkpoint = substr(checkpoint, 1, 40)",
    "an empty object": "UPDATE checkpoints SET checkpoint = '{}'",
    "a list": "UPDATE checkpoints SET checkpoint = '[]'",
    "no metadata": "UPDATE checkpoints SET metadata = 'x'",
    "hostile writes": "UPDATE writes SET value = 'x'",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=list(EDITS))
def test_a_damaged_checkpoint_is_refused_and_not_gone_on_from(
    tmp_path: Path, statement: str
):
    graph_in(tmp_path, Waiting()).run(Progress(run="r", slot=1), thread="t")
    file = tmp_path / "journal.checkpoints.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    steps = Waiting(waits_at="none")
    with pytest.raises(CheckpointRefusedError):
        graph_in(tmp_path, steps).unfinished("t")
    assert steps.taken == []


def test_checkpoints_that_cannot_be_opened_or_written_are_unavailable(tmp_path: Path):
    database = Database(str(tmp_path / "journal.sqlite"))
    file = tmp_path / "journal.checkpoints.sqlite"
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(CheckpointError):
        Checkpoints.beside(database)
    file.unlink()
    checkpoints = Checkpoints.beside(database)
    checkpoints.saver.conn.execute("PRAGMA max_page_count = 6")
    graph = AgentGraph(Waiting(), checkpoints=checkpoints)
    with pytest.raises(CheckpointError, match="full"):
        for number in range(50):
            graph.run(Progress(run=f"r{number}", slot=number), thread=f"t{number}")
