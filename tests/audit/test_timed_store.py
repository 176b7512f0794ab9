"""A store that hangs is not waited for, and does not pile up threads."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from affiant.audit.timed_store import TimedStore
from affiant.encoding import keccak256
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.evidence_store import EvidenceStore

DIGEST = keccak256(b"decision")


@pytest.fixture
def gate_open(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reads of the store behind hang until it is set."""
    opened = threading.Event()

    def read(self: Any, digest: Any) -> bytes:
        assert opened.wait(30)
        return b"content"

    monkeypatch.setattr(EvidenceStore, "read", read)
    return opened


def test_reads_what_is_there(tmp_path: Path) -> None:
    (tmp_path / f"{DIGEST.hex()}.json.zst").write_bytes(b"content")
    assert TimedStore(str(tmp_path)).read(DIGEST) == b"content"


def test_what_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnavailableError, match="no such file"):
        TimedStore(str(tmp_path)).read(DIGEST)


def test_a_store_that_hangs_is_not_waited_for(
    tmp_path: Path, gate_open: threading.Event
) -> None:
    store = TimedStore(str(tmp_path), seconds=0.1)
    threads = threading.active_count()
    start = time.monotonic()
    for _ in range(5):
        with pytest.raises(EvidenceUnavailableError, match="within 0.1 s"):
            store.read(DIGEST)
    assert time.monotonic() - start < 5
    assert threading.active_count() <= threads + 1
    gate_open.set()
    while True:  # until the read that hung has ended
        try:
            assert store.read(DIGEST) == b"content"
            break
        except EvidenceUnavailableError:
            pass
