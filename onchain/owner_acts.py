"""What owners, guardians and endorsers can do about a mandate besides granting it.

Stop and resume it, cancel what waits, ban a key, bring what endorsers signed, set the
grant delay; and what a node key can do about itself. Each act says what it will do,
who has to make the call, and afterwards what came of it. Who is permitted what, the
gate and the registry decide: `ask` asks them, before anything is signed. Nothing is
sent here, and no key is held. It trusts the endpoint behind the clients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.checkpoint import Checkpoint
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import NATIVE, Address
from affiant.onchain.signed_statement import SignedStatement, joined_statements
from affiant.onchain.words_proof import duration

Role = Literal["account", "guardian", "endorser"]
"""In whose name somebody acts."""


class ActRefusedError(RejectedError):
    """Nobody can, or this key cannot, do what was asked."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class Act:
    """One call, in words."""

    says: tuple[str, ...]
    """What it will do, and what it will not."""
    call: CallRequest
    """`sender` is who has to make it."""
    outcome: Callable[[], str]
    """Asks the chain what came of it."""

    @property
    def sender(self) -> Address:
        """Who has to make the call."""
        if self.call.sender is None:
            raise ValueError("an act without a sender")
        return self.call.sender


def ask(chain: Chain, call: CallRequest) -> None:
    """Ask the chain whether `call` would succeed now.

    Raises:
        ContractError: it would not; the subclass is the contract's own error.
        ChainUnavailableError.
    """
    try:
        chain.call(call.target, call.data, sender=call.sender)
    except CallRevertedError as error:
        raise decode_revert(error.data) from error


def who_is(
    gate: GateClient, mandate_id: Digest, *, role: Role, key: Address | None
) -> Address:
    """Return the address that acts on a mandate in a role.

    Args:
        key: of whoever is about to sign, where that is known; an endorser is one of
            several.

    Raises:
        ActRefusedError: the mandate has none, or `key` is no endorser of it.
        GateMandateUnknownError: nobody granted it.
    """
    mandate = gate.mandate_of(mandate_id)
    if role == "account":
        return mandate.account
    if role == "guardian":
        if mandate.guardian == NATIVE:
            raise ActRefusedError("guardian", got="none", expected="one in the mandate")
        return mandate.guardian
    if not mandate.endorsers or key not in (None, *mandate.endorsers):
        raise ActRefusedError(
            "endorser", got=str(key), expected=f"one of {[*mandate.endorsers]}"
        )
    return mandate.endorsers[0] if key is None else key


def ban(gate: GateClient, mandate_id: Digest, *, key: Address) -> Act:
    """Return the account's act that bans a node key from a mandate for good."""
    mandate = gate.mandate_of(mandate_id)
    named = key in [permit.key for permit in mandate.nodes]
    says = [
        f"ban the node key {key} from the mandate {to_hex(mandate_id)}, at once and "
        "for good: nothing that it signed executes any more"
    ]
    if not named:
        says.append("mind: the mandate does not name this key")
    if mandate.workloads:
        says.append(
            "mind: the mandate permits keys by measurement too, and whoever runs that "
            "workload can attest another key; revoking the mandate ends that"
        )
    return Act(
        tuple(says),
        gate.ban_key_call(mandate_id, key=key, account=mandate.account),
        lambda: (
            f"{key} is banned"
            if gate.is_banned(mandate_id, key=key)
            else f"{key} IS NOT BANNED"
        ),
    )


def stop(gate: GateClient, mandate_id: Digest, *, until: int, sender: Address) -> Act:
    """Return the act of account or guardian that stops a mandate.

    Args:
        until: unix seconds, exclusive.
        sender: which of the two.
    """
    return Act(
        (
            f"stop the mandate {to_hex(mandate_id)} until {_time(until)}: nothing "
            "executes until then, unless the account resumes it",
        ),
        gate.stop_call(mandate_id, until=until, sender=sender),
        lambda: _standing(gate, mandate_id),
    )


def resume(gate: GateClient, mandate_id: Digest) -> Act:
    """Return the account's act that lifts a stop."""
    account = gate.mandate_of(mandate_id).account
    return Act(
        (
            f"lift the stop of the mandate {to_hex(mandate_id)}",
            "mind: its guardian can then stop it once more",
        ),
        gate.resume_call(mandate_id, account=account),
        lambda: _standing(gate, mandate_id),
    )


def cancel(gate: GateClient, mandate_id: Digest, *, sender: Address) -> Act:
    """Return the act of account, guardian or an endorser that cancels what waits.

    Raises:
        ActRefusedError: nothing waits.
    """
    state = gate.state_of(mandate_id)
    if not state.queued_at:
        raise ActRefusedError(
            "queue", got="nothing that waits", expected="a queued decision"
        )

    def outcome() -> str:
        waits = gate.state_of(mandate_id).queued_at
        return "it STILL WAITS" if waits else "nothing waits any more"

    return Act(
        (
            f"cancel the queued decision {to_hex(state.head)}; it can never be queued "
            "again, and the next one follows it",
        ),
        gate.cancel_call(mandate_id, digest=state.head, sender=sender),
        outcome,
    )


def set_grant_delay(gate: GateClient, account: Address, *, seconds: int) -> Act:
    """Return the account's act that sets how long its future grants wait."""
    now = gate.grant_delay_of(account)
    says = [
        f"let future grants of {account} wait {duration(seconds)}, where they wait "
        f"{duration(now)} now"
    ]
    if seconds < now:
        says.append(f"mind: a shorter delay holds only after {duration(now)}")
    return Act(
        tuple(says),
        gate.set_grant_delay_call(seconds, account=account),
        lambda: f"a grant made now would wait {gate.grant_delay_of(account)} seconds",
    )


def bring(
    gate: GateClient, signed: Sequence[SignedStatement], *, sender: Address
) -> Act:
    """Return anybody's act that brings what endorsers signed to the gate.

    Args:
        signed: at least one; all of the same checkpoint, or of the same verdict.

    Raises:
        ActRefusedError: it was signed for another gate or chain.
        MalformedError: they are not all of the same statement.
    """
    joined = joined_statements(signed)
    first = signed[0]
    if (first.chain_id, first.gate) != (gate.chain.chain_id, gate.address):
        raise ActRefusedError(
            f"gate of the {first.kind}",
            got=f"{first.gate} on chain {first.chain_id}",
            expected=f"{gate.address} on chain {gate.chain.chain_id}",
        )
    by = f"signed by {len({item.endorser for item in signed})} endorsers"
    statement = first.statement
    if isinstance(statement, Checkpoint):
        return Act(
            (
                f"bring the checkpoint of the mandate {to_hex(statement.mandate)} at "
                f"block {statement.anchor}, {by}: what was executed up to the head "
                f"{to_hex(statement.head)} counts as audited",
            ),
            gate.checkpoint_call(statement, signatures=joined, sender=sender),
            lambda: (
                f"the unaudited outflow is {gate.state_of(statement.mandate).unaudited}"
                ", with 8 decimals"
            ),
        )
    return Act(
        (
            f"bring the verdict on the node key {statement.key}, {by}: it is banned "
            f"from the mandate {to_hex(statement.mandate)} for good",
        ),
        gate.verdict_call(statement, signatures=joined, sender=sender),
        lambda: (
            f"{statement.key} is banned"
            if gate.is_banned(statement.mandate, key=statement.key)
            else f"{statement.key} IS NOT BANNED"
        ),
    )


def _standing(gate: GateClient, mandate_id: Digest) -> str:
    state = gate.state_of(mandate_id)
    if state.revoked:
        return "the mandate is revoked"
    if state.block.timestamp < state.stopped_until:
        return f"the mandate is stopped until {_time(state.stopped_until)}"
    return "the mandate is not stopped"


def _time(seconds: int) -> str:
    """Return unix seconds for a person; years that no calendar has, as a number."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"unix second {seconds}"
