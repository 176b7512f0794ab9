"""Endorsements for a decision whose rung asks for them.

The gate says how many it takes; this module asks the endorsers that the agent's owner
configured, and tells apart who refused (the decision is not what it claims to be, or
they cannot vouch for it) from who did not answer. Signatures were checked when they
came (`endorser_client`), and are checked again by the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.agents.errors import (
    EndorsementsLackingError,
    EndorsementsRefusedError,
    EndorserRefusedError,
)
from affiant.agents.nodes.endorser_client import (
    Collected,
    EndorserClient,
    collect_endorsements,
)
from affiant.onchain.endorsement import Endorsement
from affiant.onchain.evidence import EvidenceBundle

WAIT_SECONDS = 120.0
"""Longest wait for endorsements in all; a replay is in it."""


@dataclass(frozen=True)
class Endorsers:
    """Whom an agent asks."""

    clients: tuple[EndorserClient, ...] = ()
    seconds: float = WAIT_SECONDS
    """Longest wait in all."""

    @classmethod
    def at(cls, urls: Sequence[str], *, timeout: float, seconds: float) -> Endorsers:
        """Return the endorsers at `urls`.

        Args:
            timeout: longest wait for one answer, in seconds.
            seconds: longest wait in all.

        Raises:
            ValueError: a URL that is none.
        """
        return cls(tuple(EndorserClient(url, timeout=timeout) for url in urls), seconds)

    def endorse(
        self, bundle: EvidenceBundle, *, needed: int
    ) -> tuple[Endorsement, ...]:
        """Return `needed` endorsements of a decision, ascending by endorser.

        Raises:
            EndorsementsRefusedError: too many refused.
            EndorsementsLackingError: too many did not answer.
        """
        collected = collect_endorsements(
            bundle, clients=self.clients, needed=needed, seconds=self.seconds
        )
        found = collected.endorsements
        if len(found) >= needed:
            return found[:needed]
        refusals = [
            error
            for _, error in collected.refused
            if isinstance(error, EndorserRefusedError)
        ]
        hopeless = len(self.clients) - len(refusals) < needed
        kind = EndorsementsRefusedError if hopeless else EndorsementsLackingError
        raise kind(got=len(found), needed=needed, reasons=_reasons(collected))

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()


def _reasons(collected: Collected) -> list[str]:
    told = [str(error) for _, error in collected.refused]
    return [*told, *(f"endorser {url}: no answer in time" for url in collected.silent)]
