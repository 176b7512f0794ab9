"""The chain side's branch of the error tree (contract errors: `contract_errors.py`).

    RejectedError
    ├── ChainIdMismatchError        the endpoint serves another chain
    ├── AnchorReorgedError          the block is no longer the chain's
    ├── CallRevertedError           a call or a gas estimate reverted; carries the bytes
    ├── TransactionRefusedError     the endpoint will not take this transaction
    ├── MethodForbiddenError        an endpoint that only reads was to do more
    ├── FeeTooHighError             a fee above the limit would have to be offered
    ├── ObservationError            recorded reads that are not what they should be
    │   ├── ObservationContextError     other chain, account or block
    │   ├── ReadsNotPlannedError        a read missing, added, moved or changed
    │   ├── ReadUndecodableError        returned bytes outside the type's range
    │   └── AnswerInvalidError          a feed, pool or reserve said the impossible
    ├── SettingError                a what-if that no observation could say
    ├── SimulatedReadError          a balance read failed inside a simulation
    └── KitError                    a plan that does not compile
        ├── PlanEmptyError              no action at all
        ├── PlanHoldMixedError          a HOLD beside other actions
        ├── PlanNameUnknownError        a kit, token or pool that nobody defined
        ├── PlanFactMissingError        the program never observed what the kit needs
        ├── PlanPriceStaleError         a price older than its feed's maximum age
        ├── PlanPriceOffError           a pool or vault too far off the feeds
        ├── PlanAmountZeroError         a share that comes to nothing
        ├── PlanBalanceError            more than is certain to be there
        ├── PlanHealthError             a debt that leaves too little health
        ├── PlanRecipientError          a recipient that the mandate does not name
        ├── PlanTokenUntrackedError     a balance that the mandate does not track
        ├── PlanCallNotAllowedError     a (target, selector) outside the allow-list
        ├── PlanTooManyCallsError       more calls than a decision may carry
        ├── PlanUnitsError              the book counts in other units than the mandate
        ├── PlanRiskError               more at risk than the mandate's last rung takes
        └── PlanOverflowError           an amount or bound outside its integer type

    UnavailableError
    └── ChainUnavailableError       no connection, or no useful answer
        ├── ChainTimeoutError           no complete answer in time
        ├── ChainAnswerError            not HTTP, JSON, JSON-RPC or the asked-for shape
        │   └── RateLimitedError            it asks, or we resolved, to be asked less
        ├── ChainRefusedError           the endpoint answered with an error of its own
        ├── BlockUnknownError           it does not have that block (yet, or any more)
        ├── HistoryMissingError         it has the block but not its state
        ├── EndpointStaleError          its newest block is older than the others'
        ├── EndpointsDisagreeError      two endpoints tell two histories of one chain
        ├── EndpointsExhaustedError     none of several endpoints served
        └── ReceiptTimeoutError         the transaction was not mined in time

An endpoint is named by scheme, host and port only: the path of a URL often holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from affiant.errors import RejectedError, UnavailableError


class ChainUnavailableError(UnavailableError):
    """An endpoint could not be reached, or did not answer usefully."""

    def __init__(self, endpoint: str, *, method: str, reason: str) -> None:
        super().__init__(f"`{method}` at {endpoint}: {reason}")
        self.endpoint = endpoint
        self.method = method
        self.reason = reason


class ChainTimeoutError(ChainUnavailableError):
    """No complete answer came within the limit."""

    def __init__(self, endpoint: str, *, method: str, limit: float) -> None:
        super().__init__(
            endpoint, method=method, reason=f"no complete answer within {limit} s"
        )
        self.limit = limit


class ChainAnswerError(ChainUnavailableError):
    """An answer came that is not of the form asked for."""

    def __init__(self, endpoint: str, *, method: str, got: str, expected: str) -> None:
        super().__init__(
            endpoint, method=method, reason=f"got {got}, expected {expected}"
        )
        self.got = got
        self.expected = expected


class ChainRefusedError(ChainUnavailableError):
    """The endpoint answered with a JSON-RPC error that we give no other meaning."""

    def __init__(self, endpoint: str, *, method: str, code: int, message: str) -> None:
        super().__init__(
            endpoint, method=method, reason=f"refused with code {code}: {message!r}"
        )
        self.code = code
        self.message = message


class BlockUnknownError(ChainUnavailableError):
    """The endpoint has no such block: it lags, or the block was reorganised away."""

    def __init__(self, endpoint: str, *, method: str, block: str) -> None:
        super().__init__(endpoint, method=method, reason=f"has no block {block}")
        self.block = block


class HistoryMissingError(ChainUnavailableError):
    """The endpoint no longer keeps the state of that block: ask an archive."""

    def __init__(self, endpoint: str, *, method: str, block: str, message: str) -> None:
        super().__init__(
            endpoint,
            method=method,
            reason=f"keeps no state of block {block} ({message!r}); ask an archive",
        )
        self.block = block


class RateLimitedError(ChainAnswerError):
    """The endpoint wants to be asked less; it is left alone for `retry_after`."""

    def __init__(
        self, endpoint: str, *, method: str, got: str, retry_after: float
    ) -> None:
        super().__init__(
            endpoint,
            method=method,
            got=got,
            expected=f"no question for {retry_after:g} s",
        )
        self.retry_after = retry_after
        """Seconds."""


class EndpointStaleError(ChainUnavailableError):
    """An endpoint's newest block is too far from the other endpoints'."""

    def __init__(self, endpoint: str, *, method: str, got: int, expected: str) -> None:
        super().__init__(
            endpoint,
            method=method,
            reason=f"got block {got} as the newest, expected {expected}",
        )
        self.got = got


class EndpointsDisagreeError(ChainUnavailableError):
    """Endpoints tell different things of one block, or of one transaction.

    One of them lies or follows another fork. Which, only a majority can tell.
    """

    def __init__(self, what: str, *, told: Mapping[str, str]) -> None:
        says = "; ".join(f"{name} says {answer}" for name, answer in told.items())
        super().__init__(
            ", ".join(told),
            method=what,
            reason=f"got {says}; expected one answer"[:1000],
        )
        self.told = dict(told)
        """By endpoint."""


class EndpointsExhaustedError(ChainUnavailableError):
    """None of several endpoints served; `reasons` say why, endpoint by endpoint."""

    def __init__(self, endpoints: Sequence[str], *, reasons: Sequence[str]) -> None:
        super().__init__(
            ", ".join(endpoints),
            method="every endpoint",
            reason="; ".join(reasons)[:1000],
        )
        self.reasons = tuple(reasons)


class ReceiptTimeoutError(ChainUnavailableError):
    """A transaction was sent but not seen mined within the limit; it may still be."""

    def __init__(self, endpoint: str, *, transaction: str, limit: float) -> None:
        super().__init__(
            endpoint,
            method="eth_getTransactionReceipt",
            reason=f"{transaction} not mined within {limit} s",
        )
        self.transaction = transaction
        self.limit = limit


class ChainIdMismatchError(RejectedError):
    """The endpoint serves another chain than the one asked for."""

    def __init__(self, endpoint: str, *, got: int, expected: int) -> None:
        super().__init__(f"chain id at {endpoint}: got {got}, expected {expected}")
        self.endpoint = endpoint
        self.got = got
        self.expected = expected


class MethodForbiddenError(RejectedError):
    """An endpoint that only reads was to be asked for something else; nothing left."""

    def __init__(self, endpoint: str, *, method: str) -> None:
        super().__init__(
            f"`{method[:80]}` at {endpoint}: got a method that may change the chain, "
            "expected one that reads"
        )
        self.endpoint = endpoint
        self.method = method


class AnchorReorgedError(RejectedError):
    """At that height the chain now has another block."""

    def __init__(self, *, number: int, got: str, expected: str) -> None:
        super().__init__(f"block {number}: got hash {got}, expected {expected}")
        self.number = number
        self.got = got
        self.expected = expected


class CallRevertedError(RejectedError):
    """A call reverted. `data` holds the revert bytes, possibly none."""

    def __init__(self, *, target: str, data: bytes, message: str) -> None:
        super().__init__(
            f"call to {target}: got a revert with 0x{data[:68].hex()} ({message!r}), "
            "expected success"
        )
        self.target = target
        self.data = data
        self.message = message


class TransactionRefusedError(RejectedError):
    """The endpoint refuses this transaction: nonce, funds, fees or form."""

    def __init__(self, endpoint: str, *, code: int, message: str) -> None:
        super().__init__(f"transaction refused by {endpoint}, code {code}: {message!r}")
        self.endpoint = endpoint
        self.code = code
        self.message = message


class FeeTooHighError(RejectedError):
    """The least fee with which a transaction would be mined is above our limit."""

    def __init__(self, what: str, *, got: int, limit: int) -> None:
        super().__init__(f"{what}: got {got} wei per gas, expected at most {limit}")
        self.what = what
        self.got = got
        self.limit = limit


class ObservationError(RejectedError):
    """Recorded reads are not what the program would have read."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class ObservationContextError(ObservationError):
    """The observation is of another chain, account or block."""


class ReadsNotPlannedError(ObservationError):
    """The reads are not exactly the planned ones, in order."""


class ReadUndecodableError(ObservationError):
    """The bytes that a read returned do not decode strictly as its type."""


class AnswerInvalidError(ObservationError):
    """A well-formed answer that no healthy feed, pool or reserve gives."""


class SettingError(RejectedError):
    """A what-if setting that is not well formed, or that no observation could say."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"what-if `{what}`: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class SimulatedReadError(RejectedError):
    """A balance read inside a simulation failed or was malformed."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class KitError(RejectedError):
    """A plan does not compile into calls and bounds."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class PlanEmptyError(KitError):
    """A plan names no action; doing nothing is said with HOLD."""


class PlanHoldMixedError(KitError):
    """HOLD stands beside other actions."""


class PlanNameUnknownError(KitError):
    """A kit, token, pool or market that the program or its book does not have."""


class PlanFactMissingError(KitError):
    """A kit needs a fact that the program did not observe."""


class PlanPriceStaleError(KitError):
    """A price was too old at the observation."""


class PlanAmountZeroError(KitError):
    """A share of a balance, or the least amount out, comes to zero base units."""


class PlanPriceOffError(KitError):
    """A pool's or vault's own price is further off the feeds than the plan allows."""


class PlanBalanceError(KitError):
    """The plan spends more than is certain to be there."""


class PlanHealthError(KitError):
    """The plan leaves a lower health factor than it asks to keep."""


class PlanRecipientError(KitError):
    """A recipient that no rule of the mandate names for this token."""


class PlanRiskError(KitError):
    """The plan puts more at risk than the mandate's last rung takes."""


class PlanTokenUntrackedError(KitError):
    """A call changes a balance that the mandate does not track."""


class PlanCallNotAllowedError(KitError):
    """A call is not in the mandate's allow-list."""


class PlanTooManyCallsError(KitError):
    """The plan needs more calls than a decision may carry."""


class PlanUnitsError(KitError):
    """The book and the mandate disagree on a token's or a feed's decimals, or feed."""


class PlanOverflowError(KitError):
    """An amount or a bound does not fit its integer type."""
