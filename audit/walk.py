"""One decision through the numbered steps.

It decides the order of the steps and what a failed one takes away from the later ones:
nothing is rebuilt from evidence that is not under the sworn root, and what could not be
looked at is skipped with the reason. The checks themselves are in `check_*.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from affiant.agents.deciding.derive import Asked
from affiant.audit import (
    check_chain,
    check_effects,
    check_evidence,
    check_inference,
)
from affiant.audit.check_attestation import check_attestation
from affiant.audit.check_evidence import Manifests
from affiant.audit.court import Court, Examined, outcome_of
from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.grades import grade_decision, verdict_of
from affiant.audit.refusals import refusals_in_words
from affiant.audit.result import DecisionAudit, Kind, Status, Step
from affiant.audit.steps import Check, skip, take
from affiant.audit.story import tell
from affiant.encoding import ZERO_DIGEST, Digest, to_hex
from affiant.errors import RejectedError, UnavailableError
from affiant.inference.receipt import InferenceReceipt
from affiant.inference.replay import ReplayVerdict
from affiant.onchain.attestation.claim import NO_HARDWARE, AttestationClaim
from affiant.onchain.chain_types import Block
from affiant.onchain.decision import Call, Decision
from affiant.onchain.events import ExecutedDecision
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.facts import Facts
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Observation, facts
from affiant.onchain.permitted import names_key, names_workload
from affiant.onchain.registry import service_of

Found = TypeVar("Found")


def examine_execution(execution: ExecutedDecision, *, court: Court) -> Examined:
    """Audit one executed decision."""
    return Walk(court, digest=execution.event.digest, execution=execution).go()


def examine_unexecuted(bundle: EvidenceBundle, *, court: Court) -> Examined:
    """Audit one signed decision that no event stands for: a HOLD, or one not used."""
    return Walk(court, digest=bundle.digest, bundle=bundle).go()


class Walk:
    """The state of one walk through the steps."""

    def __init__(
        self,
        court: Court,
        *,
        digest: Digest,
        execution: ExecutedDecision | None = None,
        bundle: EvidenceBundle | None = None,
        waits: bool = False,
    ) -> None:
        """Begin a walk; no step is taken yet.

        Args:
            execution: the decision's, where it was executed.
            bundle: its evidence, where it was not.
            waits: whether it may still be executed, so that the present counts and not
                its slot's past.
        """
        self.court = court
        self.mandate: Mandate = court.mandate
        self.digest = digest
        self.execution = execution
        self.submission: Submission | None = None
        self.bundle = bundle
        self.block: Block | None = None
        self.sound = False
        self.observation: Observation | None = None
        self.manifests: Manifests | None = None
        self.asked: tuple[Asked, ...] | None = None
        self.seeds: tuple[Digest | None, ...] = ()
        self.replays: tuple[ReplayVerdict, ...] = ()
        self.attested: int | None = None
        """Tier that step 11 verified."""
        self.steps: list[Step] = []
        self.waits = waits
        self.now: Block | None = None
        """For a decision that waits for its execution: the block that it would follow,
        to be set before steps 2 and 4."""

    def check(self, number: int) -> Check:
        """Return the check of the step `number`."""
        checks: Mapping[int, Check] = {
            1: self._sworn,
            2: self._permitted,
            3: self._evidence,
            4: self._place,
            5: self._observation,
            6: self._request,
            7: self._sampling,
            8: self._tokens,
            9: self._consequences,
            10: self._effects,
            11: self._attestation,
        }
        return checks[number]

    def go(self) -> Examined:
        """Take all steps in order.

        1 to 4 rest on the chain, 5 to 9 on sound evidence, 10 on the chain again; 11 on
        both, where the evidence claims hardware.
        """
        self._find()
        for number in (1, 2, 3, 4):
            self.steps.append(take(number, self.check(number)))
        self.sound = self.passed(3)
        for number in (5, 6, 7, 8, 9):
            if self.sound:
                self.steps.append(take(number, self.check(number)))
            else:
                self.steps.append(skip(number, "no sound evidence (step 3)"))
        self.steps.append(take(10, self.check(10)))
        if self.sound and self._claims_hardware():
            self.steps.append(take(11, self.check(11)))
        return self._result()

    def _find(self) -> None:
        """Fetch what the steps need; what fails here is reported by the step."""
        self.bundle_error: UnavailableError | RejectedError | None = None
        if self.execution is not None:
            self.submission = self.execution.submission
        if self.bundle is None:
            try:
                self.bundle = self.court.find(self.digest)
            except (UnavailableError, RejectedError) as error:
                self.bundle_error = error
        if self.submission is None and self.execution is not None:
            # Called through another contract: the event's digest binds the decision,
            # and step 1 checks that these are its parts.
            if self.bundle is not None and self.bundle.digest == self.digest:
                self.submission = Submission.of(self.bundle)

    # Steps 1 to 4.

    def _sworn(self) -> str:
        history = self.court.history
        if self.execution is not None:
            if self.submission is None:
                raise AuditUnavailableError(
                    "calldata", reason=self.execution.unreadable or "not found"
                )
            return check_chain.check_execution(
                self.execution,
                self.submission,
                mandate=self.mandate.id,
                history=history,
            )
        bundle = self._require_bundle()
        check_chain.same("mandate", got=bundle.mandate.id, expected=self.mandate.id)
        check_chain.same("gate", got=bundle.gate, expected=history.gate)
        check_chain.same("chain", got=bundle.chain_id, expected=history.chain_id)
        check_chain.check_sworn(
            bundle.decision,
            node=bundle.node,
            signature=bundle.signature,
            receipts=bundle.receipts,
            calls=bundle.calls,
            bounds=bundle.bounds,
            chain_id=history.chain_id,
            gate=history.gate,
        )
        if self.waits:
            return f"{bundle.node} signed it."
        return f"{bundle.node} signed it; nothing was executed, as the chain shows."

    def _permitted(self) -> str:
        source = self._source()
        history = self.court.history
        error: AuditRejectedError | None = None
        for state, now in self._moments():
            try:
                return check_chain.check_permitted(
                    self.mandate,
                    node=source.node,
                    receipts=self._receipts(),
                    calls=source.calls,
                    standing=history.standing(self.mandate.id, block=state),
                    record=history.node(
                        source.node,
                        service=service_of(
                            model=self.mandate.model, engine=self.mandate.engine
                        ),
                        block=state,
                    ),
                    block=now,
                )
            except AuditRejectedError as rejected:
                error = rejected
        assert error is not None  # `_moments` is never empty
        raise error

    def _moments(self) -> list[tuple[Block, Block]]:
        """(block whose state counts, block whose time counts) to try in turn.

        Executed: before the block, and after it where grant or announcement share it.
        Waiting for its execution: the block that this would follow, and no other.
        Otherwise the slot's anchor, and its end: the key may have come in between.
        """
        history = self.court.history
        if self.waits:
            return [(self._present(), self._present())]
        if self.execution is not None:
            block = self._executed_in()
            return [(history.block(max(block.number - 1, 0)), block), (block, block)]
        if self.court.audited is None:
            raise RuntimeError("the audited block is not set")
        slot = self._decision().slot
        first = self.mandate.anchor_of(slot)
        last = min(first + self.mandate.cadence - 1, self.court.audited.number)
        anchor, end = history.block(first), history.block(max(first, last))
        return [(anchor, anchor), (end, end)]

    def _evidence(self) -> str:
        bundle = self._require_bundle()
        return check_evidence.check_bundle(
            bundle, decision=self._decision(), digest=self.digest
        )

    def _place(self) -> str:
        decision, history = self._decision(), self.court.history
        executed: Block | None
        if self.waits:
            executed = before = self._present()
        elif self.execution is None:
            # Nothing executes in a slot's first block: its anchor is not a past one.
            executed, before = (
                None,
                history.block(self.mandate.anchor_of(decision.slot)),
            )
        else:
            # A decision that waited took the head, in its slot, when it was queued.
            executed = history.block(self.execution.taken_in)
            before = history.block(executed.number - 1)
        head = (
            history.standing(self.mandate.id, block=before).head
            if before.number >= self.court.granted_block
            else self.mandate.id
        )
        return check_chain.check_place(
            decision,
            mandate=self.mandate,
            executed_in=executed,
            head=head,
            history=history,
        )

    # Steps 5 to 9: on sound evidence only.

    def _observation(self) -> str:
        self.observation, sentence = check_evidence.check_observation(
            self._require_bundle(), mandate=self.mandate, history=self.court.history
        )
        return sentence

    def _request(self) -> str:
        bundle = self._require_bundle()
        self.manifests = check_evidence.check_manifests(
            bundle,
            mandate=self.mandate,
            chain_id=self.court.history.chain_id,
            gate=self.court.history.gate,
        )
        self.asked = check_evidence.check_request(
            bundle,
            manifests=self.manifests,
            observation=self._need(self.observation, step=5),
            mandate=self.mandate,
            find=self.court.find,
        )
        return check_evidence.check_prompt(
            bundle,
            asked=self.asked,
            manifests=self.manifests,
            replayer=self.court.replayer,
        )

    def _sampling(self) -> str:
        self.seeds, sentence = check_inference.check_sampling(
            self._require_bundle(),
            manifests=self._need(self.manifests, step=6),
            mandate=self.mandate,
        )
        return sentence

    def _tokens(self) -> str:
        manifests = self._need(self.manifests, step=6)
        if not self.passed(7):
            raise AuditUnavailableError("tokens", reason="step 7 was not passed")
        self.replays, sentence = check_inference.check_tokens(
            self._require_bundle(),
            manifests=manifests,
            seeds=self.seeds,
            replayer=self.court.replayer,
        )
        return sentence

    def _consequences(self) -> str:
        return check_inference.check_consequences(
            self._require_bundle(),
            manifests=self._need(self.manifests, step=6),
            asked=self._need(self.asked, step=6)[-1],
            mandate=self.mandate,
            replayer=self.court.replayer,
        )

    # Step 10.

    def _effects(self) -> str:
        source = self._source()
        if self.execution is None:
            sentence = check_effects.check_no_effects(source.calls, source.bounds)
            if self.waits:
                return "Not executed yet: the gate will hold it to its bounds."
            refused = refusals_in_words(
                self.court.refusals.get(self.digest, ()),
                digest=self.digest,
                node=source.node,
                chain_id=self.court.history.chain_id,
                gate=self.court.history.gate,
            )
            return f"{sentence} {refused}".rstrip()
        return check_effects.check_effects(
            self.mandate,
            execution=self.execution,
            calls=source.calls,
            bounds=source.bounds,
            block=self._executed_in(),
            history=self.court.history,
        )

    # Step 11, where it is claimed.

    def _claims_hardware(self) -> bool:
        """Whether hardware is claimed, or has to be: by a key that nobody named."""
        bundle = self._require_bundle()
        if not names_key(self.mandate, bundle.node):
            return True
        if "attestation" in bundle.withheld:
            return False
        return bool(bundle.content("attestation") != NO_HARDWARE)

    def _attestation(self) -> str:
        bundle = self._require_bundle()
        claim = AttestationClaim.from_json(
            check_evidence.section(bundle, "attestation")
        )
        if claim.contract is None:
            raise AuditRejectedError(
                "attestation",
                got=f"tier {claim.tier} by nobody",
                expected="the contract and workload that give it",
            )
        if not names_key(self.mandate, self._source().node) and not names_workload(
            self.mandate, contract=claim.contract, workload=claim.workload
        ):
            raise AuditRejectedError(
                "workload",
                got=f"{to_hex(claim.workload)} of {claim.contract}",
                expected="one that the mandate names",
            )
        error: RejectedError | None = None
        for state, now in self._moments():
            try:
                tier, sentence = check_attestation(
                    self.court.history.attestation(
                        claim.contract,
                        key=self._source().node,
                        workload=claim.workload,
                        block=state,
                    ),
                    node=self._source().node,
                    mandate=self.mandate,
                    block=now,
                    history=self.court.history,
                )
                # Endorsers may have vouched for the GPUs since.
                check_chain.at_most("tier in the evidence", claim.tier, limit=tier)
                self.attested = tier
                return sentence
            except RejectedError as rejected:
                error = rejected
        assert error is not None  # `_moments` is never empty
        raise error

    # What the steps share.

    def _source(self) -> Submission | EvidenceBundle:
        """Calldata if there is any, else verified evidence of the very same digest."""
        if self.submission is not None:
            return self.submission
        bundle = self._require_bundle()
        if bundle.digest != self.digest:
            raise AuditUnavailableError(
                "decision", reason="no calldata, other evidence"
            )
        return bundle

    def _receipts(self) -> tuple[InferenceReceipt, ...] | None:
        """The receipts of the very same digest; calldata has none."""
        if self.bundle is None or self.bundle.digest != self.digest:
            return None
        return self.bundle.receipts

    def _decision(self) -> Decision:
        return self._source().decision

    def _executed_in(self) -> Block:
        if self.execution is None:
            raise RuntimeError("not executed")
        if self.block is None:
            self.block = self.court.history.block(self.execution.block_number)
        return self.block

    def _present(self) -> Block:
        if self.now is None:
            raise RuntimeError("the newest block is not set")
        return self.now

    def _require_bundle(self) -> EvidenceBundle:
        if self.bundle is None:
            raise self.bundle_error or AuditUnavailableError(
                "evidence", reason="not found"
            )
        return self.bundle

    def _need(self, found: Found | None, *, step: int) -> Found:
        if found is None:
            raise AuditUnavailableError("this step", reason=f"step {step} did not pass")
        return found

    def passed(self, number: int) -> bool:
        """Say whether the step `number` was taken and passed."""
        return any(
            step.number == number and step.status is Status.PASS for step in self.steps
        )

    def _result(self) -> Examined:
        source = self._optional(self._source)
        decision = None if source is None else source.decision
        found = self._optional(self._facts) if self.sound else None
        calls = () if source is None else source.calls
        story = tell(
            mandate=self.mandate,
            execution=self.execution,
            bundle=self.bundle if self.sound else None,
            manifests=self.manifests,
            facts=found,
            calls=calls,
            bounds=() if source is None else source.bounds,
        )
        tier = max((permit.tier for permit in self.mandate.nodes), default=0)
        asked = max((rung.endorsements for rung in self.mandate.ladder), default=0)
        steps = tuple(self.steps)
        grades = grade_decision(
            steps,
            endorsements_asked=asked,
            tier=tier,
            attested=self.attested,
            named=source is None or names_key(self.mandate, source.node),
        )
        slot, node, previous = self._coordinates(source)
        anchor = self.mandate.anchor_of(slot)
        when = self._optional(
            lambda: (
                self.court.history.block(anchor)
                if self.execution is None
                else self._executed_in()
            )
        )
        executed = self.execution
        audit = DecisionAudit(
            digest=self.digest,
            kind=self._kind(None if source is None else source.calls),
            mandate=self.mandate.id,
            slot=slot,
            anchor=anchor,
            block=None if executed is None else executed.block_number,
            timestamp=None if when is None else when.timestamp,
            transaction=None if executed is None else executed.transaction.hash,
            node=node,
            previous=previous,
            outcome=ZERO_DIGEST if decision is None else outcome_of(decision),
            steps=steps,
            grades=grades,
            verdict=verdict_of(steps, grades, required=self.court.required),
            story=story,
        )
        return Examined(
            audit=audit,
            facts=found,
            manifests=self.manifests,
            reread=self.passed(5),
            replays=self.replays,
        )

    def _coordinates(
        self, source: Submission | EvidenceBundle | None
    ) -> tuple[int, Address, Digest]:
        """Slot, node and previous head: the event's word goes before anything else."""
        if self.execution is not None:
            event = self.execution.event
            return event.slot, event.node, event.previous
        if source is None:
            raise RuntimeError("neither event nor evidence")
        return source.decision.slot, source.node, source.decision.previous

    def _kind(self, calls: Sequence[Call] | None) -> Kind:
        if calls is None or (calls and self.execution is not None):
            return Kind.EXECUTED
        # A mandate may ask for its HOLDs to be recorded: those have an event as well.
        return Kind.UNUSED if calls else Kind.HELD

    def _facts(self) -> Facts:
        manifests = self._need(self.manifests, step=6)
        observation = self.observation or Observation.from_json(
            check_evidence.section(self._require_bundle(), "observation")
        )
        return facts(observation, names=manifests.program.observes, book=manifests.book)

    def _optional(self, ask: Callable[[], Found]) -> Found | None:
        try:
            return ask()
        except (RejectedError, UnavailableError):
            return None
