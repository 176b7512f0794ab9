"""What an evidence store holds of one mandate, read with a bounded memory.

It decides which stored files are signed decisions of the mandate that the chain has no
event of. It judges none of them: the walk does. The store is trusted for nothing and
may be open to anyone, so that a stranger's file can neither spoil the verdict nor stay
in memory. A file that could not be read is told apart, for it may be anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from affiant.audit.check_attestation import check_attestation
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.history import History
from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError, UnavailableError
from affiant.onchain.events import MandateHistory
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Mandate, Workload
from affiant.onchain.permitted import names_key

MAX_KEPT = 4
"""Evidence bundles kept in memory. A walk asks for a decision and the one before it."""


@dataclass
class StoredEvidence:
    """The evidence store, as one mandate's auditor reads it."""

    store: EvidenceStore
    mandate: Mandate
    history: History
    kept: dict[Digest, EvidenceBundle] = field(default_factory=dict)
    """Last used last; only of named keys, and never more than `MAX_KEPT`."""

    def find(self, digest: Digest) -> EvidenceBundle:
        """Return verified evidence, from memory if it was just used.

        Raises:
            RejectedError, AuditUnavailableError: as `load`.
        """
        bundle = self.kept.pop(digest, None) or self.load(digest)
        if self.concerns(bundle) and names_key(self.mandate, bundle.node):
            self.kept[digest] = bundle
            if len(self.kept) > MAX_KEPT:
                del self.kept[next(iter(self.kept))]
        return bundle

    def load(self, digest: Digest) -> EvidenceBundle:
        """Read verified evidence from the store, and keep nothing.

        Where the store is stays out of the error: it would make reports differ.

        Raises:
            RejectedError: what is there is refused; as `EvidenceStore.get`.
            AuditUnavailableError: absent, or the store did not answer.
        """
        try:
            return self.store.get(digest)
        except EvidenceUnavailableError as error:
            raise AuditUnavailableError(
                f"evidence {to_hex(digest)}", reason=_without_place(error)
            ) from error

    def concerns(self, bundle: EvidenceBundle) -> bool:
        """Say whether it is of this mandate, gate and chain."""
        here = (self.history.chain_id, self.history.gate)
        there = (bundle.chain_id, bundle.gate)
        return there == here and bundle.decision.mandate == self.mandate.id

    def permits(self, bundle: EvidenceBundle) -> bool:
        """Say whether a key that the mandate permits signed it.

        By name, or by a workload: then what the chain recorded of the key's attestation
        is verified again, as of the first block of the decision's slot.

        Raises:
            UnavailableError: the chain did not answer.
        """
        if names_key(self.mandate, bundle.node):
            return True
        return any(
            self._attested(bundle, workload=workload)
            for workload in self.mandate.workloads
        )

    def _attested(self, bundle: EvidenceBundle, *, workload: Workload) -> bool:
        anchor = self.history.block(self.mandate.anchor_of(bundle.decision.slot))
        try:
            check_attestation(
                self.history.attestation(
                    workload.attestation,
                    key=bundle.node,
                    workload=workload.measurement,
                    block=anchor,
                ),
                node=bundle.node,
                mandate=self.mandate,
                block=anchor,
                history=self.history,
            )
        except RejectedError:
            return False
        return True


def _without_place(error: EvidenceUnavailableError) -> str:
    """Return why the store failed, less what may name a folder or host."""
    if isinstance(error.__cause__, FileNotFoundError):
        return "there is no such file"
    return type(error.__cause__).__name__ if error.__cause__ else "no answer"


@dataclass
class Unexecuted:
    """Signed decisions in the store that no event stands for."""

    decisions: list[tuple[int, Digest]] = field(default_factory=list)
    """(slot, digest); their evidence is read again when it is its turn."""
    findings: list[str] = field(default_factory=list)
    """What is there and cannot be used."""
    unread: list[str] = field(default_factory=list)
    """What could not be read: whatever it is, it was not looked at."""


def find_unexecuted(past: MandateHistory, *, evidence: StoredEvidence) -> Unexecuted:
    """Find the signed decisions in the store that no event stands for.

    1. what cannot be read is told apart from what is damaged: the former may be
       anything, so that the audit is incomplete; the latter is no signed decision;
    2. what no permitted key signed is named and left out: a store may be open;
    3. what is anchored at a block that this chain does not have is left out too: an
       honest node swears so before a reorganisation, and it explains no slot here.
    """
    loose = Unexecuted()
    executed = {item.event.digest for item in past.executed}
    mandate, history = past.granted.mandate, evidence.history
    try:
        stored = evidence.store.digests()
    except EvidenceUnavailableError as error:
        why = _without_place(error)
        loose.unread.append(f"The evidence store could not be listed: {why}.")
        return loose
    for digest in stored:
        if digest in executed:
            continue
        # 1.
        bundle = usable(digest, evidence=evidence.load, loose=loose)
        if bundle is None or not evidence.concerns(bundle):
            continue
        slot = bundle.decision.slot
        if slot > mandate.slot_of(past.upto.number):
            continue  # After the audited block.
        # 2.
        if not evidence.permits(bundle):
            loose.findings.append(
                f"Evidence {to_hex(digest)} is signed by {bundle.node}, which the "
                "mandate does not permit; it is left out."
            )
            continue
        # 3.
        anchor = history.block(mandate.anchor_of(slot))
        if bundle.decision.anchor_hash != anchor.hash:
            loose.findings.append(
                f"Evidence {to_hex(digest)} of slot {slot} is anchored at a block that "
                "this chain does not have (reorganised or invented); it is left out."
            )
            continue
        loose.decisions.append((slot, digest))
    loose.decisions.sort()
    return loose


def usable(
    digest: Digest,
    *,
    evidence: Callable[[Digest], EvidenceBundle],
    loose: Unexecuted,
) -> EvidenceBundle | None:
    """Return verified evidence; None if there is none, which `loose` is told."""
    try:
        return evidence(digest)
    except UnavailableError as error:
        loose.unread.append(f"Stored evidence could not be read: {error}.")
    except RejectedError as error:
        loose.findings.append(
            f"Evidence {to_hex(digest)} cannot be used and explains no slot: {error}"
        )
    return None
