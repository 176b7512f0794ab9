"""The journal: written first, never rewritten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from affiant.agents.durable.journal import Entry, Journal, JournalError
from affiant.encoding import Digest, keccak256

MANDATE = keccak256(b"mandate")
DIGEST = keccak256(b"decision")
SENT = "0x" + "11" * 32


def entry(step: str = "decide", status: str = "done", **more: object) -> Entry:
    parts: dict[str, object] = {
        "run": "r1",
        "mandate": MANDATE,
        "slot": 7,
        "step": step,
        "status": status,
        "at": 1_700_000_000.5,
        **more,
    }
    return Entry(**parts)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "deep" / "journal.sqlite"))


def sending(digest: Digest = DIGEST, **more: object) -> Entry:
    return entry("submit", "sending", digest=digest, transaction=SENT, **more)


def test_reads_back_what_was_written(journal: Journal):
    written = [
        entry(detail={"a": [1, "x"]}),
        sending(),
        entry("record", "refused", run="r2", slot=8, detail={"error": "E"}),
    ]
    for item in written:
        journal.append(item)
    assert list(journal.entries()) == written
    assert journal.entries(slot=8) == (written[2],)
    assert journal.entries(run="r1") == tuple(written[:2])
    assert journal.entries(digest=DIGEST) == (written[1],)
    assert journal.entries(last=1) == (written[2],)
    assert journal.entries(mandate=keccak256(b"other")) == ()


def test_survives_its_process(tmp_path: Path):
    path = str(tmp_path / "journal.sqlite")
    first = Journal(path)
    first.append(entry())
    assert Journal(path).entries() == (entry(),)  # the first was never closed


@pytest.mark.parametrize(
    "statement",
    ["UPDATE entries SET status = 'done'", "DELETE FROM entries"],
)
def test_nothing_is_ever_rewritten(tmp_path: Path, statement: str):
    path = tmp_path / "journal.sqlite"
    Journal(str(path)).append(entry())
    with (
        sqlite3.connect(path) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    assert Journal(str(path)).entries() == (entry(),)


@pytest.mark.parametrize(
    "settled, waiting",
    [
        ([], True),
        ([entry("submit", "done", digest=DIGEST, transaction=SENT)], True),
        ([entry("confirm", "unavailable", digest=DIGEST, transaction=SENT)], True),
        ([entry("confirm", "done", digest=DIGEST, transaction=SENT)], False),
        ([entry("confirm", "refused", digest=DIGEST, transaction=SENT)], False),
        ([entry("confirm", "lost", digest=DIGEST, transaction=SENT)], False),
    ],
)
def test_knows_what_may_still_be_on_its_way(
    journal: Journal, settled: list[Entry], waiting: bool
):
    journal.append(sending())
    for item in settled:
        journal.append(item)
    assert [e.transaction for e in journal.unsettled(MANDATE)] == [SENT] * waiting
    assert journal.unsettled(keccak256(b"other")) == ()
    assert journal.sent(DIGEST) == sending()
    assert journal.sent(keccak256(b"another")) is None


def test_what_is_on_its_way_is_found_without_reading_the_past(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = Journal(str(path))
    for number in range(3):
        digest, transaction = keccak256(bytes([number])), f"0x{number:064x}"
        more = {"digest": digest, "transaction": transaction, "slot": number}
        journal.append(entry("submit", "sending", **more))
        if number != 1:
            journal.append(entry("confirm", "done", **more))
    journal.append(sending(slot=9, mandate=keccak256(b"other")))
    with sqlite3.connect(path) as connection:
        # What was settled, or was never sent, is not even decoded.
        connection.execute(
            "INSERT INTO entries (run, mandate, slot, step, status, detail, at) "
            "SELECT run, mandate, 1, 'decide', 'done', 'no JSON', 0 FROM entries"
        )
    assert [e.slot for e in journal.unsettled(MANDATE)] == [1]


def test_a_settlement_is_of_one_transaction_and_comes_after_it(journal: Journal):
    other = "0x" + "22" * 32
    journal.append(entry("confirm", "done", digest=DIGEST, transaction=SENT))
    journal.append(sending())
    journal.append(entry("confirm", "lost", digest=DIGEST, transaction=other))
    assert journal.unsettled(MANDATE) == (sending(),)


@pytest.mark.parametrize(
    "status, finished",
    [("done", True), ("held", True), ("refused", False), ("unavailable", False)],
)
def test_only_executed_and_held_finish_a_slot(
    journal: Journal, status: str, finished: bool
):
    journal.append(entry("record", status))
    assert (journal.finished(mandate=MANDATE, slot=7) is not None) == finished
    assert journal.finished(mandate=MANDATE, slot=8) is None


def test_a_journal_that_cannot_be_opened_is_unavailable(tmp_path: Path):
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError):
        Journal(str(tmp_path / "journal.sqlite"))
    with pytest.raises(JournalError):
        Journal(str(tmp_path / "journal.sqlite" / "below-a-file"))


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = Journal(str(path))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE entries")
    with pytest.raises(JournalError, match="entries"):
        journal.append(entry())
