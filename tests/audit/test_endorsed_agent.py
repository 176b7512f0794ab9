"""An agent whose ladder takes endorsements: it asks, and sends what it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from affiant.agents.errors import EndorsementsLackingError, EndorsementsRefusedError
from affiant.agents.nodes.endorsed import Endorsers
from affiant.agents.nodes.service import NodeServer
from affiant.audit.endorser_service import EndorserServer
from affiant.onchain.contract_errors import GateEndorsementsMissingError
from affiant.onchain.mandate import Rung

pytestmark = pytest.mark.anvil

DOLLAR = 10**8
ALL = 1_000_000 * DOLLAR
NOBODY = "http://127.0.0.1:9"
"""Where nothing listens."""


@pytest.fixture
def endorser(stage: Any) -> Iterator[Callable[[str], str]]:
    """Starts an endorser with one of the stage's keys; returns its URL."""
    running: list[EndorserServer] = []

    def start(key: str) -> str:
        running.append(EndorserServer(stage.endorser(key=key)).start())
        return running[-1].url

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def agent(stage: Any) -> Iterator[Callable[..., Any]]:
    """Makes an agent under a mandate with the given ladder."""
    with NodeServer(stage.world.node(stage.folder)) as node:

        def make(*urls: str, ladder: tuple[Rung, ...]) -> Any:
            staged = stage.with_mandate(ladder=ladder, quorum=2)
            staged.next_slot()
            staged.world.engine.text = staged.world.swap
            return staged.world.agent(
                stage.folder,
                url=node.url,
                endorsers=stage.world.closing(
                    Endorsers.at(urls, timeout=20, seconds=20)
                ),
            )

        yield make
    while stage.world.opened:
        stage.world.opened.pop().close()


BOTH = (Rung(ALL, 0, 2, 0),)


def test_it_sends_the_endorsements_that_the_rung_takes(
    stage: Any, agent: Any, endorser: Any
) -> None:
    made = agent(endorser("second"), endorser("first"), ladder=BOTH)
    result = made.run_once()
    assert result.outcome == "executed", result.error
    assert stage.world.gate.head_of(made.mandate.id) == result.digest
    entries = made.journal.entries(mandate=made.mandate.id)
    (simulated,) = [entry for entry in entries if entry.step == "simulate"]
    assert simulated.detail["endorsers"] == list(made.mandate.endorsers)


def test_nothing_is_sent_while_an_endorser_is_missing(
    stage: Any, agent: Any, endorser: Any
) -> None:
    first, nonce = endorser("first"), stage.world.nonce()
    made = agent(first, NOBODY, ladder=BOTH)
    granted = stage.world.nonce()
    result = made.run_once()
    assert result.outcome == "unavailable"
    assert isinstance(result.error, EndorsementsLackingError)
    assert (result.error.got, result.error.needed) == (1, 2)
    assert NOBODY in str(result.error)
    assert stage.world.nonce() == granted >= nonce
    assert stage.world.gate.head_of(made.mandate.id) == made.mandate.id


def test_refusals_end_the_slot_and_say_why(
    stage: Any, agent: Any, endorser: Any
) -> None:
    made = agent(endorser("first"), endorser("third"), ladder=BOTH)
    before = stage.world.nonce()
    result = made.run_once()
    assert result.outcome == "refused"
    assert isinstance(result.error, EndorsementsRefusedError)
    assert "NotEndorsedHereError" in str(result.error)
    assert stage.world.nonce() == before


def test_without_endorsers_the_gate_s_own_refusal_is_told(
    stage: Any, agent: Any
) -> None:
    made = agent(ladder=BOTH)
    result = made.run_once()
    assert result.outcome == "refused"
    assert isinstance(result.error, GateEndorsementsMissingError)
    assert result.error.needed == 2


def test_nobody_is_asked_where_the_rung_asks_for_none(stage: Any, agent: Any) -> None:
    ladder = (Rung(ALL // 2, 0, 0, 0), Rung(ALL, 0, 2, 0))
    result = agent(NOBODY, ladder=ladder).run_once()
    assert result.outcome == "executed", result.error
