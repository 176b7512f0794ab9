"""What the journal says of open transactions, by nonce; hostile text is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from affiant.agents.durable.journal import Entry
from affiant.agents.sending.attempts import Attempt, pending_in
from affiant.encoding import keccak256, to_hex
from affiant.errors import MalformedError

DETAIL: dict[str, Any] = {
    "kind": "execute",
    "act": "execute",
    "nonce": 7,
    "gas": 500_000,
    "maxFee": 2_000_000_000,
    "priorityFee": 1,
    "raw": "0x02aa",
    "previous": "0x" + "11" * 32,
    "validUntil": 1_700_000_000,
}


def entry(name: bytes = b"a", **changes: Any) -> Entry:
    return Entry(
        run="run",
        mandate=keccak256(b"mandate"),
        slot=1,
        step="submit",
        status="sending",
        at=1.0,
        digest=keccak256(b"decision"),
        transaction=to_hex(keccak256(name)),
        detail={**DETAIL, **changes},
    )


def test_an_attempt_is_what_was_written() -> None:
    attempt = Attempt.of(entry())
    assert attempt.detail() == DETAIL
    assert attempt.transaction == to_hex(attempt.digest)


def test_a_journal_of_before_there_were_delays_is_read() -> None:
    old = {name: value for name, value in DETAIL.items() if name != "act"}
    assert Attempt.of(replace(entry(), detail=old)).act == "execute"


def test_what_shares_a_nonce_belongs_together() -> None:
    entries = [
        entry(b"a"),
        entry(b"b", nonce=9),
        entry(b"c", kind="replace"),
        entry(b"d", nonce=8),
        replace(entry(b"a"), at=9.0),
    ]
    found = pending_in(entries)
    assert [pending.nonce for pending in found] == [7, 8, 9]
    first = found[0]
    assert len(first.attempts) == 2, "one transaction counts once"
    assert first.newest.kind == "replace"
    assert first.decision.transaction == to_hex(keccak256(b"a"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "drain"},
        {"kind": None},
        {"act": "drain"},
        {"act": None},
        {"nonce": -1},
        {"nonce": "soon"},
        {"nonce": 2**64},
        {"gas": None},
        {"maxFee": 1.5},
        {"priorityFee": True},
        {"raw": "0x1"},
        {"raw": None},
        {"previous": "0x12"},
        {"validUntil": []},
    ],
    ids=repr,
)
def test_rejects_an_entry_with(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="journal"):
        Attempt.of(entry(**change))


@pytest.mark.parametrize("detail", [None, [], "x", {}], ids=repr)
def test_rejects_what_is_no_attempt(detail: Any) -> None:
    with pytest.raises(MalformedError):
        Attempt.of(replace(entry(), detail=detail))
