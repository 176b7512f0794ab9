"""Opening evidence: verified, and rebuilt as far as one file and a model folder allow.

It takes those of the audit's numbered steps that need no chain: 3 (sections under the
sworn root), 6 (requests and prompts rebuilt), 7 (sampling and seeds), 9 (plan, calls
and bounds derived); step 8 is `inferences`'. What it cannot see offline it does not
claim: that the reads are the chain's, the key permitted, the decision executed. What a
request says of the decision before is taken from the request itself, which is sworn;
that decision's evidence is not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.agents.deciding.derive import Asked, derive_plan
from affiant.agents.deciding.reach import Situation
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.request import PreviousSummary
from affiant.audit.check_evidence import (
    Manifests,
    check_bundle,
    check_manifests,
    check_prompt,
    rebuild_requests,
    require_model,
    section,
)
from affiant.audit.check_inference import (
    check_consequences,
    check_sampling,
    seeds_of,
    stated_plan,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.replayer import FolderReplayer
from affiant.audit.result import Step
from affiant.audit.steps import take
from affiant.encoding import Digest
from affiant.errors import RejectedError, UnavailableError
from affiant.inference.engine import Engine
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.observation import Observation


@dataclass(frozen=True)
class Opened:
    """Verified evidence of one decision, and what follows from it."""

    bundle: EvidenceBundle
    digest: Digest
    replayer: FolderReplayer | None
    manifests: Manifests | None
    """None where withheld, or not what was sworn."""
    asked: tuple[Asked, ...]
    """One per inference; empty where they cannot be rebuilt."""
    situation: Situation | None
    """What the plan's request follows from; None likewise. It holds the plan."""
    plan: Plan | None
    """The stated one; else, with the model's tokenizer, what the tokens say."""
    seeds: tuple[Digest | None, ...]
    """One per inference of the program; empty without manifests."""
    steps: tuple[Step, ...]
    """3, 6, 7 and 9."""

    def need_manifests(self) -> Manifests:
        """Return the manifests.

        Raises:
            AuditUnavailableError: withheld, or not what was sworn.
        """
        if self.manifests is None:
            raise AuditUnavailableError("manifests", reason="step 6 was not passed")
        return self.manifests

    def need_situation(self) -> Situation:
        """Return what the plan's request follows from.

        Raises:
            AuditUnavailableError: it cannot be rebuilt.
        """
        if self.situation is None:
            raise AuditUnavailableError("request", reason="step 6 was not passed")
        return self.situation

    @property
    def limits(self) -> ReplayLimits:
        """What the auditor gives a replay."""
        return ReplayLimits() if self.replayer is None else self.replayer.limits

    def engine(self, *, index: int, tokens: int = 0) -> Engine:
        """Return the engine that explains inference number `index`.

        Args:
            index: from 0.
            tokens: of prompt and output, where they are to be replayed.

        Raises:
            AuditUnavailableError: no folder of the sworn model, no engine, or no room.
        """
        model = require_model(
            self.replayer, model=self.bundle.receipts[index].model, what="tokens"
        )
        model.limits.require_room(tokens)
        return model.engine_for(self.need_manifests().engine)


def open_evidence(bundle: EvidenceBundle, *, replayer: FolderReplayer | None) -> Opened:
    """Verify `bundle` and rebuild what it swears to.

    Args:
        replayer: the sworn model's folder, where it is at hand.

    Raises:
        EvidenceMismatchError, MalformedError: it is not what was sworn; nothing of it
            is looked at.
    """
    digest = verify_evidence(bundle)
    return _Opening(bundle, digest=digest, replayer=replayer).go()


class _Opening:
    """What is known while the steps are taken."""

    def __init__(
        self, bundle: EvidenceBundle, *, digest: Digest, replayer: FolderReplayer | None
    ) -> None:
        self.bundle = bundle
        self.digest = digest
        self.replayer = replayer
        self.manifests: Manifests | None = None
        self.observation: Observation | None = None
        self.previous: PreviousSummary | None = None
        self.asked: tuple[Asked, ...] = ()

    def go(self) -> Opened:
        """Take the steps in order; a later one does not need an earlier one to pass."""
        steps = (
            take(3, self._evidence),
            take(6, self._requests),
            take(7, self._sampling),
            take(9, self._consequences),
        )
        plan = self._plan()
        return Opened(
            bundle=self.bundle,
            digest=self.digest,
            replayer=self.replayer,
            manifests=self.manifests,
            asked=self.asked,
            situation=self._situation(plan),
            plan=plan,
            seeds=()
            if self.manifests is None
            else seeds_of(
                self.bundle,
                program=self.manifests.program,
                mandate=self.bundle.mandate,
            ),
            steps=steps,
        )

    def _evidence(self) -> str:
        return check_bundle(
            self.bundle, decision=self.bundle.decision, digest=self.digest
        )

    def _requests(self) -> str:
        bundle, mandate = self.bundle, self.bundle.mandate
        self.manifests = check_manifests(
            bundle, mandate=mandate, chain_id=bundle.chain_id, gate=bundle.gate
        )
        observation = Observation.from_json(section(bundle, "observation"))
        previous = self._previous()
        self.asked = rebuild_requests(
            bundle,
            manifests=self.manifests,
            observation=observation,
            mandate=mandate,
            previous=previous,
        )
        self.observation, self.previous = observation, previous
        found = check_prompt(
            bundle, asked=self.asked, manifests=self.manifests, replayer=self.replayer
        )
        if previous is None:
            return found
        return (
            f"{found} The decision before is as the request states it; its evidence "
            "was not looked at."
        )

    def _previous(self) -> PreviousSummary | None:
        """Return what the sworn request says of the decision before."""
        if self.bundle.decision.previous == self.bundle.mandate.id:
            return None
        return PreviousSummary.stated(section(self.bundle, "requests")[-1])

    def _sampling(self) -> str:
        manifests = self._need_manifests()
        return check_sampling(
            self.bundle, manifests=manifests, mandate=self.bundle.mandate
        )[1]

    def _consequences(self) -> str:
        manifests = self._need_manifests()
        if not self.asked:
            raise AuditUnavailableError("calls", reason="step 6 was not passed")
        return check_consequences(
            self.bundle,
            manifests=manifests,
            asked=self.asked[-1],
            mandate=self.bundle.mandate,
            replayer=self.replayer,
        )

    def _need_manifests(self) -> Manifests:
        if self.manifests is None:
            raise AuditUnavailableError("manifests", reason="step 6 was not passed")
        return self.manifests

    def _plan(self) -> Plan | None:
        if self.manifests is None:
            return None
        try:
            return stated_plan(self.bundle, manifests=self.manifests)
        except (RejectedError, UnavailableError):
            return self._said_plan(self.manifests)

    def _said_plan(self, manifests: Manifests) -> Plan | None:
        """Return the plan that the output tokens say, where they can be read."""
        model = self.replayer
        if model is None or model.root != self.bundle.receipts[-1].model:
            return None
        try:
            text = model.decode(section(self.bundle, "tokens")[-1]["output"])
            return derive_plan(text, program=manifests.program, book=manifests.book)
        except (RejectedError, UnavailableError, OverflowError):
            return None

    def _situation(self, plan: Plan | None) -> Situation | None:
        if self.manifests is None or self.observation is None:
            return None
        answers = self.asked[-1].request["answers"]
        return Situation(
            program=self.manifests.program,
            book=self.manifests.book,
            mandate=self.bundle.mandate,
            slot=self.bundle.decision.slot,
            observation=self.observation,
            previous=self.previous,
            answers=tuple(item["answer"] for item in answers),
            plan=plan,
        )
