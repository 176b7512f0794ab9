"""The evidence behind the head: what the decision before was.

It decides that no request is built without it: a node or agent that went on without
memory would ask another question than the auditor rebuilds.
"""

from __future__ import annotations

from affiant.agents.errors import PreviousMissingError
from affiant.encoding import Digest
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Mandate


def previous_evidence(
    head: Digest, *, mandate: Mandate, store: EvidenceStore
) -> EvidenceBundle | None:
    """Return the evidence of `head`; None where the mandate has not acted yet.

    Args:
        head: the gate's head of the mandate: its id before the first decision.

    Raises:
        PreviousMissingError: the store does not have it.
        EvidenceError, MalformedError: what the store has is refused.
    """
    if head == mandate.id:
        return None
    try:
        return store.get(head)
    except EvidenceUnavailableError as error:
        raise PreviousMissingError(head, reason=error.reason) from error
