"""May a mandate act in a slot now? Asked by nodes and agents; the gate asks again.

It decides nothing that the gate does not decide better; it saves an inference and a
transaction that would be refused. It trusts the chain endpoint that it is given.
"""

from __future__ import annotations

from affiant.agents.errors import HeadWaitsError, NotLiveError, SlotRefusedError
from affiant.encoding import Digest
from affiant.onchain.chain_types import Block
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Mandate


def live_head(
    gate: GateClient, *, mandate: Mandate, slot: int, latest: Block
) -> Digest:
    """Return the gate's head of `mandate`, if it may act in `slot` now.

    Args:
        latest: the newest block.

    Raises:
        SlotRefusedError: another slot is the newest, or this one was used.
        NotLiveError: unknown, revoked, stopped, expired or not live yet.
        HeadWaitsError: a queued decision has the head.
    """
    newest = mandate.slot_of(latest.number)
    if slot != newest:
        raise SlotRefusedError(slot, newest=newest)
    state = gate.state_of(mandate.id, block=latest)
    now = latest.timestamp
    for stops, reason in (
        (state.account != mandate.account, "unknown to the gate"),
        (state.revoked, "revoked"),
        (now < state.live_from, f"not live before {state.live_from}, it is {now}"),
        (now >= mandate.expiry, f"expired at {mandate.expiry}, it is {now}"),
        (
            now < state.stopped_until,
            f"stopped until {state.stopped_until}, it is {now}",
        ),
    ):
        if stops:
            raise NotLiveError(mandate.id, state=reason)
    if state.queued_at and now <= state.queued_until:
        reason = f"waiting for a queued decision until {state.queued_until}"
        raise HeadWaitsError(mandate.id, state=f"{reason}, it is {now}")
    if slot < state.next_slot:
        raise SlotRefusedError(slot, newest=newest, next_slot=state.next_slot)
    return state.head
