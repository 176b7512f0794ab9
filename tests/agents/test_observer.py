"""Observers: told after the journal knows, and unable to stop anything."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from affiant.agents.durable.journal import Entry, JournalError
from affiant.agents.errors import NodeRefusedError, NodeUnavailableError
from affiant.agents.observing.logs import CORRELATION, SECRET, JsonFormatter, open_log
from affiant.agents.observing.metrics import ChainFigures, MetricsObserver, error_label
from affiant.agents.observing.observer import ObservedJournal, Observers
from affiant.agents.running.progress import Progress, RunResult
from affiant.agents.settings.config import LogSection
from affiant.encoding import Digest, to_hex
from affiant.errors import AffiantError
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.mandate import Rung

MANDATE, DIGEST = Digest(b"\1" * 32), Digest(b"\2" * 32)
PASSWORD = "correct horse"


def row(**more: Any) -> Entry:
    parts: dict[str, Any] = {
        "run": "ab12",
        "mandate": MANDATE,
        "slot": 7,
        "step": "decide",
        "status": "done",
        "at": 5.0,
        **more,
    }
    return Entry(**parts)


class Notes:
    """Writes down what it is told; breaks where it is told to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.told: list[Any] = []
        self.breaks = breaks

    def row(self, entry: Entry) -> None:
        self.told.append(entry)
        if self.breaks:
            raise OSError("no space left on device")

    def result(self, result: RunResult) -> None:
        self.told.append(result)
        if self.breaks:
            raise KeyError("bug")

    def close(self) -> None:
        self.told.append("closed")


def test_rows_are_told_once_they_are_on_disk(tmp_path: Path):
    notes = Notes()
    journal = ObservedJournal(
        str(tmp_path / "journal.sqlite"), observers=Observers([notes])
    )
    journal.append(row())
    assert notes.told == [row()] == list(journal.entries())
    journal.close()


def test_nobody_is_told_of_a_row_that_is_not_on_disk(tmp_path: Path):
    notes = Notes()
    journal = ObservedJournal(
        str(tmp_path / "journal.sqlite"), observers=Observers([notes])
    )
    journal.append(row())
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("DROP TABLE entries")
    with pytest.raises(JournalError):
        journal.append(row(slot=8))
    assert notes.told == [row()]
    journal.close()


def test_an_observer_that_breaks_stops_nobody(tmp_path: Path, caplog):
    broken, notes = Notes(breaks=True), Notes()
    observers = Observers([broken, notes])
    for _ in range(3):
        observers.row(row())
        observers.result(result())
    observers.close()
    assert len(broken.told) == len(notes.told) == 7
    assert [record.getMessage() for record in caplog.records] == [
        "observer Notes failed with OSError",
        "observer Notes failed with KeyError",
    ]


def result(**more: Any) -> RunResult:
    parts: dict[str, Any] = {"run": "ab12", "slot": 7, "outcome": "executed", **more}
    return RunResult.of(Progress(**parts))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Any]:
    """Write rows; returns the lines that the log then has."""
    path = tmp_path / "agent.log"

    def write(*entries: Entry, form: str = "json") -> list[str]:
        section = LogSection(file=str(path), format=form)  # type: ignore[arg-type]
        observer = open_log(section, secrets=[PASSWORD])
        for entry in entries:
            observer.row(entry)
        observer.close()
        return path.read_text().splitlines()

    before = logging.getLogger("affiant").level
    yield write
    logging.getLogger("affiant").setLevel(before)


def test_every_line_is_json_with_what_it_belongs_to(log):
    lines = log(
        row(),
        row(step="check", digest=DIGEST, detail={"plan": {"why": "x", "actions": []}}),
        row(step="confirm", digest=DIGEST, transaction="0xab", detail={"gas": 9}),
        row(step="record", status="refused", detail={"step": "check", "error": "E"}),
    )
    told = [json.loads(line) for line in lines]
    for line in told:
        assert set(CORRELATION) <= set(line)
        assert (line["mandate"], line["slot"]) == (to_hex(MANDATE), 7)
        assert line["run"] == "ab12"
    assert [line["decision"] for line in told] == [
        None,
        to_hex(DIGEST),
        to_hex(DIGEST),
        None,
    ]
    assert [line["step"] for line in told] == ["decide", "check", "confirm", "check"]
    assert (told[2]["gas"], told[2]["transaction"]) == (9, "0xab")
    assert (told[3]["level"], told[3]["error"]) == ("warning", "E")


def test_lines_of_others_have_the_fields_too():
    record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "name": "x"})
    line = json.loads(JsonFormatter().format(record))
    assert {name: line[name] for name in CORRELATION} == dict.fromkeys(CORRELATION)


@pytest.mark.parametrize("form", ("json", "text"))
def test_secrets_and_addresses_never_come_up(log, form: str):
    said = f"{PASSWORD} at https://me:pw@host.example/v2/KEY123?k=KEY123"
    plan = {"why": said, "actions": [{"action": said}]}
    text = "\n".join(
        log(
            row(detail={"error": "NodeUnavailableError", "message": said}),
            row(detail={"plan": plan, "evidence": said, "node": [said, {"a": said}]}),
            form=form,
        )
    )
    for secret in (PASSWORD, "KEY123", "pw@"):
        assert secret not in text
    assert SECRET in text and "host.example" in text


@pytest.mark.parametrize("form", ("json", "text"))
def test_text_from_outside_makes_no_line_of_its_own(log, form: str):
    forged = 'x\n{"level":"info","decision":"0xfake"}\r\n\x1b[2J\u2028y'
    plan = {"why": forged, "actions": []}
    lines = log(
        row(detail={"error": forged, "message": forged}),
        row(step="check", detail={"plan": plan}),
        form=form,
    )
    assert len(lines) == 2
    assert all("\x1b" not in line for line in lines)


def test_a_level_leaves_out_what_is_below(tmp_path: Path):
    path = tmp_path / "agent.log"
    observer = open_log(LogSection(level="warning", file=str(path)))
    observer.row(row())
    observer.row(row(status="refused"))
    observer.close()
    assert len(path.read_text().splitlines()) == 1


STATE = SimpleNamespace(unaudited=1_250 * 10**8, queued_at=0, queued_until=0)
ON_CHAIN = SimpleNamespace(
    slot=8, problem="", state=STATE, rung=Rung(5_000 * 10**8, 0, 0, 0), rung_number=1,
    funds=3 * 10**18,
)  # fmt: skip


@pytest.fixture
def metrics() -> Iterator[MetricsObserver]:
    observer = MetricsObserver(
        port=0,
        look=lambda: ChainFigures(ON_CHAIN, nonce=4),  # type: ignore[arg-type]
        clock=lambda: 99.0,
    )
    yield observer
    observer.close()


def figures(observer: MetricsObserver) -> dict[tuple[str, ...], float]:
    # As Prometheus does: over HTTP, and through its own parser.
    with urllib.request.urlopen(observer.url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_runs_are_counted_by_outcome_and_error(metrics: MetricsObserver):
    metrics.result(result(gas_used=200_000, seconds={"decide": 0.4}))
    metrics.result(
        result(
            outcome="refused",
            error=NodeRefusedError(status=403, error="Evil{x=1}\n", message="m"),
        )
    )
    metrics.result(
        result(
            outcome="unavailable", error=NodeUnavailableError("http://x", reason="r")
        )
    )
    found = figures(metrics)
    assert found["affiant_decisions_total", "executed"] == 1
    assert found["affiant_decisions_total", "refused"] == 1
    assert found["affiant_decisions_total", "held"] == 0
    assert found["affiant_refusals_total", "NodeRefusedError"] == 1
    assert found["affiant_endpoint_failures_total", "node"] == 1
    assert found["affiant_endpoint_failures_total", "chain"] == 0
    assert found["affiant_gas_used_total",] == 200_000
    assert found["affiant_step_seconds_count", "decide"] == 1
    assert found["affiant_last_slot",] == 7
    assert found["affiant_last_run_timestamp_seconds",] == 99


def test_money_against_the_ladder_is_told(metrics: MetricsObserver):
    metrics.result(result())
    found = figures(metrics)
    assert found["affiant_unaudited_value",] == 1_250
    assert found["affiant_rung_limit_value",] == 5_000
    assert (found["affiant_rung",], found["affiant_mandate_live",]) == (1, 1)
    assert (found["affiant_operator_nonce",], found["affiant_newest_slot",]) == (4, 8)


def test_what_is_on_its_way_is_counted_until_it_is_settled(metrics: MetricsObserver):
    metrics.row(row(step="submit", status="sending", transaction="0xab"))
    assert figures(metrics)["affiant_pending_transactions",] == 1
    metrics.row(row(step="confirm", status="done", transaction="0xab"))
    assert figures(metrics)["affiant_pending_transactions",] == 0


def test_nothing_from_outside_becomes_a_label(metrics: MetricsObserver):
    before = set(figures(metrics))
    for number in range(200):
        metrics.result(
            result(
                seconds={f"node.hostile{number}": 1.0, f"x{number}": 2.0},
                error=NodeRefusedError(status=400, error=f"E{number}", message="m"),
                outcome="refused",
            )
        )
        metrics.row(row(step=f"s{number}", status=f"t{number}"))
    assert len(set(figures(metrics)) - before) <= 2
    stranger = type("Stranger", (AffiantError,), {"__module__": "somebody"})
    assert error_label(stranger()) == "other"


def test_a_chain_that_does_not_answer_is_counted():
    def look() -> ChainFigures:
        raise ChainUnavailableError("http://x", method="eth_call", reason="gone")

    observer = MetricsObserver(port=0, look=look, clock=lambda: 1.0)
    observer.result(result())
    assert figures(observer)["affiant_endpoint_failures_total", "chain"] == 1
    observer.close()


def test_figures_are_served_on_loopback_only(metrics: MetricsObserver):
    assert metrics.url.startswith("http://127.0.0.1:")
    port = int(metrics.url.split(":")[2].split("/")[0])
    # Taken on loopback alone: everywhere else the port is still free.
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))


def test_a_port_that_is_taken_is_said_at_once(metrics: MetricsObserver):
    port = int(metrics.url.split(":")[2].split("/")[0])
    with pytest.raises(OSError):
        MetricsObserver(port=port, look=metrics._look, clock=lambda: 1.0)
