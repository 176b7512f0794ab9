"""The command passes on what it was told, and only that."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from affiant.audit.command import AuditSettings, audit_chain

pytestmark = pytest.mark.anvil


def _run(chronicle: Any, **changes: Any) -> Any:
    world = chronicle.world
    parts: dict[str, Any] = {
        "chain_url": world.devnet.url,
        "chain_id": world.book.chain_id,
        "gate": world.book.gate,
        "mandate": world.mandate.id,
        "store": str(chronicle.folder),
        "model": None,
        "html": None,
    }
    silent = Console(file=io.StringIO())
    settings = AuditSettings(**{**parts, **changes})
    return audit_chain(settings, console=silent, log=silent)


def test_asks_for_reproduced_decisions_unless_told_otherwise(chronicle: Any) -> None:
    status, report = _run(chronicle)
    assert (status, report.required) == (3, "reproduced")
    status, report = _run(chronicle, required="signed")
    assert (status, report.required) == (0, "signed")


def test_audits_the_blocks_that_it_is_told(chronicle: Any) -> None:
    _, whole = _run(chronicle, required="signed")
    upto = whole.decisions[2].block
    _, part = _run(
        chronicle,
        required="signed",
        from_block=whole.granted_block,
        to_block=upto,
    )
    assert part.audited_block == upto
    assert len(part.decisions) == 3


def test_an_unknown_grade_is_misuse(chronicle: Any) -> None:
    with pytest.raises(ValueError, match="required grade"):
        _run(chronicle, required="hardware")
