"""Handing one signed transaction to every endpoint.

It decides when that counts as sent: as soon as one endpoint took it, or knows it though
all refuse it. Sending the same bytes again is harmless, because a transaction is known
by its hash; nothing else here is ever repeated. No endpoint is trusted: who says that
it took a transaction may drop it, which is why all of them get it, and why whoever sent
it asks for its receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affiant.encoding import Digest
from affiant.errors import AffiantError
from affiant.onchain.endpoint_pool import EndpointPool
from affiant.onchain.endpoint_reads import transaction_hash
from affiant.onchain.errors import EndpointsExhaustedError, TransactionRefusedError
from affiant.onchain.one_endpoint import OneEndpoint


@dataclass(frozen=True)
class Broadcast:
    """Who took a transaction, and who did not."""

    digest: Digest
    taken_by: tuple[str, ...]
    """Endpoints, by scheme, host and port."""
    refusals: Mapping[str, str]
    """Why not, by endpoint."""


def broadcast(at: EndpointPool | OneEndpoint, transaction: bytes) -> Broadcast:
    """Send `transaction` to every endpoint.

    Raises:
        TransactionRefusedError: every endpoint that could be asked refuses it.
        ChainUnavailableError: nobody took it, and somebody did not answer: whether it
            was sent is unknown.
    """
    digest = transaction_hash(transaction)
    answers = at.everywhere(lambda reads: reads.send_raw(transaction))
    taken = [n for n, answer in answers.items() if not isinstance(answer, AffiantError)]
    errors = {n: a for n, a in answers.items() if isinstance(a, AffiantError)}
    unsure = [e for e in errors.values() if not isinstance(e, TransactionRefusedError)]
    if not taken and not unsure:
        # Whoever refuses it may have passed it on, or know it as mined already.
        known = at.everywhere(lambda reads: reads.transaction(digest))
        taken = [
            name
            for name, answer in known.items()
            if answer is not None and not isinstance(answer, AffiantError)
        ]
    if not taken:
        if len(answers) == 1 or not unsure:
            for error in errors.values():
                raise error
        raise EndpointsExhaustedError(
            at.names, reasons=[str(error) for error in errors.values()]
        )
    return Broadcast(
        digest=digest,
        taken_by=tuple(taken),
        refusals={name: str(error) for name, error in errors.items()},
    )
