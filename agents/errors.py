"""What can go wrong while an agent or its node decides, checks and submits.

    RejectedError
    ├── NotServedError            the mandate names another program, model, engine, key
    ├── NotLiveError              the gate does not let the mandate act now
    │   └── HeadWaitsError            a queued decision has the head
    ├── SlotRefusedError          the slot is not the newest, or has acted already
    ├── PreviousMissingError      the evidence behind the head is not to be had
    ├── PlanRefusedError          the model's text is no plan, or cannot be carried out
    ├── WrongDecisionError        the node swore something else than was asked
    ├── DerivationMismatchError   what the node swore does not re-derive
    ├── TooLateError              the decision came when its slot was over
    ├── NodeRefusedError          the node answered with a refusal
    ├── EndorserRefusedError      an endorser answered with a refusal
    ├── EndorsementsRefusedError  too many endorsers refused for the rung to be met
    ├── AlreadySentError          this decision was sent before; never sent twice
    ├── SlotSentError             another decision of this slot was sent before
    ├── SimulatedBoundsError      a simulation succeeded that misses the sworn bounds
    ├── RevertedError             the transaction was mined and reverted
    ├── NotWaitingError           a decision to be released that waits in no queue
    ├── QueueCancelledError       a queued decision was cancelled
    ├── QueueExpiredError         its validity ended before it passed
    ├── QueueSupersededError      another has taken the head since
    ├── QueueStoppedError         its mandate was revoked, or has expired
    ├── CancelledError            never mined in time: its nonce was used up instead
    ├── TransactionGoneError      never mined in time, and nobody has it
    ├── ConfigError               the configuration is not what is expected
    │   └── ConfigFileError           (`config_report`) all that is wrong in one file
    ├── JournalVersionError       (`database`) another version's, or no journal
    ├── JournalTruncatedError     (`database`) the journal has lost its end
    ├── CheckpointRefusedError    (`checkpoints`) another version's, or not ours
    ├── RunRefusedError           (`restore`) refused before the process ended
    ├── ApprovalRefusedError      (`approvals`) a person said no, or nothing in time
    └── NotPendingError           (`approvals`) nobody is asked about that decision
    UnavailableError
    ├── NodeUnavailableError      no usable answer from the node in time
    ├── NodesExhaustedError       none of several nodes gave a decision that holds
    ├── EndorserUnavailableError  no usable answer from an endorser in time
    ├── EndorsementsLackingError  not enough endorsers answered in time
    ├── KeyNotAttestedError       the node's key is not attested now
    ├── NodeBusyError             the node has no room for another decision
    ├── ServerBusyError           a service of ours has no room for another request
    ├── DecisionTimeoutError      the node needed too long; ask again later
    ├── JournalError              (`database`) the agent's memory cannot be used
    ├── CheckpointError           (`checkpoints`) nor that of where a run is
    ├── RunInterruptedError       (`restore`) unavailable before the process ended
    ├── AgentLockedError          (`lock`) another process runs the agent
    └── AnsweredUnavailableError  (`answered`) the node's memory cannot be used
    ValueError (misuse)
    └── ProgramDefinitionError    a `VerifiedAgent` subclass that is no program

Hostile bytes are refused by `MalformedError` (`affiant.errors`), chain and contract
errors live in `affiant.onchain.errors`, the planner's in
`affiant.agents.programs.plan_errors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import RejectedError, UnavailableError


class ProgramDefinitionError(ValueError):
    """A `VerifiedAgent` subclass does not define a program (our user's bug)."""


class NotServedError(RejectedError):
    """The mandate does not name what this node serves."""

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(
            f"mandate `{field}` is not served here: got {got}, expected {expected}"
        )
        self.field = field
        self.got = got
        self.expected = expected


class KeyNotAttestedError(UnavailableError):
    """The node's own key is not attested now; it swears nothing until it is again."""

    def __init__(self, key: str, *, reason: str) -> None:
        super().__init__(f"key {key} is not attested: {reason}")
        self.key = key
        self.reason = reason


class NotLiveError(RejectedError):
    """The gate does not let the mandate act now."""

    def __init__(self, mandate: Digest, *, state: str) -> None:
        super().__init__(f"mandate {to_hex(mandate)}: got state {state}, expected live")
        self.mandate = mandate
        self.state = state


class HeadWaitsError(NotLiveError):
    """A queued decision has the head: until its wait is over, no other one acts."""


class SlotRefusedError(RejectedError):
    """The slot is not the newest one, or has acted already."""

    def __init__(self, slot: int, *, newest: int, next_slot: int | None = None) -> None:
        expected = (
            f"the newest, {newest}"
            if next_slot is None
            else f"at least {next_slot}: it has acted already"
        )
        super().__init__(f"slot: got {slot}, expected {expected}")
        self.got = slot
        self.expected = expected


class PreviousMissingError(RejectedError):
    """The evidence behind the head cannot be had, so no request can be built."""

    def __init__(self, head: Digest, *, reason: str) -> None:
        super().__init__(
            f"evidence of the head {to_hex(head)}: got {reason}, expected its bundle"
        )
        self.head = head
        self.reason = reason


class PlanRefusedError(RejectedError):
    """The model's text is no plan of the program, or the plan cannot be carried out.

    Nothing is signed. `text` is what the model said, shortened.
    """

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(f"plan refused: {reason}; the model said {text[:400]!r}")
        self.text = text[:4000]
        self.reason = reason


class WrongDecisionError(RejectedError):
    """The node swore a decision, but not the one that was asked for."""

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(f"decision `{field}`: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class DerivationMismatchError(RejectedError):
    """A step of what the node swore does not re-derive from the step before."""

    def __init__(self, step: str, *, got: str, expected: str) -> None:
        super().__init__(
            f"{step} does not re-derive: got {got}, expected {expected}"[:1000]
        )
        self.step = step
        self.got = got
        self.expected = expected


class TooLateError(RejectedError):
    """The decision came when it could no longer be executed."""

    def __init__(self, what: str, *, got: int, limit: int) -> None:
        super().__init__(f"{what}: got {got}, expected at most {limit}")
        self.what = what
        self.got = got
        self.limit = limit


class NodeRefusedError(RejectedError):
    """The node answered with a refusal; `error` is the name it gave."""

    def __init__(self, *, status: int, error: str, message: str) -> None:
        super().__init__(f"node refused ({status}): {error}: {message}"[:1000])
        self.status = status
        self.error = error
        self.message = message


class EndorserRefusedError(RejectedError):
    """An endorser answered with a refusal; `error` is the name it gave."""

    def __init__(self, url: str, *, status: int, error: str, message: str) -> None:
        super().__init__(
            f"endorser {url} refused ({status}): {error}: {message}"[:1000]
        )
        self.url = url
        self.status = status
        self.error = error
        self.message = message


class EndorsementsRefusedError(RejectedError):
    """So many endorsers refused that the rung cannot be met; `reasons` say why."""

    def __init__(self, *, got: int, needed: int, reasons: Sequence[str]) -> None:
        super().__init__(_endorsements(got, needed, reasons))
        self.got = got
        self.needed = needed
        self.reasons = tuple(reasons)


class AlreadySentError(RejectedError):
    """The journal says that this decision was sent before; it is never sent twice."""

    def __init__(self, digest: Digest, *, transaction: str) -> None:
        super().__init__(f"decision {to_hex(digest)} was already sent as {transaction}")
        self.digest = digest
        self.transaction = transaction


class SlotSentError(RejectedError):
    """Another decision of this slot was sent before: never two for one slot."""

    def __init__(self, slot: int, *, digest: Digest, transaction: str) -> None:
        super().__init__(
            f"slot {slot}: decision {to_hex(digest)} was sent before, as {transaction}"
        )
        self.slot = slot
        self.digest = digest
        self.transaction = transaction


class SimulatedBoundsError(RejectedError):
    """A simulation says that the gate executes what it must refuse: the endpoint lies,
    or measures something else than the gate."""

    def __init__(self, token: str, *, got: int, bound: int) -> None:
        super().__init__(
            f"simulated change of {token}: got {got}, expected at least {bound}"
        )
        self.token = token
        self.got = got
        self.bound = bound


class CancelledError(RejectedError):
    """The decision was not mined in time; an empty transfer used up its nonce."""

    def __init__(self, *, transaction: str, by: str) -> None:
        super().__init__(
            f"transaction {transaction}: not mined in time, cancelled by {by}"
        )
        self.transaction = transaction
        self.by = by


class TransactionGoneError(RejectedError):
    """The transaction was not mined in time, and no endpoint has it."""

    def __init__(self, *, transaction: str, reason: str) -> None:
        super().__init__(f"transaction {transaction}: {reason}")
        self.transaction = transaction
        self.reason = reason


class RevertedError(RejectedError):
    """The transaction was mined and reverted; nothing of it happened but the fee."""

    def __init__(self, *, transaction: str, reason: str) -> None:
        super().__init__(f"transaction {transaction} reverted: {reason}")
        self.transaction = transaction
        self.reason = reason


class NotWaitingError(RejectedError):
    """A decision is to be executed after its delay that the journal has in no queue."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(
            f"decision {to_hex(digest)}: got one that does not wait, expected a queued"
        )
        self.digest = digest


class QueueCancelledError(RejectedError):
    """A queued decision was cancelled by somebody whom its mandate lets do that."""

    def __init__(self, digest: Digest, *, by: str) -> None:
        super().__init__(f"queued decision {to_hex(digest)}: cancelled by {by}")
        self.digest = digest
        self.by = by


class QueueExpiredError(RejectedError):
    """A queued decision was not executed while it was valid."""

    def __init__(
        self, digest: Digest, *, valid_until: int, now: int, reason: str
    ) -> None:
        super().__init__(
            f"queued decision {to_hex(digest)}: got block time {now}, expected at most "
            f"{valid_until}; {f'it did not pass: {reason}' if reason else 'not sent'}"
        )
        self.digest = digest
        self.valid_until = valid_until
        self.reason = reason


class QueueSupersededError(RejectedError):
    """A queued decision's wait was over, and another decision has the head."""

    def __init__(self, digest: Digest, *, head: Digest) -> None:
        super().__init__(
            f"queued decision {to_hex(digest)}: never executed, and the head is now "
            f"{to_hex(head)}"
        )
        self.digest = digest
        self.head = head


class QueueStoppedError(RejectedError):
    """A queued decision's mandate can act no more."""

    def __init__(self, digest: Digest, *, reason: str) -> None:
        super().__init__(f"queued decision {to_hex(digest)}: {reason}")
        self.digest = digest
        self.reason = reason


class ConfigError(RejectedError):
    """The configuration is not what is expected."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}"[:2000])
        self.what = what
        self.got = got
        self.expected = expected


class NodeUnavailableError(UnavailableError):
    """The node gave no usable answer in time."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"node {url}: {reason}")
        self.url = url
        self.reason = reason


class NodesExhaustedError(UnavailableError):
    """None of several nodes gave an answer; `reasons` say why, node by node."""

    def __init__(self, *, tried: Sequence[str], reasons: Sequence[str]) -> None:
        refused = [f"{url}: its decision was refused" for url in tried]
        super().__init__(f"every node: {'; '.join([*refused, *reasons])}"[:2000])
        self.tried = tuple(tried)
        self.reasons = tuple(reasons)


class EndorserUnavailableError(UnavailableError):
    """An endorser gave no usable answer in time, or could not tell."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"endorser {url}: {reason}"[:1000])
        self.url = url
        self.reason = reason


class EndorsementsLackingError(UnavailableError):
    """Not enough endorsers answered in time; asking again may do better."""

    def __init__(self, *, got: int, needed: int, reasons: Sequence[str]) -> None:
        super().__init__(_endorsements(got, needed, reasons))
        self.got = got
        self.needed = needed
        self.reasons = tuple(reasons)


class NodeBusyError(UnavailableError):
    """The node has no room for another decision now."""

    def __init__(self, *, waiting: int, limit: int) -> None:
        super().__init__(f"decisions waiting: got {waiting}, expected under {limit}")
        self.waiting = waiting
        self.limit = limit


class ServerBusyError(UnavailableError):
    """A service has no room for another request now."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"{what} at once: got more, expected at most {limit}")
        self.what = what
        self.limit = limit


class DecisionTimeoutError(UnavailableError):
    """A decision was not ready in time; it goes on, and asking again may find it."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(f"decision: got none within {seconds:g} s; ask again later")
        self.seconds = seconds


def _endorsements(got: int, needed: int, reasons: Sequence[str]) -> str:
    told = "; ".join(reasons) or "nobody else was asked"
    return f"endorsements: got {got}, expected {needed}: {told}"[:2000]


def described(error: BaseException) -> dict[str, JsonValue]:
    """Return an error as the journal writes it: its class's name and its message."""
    return {"error": type(error).__name__, "message": str(error)[:2000]}
