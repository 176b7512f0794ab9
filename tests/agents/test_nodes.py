"""Several nodes: a node that fails costs time, and never money.

The lies here are told by a key that the mandate permits; what lies there are is the
business of `test_agent_bad_node.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.errors import (
    NodeRefusedError,
    NodesExhaustedError,
    NodeUnavailableError,
    SlotRefusedError,
    WrongDecisionError,
)
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.nodes import REST_SECONDS, Nodes
from affiant.errors import AffiantError
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.evidence import EvidenceBundle


class Double:
    """A node that answers with what the test says, or raises it."""

    def __init__(self, url: str, answer: Any) -> None:
        self.url, self.answer, self.asked = url, answer, 0

    def decide(self, mandate: Any, **_: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        pass


GONE = NodeUnavailableError("a", reason="no connection")
REFUSED = NodeRefusedError(status=422, error="PlanRefusedError", message="no plan")


def ask(nodes: Nodes, told: list[Any], **options: Any) -> Any:
    return nodes.decide(
        None,  # type: ignore[arg-type]
        slot=1,
        chain_id=1,
        gate=None,  # type: ignore[arg-type]
        passed_over=lambda url, error: told.append((url, error)),
        **options,
    )


@pytest.mark.parametrize(
    "error",
    [GONE, REFUSED, WrongDecisionError("slot", got="1", expected="2")],
    ids=["is away", "refuses", "swears something else"],
)
def test_the_next_node_is_asked_where_one(error: AffiantError) -> None:
    told: list[Any] = []
    bad, good = Double("a", error), Double("b", "decision")
    reply = ask(Nodes([bad, good]), told)  # type: ignore[list-item]
    assert (reply.url, reply.answer) == ("b", "decision")
    assert told == [("a", error)]


def test_the_only_nodes_own_error_is_raised() -> None:
    told: list[Any] = []
    with pytest.raises(NodeUnavailableError):
        ask(Nodes([Double("a", GONE)]), told)  # type: ignore[list-item]
    assert told == []


def test_where_all_refuse_it_is_a_refusal_and_where_one_is_away_it_is_not() -> None:
    told: list[Any] = []
    a, b = Double("a", REFUSED), Double("b", REFUSED)
    with pytest.raises(NodeRefusedError):
        ask(Nodes([a, b]), told)  # type: ignore[list-item]
    b.answer = GONE
    with pytest.raises(NodesExhaustedError) as caught:
        ask(Nodes([a, b]), told)  # type: ignore[list-item]
    assert len(caught.value.reasons) == 2


def test_a_node_that_was_passed_over_is_asked_last_for_a_while() -> None:
    now = [0.0]
    a, b = Double("a", GONE), Double("b", "decision")
    nodes = Nodes([a, b], clock=lambda: now[0])  # type: ignore[list-item]
    for _ in range(3):
        ask(nodes, [])
    assert (a.asked, b.asked) == (1, 3)
    now[0] += REST_SECONDS + 1
    a.answer = "decision"
    assert ask(nodes, []).url == "a"


def test_a_node_whose_answer_was_refused_is_not_asked_again_in_the_run() -> None:
    a, b = Double("a", "lie"), Double("b", "truth")
    nodes = Nodes([a, b])  # type: ignore[list-item]
    wrong = WrongDecisionError("previous", got="1", expected="2")
    assert nodes.another("a", wrong, tried=["a"])
    assert ask(nodes, [], tried=["a"]).url == "b"
    assert not nodes.another("b", wrong, tried=["a", "b"]), "nobody is left"


@pytest.mark.parametrize(
    "error",
    [
        SlotRefusedError(1, newest=2),
        ChainUnavailableError("own", method="any", reason="gone"),
    ],
    ids=["the slot is over", "our own endpoint is away"],
)
def test_no_node_is_blamed_because(error: AffiantError) -> None:
    nodes = Nodes([Double("a", 1), Double("b", 1)])  # type: ignore[list-item]
    assert not nodes.another("a", error, tried=["a"])


def test_nodes_are_at_least_one_each_once() -> None:
    for clients in ([], [Double("a", 1), Double("a", 1)]):
        with pytest.raises(ValueError):
            Nodes(clients)  # type: ignore[arg-type]


# On the real chain


def lying(world: Any, bundle: EvidenceBundle) -> bytes:
    """The node swears a longer validity than follows; everything else holds."""
    decision = replace(bundle.decision, valid_until=bundle.decision.valid_until + 1)
    moved = replace(bundle, decision=decision)
    return replace(moved, signature=world.key.sign(moved.digest)).to_plain()


@pytest.fixture
def liar_url(world: Any, serve: Any, tmp_path: Path) -> str:
    """A node with a permitted key that lies about every decision."""
    node = world.node(tmp_path / "liar")
    world.closing(node)

    def answer(handler: Any, _: bytes) -> None:
        slot = world.mandate.slot_of(world.chain.block_number())
        body = lying(world, node.decide(world.mandate, slot=slot).bundle)
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return str(serve(answer).url)


@pytest.mark.anvil
def test_a_lying_node_is_passed_over_by_name_and_the_next_executes(
    world: Any, liar_url: str, node_url: str, tmp_path: Path
) -> None:
    world.engine.text = world.swap
    nodes = Nodes([NodeClient(url, timeout=20) for url in (liar_url, node_url)])
    agent = world.agent(tmp_path, url=node_url, node=world.closing(nodes))
    nonce = world.nonce()
    result = agent.run_once()
    assert (result.outcome, result.error) == ("executed", None)
    assert world.nonce() == nonce + 1, "one decision was sent"
    started, *entries = agent.journal.entries(run=result.run)
    assert started.status == "started"
    told = [(e.step, e.status, e.detail.get("passedOver")) for e in entries[:3]]
    assert told == [
        ("decide", "done", None),
        ("decide", "refused", liar_url),
        ("decide", "done", None),
    ]
    assert entries[1].detail["error"] == "DerivationMismatchError"
    assert "valid until" in entries[1].detail["message"]
    assert entries[0].digest != entries[2].digest == result.digest


@pytest.mark.anvil
def test_a_dead_node_is_passed_over(world: Any, node_url: str, tmp_path: Path) -> None:
    world.engine.text = world.swap
    urls = ("http://127.0.0.1:9", node_url)
    nodes = world.closing(Nodes([NodeClient(url, timeout=5) for url in urls]))
    result = world.agent(tmp_path, url=node_url, node=nodes).run_once()
    assert (result.outcome, result.error) == ("executed", None)


@pytest.mark.anvil
def test_where_every_node_lies_nothing_is_sent(
    world: Any, liar_url: str, serve: Callable[..., Any], tmp_path: Path
) -> None:
    world.engine.text = world.swap
    second = liar_url.replace("127.0.0.1", "localhost")
    nodes = world.closing(
        Nodes([NodeClient(url, timeout=20) for url in (liar_url, second)])
    )
    agent = world.agent(tmp_path, url=liar_url, node=nodes)
    nonce, before = world.nonce(), world.balances()
    result = agent.run_once()
    assert type(result.error).__name__ == "DerivationMismatchError"
    assert result.outcome == "refused"
    assert (world.nonce(), world.balances()) == (nonce, before)
