"""Whether a person must approve a decision, and whether they have.

The owner sets a value; the gate's own measure of the decision's value at risk, taken
from its simulation, is compared with it. This module decides that an approval counts
for one digest and only while the decision can still be executed: in its slot, and
before it is over by the chain's clock. It trusts the agent's own chain endpoint and the
journal's database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from affiant.agents.durable.approvals import ApprovalRefusedError, Asked
from affiant.agents.running.progress import Progress
from affiant.agents.running.surroundings import Surroundings
from affiant.encoding import Digest
from affiant.onchain.mandate import VALUE_DECIMALS, Mandate
from affiant.onchain.words_proof import dollars


class ApprovalSection(BaseModel):
    """`[approval]` of an agent's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    above: Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,8})?$")] | None = None
    """A person is asked about decisions that put more than this at risk, in the feeds'
    quote currency, such as "1000"; nobody is asked where it is not given."""

    @property
    def value(self) -> int | None:
        """The same with 8 decimals."""
        if self.above is None:
            return None
        whole, _, part = self.above.partition(".")
        return int(whole + part.ljust(VALUE_DECIMALS, "0"))


@dataclass(frozen=True)
class AskedFor:
    """Where a decision stands with whoever approves."""

    state: str
    """`unneeded`, `asked` or `approved`."""
    new: Asked | None = None
    """What was asked just now."""


def ask_for_approval(progress: Progress, *, around: Surroundings) -> AskedFor:
    """Ask, or see what was answered.

    1. is it above the value? 2. can it still be executed? 3. what was said?

    Raises:
        ApprovalRefusedError: a person said no, or nothing in time.
    """
    bundle, value = progress.bundle, progress.value_at_risk
    # 1.
    if around.approve_above is None:
        return AskedFor("unneeded")
    if bundle is None or value is None:
        raise RuntimeError("approve before simulate")
    if value <= around.approve_above:
        return AskedFor("unneeded")
    # 2.
    digest, state = bundle.digest, around.approvals.state(bundle.digest)
    request = Asked(
        digest=digest,
        slot=progress.slot,
        value=value,
        last_block=last_block(around.mandate, slot=progress.slot),
        valid_until=bundle.decision.valid_until,
        detail={
            "value": dollars(value),
            "plan": None
            if progress.derived is None
            else progress.derived.plan.to_json(),
            "calls": [call.to_json() for call in bundle.calls],
            "bounds": [str(bound) for bound in bundle.bounds],
        },
    )
    latest = around.chain.latest_block()
    if latest.number > request.last_block or latest.timestamp > request.valid_until:
        raise ApprovalRefusedError(
            digest, got=f"{_said(state)} when it could not be executed any more"
        )
    # 3.
    if state in ("rejected", "closed"):
        raise ApprovalRefusedError(digest, got=_said(state))
    if state == "approved":
        return AskedFor("approved")
    if state is None:
        around.approvals.ask(request)
    return AskedFor("asked", new=request if state is None else None)


def last_block(mandate: Mandate, *, slot: int) -> int:
    """Return the newest block on top of which a decision of `slot` can be mined."""
    return (slot + 1) * mandate.cadence - 2


def _said(state: str | None) -> str:
    return {
        "approved": "an approval",
        "rejected": "a rejection",
        "closed": "an end of its run",
    }.get(str(state), "no answer")


def still_open(digest: Digest, *, around: Surroundings) -> bool:
    """Return whether a person has yet to answer, and their answer would still count.

    It asks the chain for one block and nothing else: cheap enough for every look.
    """
    for asked in around.approvals.pending():
        if asked.digest == digest:
            latest = around.chain.latest_block()
            return (
                latest.number <= asked.last_block
                and latest.timestamp <= asked.valid_until
            )
    return False
