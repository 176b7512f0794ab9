"""Several nodes: which is asked for a decision, and when the next one is.

It decides the order and who is passed over; a node is not trusted, so passing over one
costs time and never money. One answer at a time goes on: who asks again after a refused
answer gets another node's, and what is sent is one decision per slot (`Submitter`).
Whether an answer is right is decided by whoever checks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from affiant.agents.errors import (
    NodesExhaustedError,
    NotLiveError,
    PreviousMissingError,
    SlotRefusedError,
    TooLateError,
)
from affiant.agents.nodes.node_client import NodeAnswer, NodeClient
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.mandate import Address, Mandate

REST_SECONDS = 60.0
"""How long a node that was passed over is asked after the others."""

_OURS = (
    ChainUnavailableError,
    EvidenceUnavailableError,
    NotLiveError,
    PreviousMissingError,
    SlotRefusedError,
    TooLateError,
)
"""Refusals while checking an answer that are about our own chain, store or clock."""


@dataclass(frozen=True)
class NodeReply:
    """A node's answer, and which node's it is."""

    url: str
    answer: NodeAnswer


class Nodes:
    """Nodes in the order in which they are preferred."""

    def __init__(
        self,
        clients: Sequence[NodeClient],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember the nodes; connects at the first question.

        Raises:
            ValueError: there is none, or one twice.
        """
        urls = [client.url for client in clients]
        if not urls or len(set(urls)) != len(urls):
            raise ValueError(f"nodes {urls}: expected at least one, each once")
        self._clients = tuple(clients)
        self._clock = clock
        self._rests: dict[str, float] = {}

    @property
    def urls(self) -> tuple[str, ...]:
        """Every node, as configured."""
        return tuple(client.url for client in self._clients)

    def decide(
        self,
        mandate: Mandate,
        *,
        slot: int,
        chain_id: int,
        gate: Address,
        tried: Sequence[str] = (),
        passed_over: Callable[[str, AffiantError], None],
    ) -> NodeReply:
        """Return the first answer of a node that has not been tried.

        Args:
            tried: URLs of nodes whose answers were refused in this run.
            passed_over: told of every node that gave no answer, while there is another.

        Raises:
            AffiantError: the only node's own error, as `NodeClient.decide`, or the last
                one's, where all of them refuse.
            NodesExhaustedError: no node gave an answer, and some did not even refuse.
        """
        left = [client for client in self._order() if client.url not in tried]
        reasons: list[str] = []
        silent = False
        for client in left:
            try:
                answer = client.decide(mandate, slot=slot, chain_id=chain_id, gate=gate)
            except AffiantError as error:
                if len(self._clients) == 1:
                    raise
                self._rests[client.url] = self._clock() + REST_SECONDS
                passed_over(client.url, error)
                reasons.append(f"{client.url}: {error}")
                silent = silent or isinstance(error, UnavailableError)
                # Who was refused by everybody is refused: asking again cannot help.
                if client is left[-1] and not silent:
                    raise
                continue
            return NodeReply(client.url, answer)
        raise NodesExhaustedError(tried=tried, reasons=reasons)

    def another(self, url: str, error: AffiantError, *, tried: Sequence[str]) -> bool:
        """Say whether another node should be asked, because `url`'s answer is refused.

        Args:
            error: why; what is about our own chain, store or clock is no node's fault.
            tried: nodes that answered in this run, `url` included.
        """
        if isinstance(error, _OURS) or set(tried) >= set(self.urls):
            return False
        self._rests[url] = self._clock() + REST_SECONDS
        return True

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def _order(self) -> list[NodeClient]:
        now = self._clock()
        return sorted(self._clients, key=lambda c: self._rests.get(c.url, 0.0) > now)
