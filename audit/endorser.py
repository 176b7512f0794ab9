"""The endorser: it reproduces a decision before it is executed, and signs it or says
why not.

It vouches for exactly this: from its own chain endpoint and its own model folder it
took the audit's steps 1 to 9 on this decision and all of them passed, every token in an
exact replay in the sworn profile. Around the signature it also saw, at the newest
block, a live mandate that names it, a permitted key, the newest slot and the head. It
does not say that the plan is wise, and it holds no money. It signs the digest that it
computed itself from the decision, never one that it was handed. It trusts its own
endpoint, model folder, disk and key, and nobody who asks.

1. parse within limits; what is not this endorser's business; the offline steps;
2. what was signed or finally refused before is repeated;
3. one at a time per mandate;
4. the newest block;
5. within the mandate's quota and the engine's queue: rebuild, then replay;
6. the newest block once more;
7. sign, keep on disk, answer.

A HOLD is endorsed only where the mandate records holds on chain, because only there it
is executed; elsewhere the gate refuses it, and a signature would cost a replay for
nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from affiant.agents.deciding.phases import Phases
from affiant.audit.admission import Quota, Recent, Room, Turns, Turnstile
from affiant.audit.check_evidence import FindEvidence
from affiant.audit.court import Court
from affiant.audit.deadline import Deadline
from affiant.audit.desk import Desk, EndorserLimits, require_own
from affiant.audit.endorser_errors import (
    EndorsementRefusedError,
    EndorserBusyError,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.exact import ExactOnly
from affiant.audit.pending import Pending
from affiant.audit.result import Step
from affiant.audit.stored import StoredEvidence
from affiant.encoding import Digest, json_items, to_hex
from affiant.errors import MalformedError, RejectedError
from affiant.onchain.endorsement import Endorsement, checked
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceTooLargeError
from affiant.onchain.evidence_frame import unpack

ITEM_BYTES = 128
"""Memory of one parsed JSON value, estimated high (an object of one field takes two
marks, and 184 bytes)."""


@dataclass(frozen=True)
class Endorsed:
    """A decision as endorsed."""

    endorsement: Endorsement
    steps: tuple[Step, ...]
    """All ten; empty where it was signed before."""
    seconds: Mapping[str, float]
    """Seconds per part; never part of what is signed."""


class Endorser:
    """Reproduces and signs, for as many askers as its limits allow."""

    def __init__(
        self,
        desk: Desk,
        *,
        limits: EndorserLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up the queues.

        Args:
            desk: what it brings.
            limits: what it puts up with.
            clock: monotonic seconds.
        """
        limits = limits or EndorserLimits()
        self.desk = desk
        self.limits = limits
        self._clock = clock
        self._door = Turnstile("requests", inside=1, waiting=limits.reading_waiting)
        self._looks = Turnstile(
            "requests about the newest block",
            inside=limits.looking,
            waiting=limits.looking_waiting,
        )
        self._engines = {
            profile: Turnstile("replays", inside=1, waiting=limits.replaying_waiting)
            for profile in desk.profiles
        }
        self._turns = Turns("requests of one mandate", waiting=limits.mandate_waiting)
        self._quota = Quota("replays", per_slot=limits.walks_per_slot, most=10_000)
        self._room = Room("evidence held", limit=limits.held_bytes)
        self._refused: Recent[tuple[Step, ...]] = Recent(256)
        self._under_way = 0
        self._closing = False
        self._changed = threading.Condition()

    def endorse(self, data: bytes) -> Endorsed:
        """Return this endorser's signature over the decision in `data`.

        Args:
            data: a hostile evidence file, or its canonical JSON.

        Raises:
            EvidenceError, MalformedError: it is no evidence.
            NotEndorsedHereError: not this endorser's to endorse.
            AlreadySignedError: another decision of this slot was endorsed, or one of a
                later slot.
            EndorsementRefusedError: a step failed.
            EndorsementOpenError: a step could not be taken here and now.
            EndorserBusyError: no room, no turn, or this slot's replays are spent.
            SignedUnavailableError: the memory cannot be used.
        """
        phases = Phases(self._clock)
        deadline = Deadline(self.limits.request_seconds, clock=self._clock)
        with self._counted(), ExitStack() as stack:
            # 1.
            with self._door.turn(deadline):
                with phases.phase("parse"):
                    bundle = self._parsed(data, stack=stack)
                require_own(bundle, desk=self.desk)
                pending = self._pending(bundle, deadline=deadline, phases=phases)
                pending.read()
            digest = bundle.decision.digest(
                chain_id=self.desk.chain.chain_id, gate=self.desk.gate
            )
            # 2. and 3. Whoever waited may find it signed.
            self._repeat_refusal(digest)
            turn = self._turns.turn(bundle.decision.mandate, deadline=deadline)
            earlier = self.desk.signed.endorsement(bundle.decision, digest=digest)
            if earlier is None:
                stack.enter_context(turn)
                self._repeat_refusal(digest)
                earlier = self.desk.signed.endorsement(bundle.decision, digest=digest)
            if earlier is not None:
                return Endorsed(earlier, (), MappingProxyType(phases.seconds))
            # 4.
            self._look(pending, deadline=deadline)
            # 5.
            self._quota.spend(bundle.decision.mandate, slot=bundle.decision.slot)
            with self._engines[bundle.mandate.engine].turn(deadline):
                pending.rebuild()
                try:
                    pending.replay()
                except EndorsementRefusedError as error:
                    # In the sworn profile it would come out the same again.
                    self._refused.keep(digest, error.steps)
                    raise
            # 6.
            self._look(pending, deadline=deadline)
            # 7.
            with phases.phase("sign"):
                endorsement = self._sign(bundle, digest=digest)
            return Endorsed(
                endorsement, pending.steps, MappingProxyType(phases.seconds)
            )

    def close(self) -> None:
        """Take no more requests, wait for those under way, and end the engines."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(
                lambda: not self._under_way, timeout=self.limits.closing_seconds
            )
        for bench in self.desk.benches:
            close = getattr(bench.replayer, "close", None)
            if close is not None:
                close()
        self.desk.signed.close()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            if self._closing:
                raise EndorserBusyError("requests while it stops", limit="0")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _parsed(self, data: bytes, *, stack: ExitStack) -> EvidenceBundle:
        """Parse within limits; the room that it takes is held until `stack` closes."""
        plain, limits = plain_of(data), self.limits
        items = json_items(plain)
        for what, got, limit in (
            ("JSON text for an endorser", len(plain), limits.evidence_bytes),
            ("JSON values for an endorser", items, limits.evidence_items),
        ):
            if got > limit:
                raise EvidenceTooLargeError(what, got=got, limit=limit)
        stack.enter_context(self._room.hold(len(plain) + items * ITEM_BYTES))
        return EvidenceBundle.from_plain(plain)

    def _pending(
        self, bundle: EvidenceBundle, *, deadline: Deadline, phases: Phases
    ) -> Pending:
        desk, present = self.desk, self.desk.present()
        evidence = StoredEvidence(desk.store, mandate=bundle.mandate, history=present)
        court = Court(
            history=present,
            mandate=bundle.mandate,
            granted_block=0,
            find=_or_open(evidence.find),
            replayer=ExactOnly(
                desk.profiles[bundle.mandate.engine].replayer,
                secretive=True,
                # A decision may rest on several inferences.
                before=deadline.check,
            ),
            required="reproduced",
            audited=None,
            refusals={},
        )
        return Pending(bundle, court=court, deadline=deadline, phases=phases)

    def _repeat_refusal(self, digest: Digest) -> None:
        steps = self._refused.get(digest)
        if steps is not None:
            raise EndorsementRefusedError(digest, steps=steps)

    def _look(self, pending: Pending, *, deadline: Deadline) -> None:
        with self._looks.turn(deadline):
            pending.look(self.desk.present())

    def _sign(self, bundle: EvidenceBundle, *, digest: Digest) -> Endorsement:
        signature = self.desk.key.sign(digest)
        try:
            checked(digest, endorser=self.desk.address, signature=signature)
        except MalformedError as error:
            raise RuntimeError("the signer signs something else") from error
        return self.desk.signed.keep_endorsement(
            bundle.decision, node=bundle.node, digest=digest, signature=signature
        )


def _or_open(find: FindEvidence) -> FindEvidence:
    """Return `find`, to which damaged evidence is as good as none.

    It is of the decision before, from a store that anybody may write to: it says
    nothing against the decision asked about.
    """

    def found(digest: Digest) -> EvidenceBundle:
        try:
            return find(digest)
        except RejectedError as error:
            raise AuditUnavailableError(
                f"evidence {to_hex(digest)}",
                reason=f"what the store has is refused: {type(error).__name__}",
            ) from error

    return found


def plain_of(data: bytes) -> bytes:
    """Return the canonical JSON in `data`: an evidence file, or the JSON itself.

    Raises:
        EvidenceTooLargeError, EvidenceCorruptError: as `unpack`.
    """
    return data if data[:1] == b"{" else unpack(data)
