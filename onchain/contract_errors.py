"""One exception class per error of our contracts, and `decode_revert`.

Generated from the contracts' ABI and NatSpec by
`python -m affiant.onchain.build_contract_errors`; do not edit. Pure: it says which
error some revert bytes are, and trusts nobody.

    ContractError
    ├── GateError              refused by the decision gate
    ├── GrantError             refused by the checks at a mandate's grant
    ├── NodeRegistryError      refused by the node registry
    ├── ModelRegistryError     refused by the model registry
    ├── AccountError           refused by an owned account
    ├── DrawdownError          refused by the rule against losses that add up
    ├── HealthError            refused by the health-factor rule
    ├── TwapError              refused by the rule that holds feeds against a pool
    ├── RecipientError         refused by the rule about recipients
    ├── SafeError              refused by the rule about a Safe's modules and guard
    ├── SpendError             refused by the spend-rate rule
    └── the errors of `reverts`
"""

from __future__ import annotations

from affiant.onchain.mandate import Address
from affiant.onchain.reverts import ContractError, read_revert


class GateError(ContractError):
    """Refused by the decision gate."""


class GateAllowanceLeftError(GateError):
    """`AllowanceLeft`, selector 0xc2213081."""

    NAME = "AllowanceLeft"
    FIELDS = (("token", "address"), ("spender", "address"), ("amount", "uint256"))
    SELECTOR = bytes.fromhex("c2213081")
    MEANING = "An allowance could not be taken back."
    REMEDY = "Do not use this token."

    token: Address
    spender: Address
    amount: int


class GateAllowanceUnreadableError(GateError):
    """`AllowanceUnreadable`, selector 0xc7ef68fe."""

    NAME = "AllowanceUnreadable"
    FIELDS = (("token", "address"),)
    SELECTOR = bytes.fromhex("c7ef68fe")
    MEANING = "A token does not tell an allowance."
    REMEDY = "Do not use it."

    token: Address


class GateAmountTooLargeError(GateError):
    """`AmountTooLarge`, selector 0x7f162703."""

    NAME = "AmountTooLarge"
    FIELDS = (("amount", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("7f162703")
    MEANING = "An amount is too large to be valued."
    REMEDY = "No real token has so many base units."

    amount: int
    limit: int


class GateAnchorMismatchError(GateError):
    """`AnchorMismatch`, selector 0xf2c138b2."""

    NAME = "AnchorMismatch"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("f2c138b2")
    MEANING = (
        "The anchor is not this chain's block: a reorganised or invented one, "
        "or a fork's."
    )
    REMEDY = "Decide anew, or sign a checkpoint of this chain."

    got: bytes
    expected: bytes


class GateAnchorUnavailableError(GateError):
    """`AnchorUnavailable`, selector 0x938b3b24."""

    NAME = "AnchorUnavailable"
    FIELDS = (("anchor_block", "uint256"),)
    SELECTOR = bytes.fromhex("938b3b24")
    MEANING = (
        "The chain does not tell the anchor block's hash: it is the current "
        "block, or too old for what the chain remembers."
    )
    REMEDY = "Wait one block; or choose a shorter cadence, a newer checkpoint."

    anchor_block: int


class GateApprovalFailedError(GateError):
    """`ApprovalFailed`, selector 0xd1794100."""

    NAME = "ApprovalFailed"
    FIELDS = (("token", "address"), ("spender", "address"), ("reason", "bytes"))
    SELECTOR = bytes.fromhex("d1794100")
    MEANING = (
        "A token refused to set the call's allowance, or the account to ask for it."
    )
    REMEDY = (
        "Enable the gate as the account's module; zero an allowance that is "
        "already there."
    )

    token: Address
    spender: Address
    reason: bytes


class GateBalanceUnreadableError(GateError):
    """`BalanceUnreadable`, selector 0xc238f08e."""

    NAME = "BalanceUnreadable"
    FIELDS = (("token", "address"),)
    SELECTOR = bytes.fromhex("c238f08e")
    MEANING = "A tracked token does not tell the account's balance."
    REMEDY = "Do not track it."

    token: Address


class GateBoundMissedError(GateError):
    """`BoundMissed`, selector 0x68f787e3."""

    NAME = "BoundMissed"
    FIELDS = (("token", "address"), ("change", "int256"), ("minimum", "int256"))
    SELECTOR = bytes.fromhex("68f787e3")
    MEANING = "A tracked entry changed less than was sworn."
    REMEDY = "The market moved: decide anew."

    token: Address
    change: int
    minimum: int


class GateBoundsLengthError(GateError):
    """`BoundsLength`, selector 0x2466c382."""

    NAME = "BoundsLength"
    FIELDS = (("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("2466c382")
    MEANING = "There must be one bound per tracked entry."
    REMEDY = "Derive the bounds from the mandate."

    got: int
    expected: int


class GateBoundsMismatchError(GateError):
    """`BoundsMismatch`, selector 0xe90b0cf4."""

    NAME = "BoundsMismatch"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("e90b0cf4")
    MEANING = "These are not the bounds that were sworn."
    REMEDY = "Submit the decision's own."

    got: bytes
    expected: bytes


class GateCallFailedError(GateError):
    """`CallFailed`, selector 0x5c0dee5d."""

    NAME = "CallFailed"
    FIELDS = (("index", "uint256"), ("reason", "bytes"))
    SELECTOR = bytes.fromhex("5c0dee5d")
    MEANING = "A call failed; `reason` is the beginning of what it reverted with."
    REMEDY = "Read the reason; simulate before sending."

    index: int
    reason: bytes


class GateCallNotAllowedError(GateError):
    """`CallNotAllowed`, selector 0x805043f9."""

    NAME = "CallNotAllowed"
    FIELDS = (("target", "address"), ("selector", "bytes4"))
    SELECTOR = bytes.fromhex("805043f9")
    MEANING = "The mandate does not list this target and selector."
    REMEDY = "Grant a mandate that does, if you mean it."

    target: Address
    selector: bytes


class GateCallTooShortError(GateError):
    """`CallTooShort`, selector 0x8c447176."""

    NAME = "CallTooShort"
    FIELDS = (("index", "uint256"), ("length", "uint256"))
    SELECTOR = bytes.fromhex("8c447176")
    MEANING = "Calldata without a selector."
    REMEDY = "Give at least 4 bytes."

    index: int
    length: int


class GateCallsMismatchError(GateError):
    """`CallsMismatch`, selector 0x13cff425."""

    NAME = "CallsMismatch"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("13cff425")
    MEANING = "These are not the calls that were sworn."
    REMEDY = "Submit the decision's own."

    got: bytes
    expected: bytes


class GateCheckpointAheadError(GateError):
    """`CheckpointAhead`, selector 0x949c0083."""

    NAME = "CheckpointAhead"
    FIELDS = (("outflow", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("949c0083")
    MEANING = "The checkpoint audits more than there was."
    REMEDY = "Sign what the gate's state says."

    outflow: int
    most: int


class GateCheckpointOldError(GateError):
    """`CheckpointOld`, selector 0x38ae608a."""

    NAME = "CheckpointOld"
    FIELDS = (("outflow", "uint256"), ("audited", "uint256"))
    SELECTOR = bytes.fromhex("38ae608a")
    MEANING = "The checkpoint audits nothing that is not audited already."
    REMEDY = "Nothing; a newer checkpoint was faster."

    outflow: int
    audited: int


class GateDecisionExpiredError(GateError):
    """`DecisionExpired`, selector 0xf861535f."""

    NAME = "DecisionExpired"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("f861535f")
    MEANING = "The decision's time is over."
    REMEDY = "Decide anew, or submit faster."

    valid_until: int
    block_time: int


class GateDelayNotNeededError(GateError):
    """`DelayNotNeeded`, selector 0x6a17b39f."""

    NAME = "DelayNotNeeded"
    FIELDS = ()
    SELECTOR = bytes.fromhex("6a17b39f")
    MEANING = "The rung asks for no delay."
    REMEDY = "`execute` it."


class GateDelayNotServedError(GateError):
    """`DelayNotServed`, selector 0x67fe50b2."""

    NAME = "DelayNotServed"
    FIELDS = (("served", "uint256"), ("required", "uint256"))
    SELECTOR = bytes.fromhex("67fe50b2")
    MEANING = "The rung asks for a delay that was not served."
    REMEDY = "`queue` the decision, and execute it once `required` seconds have passed."

    served: int
    required: int


class GateEmptyDecisionError(GateError):
    """`EmptyDecision`, selector 0x727e80f2."""

    NAME = "EmptyDecision"
    FIELDS = ()
    SELECTOR = bytes.fromhex("727e80f2")
    MEANING = "A HOLD, and the mandate does not record holds."
    REMEDY = "Keep the signed HOLD off chain."


class GateEndorsementsMissingError(GateError):
    """`EndorsementsMissing`, selector 0x1e7f976d."""

    NAME = "EndorsementsMissing"
    FIELDS = (("got", "uint256"), ("needed", "uint256"))
    SELECTOR = bytes.fromhex("1e7f976d")
    MEANING = "Fewer endorsers signed than are needed."
    REMEDY = "Ask more of them; `needed` 0: the mandate has none."

    got: int
    needed: int


class GateEndorserUnknownError(GateError):
    """`EndorserUnknown`, selector 0x329f4fb1."""

    NAME = "EndorserUnknown"
    FIELDS = (("recovered", "address"),)
    SELECTOR = bytes.fromhex("329f4fb1")
    MEANING = (
        "Somebody signed who is no endorser of the mandate, or something else "
        "was signed."
    )
    REMEDY = "Compare the digest; ask an endorser that the mandate names."

    recovered: Address


class GateEndorsersUnorderedError(GateError):
    """`EndorsersUnordered`, selector 0xfd767aa2."""

    NAME = "EndorsersUnordered"
    FIELDS = (("endorser", "address"), ("previous", "address"))
    SELECTOR = bytes.fromhex("fd767aa2")
    MEANING = "Endorsers must be ascending, each once."
    REMEDY = "Sort the signatures by signer."

    endorser: Address
    previous: Address


class GateGasTooLowError(GateError):
    """`GasTooLow`, selector 0xfe336aa7."""

    NAME = "GasTooLow"
    FIELDS = (("left", "uint256"), ("needed", "uint256"))
    SELECTOR = bytes.fromhex("fe336aa7")
    MEANING = (
        "A refusal cannot be recorded with so little gas left: want of gas may "
        "be its reason."
    )
    REMEDY = "Send it with more gas; what is not used is not paid."

    left: int
    needed: int


class GateGrantDelayTooLongError(GateError):
    """`GrantDelayTooLong`, selector 0x403687f3."""

    NAME = "GrantDelayTooLong"
    FIELDS = (("delay", "uint32"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("403687f3")
    MEANING = (
        "The grant delay is so long that it could lock the account out of granting."
    )
    REMEDY = "At most `MAX_GRANT_DELAY`."

    delay: int
    most: int


class GateHeadMismatchError(GateError):
    """`HeadMismatch`, selector 0x6f2de3c7."""

    NAME = "HeadMismatch"
    FIELDS = (("previous", "bytes32"), ("head", "bytes32"))
    SELECTOR = bytes.fromhex("6f2de3c7")
    MEANING = (
        "The decision does not follow the head: it is a replay, or another came first."
    )
    REMEDY = "Decide anew on top of the head."

    previous: bytes
    head: bytes


class GateHeadQueuedError(GateError):
    """`HeadQueued`, selector 0xd84ab214."""

    NAME = "HeadQueued"
    FIELDS = (("head", "bytes32"), ("queued_until", "uint64"))
    SELECTOR = bytes.fromhex("d84ab214")
    MEANING = "A queued decision has the head, and waits."
    REMEDY = "Execute it, let it be cancelled, or wait until `queuedUntil` is over."

    head: bytes
    queued_until: int


class GateLossExceededError(GateError):
    """`LossExceeded`, selector 0xe54fb1af."""

    NAME = "LossExceeded"
    FIELDS = (("change", "int256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("e54fb1af")
    MEANING = "At feed prices, the decision lost more than the mandate permits."
    REMEDY = "Trade smaller or closer to the feed's price."

    change: int
    limit: int


class GateMandateExistsError(GateError):
    """`MandateExists`, selector 0x98086a7a."""

    NAME = "MandateExists"
    FIELDS = (("mandate_id", "bytes32"),)
    SELECTOR = bytes.fromhex("98086a7a")
    MEANING = "The mandate was granted before; also a revoked one never returns."
    REMEDY = "Change the salt."

    mandate_id: bytes


class GateMandateExpiredError(GateError):
    """`MandateExpired`, selector 0x77896a1a."""

    NAME = "MandateExpired"
    FIELDS = (("expiry", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("77896a1a")
    MEANING = "The mandate is over."
    REMEDY = "Grant a new one."

    expiry: int
    block_time: int


class GateMandateNotLiveError(GateError):
    """`MandateNotLive`, selector 0xb5bde4e8."""

    NAME = "MandateNotLive"
    FIELDS = (("live_from", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("b5bde4e8")
    MEANING = "The account's grant delay has not passed yet."
    REMEDY = "Wait until `liveFrom`."

    live_from: int
    block_time: int


class GateMandateRevokedError(GateError):
    """`MandateRevoked`, selector 0x31c289dd."""

    NAME = "MandateRevoked"
    FIELDS = (("mandate_id", "bytes32"),)
    SELECTOR = bytes.fromhex("31c289dd")
    MEANING = "The mandate was revoked."
    REMEDY = "Nothing; the owner may grant another."

    mandate_id: bytes


class GateMandateStoppedError(GateError):
    """`MandateStopped`, selector 0x585302cf."""

    NAME = "MandateStopped"
    FIELDS = (("stopped_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("585302cf")
    MEANING = "The mandate is stopped."
    REMEDY = "Wait, or let the account resume it."

    stopped_until: int
    block_time: int


class GateMandateTooLargeError(GateError):
    """`MandateTooLarge`, selector 0xde035c7e."""

    NAME = "MandateTooLarge"
    FIELDS = (("length", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("de035c7e")
    MEANING = "The mandate does not fit what a contract's code may hold."
    REMEDY = "Shorten its rules' data, or split it."

    length: int
    most: int


class GateMandateUnknownError(GateError):
    """`MandateUnknown`, selector 0xfc62d454."""

    NAME = "MandateUnknown"
    FIELDS = (("mandate_id", "bytes32"),)
    SELECTOR = bytes.fromhex("fc62d454")
    MEANING = "No such mandate was granted here."
    REMEDY = "Compare every field with the granted mandate; its id is its hash."

    mandate_id: bytes


class GateNodeBannedError(GateError):
    """`NodeBanned`, selector 0xf1a15196."""

    NAME = "NodeBanned"
    FIELDS = (("key", "address"),)
    SELECTOR = bytes.fromhex("f1a15196")
    MEANING = "The key was banned from this mandate, by its account or its endorsers."
    REMEDY = "Use another node."

    key: Address


class GateNodeEndorsesItselfError(GateError):
    """`NodeEndorsesItself`, selector 0x97104024."""

    NAME = "NodeEndorsesItself"
    FIELDS = (("key", "address"),)
    SELECTOR = bytes.fromhex("97104024")
    MEANING = "The node endorses its own decision."
    REMEDY = "Leave its signature out."

    key: Address


class GateNodeExpiredError(GateError):
    """`NodeExpired`, selector 0x54de959c."""

    NAME = "NodeExpired"
    FIELDS = (("key", "address"), ("valid_until", "uint64"))
    SELECTOR = bytes.fromhex("54de959c")
    MEANING = "The key's announcement is over."
    REMEDY = "Announce it anew."

    key: Address
    valid_until: int


class GateNodeNotPermittedError(GateError):
    """`NodeNotPermitted`, selector 0xa0dce154."""

    NAME = "NodeNotPermitted"
    FIELDS = (("key", "address"),)
    SELECTOR = bytes.fromhex("a0dce154")
    MEANING = (
        "The mandate permits the key that signed neither by name nor by a "
        "workload that it is attested to run now. The key is recovered from "
        "the signature: where something else was signed (another chain's, "
        "gate's or decision's digest), it is nobody's."
    )
    REMEDY = (
        "Compare the digest with `digestOf`; use a permitted node; renew its "
        "attestation."
    )

    key: Address


class GateNodeRevokedError(GateError):
    """`NodeRevoked`, selector 0xf0aca417."""

    NAME = "NodeRevoked"
    FIELDS = (("key", "address"), ("revoked_at", "uint64"))
    SELECTOR = bytes.fromhex("f0aca417")
    MEANING = "The key was revoked."
    REMEDY = "Use another node."

    key: Address
    revoked_at: int


class GateNodeUnannouncedError(GateError):
    """`NodeUnannounced`, selector 0x5ddf5470."""

    NAME = "NodeUnannounced"
    FIELDS = (("key", "address"), ("service", "bytes32"))
    SELECTOR = bytes.fromhex("5ddf5470")
    MEANING = "The key has not announced itself for the mandate's model and engine."
    REMEDY = "Announce it in the node registry, for what it serves."

    key: Address
    service: bytes


class GateNotAccountError(GateError):
    """`NotAccount`, selector 0xb39624dc."""

    NAME = "NotAccount"
    FIELDS = (("caller", "address"), ("account", "address"))
    SELECTOR = bytes.fromhex("b39624dc")
    MEANING = "Only the mandate's account may do this."
    REMEDY = "Send it through the account."

    caller: Address
    account: Address


class GateNotCancellerError(GateError):
    """`NotCanceller`, selector 0x3825e10e."""

    NAME = "NotCanceller"
    FIELDS = (("caller", "address"),)
    SELECTOR = bytes.fromhex("3825e10e")
    MEANING = (
        "Neither the account, nor the guardian, nor an endorser of the mandate "
        "is calling."
    )
    REMEDY = "Send it from one of them."

    caller: Address


class GateNotGuardianError(GateError):
    """`NotGuardian`, selector 0x826f1bd2."""

    NAME = "NotGuardian"
    FIELDS = (("caller", "address"), ("guardian", "address"))
    SELECTOR = bytes.fromhex("826f1bd2")
    MEANING = "Neither the mandate's guardian nor its account is calling."
    REMEDY = "Send it from the guardian."

    caller: Address
    guardian: Address


class GateNotNodeRegistryError(GateError):
    """`NotNodeRegistry`, selector 0xe0d59338."""

    NAME = "NotNodeRegistry"
    FIELDS = (("caller", "address"), ("node_registry", "address"))
    SELECTOR = bytes.fromhex("e0d59338")
    MEANING = "Only the gate's node registry may tell it about keys."
    REMEDY = "Announce the key in the node registry."

    caller: Address
    node_registry: Address


class GateNotOperatorError(GateError):
    """`NotOperator`, selector 0x4738d054."""

    NAME = "NotOperator"
    FIELDS = (("caller", "address"), ("operator", "address"))
    SELECTOR = bytes.fromhex("4738d054")
    MEANING = "Only the operator may submit."
    REMEDY = "Send it from the operator."

    caller: Address
    operator: Address


class GateNotQueuedError(GateError):
    """`NotQueued`, selector 0x0fadc8b0."""

    NAME = "NotQueued"
    FIELDS = (("digest", "bytes32"), ("head", "bytes32"))
    SELECTOR = bytes.fromhex("0fadc8b0")
    MEANING = "This decision is not waiting."
    REMEDY = "It was executed, cancelled or never queued."

    digest: bytes
    head: bytes


class GateOutflowTooLargeError(GateError):
    """`OutflowTooLarge`, selector 0x781e8f17."""

    NAME = "OutflowTooLarge"
    FIELDS = (("outflow", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("781e8f17")
    MEANING = "The mandate's outflow since its grant does not fit what the gate counts."
    REMEDY = "Grant a new mandate."

    outflow: int
    most: int


class GatePriceInvalidError(GateError):
    """`PriceInvalid`, selector 0x78299c90."""

    NAME = "PriceInvalid"
    FIELDS = (("feed", "address"), ("answer", "int256"), ("updated_at", "uint256"))
    SELECTOR = bytes.fromhex("78299c90")
    MEANING = (
        "The feed gives no usable price: not positive, from the future, or no "
        "answer at all."
    )
    REMEDY = "Wait for the feed, or grant a mandate with another."

    feed: Address
    answer: int
    updated_at: int


class GatePriceStaleError(GateError):
    """`PriceStale`, selector 0x1f962dcd."""

    NAME = "PriceStale"
    FIELDS = (("feed", "address"), ("updated_at", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("1f962dcd")
    MEANING = "The feed's answer is too old; no price, no action."
    REMEDY = (
        "Wait for the feed. `limit` is the second from which on the answer is stale."
    )

    feed: Address
    updated_at: int
    limit: int


class GateProgramMismatchError(GateError):
    """`ProgramMismatch`, selector 0xab14118c."""

    NAME = "ProgramMismatch"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("ab14118c")
    MEANING = "The decision was made by another program."
    REMEDY = "Run the program that the mandate names."

    got: bytes
    expected: bytes


class GateReenteredError(GateError):
    """`Reentered`, selector 0xb5dfd9e5."""

    NAME = "Reentered"
    FIELDS = ()
    SELECTOR = bytes.fromhex("b5dfd9e5")
    MEANING = "The gate is executing already, in this very transaction."
    REMEDY = "A target called back: do not list it."


class GateRuleRefusedError(GateError):
    """`RuleRefused`, selector 0xe513ffdd."""

    NAME = "RuleRefused"
    FIELDS = (("rule", "address"), ("reason", "bytes"))
    SELECTOR = bytes.fromhex("e513ffdd")
    MEANING = (
        "A rule refused, or said nothing; `reason` is the beginning of what it said."
    )
    REMEDY = "Read the reason; see the rule's own errors."

    rule: Address
    reason: bytes


class GateRungExceededError(GateError):
    """`RungExceeded`, selector 0x19e1da03."""

    NAME = "RungExceeded"
    FIELDS = (("value", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("19e1da03")
    MEANING = "With this decision the unaudited outflow would pass the last rung."
    REMEDY = "Decide smaller, or let endorsers audit what was done (`checkpoint`)."

    value: int
    limit: int


class GateSignatureMalformedError(GateError):
    """`SignatureMalformed`, selector 0xc7e1c197."""

    NAME = "SignatureMalformed"
    FIELDS = (("length", "uint256"),)
    SELECTOR = bytes.fromhex("c7e1c197")
    MEANING = (
        "The proof, or another list of signatures, is not 65 bytes r ‖ s ‖ v "
        "each, at least one, with low s and v 27 or 28, or no key made one of "
        "them."
    )
    REMEDY = "Sign again with a signer that normalises s."

    length: int


class GateSlotNotNewestError(GateError):
    """`SlotNotNewest`, selector 0x5591528c."""

    NAME = "SlotNotNewest"
    FIELDS = (("slot", "uint64"), ("newest", "uint64"))
    SELECTOR = bytes.fromhex("5591528c")
    MEANING = "Only the newest slot may act."
    REMEDY = "Decide for the newest slot."

    slot: int
    newest: int


class GateSlotUsedError(GateError):
    """`SlotUsed`, selector 0xb8050175."""

    NAME = "SlotUsed"
    FIELDS = (("slot", "uint64"),)
    SELECTOR = bytes.fromhex("b8050175")
    MEANING = "The slot has acted already."
    REMEDY = "Wait for the next slot."

    slot: int


class GateStopOverError(GateError):
    """`StopOver`, selector 0x200bb240."""

    NAME = "StopOver"
    FIELDS = (("until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("200bb240")
    MEANING = "The stop would be over already."
    REMEDY = "Give a later time."

    until: int
    block_time: int


class GateStopShorterError(GateError):
    """`StopShorter`, selector 0xaa692c42."""

    NAME = "StopShorter"
    FIELDS = (("until", "uint64"), ("stopped_until", "uint64"))
    SELECTOR = bytes.fromhex("aa692c42")
    MEANING = "The mandate is stopped for as long already: a guardian only prolongs."
    REMEDY = "Give a later time, or wait until the account's stop is over."

    until: int
    stopped_until: int


class GateStopTooLongError(GateError):
    """`StopTooLong`, selector 0xb80badb0."""

    NAME = "StopTooLong"
    FIELDS = (("until", "uint64"), ("latest", "uint256"))
    SELECTOR = bytes.fromhex("b80badb0")
    MEANING = "The stop is longer than the caller may ask for."
    REMEDY = "Guardians: at most `MAX_STOP` from now."

    until: int
    latest: int


class GateStopUsedError(GateError):
    """`StopUsed`, selector 0x5ce611d0."""

    NAME = "StopUsed"
    FIELDS = (("stopped_until", "uint64"),)
    SELECTOR = bytes.fromhex("5ce611d0")
    MEANING = "The guardian has used its stop; it expires unless the account renews it."
    REMEDY = "The account calls `resume` (or `stop`); or revokes."

    stopped_until: int


class GateTierTooLowError(GateError):
    """`TierTooLow`, selector 0x339a88a7."""

    NAME = "TierTooLow"
    FIELDS = (("tier", "uint8"), ("required", "uint8"))
    SELECTOR = bytes.fromhex("339a88a7")
    MEANING = "The key's tier is below the rung's."
    REMEDY = "Permit the key at a higher tier, if you trust it that far."

    tier: int
    required: int


class GateTokenUntrackedError(GateError):
    """`TokenUntracked`, selector 0x644318e7."""

    NAME = "TokenUntracked"
    FIELDS = (("token", "address"),)
    SELECTOR = bytes.fromhex("644318e7")
    MEANING = "An allowance needs a token that is tracked as an asset."
    REMEDY = "Track the token."

    token: Address


class GateTooManyCallsError(GateError):
    """`TooManyCalls`, selector 0x3999d3be."""

    NAME = "TooManyCalls"
    FIELDS = (("got", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("3999d3be")
    MEANING = "More calls than a decision may have."
    REMEDY = "Split the plan over several slots."

    got: int
    limit: int


class GateUndeclaredLossError(GateError):
    """`UndeclaredLoss`, selector 0xd62dd1a9."""

    NAME = "UndeclaredLoss"
    FIELDS = (("token", "address"), ("change", "int256"))
    SELECTOR = bytes.fromhex("d62dd1a9")
    MEANING = "A tracked entry worsened and no loss was declared for it."
    REMEDY = "Declare it in the bounds, where the plan means it."

    token: Address
    change: int


class GateValidityTooShortError(GateError):
    """`ValidityTooShort`, selector 0x73ca7645."""

    NAME = "ValidityTooShort"
    FIELDS = (("valid_until", "uint64"), ("ready_at", "uint256"))
    SELECTOR = bytes.fromhex("73ca7645")
    MEANING = "The decision would be over before its delay is."
    REMEDY = "Decide with a later `validUntil`."

    valid_until: int
    ready_at: int


class GateValueUntrackedError(GateError):
    """`ValueUntracked`, selector 0xf5dd6a0f."""

    NAME = "ValueUntracked"
    FIELDS = (("index", "uint256"), ("value", "uint256"))
    SELECTOR = bytes.fromhex("f5dd6a0f")
    MEANING = "A call sends native currency, which is not tracked."
    REMEDY = "Track the zero address."

    index: int
    value: int


class GrantError(ContractError):
    """Refused by the checks at a mandate's grant."""


class GrantAttestationUnusableError(GrantError):
    """`AttestationUnusable`, selector 0x06cba442."""

    NAME = "AttestationUnusable"
    FIELDS = (("attestation", "address"),)
    SELECTOR = bytes.fromhex("06cba442")
    MEANING = (
        "A workload's contract has no code of its own, or does not answer "
        "`attestationOf`."
    )
    REMEDY = "Name a deployed attestation contract (ADR 21)."

    attestation: Address


class GrantCadenceOutOfRangeError(GrantError):
    """`CadenceOutOfRange`, selector 0x477562e6."""

    NAME = "CadenceOutOfRange"
    FIELDS = (("cadence", "uint32"), ("least", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("477562e6")
    MEANING = "The slot's length in blocks is out of range."
    REMEDY = (
        "At least 2 (an anchor must be a past block), at most what the chain "
        "tells the hashes of: 256 blocks, or 8191 where it has the history "
        "contract of EIP-2935."
    )

    cadence: int
    least: int
    most: int


class GrantDecimalsMismatchError(GrantError):
    """`DecimalsMismatch`, selector 0x1f70f28c."""

    NAME = "DecimalsMismatch"
    FIELDS = (("source", "address"), ("stated", "uint8"), ("actual", "uint256"))
    SELECTOR = bytes.fromhex("1f70f28c")
    MEANING = (
        "The stated decimals are not the contract's own, or more than 36 (a "
        "feed's: 18)."
    )
    REMEDY = "State what `decimals()` returns; 18 for the native currency."

    source: Address
    stated: int
    actual: int


class GrantDecimalsUnreadableError(GrantError):
    """`DecimalsUnreadable`, selector 0x2d9c6539."""

    NAME = "DecimalsUnreadable"
    FIELDS = (("source", "address"),)
    SELECTOR = bytes.fromhex("2d9c6539")
    MEANING = "The contract does not tell its decimals."
    REMEDY = "Only tokens and feeds with `decimals()` can be used."

    source: Address


class GrantEndorserIsNodeError(GrantError):
    """`EndorserIsNode`, selector 0xe86e2c8c."""

    NAME = "EndorserIsNode"
    FIELDS = (("endorser", "address"),)
    SELECTOR = bytes.fromhex("e86e2c8c")
    MEANING = (
        "Whoever decides cannot endorse: the endorser is also a permitted node key."
    )
    REMEDY = "Name another."

    endorser: Address


class GrantEndorsersUnsortedError(GrantError):
    """`EndorsersUnsorted`, selector 0x483d6545."""

    NAME = "EndorsersUnsorted"
    FIELDS = (("endorser", "address"), ("previous", "address"))
    SELECTOR = bytes.fromhex("483d6545")
    MEANING = "Endorsers must be ascending, each once, and not zero."
    REMEDY = "Sort them."

    endorser: Address
    previous: Address


class GrantFeedAgeZeroError(GrantError):
    """`FeedAgeZero`, selector 0x67c5f6d4."""

    NAME = "FeedAgeZero"
    FIELDS = (("feed", "address"),)
    SELECTOR = bytes.fromhex("67c5f6d4")
    MEANING = "An answer of the feed would never be fresh."
    REMEDY = "Set `maxAge` to the feed's heartbeat plus a margin."

    feed: Address


class GrantFeedIndexOutOfRangeError(GrantError):
    """`FeedIndexOutOfRange`, selector 0xf7d1ed37."""

    NAME = "FeedIndexOutOfRange"
    FIELDS = (("index", "uint8"), ("feeds", "uint256"))
    SELECTOR = bytes.fromhex("f7d1ed37")
    MEANING = "A tracked entry names a feed that the mandate does not have."
    REMEDY = "Mind that feeds are counted from 0."

    index: int
    feeds: int


class GrantGrantExpiredError(GrantError):
    """`GrantExpired`, selector 0x03d7caf9."""

    NAME = "GrantExpired"
    FIELDS = (("expiry", "uint64"), ("live_from", "uint256"))
    SELECTOR = bytes.fromhex("03d7caf9")
    MEANING = "The mandate would be over before it is live."
    REMEDY = "Choose an `expiry` after now and the account's grant delay."

    expiry: int
    live_from: int


class GrantLadderNotRisingError(GrantError):
    """`LadderNotRising`, selector 0x5ba1209b."""

    NAME = "LadderNotRising"
    FIELDS = (("rung", "uint256"),)
    SELECTOR = bytes.fromhex("5ba1209b")
    MEANING = "A rung's limit is not above the one before, or asks for less proof."
    REMEDY = "Limits ascend; tier, endorsements and delay never fall."

    rung: int


class GrantListTooLongError(GrantError):
    """`ListTooLong`, selector 0xd7633ac3."""

    NAME = "ListTooLong"
    FIELDS = (("list", "string"), ("length", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("d7633ac3")
    MEANING = "A list of the mandate has more entries than the gate goes through."
    REMEDY = "Shorten it, or split the work over two mandates."

    list: str
    length: int
    most: int


class GrantNativeDebtError(GrantError):
    """`NativeDebt`, selector 0x0a8f2aff."""

    NAME = "NativeDebt"
    FIELDS = ()
    SELECTOR = bytes.fromhex("0a8f2aff")
    MEANING = "The native currency cannot be a debt."
    REMEDY = "Clear `debt`."


class GrantNoAssetTrackedError(GrantError):
    """`NoAssetTracked`, selector 0x24b5b09c."""

    NAME = "NoAssetTracked"
    FIELDS = (("permissions", "uint256"),)
    SELECTOR = bytes.fromhex("24b5b09c")
    MEANING = (
        "Calls are listed and no asset is tracked: nothing would measure what "
        "they take."
    )
    REMEDY = (
        "Track what the account holds (the native currency at least), or list no calls."
    )

    permissions: int


class GrantNoNodeError(GrantError):
    """`NoNode`, selector 0xeaa4898b."""

    NAME = "NoNode"
    FIELDS = ()
    SELECTOR = bytes.fromhex("eaa4898b")
    MEANING = "The mandate permits no key."
    REMEDY = "Name one, or a workload."


class GrantNoRungError(GrantError):
    """`NoRung`, selector 0xf8e391ee."""

    NAME = "NoRung"
    FIELDS = ()
    SELECTOR = bytes.fromhex("f8e391ee")
    MEANING = "An empty ladder permits nothing."
    REMEDY = "Give at least one rung."


class GrantNodeKeyInvalidError(GrantError):
    """`NodeKeyInvalid`, selector 0x9b56e350."""

    NAME = "NodeKeyInvalid"
    FIELDS = (("key", "address"),)
    SELECTOR = bytes.fromhex("9b56e350")
    MEANING = "A permitted key is the zero address or listed twice."
    REMEDY = "Remove it."

    key: Address


class GrantNodeTierTooHighError(GrantError):
    """`NodeTierTooHigh`, selector 0x37314730."""

    NAME = "NodeTierTooHigh"
    FIELDS = (("key", "address"), ("tier", "uint8"), ("most", "uint8"))
    SELECTOR = bytes.fromhex("37314730")
    MEANING = "A name alone cannot give this tier."
    REMEDY = "Permit named keys at tier 0 or 1."

    key: Address
    tier: int
    most: int


class GrantQuorumOutOfRangeError(GrantError):
    """`QuorumOutOfRange`, selector 0x255036e8."""

    NAME = "QuorumOutOfRange"
    FIELDS = (("quorum", "uint8"), ("least", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("255036e8")
    MEANING = (
        "Fewer endorsers could reset the outflow than a rung asks for, or more "
        "than there are; or a quorum without endorsers."
    )
    REMEDY = (
        "At least the most endorsements of any rung and at least 1, at most "
        "the number of endorsers; 0 where there are none."
    )

    quorum: int
    least: int
    most: int


class GrantRuleUnusableError(GrantError):
    """`RuleUnusable`, selector 0xd14e41c6."""

    NAME = "RuleUnusable"
    FIELDS = (("rule", "address"), ("reason", "bytes"))
    SELECTOR = bytes.fromhex("d14e41c6")
    MEANING = (
        "A rule has no code of its own, or does not take its terms; `reason` "
        "is what it said."
    )
    REMEDY = "Deploy the rule first; check its terms."

    rule: Address
    reason: bytes


class GrantRungDelayOutOfRangeError(GrantError):
    """`RungDelayOutOfRange`, selector 0xb165638e."""

    NAME = "RungDelayOutOfRange"
    FIELDS = (
        ("rung", "uint256"),
        ("delay", "uint32"),
        ("least", "uint256"),
        ("most", "uint256"),
    )
    SELECTOR = bytes.fromhex("b165638e")
    MEANING = "The rung's delay is too short for anybody to act in, or absurdly long."
    REMEDY = (
        "0, or an hour to 30 days: whoever may cancel must get a transaction "
        "in, even where somebody pays for full blocks to keep it out."
    )

    rung: int
    delay: int
    least: int
    most: int


class GrantRungEndorsementsUnreachableError(GrantError):
    """`RungEndorsementsUnreachable`, selector 0xc7c143c1."""

    NAME = "RungEndorsementsUnreachable"
    FIELDS = (("rung", "uint256"), ("endorsements", "uint8"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("c7c143c1")
    MEANING = "The rung asks for more endorsements than there are endorsers."
    REMEDY = "Name more, or ask for fewer."

    rung: int
    endorsements: int
    most: int


class GrantRungLimitTooLargeError(GrantError):
    """`RungLimitTooLarge`, selector 0xe6761a10."""

    NAME = "RungLimitTooLarge"
    FIELDS = (("limit", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("e6761a10")
    MEANING = "The rung's limit does not fit."
    REMEDY = "Choose a limit that means something."

    limit: int
    most: int


class GrantRungTierUnreachableError(GrantError):
    """`RungTierUnreachable`, selector 0x108ea2ef."""

    NAME = "RungTierUnreachable"
    FIELDS = (("rung", "uint256"), ("tier", "uint8"), ("most", "uint8"))
    SELECTOR = bytes.fromhex("108ea2ef")
    MEANING = "No key of the mandate can reach the rung's tier."
    REMEDY = "Above 1 a workload is needed; tiers above 3 do not exist."

    rung: int
    tier: int
    most: int


class GrantSelectorForbiddenError(GrantError):
    """`SelectorForbidden`, selector 0x9a1e0d07."""

    NAME = "SelectorForbidden"
    FIELDS = (("target", "address"), ("selector", "bytes4"))
    SELECTOR = bytes.fromhex("9a1e0d07")
    MEANING = (
        "The selector gives others authority over the account's money, or "
        "hides which function is called."
    )
    REMEDY = "Use an allowance of a call instead of approvals."

    target: Address
    selector: bytes


class GrantTargetForbiddenError(GrantError):
    """`TargetForbidden`, selector 0x16359a82."""

    NAME = "TargetForbidden"
    FIELDS = (("target", "address"),)
    SELECTOR = bytes.fromhex("16359a82")
    MEANING = (
        "Gate, account, registries, the mandate's own feeds, rules and "
        "attestation contracts and the zero address can never be listed."
    )
    REMEDY = "Remove the entry."

    target: Address


class GrantTargetWithoutCodeError(GrantError):
    """`TargetWithoutCode`, selector 0x9dcf72e8."""

    NAME = "TargetWithoutCode"
    FIELDS = (("target", "address"),)
    SELECTOR = bytes.fromhex("9dcf72e8")
    MEANING = (
        "There is no contract at a listed target (calls to it would succeed "
        "silently), or only a key's owner's, who may exchange it any time "
        "(EIP-7702)."
    )
    REMEDY = "Check the address and the chain."

    target: Address


class GrantTrackedTwiceError(GrantError):
    """`TrackedTwice`, selector 0x3e4db990."""

    NAME = "TrackedTwice"
    FIELDS = (("token", "address"),)
    SELECTOR = bytes.fromhex("3e4db990")
    MEANING = "A token is tracked twice."
    REMEDY = "Remove one entry."

    token: Address


class GrantTransferUntrackedError(GrantError):
    """`TransferUntracked`, selector 0x708b6f38."""

    NAME = "TransferUntracked"
    FIELDS = (("target", "address"), ("selector", "bytes4"))
    SELECTOR = bytes.fromhex("708b6f38")
    MEANING = (
        "The selector sends tokens away, and its target is not tracked as an asset."
    )
    REMEDY = (
        "Track the token, or do not list it. Tokens without `decimals()` "
        "cannot be tracked."
    )

    target: Address
    selector: bytes


class NodeRegistryError(ContractError):
    """Refused by the node registry."""


class NodeRegistryAnnouncementOverError(NodeRegistryError):
    """`AnnouncementOver`, selector 0x7e60d105."""

    NAME = "AnnouncementOver"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("7e60d105")
    MEANING = "The announcement would already be over."
    REMEDY = "Announce with a `validUntil` in the future."

    valid_until: int
    block_time: int


class NodeRegistryKeyRevokedError(NodeRegistryError):
    """`KeyRevoked`, selector 0xfae524e8."""

    NAME = "KeyRevoked"
    FIELDS = (("key", "address"), ("revoked_at", "uint64"))
    SELECTOR = bytes.fromhex("fae524e8")
    MEANING = "The key was revoked; a revoked key never returns."
    REMEDY = "Make a new key."

    key: Address
    revoked_at: int


class NodeRegistryKeySignatureInvalidError(NodeRegistryError):
    """`KeySignatureInvalid`, selector 0x52808e8c."""

    NAME = "KeySignatureInvalid"
    FIELDS = (("key", "address"), ("recovered", "address"))
    SELECTOR = bytes.fromhex("52808e8c")
    MEANING = "Somebody else than the key signed."
    REMEDY = "Check the key, the nonce (`nonceOf`) and the domain (chain and registry)."

    key: Address
    recovered: Address


class NodeRegistryKeySignatureMalformedError(NodeRegistryError):
    """`KeySignatureMalformed`, selector 0x3dd15a04."""

    NAME = "KeySignatureMalformed"
    FIELDS = (("length", "uint256"),)
    SELECTOR = bytes.fromhex("3dd15a04")
    MEANING = "The signature is not 65 bytes r ‖ s ‖ v with low s and v 27 or 28."
    REMEDY = "Sign again with a signer that normalises s."

    length: int


class NodeRegistryTooManyServicesError(NodeRegistryError):
    """`TooManyServices`, selector 0x15766030."""

    NAME = "TooManyServices"
    FIELDS = (("key", "address"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("15766030")
    MEANING = "The key has announced more services than a revocation could end at once."
    REMEDY = "Make a key per few services."

    key: Address
    limit: int


class ModelRegistryError(ContractError):
    """Refused by the model registry."""


class ModelRegistryAlreadyPublishedError(ModelRegistryError):
    """`AlreadyPublished`, selector 0x87acd015."""

    NAME = "AlreadyPublished"
    FIELDS = (("root", "bytes32"), ("publisher", "address"))
    SELECTOR = bytes.fromhex("87acd015")
    MEANING = (
        "This publisher has published this root already; a publication never changes."
    )
    REMEDY = "Publish from another address, or leave it."

    root: bytes
    publisher: Address


class ModelRegistryRootZeroError(ModelRegistryError):
    """`RootZero`, selector 0xdfcd25ba."""

    NAME = "RootZero"
    FIELDS = ()
    SELECTOR = bytes.fromhex("dfcd25ba")
    MEANING = "The zero root names nothing."
    REMEDY = "Commit to the model first."


class ModelRegistryUriLengthError(ModelRegistryError):
    """`UriLength`, selector 0xe9b9e2df."""

    NAME = "UriLength"
    FIELDS = (("length", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("e9b9e2df")
    MEANING = "The URI is empty or longer than the limit."
    REMEDY = "Shorten it; put details behind it."

    length: int
    limit: int


class AccountError(ContractError):
    """Refused by an owned account."""


class AccountNotGateError(AccountError):
    """`NotGate`, selector 0x3754f507."""

    NAME = "NotGate"
    FIELDS = (("caller", "address"), ("gate", "address"))
    SELECTOR = bytes.fromhex("3754f507")
    MEANING = "Only the gate may."
    REMEDY = "Act through a mandate, or as the owner."

    caller: Address
    gate: Address


class AccountNotOwnerError(AccountError):
    """`NotOwner`, selector 0x23295f0e."""

    NAME = "NotOwner"
    FIELDS = (("caller", "address"), ("owner", "address"))
    SELECTOR = bytes.fromhex("23295f0e")
    MEANING = "Only the owner may."
    REMEDY = "Send from the owner's address."

    caller: Address
    owner: Address


class AccountOperationUnsupportedError(AccountError):
    """`OperationUnsupported`, selector 0xdfae6384."""

    NAME = "OperationUnsupported"
    FIELDS = (("operation", "uint8"),)
    SELECTOR = bytes.fromhex("dfae6384")
    MEANING = "The gate may only call."
    REMEDY = "Use operation 0."

    operation: int


class AccountOwnerCallFailedError(AccountError):
    """`OwnerCallFailed`, selector 0xd1d9ed6f."""

    NAME = "OwnerCallFailed"
    FIELDS = (("index", "uint256"), ("reason", "bytes"))
    SELECTOR = bytes.fromhex("d1d9ed6f")
    MEANING = "One of the owner's calls failed; nothing of the batch happened."
    REMEDY = "Read `reason`, the first bytes of what the target reverted with."

    index: int
    reason: bytes


class AccountPartyZeroError(AccountError):
    """`PartyZero`, selector 0xc4d86167."""

    NAME = "PartyZero"
    FIELDS = ()
    SELECTOR = bytes.fromhex("c4d86167")
    MEANING = "Owner and gate must not be the zero address."
    REMEDY = "Deploy again with both."


class DrawdownError(ContractError):
    """Refused by the rule against losses that add up."""


class DrawdownDrawdownExceededError(DrawdownError):
    """`DrawdownExceeded`, selector 0x9f87abfa."""

    NAME = "DrawdownExceeded"
    FIELDS = (("lost", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("9f87abfa")
    MEANING = "With this decision, the epoch's losses would pass the limit."
    REMEDY = "Wait for the next epoch."

    lost: int
    limit: int


class DrawdownEpochTooShortError(DrawdownError):
    """`EpochTooShort`, selector 0xb994192a."""

    NAME = "EpochTooShort"
    FIELDS = (("length", "uint64"), ("least", "uint64"))
    SELECTOR = bytes.fromhex("b994192a")
    MEANING = "The epoch is too short."
    REMEDY = "At least an hour."

    length: int
    least: int


class HealthError(ContractError):
    """Refused by the health-factor rule."""


class HealthFloorTooLowError(HealthError):
    """`FloorTooLow`, selector 0x2364fbd5."""

    NAME = "FloorTooLow"
    FIELDS = (("floor", "uint256"), ("least", "uint256"))
    SELECTOR = bytes.fromhex("2364fbd5")
    MEANING = "Below 1 an account is liquidated."
    REMEDY = "Choose a floor above it."

    floor: int
    least: int


class HealthHealthTooLowError(HealthError):
    """`HealthTooLow`, selector 0x6368d1b1."""

    NAME = "HealthTooLow"
    FIELDS = (("health", "uint256"), ("earlier", "uint256"), ("floor", "uint256"))
    SELECTOR = bytes.fromhex("6368d1b1")
    MEANING = (
        "The decision would leave the health factor below the floor and below "
        "what it was."
    )
    REMEDY = "Borrow less, repay, or supply more."

    health: int
    earlier: int
    floor: int


class TwapError(ContractError):
    """Refused by the rule that holds feeds against a pool."""


class TwapAnswerUnusableError(TwapError):
    """`AnswerUnusable`, selector 0xd16b5fa9."""

    NAME = "AnswerUnusable"
    FIELDS = (("feed", "address"), ("answer", "int256"), ("updated_at", "uint256"))
    SELECTOR = bytes.fromhex("d16b5fa9")
    MEANING = "A feed gives no usable price."
    REMEDY = "Wait for the feed."

    feed: Address
    answer: int
    updated_at: int


class TwapPriceOutOfRangeError(TwapError):
    """`PriceOutOfRange`, selector 0xdd407666."""

    NAME = "PriceOutOfRange"
    FIELDS = (("tick", "int256"),)
    SELECTOR = bytes.fromhex("dd407666")
    MEANING = "The price is so high or low that it has too few digits."
    REMEDY = "Use a pool of tokens of comparable units."

    tick: int


class TwapPricesDisagreeError(TwapError):
    """`PricesDisagree`, selector 0x273a7ea3."""

    NAME = "PricesDisagree"
    FIELDS = (
        ("oracle", "uint256"),
        ("average", "uint256"),
        ("max_deviation", "uint256"),
    )
    SELECTOR = bytes.fromhex("273a7ea3")
    MEANING = (
        "Feeds and pool disagree. Prices of the first token in the second's "
        "base units, times 2^128."
    )
    REMEDY = "Wait until they agree; find out which of them is wrong."

    oracle: int
    average: int
    max_deviation: int


class TwapTermsInvalidError(TwapError):
    """`TermsInvalid`, selector 0xe37af9c0."""

    NAME = "TermsInvalid"
    FIELDS = (
        ("window", "uint256"),
        ("deviation", "uint256"),
        ("up", "uint256"),
        ("down", "uint256"),
    )
    SELECTOR = bytes.fromhex("e37af9c0")
    MEANING = (
        "Window, deviation or decimals make no sense, or are not the contracts' own."
    )
    REMEDY = "At least half an hour; 1 to 5 000 basis points; decimals as they are."

    window: int
    deviation: int
    up: int
    down: int


class RecipientError(ContractError):
    """Refused by the rule about recipients."""


class RecipientArgumentMissingError(RecipientError):
    """`ArgumentMissing`, selector 0x55085eb0."""

    NAME = "ArgumentMissing"
    FIELDS = (("call", "uint256"), ("word", "uint16"), ("length", "uint256"))
    SELECTOR = bytes.fromhex("55085eb0")
    MEANING = "The call has no such argument."
    REMEDY = "Check the place, or the call."

    call: int
    word: int
    length: int


class RecipientNoPlaceError(RecipientError):
    """`NoPlace`, selector 0x0ac92287."""

    NAME = "NoPlace"
    FIELDS = ()
    SELECTOR = bytes.fromhex("0ac92287")
    MEANING = "Terms without a place would check nothing."
    REMEDY = "Name at least one."


class RecipientRecipientNotAccountError(RecipientError):
    """`RecipientNotAccount`, selector 0xec4d3b97."""

    NAME = "RecipientNotAccount"
    FIELDS = (
        ("call", "uint256"),
        ("word", "uint16"),
        ("got", "bytes32"),
        ("account", "address"),
    )
    SELECTOR = bytes.fromhex("ec4d3b97")
    MEANING = "The argument is somebody else."
    REMEDY = "Let the proceeds come to the account."

    call: int
    word: int
    got: bytes
    account: Address


class SafeError(ContractError):
    """Refused by the rule about a Safe's modules and guard."""


class SafeGuardUnexpectedError(SafeError):
    """`GuardUnexpected`, selector 0x4c7572f9."""

    NAME = "GuardUnexpected"
    FIELDS = (("guard", "address"), ("named", "address"))
    SELECTOR = bytes.fromhex("4c7572f9")
    MEANING = "The Safe has a guard that the terms do not name, and would not be asked."
    REMEDY = "Remove the guard, or name it in the terms: the mandate passes it by."

    guard: Address
    named: Address


class SafeModuleUnexpectedError(SafeError):
    """`ModuleUnexpected`, selector 0x0b13efb2."""

    NAME = "ModuleUnexpected"
    FIELDS = (("module", "address"), ("gate", "address"))
    SELECTOR = bytes.fromhex("0b13efb2")
    MEANING = "A module other than the gate is enabled, or there is none."
    REMEDY = "Disable it (`disableModule`), by the Safe's owners."

    module: Address
    gate: Address


class SpendError(ContractError):
    """Refused by the spend-rate rule."""


class SpendCapacityOutOfRangeError(SpendError):
    """`CapacityOutOfRange`, selector 0x051c8e41."""

    NAME = "CapacityOutOfRange"
    FIELDS = (("capacity", "uint256"), ("most", "uint256"))
    SELECTOR = bytes.fromhex("051c8e41")
    MEANING = "The capacity is zero, or more than this rule counts."
    REMEDY = "Choose one that means something."

    capacity: int
    most: int


class SpendSpendTooFastError(SpendError):
    """`SpendTooFast`, selector 0x0dab5ac2."""

    NAME = "SpendTooFast"
    FIELDS = (("level", "uint256"), ("capacity", "uint256"))
    SELECTOR = bytes.fromhex("0dab5ac2")
    MEANING = (
        "The decision would put more at risk than has been freed since the last ones."
    )
    REMEDY = "Wait, or decide smaller."

    level: int
    capacity: int


ERRORS: dict[bytes, type[ContractError]] = {
    kind.SELECTOR: kind
    for kind in (
        GateAllowanceLeftError,
        GateAllowanceUnreadableError,
        GateAmountTooLargeError,
        GateAnchorMismatchError,
        GateAnchorUnavailableError,
        GateApprovalFailedError,
        GateBalanceUnreadableError,
        GateBoundMissedError,
        GateBoundsLengthError,
        GateBoundsMismatchError,
        GateCallFailedError,
        GateCallNotAllowedError,
        GateCallTooShortError,
        GateCallsMismatchError,
        GateCheckpointAheadError,
        GateCheckpointOldError,
        GateDecisionExpiredError,
        GateDelayNotNeededError,
        GateDelayNotServedError,
        GateEmptyDecisionError,
        GateEndorsementsMissingError,
        GateEndorserUnknownError,
        GateEndorsersUnorderedError,
        GateGasTooLowError,
        GateGrantDelayTooLongError,
        GateHeadMismatchError,
        GateHeadQueuedError,
        GateLossExceededError,
        GateMandateExistsError,
        GateMandateExpiredError,
        GateMandateNotLiveError,
        GateMandateRevokedError,
        GateMandateStoppedError,
        GateMandateTooLargeError,
        GateMandateUnknownError,
        GateNodeBannedError,
        GateNodeEndorsesItselfError,
        GateNodeExpiredError,
        GateNodeNotPermittedError,
        GateNodeRevokedError,
        GateNodeUnannouncedError,
        GateNotAccountError,
        GateNotCancellerError,
        GateNotGuardianError,
        GateNotNodeRegistryError,
        GateNotOperatorError,
        GateNotQueuedError,
        GateOutflowTooLargeError,
        GatePriceInvalidError,
        GatePriceStaleError,
        GateProgramMismatchError,
        GateReenteredError,
        GateRuleRefusedError,
        GateRungExceededError,
        GateSignatureMalformedError,
        GateSlotNotNewestError,
        GateSlotUsedError,
        GateStopOverError,
        GateStopShorterError,
        GateStopTooLongError,
        GateStopUsedError,
        GateTierTooLowError,
        GateTokenUntrackedError,
        GateTooManyCallsError,
        GateUndeclaredLossError,
        GateValidityTooShortError,
        GateValueUntrackedError,
        GrantAttestationUnusableError,
        GrantCadenceOutOfRangeError,
        GrantDecimalsMismatchError,
        GrantDecimalsUnreadableError,
        GrantEndorserIsNodeError,
        GrantEndorsersUnsortedError,
        GrantFeedAgeZeroError,
        GrantFeedIndexOutOfRangeError,
        GrantGrantExpiredError,
        GrantLadderNotRisingError,
        GrantListTooLongError,
        GrantNativeDebtError,
        GrantNoAssetTrackedError,
        GrantNoNodeError,
        GrantNoRungError,
        GrantNodeKeyInvalidError,
        GrantNodeTierTooHighError,
        GrantQuorumOutOfRangeError,
        GrantRuleUnusableError,
        GrantRungDelayOutOfRangeError,
        GrantRungEndorsementsUnreachableError,
        GrantRungLimitTooLargeError,
        GrantRungTierUnreachableError,
        GrantSelectorForbiddenError,
        GrantTargetForbiddenError,
        GrantTargetWithoutCodeError,
        GrantTrackedTwiceError,
        GrantTransferUntrackedError,
        NodeRegistryAnnouncementOverError,
        NodeRegistryKeyRevokedError,
        NodeRegistryKeySignatureInvalidError,
        NodeRegistryKeySignatureMalformedError,
        NodeRegistryTooManyServicesError,
        ModelRegistryAlreadyPublishedError,
        ModelRegistryRootZeroError,
        ModelRegistryUriLengthError,
        AccountNotGateError,
        AccountNotOwnerError,
        AccountOperationUnsupportedError,
        AccountOwnerCallFailedError,
        AccountPartyZeroError,
        DrawdownDrawdownExceededError,
        DrawdownEpochTooShortError,
        HealthFloorTooLowError,
        HealthHealthTooLowError,
        TwapAnswerUnusableError,
        TwapPriceOutOfRangeError,
        TwapPricesDisagreeError,
        TwapTermsInvalidError,
        RecipientArgumentMissingError,
        RecipientNoPlaceError,
        RecipientRecipientNotAccountError,
        SafeGuardUnexpectedError,
        SafeModuleUnexpectedError,
        SpendCapacityOutOfRangeError,
        SpendSpendTooFastError,
    )
}
"""Every class by its selector."""


def decode_revert(data: bytes) -> ContractError:
    """Return the error that the revert bytes `data` stand for; it is not raised.

    Errors inside a reason (`CallFailed`) are decoded too, as its `cause`. Bytes of no
    known error become an `UnknownRevertError`, none at all an `EmptyRevertError`.
    """
    return read_revert(data, errors=ERRORS)
