"""The audit of a mandate: from chain and evidence alone, from grant to some block.

It finds every decision (events for what was executed, the evidence store for what was
not), walks each through the numbered steps, accounts for every slot, and draws the
verdict. It needs an endpoint of the auditor's own and, to reproduce, a model folder of
the auditor's own; it trusts neither the operator's node nor the evidence. A store may
be open to anyone: a stranger's file can neither spoil the verdict nor fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from affiant.audit.chain_history import ChainHistory
from affiant.audit.check_evidence import Manifests
from affiant.audit.completeness import (
    account_for_slots,
    contradictions_of,
    remarks_on,
)
from affiant.audit.court import Court, Examined
from affiant.audit.portfolio import accounts_over_time, read_account
from affiant.audit.refusals import refusals_of
from affiant.audit.replay_engines import EngineChoice, ReplayLimits
from affiant.audit.replayer import Replayer, replayer_of
from affiant.audit.result import (
    Attack,
    AuditReport,
    Completeness,
    DecisionAudit,
    Verdict,
)
from affiant.audit.stored import StoredEvidence, find_unexecuted, usable
from affiant.audit.walk import examine_execution, examine_unexecuted
from affiant.encoding import Digest
from affiant.inference.drift import ALARM, drift_of
from affiant.inference.profile import Profile
from affiant.onchain.chain import Chain
from affiant.onchain.events import MandateHistory, mandate_history
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.words import mandate_in_words

Progress = Callable[[int, int, str], None]
"""Told (decisions done, decisions in all, what is being done)."""


def audit_mandate(
    chain: Chain,
    *,
    gate: Address,
    mandate: Digest,
    store: EvidenceStore,
    model_folder: str | None = None,
    engine: EngineChoice = "auto",
    profiles: Sequence[Profile] = (),
    limits: ReplayLimits | None = None,
    replayer: Replayer | None = None,
    required: str = "reproduced",
    from_block: int = 0,
    to_block: int | None = None,
    attacks: Sequence[Attack] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """Audit every decision of a mandate up to a block.

    1. the chain's own account: grant, executions in one unbroken line, refusals;
    2. the model to replay on;
    3. every execution, then every other signed decision in the store;
    4. what became of every slot;
    5. the verdict: rejected if anything contradicts, or a node's inferences drift;
       incomplete if a decision does not
       reach the required grade, if evidence could not be read, or if nothing was
       decided in slots that nobody explains; else accepted.

    Args:
        chain: the auditor's own endpoint, with the state of old blocks.
        mandate: its id.
        model_folder: the auditor's own copy of the model; None: tokens are not
            replayed, and no decision is reproduced.
        engine: which engine replays on `model_folder`.
        profiles: calibrations that the auditor believes.
        limits: what a replay on `model_folder` is given.
        replayer: used instead of `model_folder`.
        required: grade that every decision must reach: signed or reproduced.
        from_block: no later than the grant.
        to_block: last block looked at; None: the newest.
        attacks: for the report's table.

    Raises:
        RejectedError: the chain's account does not add up (`HistoryBrokenError`).
        UnavailableError: the endpoint lacks something without which no step begins.
        ValueError: `required` is no grade that can be asked for.
    """
    if required not in ("signed", "reproduced"):
        raise ValueError(f"required grade `{required}`: signed or reproduced")
    # 1.
    if progress is not None:
        progress(0, 0, "reading the chain")
    past = mandate_history(
        chain, gate=gate, mandate_id=mandate, from_block=from_block, to_block=to_block
    )
    return audit_history(
        chain,
        gate=gate,
        past=past,
        store=store,
        model_folder=model_folder,
        engine=engine,
        profiles=profiles,
        limits=limits,
        replayer=replayer,
        required=required,
        attacks=attacks,
        progress=progress,
    )


def audit_history(
    chain: Chain,
    *,
    gate: Address,
    past: MandateHistory,
    store: EvidenceStore,
    model_folder: str | None = None,
    engine: EngineChoice = "auto",
    profiles: Sequence[Profile] = (),
    limits: ReplayLimits | None = None,
    replayer: Replayer | None = None,
    required: str = "reproduced",
    attacks: Sequence[Attack] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """Audit every decision of a mandate, given the chain's own account of it.

    Steps 2 to 5 of `audit_mandate`.

    Args:
        past: up to the block that is audited.

    Raises:
        RejectedError, UnavailableError: as `audit_mandate`.
    """
    tell = progress or (lambda done, total, words: None)
    history = ChainHistory(chain, gate=gate)
    evidence = StoredEvidence(store, mandate=past.granted.mandate, history=history)
    loose = find_unexecuted(past, evidence=evidence)
    total = len(past.executed) + len(loose.decisions)
    # 2.
    words = "Tokens were replayed on the auditor's own model."
    if replayer is None:
        replayer, words = replayer_of(
            model_folder,
            engine=engine,
            profiles=profiles,
            limits=limits,
            progress=lambda step: tell(0, total, step),
        )
    # 3.
    court = Court(
        history=history,
        mandate=past.granted.mandate,
        granted_block=past.granted_block,
        find=evidence.find,
        replayer=replayer,
        required=required,
        audited=past.upto,
        refusals=refusals_of(
            chain,
            gate=gate,
            mandate=past.granted.mandate,
            digests={digest for _, digest in loose.decisions},
            first=past.granted_block,
            last=past.upto.number,
        ),
    )
    examined: list[Examined] = []
    for execution in past.executed:
        tell(len(examined), total, f"slot {execution.event.slot}")
        examined.append(examine_execution(execution, court=court))
    for slot, digest in loose.decisions:
        tell(len(examined), total, f"slot {slot}")
        bundle = usable(digest, evidence=evidence.find, loose=loose)
        # Read a second time: another's signature may have been put in its place.
        if bundle is not None and evidence.permits(bundle):
            examined.append(examine_unexecuted(bundle, court=court))
    examined.sort(key=lambda item: (item.audit.slot, item.audit.block is None))
    tell(total, total, "adding up")
    # 4.
    audits = tuple(item.audit for item in examined)
    completeness = _completeness(audits, past=past, history=history)
    # 5.
    granted_slot = past.granted.mandate.slot_of(past.granted_block)
    contradictions = contradictions_of(
        completeness, granted_slot=granted_slot, skips=past.skips
    )
    drifting = drifts_of(examined, replayer=replayer)
    findings = [
        *contradictions,
        *drifting,
        *loose.unread,
        *remarks_on(completeness),
        *loose.findings,
    ]
    return _report(
        chain,
        gate=gate,
        past=past,
        examined=examined,
        completeness=completeness,
        findings=findings,
        verdict=_verdict(
            audits,
            contradictions=[*contradictions, *drifting],
            unread=loose.unread,
            unexplained=completeness.unexplained,
        ),
        required=required,
        model_words=words,
        attacks=tuple(attacks),
    )


def drifts_of(examined: Sequence[Examined], *, replayer: Replayer | None) -> list[str]:
    """Name the nodes whose inferences drift, all of a node's added up in slot order."""
    found = []
    profiles = () if replayer is None else replayer.profiles
    nodes = sorted({item.audit.node for item in examined})
    for node in nodes if profiles else ():
        verdicts = [
            verdict
            for item in examined
            if item.audit.node == node
            for verdict in item.replays
        ]
        drift = drift_of(verdicts, profiles=profiles)
        if drift.alarm is not None:
            found.append(
                f"the inferences of node {node} drift: each may pass, but together "
                f"they are not honest (level {drift.highest:.3g}, honest below "
                f"{ALARM:,.0f}, at inference {drift.alarm} of {drift.inferences})"
            )
    return found


def _completeness(
    audits: Sequence[DecisionAudit], *, past: MandateHistory, history: ChainHistory
) -> Completeness:
    """Account for the slots in which the mandate was live and that are over.

    A slot that was under way at the grant or at the end counts if something was sworn
    in it: it explains itself, but nobody owes an explanation of it.
    """
    mandate, upto = past.granted.mandate, past.upto.number
    live = history.first_block_at(
        past.granted.live_from, low=past.granted_block, high=upto
    )
    end = history.first_block_at(mandate.expiry, low=past.granted_block, high=upto) - 1
    withdrawn = history.withdrawn_in(mandate.id, first=past.granted_block, last=upto)
    if withdrawn is not None:
        end = min(end, withdrawn - 1)
    sworn = {audit.slot for audit in audits if audit.verdict is not Verdict.REJECTED}
    first, last = -(-live // mandate.cadence), (end + 1) // mandate.cadence - 1
    if live <= end and mandate.slot_of(live) in sworn:
        first = mandate.slot_of(live)
    if live <= end and mandate.slot_of(end) in sworn:
        last = mandate.slot_of(end)
    last = max(last, first - 1)
    done = account_for_slots(audits, first=first, last=last)
    stopped = history.stopped_slots(
        mandate, slots=done.unexplained, first=past.granted_block, last=upto
    )
    waiting = history.waiting_slots(
        mandate, slots=done.unexplained, queued=past.queued, first=past.granted_block
    )
    return account_for_slots(
        audits, first=first, last=last, stopped=stopped, waiting=waiting
    )


def _verdict(
    audits: Sequence[DecisionAudit],
    *,
    contradictions: Sequence[str],
    unread: Sequence[str],
    unexplained: Sequence[int],
) -> Verdict:
    verdicts = {audit.verdict for audit in audits}
    if contradictions or Verdict.REJECTED in verdicts:
        return Verdict.REJECTED
    if unread or Verdict.INCOMPLETE in verdicts:
        return Verdict.INCOMPLETE
    if unexplained and not audits:
        return Verdict.INCOMPLETE
    return Verdict.ACCEPTED


def _report(
    chain: Chain,
    *,
    gate: Address,
    past: MandateHistory,
    examined: Sequence[Examined],
    completeness: Completeness,
    findings: Sequence[str],
    verdict: Verdict,
    required: str,
    model_words: str,
    attacks: tuple[Attack, ...],
) -> AuditReport:
    mandate: Mandate = past.granted.mandate
    manifests: Manifests | None = next(
        (item.manifests for item in examined if item.manifests is not None), None
    )
    book = None if manifests is None else manifests.book
    last = None
    if book is not None:
        last = read_account(chain, book=book, account=mandate.account, block=past.upto)
    return AuditReport(
        chain_id=chain.chain_id,
        gate=gate,
        account=mandate.account,
        mandate=mandate.id,
        program=mandate.program,
        model=mandate.model,
        engine=mandate.engine,
        granted_block=past.granted_block,
        audited_block=past.upto.number,
        audited_hash=past.upto.hash,
        required=required,
        objective="" if manifests is None else manifests.program.objective,
        mandate_words=() if book is None else tuple(mandate_in_words(mandate, book)),
        model_words=model_words,
        decisions=tuple(item.audit for item in examined),
        completeness=completeness,
        portfolio=accounts_over_time(examined, last=last, book=book),
        findings=tuple(findings),
        verdict=verdict,
        attacks=attacks,
    )
