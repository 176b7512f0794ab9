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
    ├── ListedError            refused by the rule about who may be paid
    ├── SafeError              refused by the rule about a Safe's modules and guard
    ├── SpendError             refused by the spend-rate rule
    ├── TdxAttestationError    refused by a TDX attestation contract
    ├── TdxError               refused by a TDX verifier
    ├── CertificateError       refused by a reader of certificates
    ├── CollateralError        refused by a reader of collateral
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


class ListedError(ContractError):
    """Refused by the rule about who may be paid."""


class ListedNothingListedError(ListedError):
    """`NothingListed`, selector 0x8d3c9290."""

    NAME = "NothingListed"
    FIELDS = (("places", "uint256"), ("recipients", "uint256"))
    SELECTOR = bytes.fromhex("8d3c9290")
    MEANING = (
        "Terms without a place would check nothing, terms without a recipient "
        "let nothing pass."
    )
    REMEDY = "Name at least one of each."

    places: int
    recipients: int


class ListedRecipientMissingError(ListedError):
    """`RecipientMissing`, selector 0x15d3fe04."""

    NAME = "RecipientMissing"
    FIELDS = (("call", "uint256"), ("word", "uint16"), ("length", "uint256"))
    SELECTOR = bytes.fromhex("15d3fe04")
    MEANING = "The call has no such argument."
    REMEDY = "Check the place, or the call."

    call: int
    word: int
    length: int


class ListedRecipientNotListedError(ListedError):
    """`RecipientNotListed`, selector 0x8dadc191."""

    NAME = "RecipientNotListed"
    FIELDS = (("call", "uint256"), ("word", "uint16"), ("got", "bytes32"))
    SELECTOR = bytes.fromhex("8dadc191")
    MEANING = "The argument is nobody on the list."
    REMEDY = "Pay a listed recipient, or grant a mandate that lists this one."

    call: int
    word: int
    got: bytes


class ListedRecipientZeroError(ListedError):
    """`RecipientZero`, selector 0x00973811."""

    NAME = "RecipientZero"
    FIELDS = (("index", "uint256"),)
    SELECTOR = bytes.fromhex("00973811")
    MEANING = "Nobody owns the zero address; what is sent there is gone."
    REMEDY = "List accounts that somebody owns."

    index: int


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


class TdxAttestationError(ContractError):
    """Refused by a TDX attestation contract."""


class TdxAttestationBindingBlockError(TdxAttestationError):
    """`BindingBlock`, selector 0x6637cb9c."""

    NAME = "BindingBlock"
    FIELDS = (("number", "uint64"), ("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("6637cb9c")
    MEANING = (
        "The binding's block is not this chain's, or too old to tell (expected 0)."
    )
    REMEDY = "Bind to a recent block of this chain."

    number: int
    got: bytes
    expected: bytes


class TdxAttestationBindingOlderError(TdxAttestationError):
    """`BindingOlder`, selector 0x46529331."""

    NAME = "BindingOlder"
    FIELDS = (("block_number", "uint64"), ("known", "uint64"))
    SELECTOR = bytes.fromhex("46529331")
    MEANING = "A newer binding of the key is registered."
    REMEDY = "Bring the newest."

    block_number: int
    known: int


class TdxAttestationBindingOverError(TdxAttestationError):
    """`BindingOver`, selector 0x58ba9ca3."""

    NAME = "BindingOver"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("58ba9ca3")
    MEANING = "The binding is over."
    REMEDY = "Have the node bind its key anew."

    valid_until: int
    block_time: int


class TdxAttestationBindingSignatureInvalidError(TdxAttestationError):
    """`BindingSignatureInvalid`, selector 0x63b990e0."""

    NAME = "BindingSignatureInvalid"
    FIELDS = (("key", "address"), ("recovered", "address"))
    SELECTOR = bytes.fromhex("63b990e0")
    MEANING = "Somebody else than the key signed the binding."
    REMEDY = "Check the key and the domain (chain and this contract)."

    key: Address
    recovered: Address


class TdxAttestationBindingSignatureMalformedError(TdxAttestationError):
    """`BindingSignatureMalformed`, selector 0xe0437386."""

    NAME = "BindingSignatureMalformed"
    FIELDS = (("length", "uint256"),)
    SELECTOR = bytes.fromhex("e0437386")
    MEANING = (
        "The signature over the binding is not 65 bytes r ‖ s ‖ v with low s "
        "and v 27 or 28."
    )
    REMEDY = "Sign again with a signer that normalises s."

    length: int


class TdxAttestationBindingTooLongError(TdxAttestationError):
    """`BindingTooLong`, selector 0x67358e25."""

    NAME = "BindingTooLong"
    FIELDS = (("valid_until", "uint64"), ("latest", "uint256"))
    SELECTOR = bytes.fromhex("67358e25")
    MEANING = "The binding is for longer than may be."
    REMEDY = "At most `MAX_VALIDITY` from now."

    valid_until: int
    latest: int


class TdxAttestationBindingUnnamedError(TdxAttestationError):
    """`BindingUnnamed`, selector 0x75a3e38d."""

    NAME = "BindingUnnamed"
    FIELDS = ()
    SELECTOR = bytes.fromhex("75a3e38d")
    MEANING = "The binding names neither a program nor a workload."
    REMEDY = "Bind to one of them."


class TdxAttestationEngineNotPermittedError(TdxAttestationError):
    """`EngineNotPermitted`, selector 0xaad85230."""

    NAME = "EngineNotPermitted"
    FIELDS = (("engine", "bytes32"),)
    SELECTOR = bytes.fromhex("aad85230")
    MEANING = "The key is bound to an engine that the workload does not permit."
    REMEDY = "Serve one of the workload's."

    engine: bytes


class TdxAttestationEvaluationTooOldError(TdxAttestationError):
    """`EvaluationTooOld`, selector 0x7736646e."""

    NAME = "EvaluationTooOld"
    FIELDS = (("evaluation_number", "uint16"), ("floor", "uint16"))
    SELECTOR = bytes.fromhex("7736646e")
    MEANING = "The collateral is older than the workload accepts."
    REMEDY = "Refresh it."

    evaluation_number: int
    floor: int


class TdxAttestationGpuEndorsementOlderError(TdxAttestationError):
    """`GpuEndorsementOlder`, selector 0xb8ad56c3."""

    NAME = "GpuEndorsementOlder"
    FIELDS = (("valid_until", "uint64"), ("known", "uint64"))
    SELECTOR = bytes.fromhex("b8ad56c3")
    MEANING = "The endorsers have vouched for as long or longer already."
    REMEDY = (
        "Nothing; what they signed holds until then, and nobody can shorten it "
        "by showing what they signed before."
    )

    valid_until: int
    known: int


class TdxAttestationGpuEndorsementOverError(TdxAttestationError):
    """`GpuEndorsementOver`, selector 0x068bcf41."""

    NAME = "GpuEndorsementOver"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("068bcf41")
    MEANING = "The endorsement would be over already."
    REMEDY = "Endorse for longer."

    valid_until: int
    block_time: int


class TdxAttestationGpuEndorsementsMissingError(TdxAttestationError):
    """`GpuEndorsementsMissing`, selector 0xb77b3d76."""

    NAME = "GpuEndorsementsMissing"
    FIELDS = (("got", "uint256"), ("quorum", "uint8"))
    SELECTOR = bytes.fromhex("b77b3d76")
    MEANING = "Fewer endorsers vouched than the workload asks, or it names none."
    REMEDY = "Collect more."

    got: int
    quorum: int


class TdxAttestationGpuEndorserUnknownError(TdxAttestationError):
    """`GpuEndorserUnknown`, selector 0xac28ca9b."""

    NAME = "GpuEndorserUnknown"
    FIELDS = (("endorser", "address"),)
    SELECTOR = bytes.fromhex("ac28ca9b")
    MEANING = "Somebody vouched whom the workload does not name."
    REMEDY = "Leave it out; or something else was signed."

    endorser: Address


class TdxAttestationGpuEndorsersUnorderedError(TdxAttestationError):
    """`GpuEndorsersUnordered`, selector 0xb0cfea20."""

    NAME = "GpuEndorsersUnordered"
    FIELDS = (("endorser", "address"), ("previous", "address"))
    SELECTOR = bytes.fromhex("b0cfea20")
    MEANING = "Signers are not ascending: one of them twice, or out of order."
    REMEDY = "Sort signatures by signer."

    endorser: Address
    previous: Address


class TdxAttestationGpuEvidenceMissingError(TdxAttestationError):
    """`GpuEvidenceMissing`, selector 0x95f6dd10."""

    NAME = "GpuEvidenceMissing"
    FIELDS = (("key", "address"),)
    SELECTOR = bytes.fromhex("95f6dd10")
    MEANING = "The key is bound to no GPU evidence."
    REMEDY = "Bind it to some."

    key: Address


class TdxAttestationGpuSignatureMalformedError(TdxAttestationError):
    """`GpuSignatureMalformed`, selector 0x23f95cfc."""

    NAME = "GpuSignatureMalformed"
    FIELDS = (("length", "uint256"),)
    SELECTOR = bytes.fromhex("23f95cfc")
    MEANING = "Signatures are not of 65 bytes each, with low s and v 27 or 28."
    REMEDY = "Sign again with a signer that normalises s."

    length: int


class TdxAttestationHardwareRevokedError(TdxAttestationError):
    """`HardwareRevoked`, selector 0x7f6266df."""

    NAME = "HardwareRevoked"
    FIELDS = (("ppid", "bytes16"), ("revoked_at", "uint64"))
    SELECTOR = bytes.fromhex("7f6266df")
    MEANING = "A guard of the workload has refused the machine."
    REMEDY = "Use other hardware."

    ppid: bytes
    revoked_at: int


class TdxAttestationMeasurementsMismatchError(TdxAttestationError):
    """`MeasurementsMismatch`, selector 0x3e7833d2."""

    NAME = "MeasurementsMismatch"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("3e7833d2")
    MEANING = "Other code was measured than the workload names."
    REMEDY = "Run the measured image, on the machine shape that it was measured on."

    got: bytes
    expected: bytes


class TdxAttestationModelNotPermittedError(TdxAttestationError):
    """`ModelNotPermitted`, selector 0x241fa244."""

    NAME = "ModelNotPermitted"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("241fa244")
    MEANING = "The key is bound to another model than the workload names."
    REMEDY = "Serve the workload's."

    got: bytes
    expected: bytes


class TdxAttestationNotAttestedError(TdxAttestationError):
    """`NotAttested`, selector 0x80137679."""

    NAME = "NotAttested"
    FIELDS = (("key", "address"), ("workload_id", "bytes32"))
    SELECTOR = bytes.fromhex("80137679")
    MEANING = "The key was never attested for the workload."
    REMEDY = "Register it."

    key: Address
    workload_id: bytes


class TdxAttestationNotGuardError(TdxAttestationError):
    """`NotGuard`, selector 0xbf3d4ae2."""

    NAME = "NotGuard"
    FIELDS = (("caller", "address"),)
    SELECTOR = bytes.fromhex("bf3d4ae2")
    MEANING = "The caller is no guard of the workload."
    REMEDY = "Send it from one that the workload names."

    caller: Address


class TdxAttestationProgramNotPermittedError(TdxAttestationError):
    """`ProgramNotPermitted`, selector 0xdb2155c3."""

    NAME = "ProgramNotPermitted"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("db2155c3")
    MEANING = "The key is bound to another program than the workload names."
    REMEDY = "Serve the workload's."

    got: bytes
    expected: bytes


class TdxAttestationReportDataMismatchError(TdxAttestationError):
    """`ReportDataMismatch`, selector 0x7629e7b4."""

    NAME = "ReportDataMismatch"
    FIELDS = (
        ("high", "bytes32"),
        ("low", "bytes32"),
        ("expected_high", "bytes32"),
        ("expected_low", "bytes32"),
    )
    SELECTOR = bytes.fromhex("7629e7b4")
    MEANING = (
        "The TD's report carries something else than this binding: it was made "
        "for another binding, chain, contract or purpose."
    )
    REMEDY = "Quote anew, with key ‖ digest ‖ tag as report data."

    high: bytes
    low: bytes
    expected_high: bytes
    expected_low: bytes


class TdxAttestationStatusNotPermittedError(TdxAttestationError):
    """`StatusNotPermitted`, selector 0xbc42d2d1."""

    NAME = "StatusNotPermitted"
    FIELDS = (("status", "uint8"), ("permitted", "uint16"))
    SELECTOR = bytes.fromhex("bc42d2d1")
    MEANING = "The machine is not patched as the workload asks."
    REMEDY = "Update its firmware, or grant a workload that accepts this status."

    status: int
    permitted: int


class TdxAttestationWorkloadForeignError(TdxAttestationError):
    """`WorkloadForeign`, selector 0x5245b7d8."""

    NAME = "WorkloadForeign"
    FIELDS = (("named", "bytes32"), ("workload_id", "bytes32"))
    SELECTOR = bytes.fromhex("5245b7d8")
    MEANING = "The binding is for another workload."
    REMEDY = "Register it under the workload that it names."

    named: bytes
    workload_id: bytes


class TdxAttestationWorkloadMalformedError(TdxAttestationError):
    """`WorkloadMalformed`, selector 0xa7c5d146."""

    NAME = "WorkloadMalformed"
    FIELDS = (
        ("engines", "uint256"),
        ("statuses", "uint16"),
        ("endorsers", "uint256"),
        ("quorum", "uint8"),
    )
    SELECTOR = bytes.fromhex("a7c5d146")
    MEANING = (
        "The workload has no engine, accepts no status, or its endorsers are "
        "not ascending or fewer than the quorum."
    )
    REMEDY = "Correct it; its hash changes."

    engines: int
    statuses: int
    endorsers: int
    quorum: int


class TdxError(ContractError):
    """Refused by a TDX verifier."""


class TdxAttestationKeyUnboundError(TdxError):
    """`AttestationKeyUnbound`, selector 0xcf8d57dc."""

    NAME = "AttestationKeyUnbound"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("cf8d57dc")
    MEANING = "The quoting enclave's report is not about this attestation key."
    REMEDY = "The quote was changed."

    got: bytes
    expected: bytes


class TdxAttributesForbiddenError(TdxError):
    """`AttributesForbidden`, selector 0xcc8ea94c."""

    NAME = "AttributesForbidden"
    FIELDS = (("attributes", "bytes8"), ("permitted", "bytes8"))
    SELECTOR = bytes.fromhex("cc8ea94c")
    MEANING = (
        "The TD has attributes that are reserved, or open it to others "
        "(profiling, migration, service TDs)."
    )
    REMEDY = "Launch it without them."

    attributes: bytes
    permitted: bytes


class TdxAuthoritiesFullError(TdxError):
    """`AuthoritiesFull`, selector 0xfa6c0cfe."""

    NAME = "AuthoritiesFull"
    FIELDS = (("limit", "uint256"),)
    SELECTOR = bytes.fromhex("fa6c0cfe")
    MEANING = "There is no room for another authority."
    REMEDY = "Nothing; Intel's root has issued three."

    limit: int


class TdxAuthorityRevokedError(TdxError):
    """`AuthorityRevoked`, selector 0x6d8f357b."""

    NAME = "AuthorityRevoked"
    FIELDS = (("number", "uint8"), ("revoked", "uint128"))
    SELECTOR = bytes.fromhex("6d8f357b")
    MEANING = "The root, an authority or a signer was revoked."
    REMEDY = "Nothing that it signed is believed any more."

    number: int
    revoked: int


class TdxCertificateEarlyError(TdxError):
    """`CertificateEarly`, selector 0x8c04bec7."""

    NAME = "CertificateEarly"
    FIELDS = (("valid_from", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("8c04bec7")
    MEANING = "The certificate is not valid yet."
    REMEDY = "Wait, or check the chain's time."

    valid_from: int
    block_time: int


class TdxCertificateIssuerError(TdxError):
    """`CertificateIssuer`, selector 0x3a793c0f."""

    NAME = "CertificateIssuer"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("3a793c0f")
    MEANING = "The issuer's name is not that of the authority it was submitted under."
    REMEDY = (
        "Submit the issuer's certificate first, and name it. Expected zero: it "
        "is not known."
    )

    got: bytes
    expected: bytes


class TdxCertificateKeyIdError(TdxError):
    """`CertificateKeyId`, selector 0x9f8fedb6."""

    NAME = "CertificateKeyId"
    FIELDS = (("got", "bytes20"), ("expected", "bytes20"))
    SELECTOR = bytes.fromhex("9f8fedb6")
    MEANING = "The issuer's key id is not that of the authority it was submitted under."
    REMEDY = "Submit the issuer's certificate first, and name it."

    got: bytes
    expected: bytes


class TdxCertificateOverError(TdxError):
    """`CertificateOver`, selector 0xd6cb311d."""

    NAME = "CertificateOver"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("d6cb311d")
    MEANING = "A certificate of the chain is over."
    REMEDY = "Submit its successor."

    valid_until: int
    block_time: int


class TdxCertificateRoleError(TdxError):
    """`CertificateRole`, selector 0xd1dca3bd."""

    NAME = "CertificateRole"
    FIELDS = (("role", "uint8"),)
    SELECTOR = bytes.fromhex("d1dca3bd")
    MEANING = "A certificate is for something else than it is submitted as."
    REMEDY = "Check which certificate goes where."

    role: int


class TdxCertificateSignatureError(TdxError):
    """`CertificateSignature`, selector 0x7854062a."""

    NAME = "CertificateSignature"
    FIELDS = (("digest", "bytes32"),)
    SELECTOR = bytes.fromhex("7854062a")
    MEANING = "The signature does not verify."
    REMEDY = (
        "The certificate or list was changed, or another key signed it, or the "
        "chain has no P-256 precompile (`affiant attest doctor` tells)."
    )

    digest: bytes


class TdxCollateralDatesError(TdxError):
    """`CollateralDates`, selector 0x5b000dd5."""

    NAME = "CollateralDates"
    FIELDS = (
        ("issued_at", "uint64"),
        ("valid_until", "uint64"),
        ("block_time", "uint256"),
    )
    SELECTOR = bytes.fromhex("5b000dd5")
    MEANING = "The collateral is not valid yet, or is over."
    REMEDY = "Submit what Intel offers now."

    issued_at: int
    valid_until: int
    block_time: int


class TdxCollateralOlderError(TdxError):
    """`CollateralOlder`, selector 0xead827b3."""

    NAME = "CollateralOlder"
    FIELDS = (("issued_at", "uint64"), ("known", "uint64"))
    SELECTOR = bytes.fromhex("ead827b3")
    MEANING = "Newer collateral is known."
    REMEDY = "Submit what Intel offers now."

    issued_at: int
    known: int


class TdxCollateralOverError(TdxError):
    """`CollateralOver`, selector 0x1bb2a17b."""

    NAME = "CollateralOver"
    FIELDS = (
        ("tcb_info_until", "uint64"),
        ("qe_identity_until", "uint64"),
        ("block_time", "uint256"),
    )
    SELECTOR = bytes.fromhex("1bb2a17b")
    MEANING = (
        "TCB info or identity of the quoting enclave is over, or was never added (0)."
    )
    REMEDY = "Refresh the collateral (`affiant attest refresh`)."

    tcb_info_until: int
    qe_identity_until: int
    block_time: int


class TdxCollateralRollbackError(TdxError):
    """`CollateralRollback`, selector 0xf996e858."""

    NAME = "CollateralRollback"
    FIELDS = (("evaluation_number", "uint16"), ("floor", "uint16"))
    SELECTOR = bytes.fromhex("f996e858")
    MEANING = "The collateral is from before a TCB recovery that is known here."
    REMEDY = "Submit what Intel offers now."

    evaluation_number: int
    floor: int


class TdxCollateralSignatureError(TdxError):
    """`CollateralSignature`, selector 0x1a068d26."""

    NAME = "CollateralSignature"
    FIELDS = (("digest", "bytes32"),)
    SELECTOR = bytes.fromhex("1a068d26")
    MEANING = "The collateral's signature does not verify."
    REMEDY = "It was changed, or another signer signed it."

    digest: bytes


class TdxCollateralSignatureLengthError(TdxError):
    """`CollateralSignatureLength`, selector 0x47c3b28f."""

    NAME = "CollateralSignatureLength"
    FIELDS = (("got", "uint256"),)
    SELECTOR = bytes.fromhex("47c3b28f")
    MEANING = "A signature is not 64 bytes r ‖ s."
    REMEDY = "Decode Intel's hexadecimal digits."

    got: int


class TdxDebuggableError(TdxError):
    """`Debuggable`, selector 0x3f4641fe."""

    NAME = "Debuggable"
    FIELDS = (("attributes", "bytes8"),)
    SELECTOR = bytes.fromhex("3f4641fe")
    MEANING = "The TD can be debugged: the host reads its memory."
    REMEDY = "Launch it without DEBUG."

    attributes: bytes


class TdxMachineDistrustedError(TdxError):
    """`MachineDistrusted`, selector 0x0b294135."""

    NAME = "MachineDistrusted"
    FIELDS = (("machine", "bytes32"), ("revoked_at", "uint64"))
    SELECTOR = bytes.fromhex("0b294135")
    MEANING = "The machine's certificate was revoked."
    REMEDY = "Nothing; use other hardware."

    machine: bytes
    revoked_at: int


class TdxMachineUnknownError(TdxError):
    """`MachineUnknown`, selector 0x41b6bf8c."""

    NAME = "MachineUnknown"
    FIELDS = (("machine", "bytes32"),)
    SELECTOR = bytes.fromhex("41b6bf8c")
    MEANING = "The machine's certificate was never added."
    REMEDY = "Add it (`addMachine`)."

    machine: bytes


class TdxModuleForeignError(TdxError):
    """`ModuleForeign`, selector 0x52728f3e."""

    NAME = "ModuleForeign"
    FIELDS = (("signer", "bytes32"),)
    SELECTOR = bytes.fromhex("52728f3e")
    MEANING = "The TDX module is not signed by Intel, or has attributes."
    REMEDY = "Nothing; such a module is not trusted."

    signer: bytes


class TdxModuleTooOldError(TdxError):
    """`ModuleTooOld`, selector 0x377b5c9e."""

    NAME = "ModuleTooOld"
    FIELDS = (("version", "uint8"), ("svn", "uint8"))
    SELECTOR = bytes.fromhex("377b5c9e")
    MEANING = "The TDX module is older than any that the TCB info knows."
    REMEDY = "Update the module."

    version: int
    svn: int


class TdxModuleUnknownError(TdxError):
    """`ModuleUnknown`, selector 0xdf27bb23."""

    NAME = "ModuleUnknown"
    FIELDS = (("version", "uint8"),)
    SELECTOR = bytes.fromhex("df27bb23")
    MEANING = "The TCB info does not know the TDX module's major version."
    REMEDY = "Refresh the collateral, or update the module."

    version: int


class TdxPceIdMismatchError(TdxError):
    """`PceIdMismatch`, selector 0xe8f2513b."""

    NAME = "PceIdMismatch"
    FIELDS = (("got", "bytes2"), ("expected", "bytes2"))
    SELECTOR = bytes.fromhex("e8f2513b")
    MEANING = "The machine has another provisioning enclave than the TCB info is for."
    REMEDY = "Nothing; Intel has one."

    got: bytes
    expected: bytes


class TdxQeForeignError(TdxError):
    """`QeForeign`, selector 0x98f95032."""

    NAME = "QeForeign"
    FIELDS = (("got", "bytes32"), ("expected", "bytes32"), ("debug", "bool"))
    SELECTOR = bytes.fromhex("98f95032")
    MEANING = "The quoting enclave is not Intel's, or debugs."
    REMEDY = "Nothing; such a quote proves nothing."

    got: bytes
    expected: bytes
    debug: bool


class TdxQeReplacedError(TdxError):
    """`QeReplaced`, selector 0x4b46a85a."""

    NAME = "QeReplaced"
    FIELDS = (("generation", "uint8"), ("expected", "uint8"))
    SELECTOR = bytes.fromhex("4b46a85a")
    MEANING = (
        "Intel has changed what a quoting enclave must be since the quote was verified."
    )
    REMEDY = "Attest anew: the enclave's report has to be seen again."

    generation: int
    expected: int


class TdxQeSignatureError(TdxError):
    """`QeSignature`, selector 0xe04e9645."""

    NAME = "QeSignature"
    FIELDS = (("digest", "bytes32"),)
    SELECTOR = bytes.fromhex("e04e9645")
    MEANING = "The machine's key did not sign the quoting enclave's report."
    REMEDY = "The quote was changed, or is from another machine."

    digest: bytes


class TdxQeTooOldError(TdxError):
    """`QeTooOld`, selector 0x1f7bbc4b."""

    NAME = "QeTooOld"
    FIELDS = (("svn", "uint16"),)
    SELECTOR = bytes.fromhex("1f7bbc4b")
    MEANING = "The quoting enclave is older than any that its identity knows."
    REMEDY = "Update it."

    svn: int


class TdxQuoteKindError(TdxError):
    """`QuoteKind`, selector 0x82a330f1."""

    NAME = "QuoteKind"
    FIELDS = (("kind", "bytes6"), ("vendor", "bytes16"))
    SELECTOR = bytes.fromhex("82a330f1")
    MEANING = "Another key type, TEE or quoting enclave vendor."
    REMEDY = (
        "Only TDX quotes of Intel's quoting enclave, signed on P-256, are "
        "verified here."
    )

    kind: bytes
    vendor: bytes


class TdxQuoteLengthError(TdxError):
    """`QuoteLength`, selector 0x01b38688."""

    NAME = "QuoteLength"
    FIELDS = (("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("01b38688")
    MEANING = "The signed part has another length than its version has."
    REMEDY = "Cut the quote where its signature begins."

    got: int
    expected: int


class TdxQuoteSignatureError(TdxError):
    """`QuoteSignature`, selector 0xa57fcfea."""

    NAME = "QuoteSignature"
    FIELDS = (("digest", "bytes32"),)
    SELECTOR = bytes.fromhex("a57fcfea")
    MEANING = "The attestation key did not sign the quote."
    REMEDY = "The quote was changed."

    digest: bytes


class TdxQuoteTooShortError(TdxError):
    """`QuoteTooShort`, selector 0x0d59ee32."""

    NAME = "QuoteTooShort"
    FIELDS = (("length", "uint256"), ("least", "uint256"))
    SELECTOR = bytes.fromhex("0d59ee32")
    MEANING = "Too few bytes for a quote."
    REMEDY = "Submit header and TD report as signed."

    length: int
    least: int


class TdxQuoteVersionError(TdxError):
    """`QuoteVersion`, selector 0x3786f747."""

    NAME = "QuoteVersion"
    FIELDS = (("version", "bytes2"), ("descriptor", "bytes6"))
    SELECTOR = bytes.fromhex("3786f747")
    MEANING = "Neither version 4 nor version 5 with a TD report."
    REMEDY = "Quotes of SGX enclaves are not verified here."

    version: bytes
    descriptor: bytes


class TdxRevocationListOlderError(TdxError):
    """`RevocationListOlder`, selector 0x3b523762."""

    NAME = "RevocationListOlder"
    FIELDS = (("issued_at", "uint64"), ("known", "uint64"))
    SELECTOR = bytes.fromhex("3b523762")
    MEANING = "A newer revocation list is known."
    REMEDY = "Submit the newest."

    issued_at: int
    known: int


class TdxRevocationListOverError(TdxError):
    """`RevocationListOver`, selector 0x70070040."""

    NAME = "RevocationListOver"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("70070040")
    MEANING = "The revocation list is over."
    REMEDY = "Submit the newest."

    valid_until: int
    block_time: int


class TdxRevocationsUnknownError(TdxError):
    """`RevocationsUnknown`, selector 0x7626e0b2."""

    NAME = "RevocationsUnknown"
    FIELDS = (("valid_until", "uint64"), ("block_time", "uint256"))
    SELECTOR = bytes.fromhex("7626e0b2")
    MEANING = (
        "Whether certificates are revoked is not known: a list is missing or over."
    )
    REMEDY = (
        "Refresh the revocation lists (`affiant attest refresh`). 0: there was "
        "never one."
    )

    valid_until: int
    block_time: int


class TdxRootForeignError(TdxError):
    """`RootForeign`, selector 0x0eb96288."""

    NAME = "RootForeign"
    FIELDS = (("key_hash", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("0eb96288")
    MEANING = "The certificate's key is not the pinned root's."
    REMEDY = "Submit the root certificate that this contract was deployed for."

    key_hash: bytes
    expected: bytes


class TdxRootKnownError(TdxError):
    """`RootKnown`, selector 0x6fc84322."""

    NAME = "RootKnown"
    FIELDS = ()
    SELECTOR = bytes.fromhex("6fc84322")
    MEANING = "The root is known already."
    REMEDY = "Nothing is left to do."


class TdxRootNotForProductionError(TdxError):
    """`RootNotForProduction`, selector 0x1394e97a."""

    NAME = "RootNotForProduction"
    FIELDS = (("chain_id", "uint256"),)
    SELECTOR = bytes.fromhex("1394e97a")
    MEANING = "A root other than Intel's may not be deployed on a chain where money is."
    REMEDY = "Use a development chain."

    chain_id: int


class TdxSeptVeEnabledError(TdxError):
    """`SeptVeEnabled`, selector 0x259ff9db."""

    NAME = "SeptVeEnabled"
    FIELDS = (("attributes", "bytes8"),)
    SELECTOR = bytes.fromhex("259ff9db")
    MEANING = "The TD lets its host inject faults where it expects memory."
    REMEDY = "Launch it with SEPT_VE_DISABLE."

    attributes: bytes


class TdxSerialTakenError(TdxError):
    """`SerialTaken`, selector 0x096db22b."""

    NAME = "SerialTaken"
    FIELDS = (("other", "bytes32"), ("serial", "uint256"))
    SELECTOR = bytes.fromhex("096db22b")
    MEANING = "Another certificate has this serial number already."
    REMEDY = "Nothing; an authority must not issue two."

    other: bytes
    serial: int


class TdxServiceBoundError(TdxError):
    """`ServiceBound`, selector 0xa84bb36a."""

    NAME = "ServiceBound"
    FIELDS = (("measurement", "bytes32"),)
    SELECTOR = bytes.fromhex("a84bb36a")
    MEANING = "A service TD is bound to the TD."
    REMEDY = "Launch it without."

    measurement: bytes


class TdxSignaturesLengthError(TdxError):
    """`SignaturesLength`, selector 0xca961efd."""

    NAME = "SignaturesLength"
    FIELDS = (("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("ca961efd")
    MEANING = "The signatures are not 608 bytes."
    REMEDY = "Cut the quote as `TdxQuote` describes."

    got: int
    expected: int


class TdxTcbInfoUnknownError(TdxError):
    """`TcbInfoUnknown`, selector 0x39dbef5e."""

    NAME = "TcbInfoUnknown"
    FIELDS = (("fmspc", "bytes6"),)
    SELECTOR = bytes.fromhex("39dbef5e")
    MEANING = "No TCB info is known for this kind of machine."
    REMEDY = "Refresh the collateral (`affiant attest refresh`)."

    fmspc: bytes


class TdxTcbLevelNoneError(TdxError):
    """`TcbLevelNone`, selector 0xb45ba867."""

    NAME = "TcbLevelNone"
    FIELDS = (("components", "bytes32"), ("pce_svn", "uint16"))
    SELECTOR = bytes.fromhex("b45ba867")
    MEANING = "The machine reaches no level of the TCB info."
    REMEDY = "Update its firmware."

    components: bytes
    pce_svn: int


class TdxTcbRevokedError(TdxError):
    """`TcbRevoked`, selector 0x80ed038a."""

    NAME = "TcbRevoked"
    FIELDS = (("launched", "bytes16"), ("current", "bytes16"), ("qe_svn", "uint16"))
    SELECTOR = bytes.fromhex("80ed038a")
    MEANING = (
        "The machine, its TDX module or its quoting enclave is revoked at "
        "these versions."
    )
    REMEDY = "Update it."

    launched: bytes
    current: bytes
    qe_svn: int


class CertificateError(ContractError):
    """Refused by a reader of certificates."""


class CertificateCrlEntryError(CertificateError):
    """`CrlEntry`, selector 0x37a3bce4."""

    NAME = "CrlEntry"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("37a3bce4")
    MEANING = (
        "An entry of a revocation list is not a serial number, a time and a reason."
    )
    REMEDY = "Indirect and partial lists are not read."

    at: int


class CertificateDerIntegerError(CertificateError):
    """`DerInteger`, selector 0x778d2a1e."""

    NAME = "DerInteger"
    FIELDS = (("at", "uint256"), ("length", "uint256"))
    SELECTOR = bytes.fromhex("778d2a1e")
    MEANING = "An integer is empty, negative, not in its shortest form or too large."
    REMEDY = "Serial numbers and signatures are positive, of at most 256 bits."

    at: int
    length: int


class CertificateDerLengthError(CertificateError):
    """`DerLength`, selector 0xc2f0a8c9."""

    NAME = "DerLength"
    FIELDS = (("at", "uint256"), ("got", "uint256"))
    SELECTOR = bytes.fromhex("c2f0a8c9")
    MEANING = "A length is not in its shortest form, or has more than two bytes."
    REMEDY = "DER has one spelling of every length."

    at: int
    got: int


class CertificateDerSizeError(CertificateError):
    """`DerSize`, selector 0x7b7258f7."""

    NAME = "DerSize"
    FIELDS = (("at", "uint256"), ("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("7b7258f7")
    MEANING = "A byte string has another length than its kind."
    REMEDY = "Submit a certificate of Intel's profile."

    at: int
    got: int
    expected: int


class CertificateDerTagError(CertificateError):
    """`DerTag`, selector 0x24ecfa1e."""

    NAME = "DerTag"
    FIELDS = (("at", "uint256"), ("got", "uint8"), ("expected", "uint8"))
    SELECTOR = bytes.fromhex("24ecfa1e")
    MEANING = "Another kind of element was expected here."
    REMEDY = "Submit DER of Intel's profile."

    at: int
    got: int
    expected: int


class CertificateDerTrailingError(CertificateError):
    """`DerTrailing`, selector 0x6a0552f2."""

    NAME = "DerTrailing"
    FIELDS = (("at", "uint256"), ("end", "uint256"))
    SELECTOR = bytes.fromhex("6a0552f2")
    MEANING = "Something follows where nothing may."
    REMEDY = "Cut off what is not part of the certificate."

    at: int
    end: int


class CertificateDerTruncatedError(CertificateError):
    """`DerTruncated`, selector 0xdc38eed5."""

    NAME = "DerTruncated"
    FIELDS = (("at", "uint256"), ("length", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("dc38eed5")
    MEANING = "An element reaches beyond what encloses it."
    REMEDY = "Submit the certificate as whole DER, not as PEM."

    at: int
    length: int
    limit: int


class CertificatePckEntryError(CertificateError):
    """`PckEntry`, selector 0x585368f0."""

    NAME = "PckEntry"
    FIELDS = (("at", "uint256"), ("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("585368f0")
    MEANING = (
        "The SGX extension of a PCK certificate lacks an entry or has an unknown one."
    )
    REMEDY = "Submit a PCK certificate of Intel's profile."

    at: int
    got: int
    expected: int


class CertificatePckSvnError(CertificateError):
    """`PckSvn`, selector 0xd440506c."""

    NAME = "PckSvn"
    FIELDS = (("component", "uint256"), ("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("d440506c")
    MEANING = (
        "A TCB component is not the CPU security version's byte that it stands for."
    )
    REMEDY = "Nothing; such a certificate contradicts itself."

    component: int
    got: int
    expected: int


class CertificateX509AlgorithmError(CertificateError):
    """`X509Algorithm`, selector 0x605e38de."""

    NAME = "X509Algorithm"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("605e38de")
    MEANING = "Not ECDSA with SHA-256, or not twice the same."
    REMEDY = "Submit a certificate of Intel's profile."

    at: int


class CertificateX509ExtensionError(CertificateError):
    """`X509Extension`, selector 0xcc6b52b3."""

    NAME = "X509Extension"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("cc6b52b3")
    MEANING = (
        "An extension is unknown and critical, comes twice or has another content."
    )
    REMEDY = "Submit a certificate of Intel's profile."

    at: int


class CertificateX509KeyError(CertificateError):
    """`X509Key`, selector 0x394f628f."""

    NAME = "X509Key"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("394f628f")
    MEANING = "Not an uncompressed key on P-256."
    REMEDY = "Submit a certificate of Intel's profile."

    at: int


class CertificateX509NameError(CertificateError):
    """`X509Name`, selector 0x5da5087c."""

    NAME = "X509Name"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("5da5087c")
    MEANING = "The subject's common name is missing, or tells none of the known roles."
    REMEDY = "Only the five kinds of certificates of the provisioning PKI are read."

    at: int


class CertificateX509RoleError(CertificateError):
    """`X509Role`, selector 0x2b95e4d8."""

    NAME = "X509Role"
    FIELDS = (
        ("role", "uint8"),
        ("extensions", "uint256"),
        ("key_usage", "uint8"),
        ("is_authority", "bool"),
    )
    SELECTOR = bytes.fromhex("2b95e4d8")
    MEANING = (
        "Extensions, authority or key usage do not fit the role that the name tells."
    )
    REMEDY = "A certificate authority signs certificates and lists, all others do not."

    role: int
    extensions: int
    key_usage: int
    is_authority: bool


class CertificateX509TimeError(CertificateError):
    """`X509Time`, selector 0x030aeac4."""

    NAME = "X509Time"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("030aeac4")
    MEANING = "A date that no calendar has, or in another form than UTC with seconds."
    REMEDY = "Submit a certificate of Intel's profile."

    at: int


class CertificateX509VersionError(CertificateError):
    """`X509Version`, selector 0xcaf09f59."""

    NAME = "X509Version"
    FIELDS = (("got", "uint256"), ("expected", "uint256"))
    SELECTOR = bytes.fromhex("caf09f59")
    MEANING = "Not version 3 of X.509, or version 2 of a revocation list."
    REMEDY = "Submit a certificate of Intel's profile."

    got: int
    expected: int


class CollateralError(ContractError):
    """Refused by a reader of collateral."""


class CollateralJsonDateError(CollateralError):
    """`JsonDate`, selector 0x1ea6b93a."""

    NAME = "JsonDate"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("1ea6b93a")
    MEANING = "Not a date in UTC with seconds, or one that no calendar has."
    REMEDY = "Submit the JSON as Intel signed it."

    at: int


class CollateralJsonHexError(CollateralError):
    """`JsonHex`, selector 0x289ebb78."""

    NAME = "JsonHex"
    FIELDS = (("at", "uint256"), ("digits", "uint256"))
    SELECTOR = bytes.fromhex("289ebb78")
    MEANING = "Not as many hexadecimal digits."
    REMEDY = "Submit the JSON as Intel signed it."

    at: int
    digits: int


class CollateralJsonMismatchError(CollateralError):
    """`JsonMismatch`, selector 0xfc35688a."""

    NAME = "JsonMismatch"
    FIELDS = (("at", "uint256"), ("got", "bytes32"), ("expected", "bytes32"))
    SELECTOR = bytes.fromhex("fc35688a")
    MEANING = "The text is not what the template has here."
    REMEDY = (
        "Submit the JSON as Intel signed it: the value of `tcbInfo` or "
        "`enclaveIdentity` alone, byte for byte. Where Intel's template itself "
        "changed, a new reader is needed."
    )

    at: int
    got: bytes
    expected: bytes


class CollateralJsonNumberError(CollateralError):
    """`JsonNumber`, selector 0xd3cb67a4."""

    NAME = "JsonNumber"
    FIELDS = (("at", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("d3cb67a4")
    MEANING = "Not a whole number in its shortest form, or too large."
    REMEDY = "Submit the JSON as Intel signed it."

    at: int
    limit: int


class CollateralJsonStatusError(CollateralError):
    """`JsonStatus`, selector 0x4ef97a99."""

    NAME = "JsonStatus"
    FIELDS = (("at", "uint256"), ("got", "bytes32"))
    SELECTOR = bytes.fromhex("4ef97a99")
    MEANING = "Not a TCB status, or none that is used here."
    REMEDY = "Submit the JSON as Intel signed it."

    at: int
    got: bytes


class CollateralJsonTextError(CollateralError):
    """`JsonText`, selector 0x9141e4a1."""

    NAME = "JsonText"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("9141e4a1")
    MEANING = (
        "A string with an escape, a control character or none but ASCII, or "
        "without an end."
    )
    REMEDY = "Submit the JSON as Intel signed it."

    at: int


class CollateralJsonTrailingError(CollateralError):
    """`JsonTrailing`, selector 0x371bd022."""

    NAME = "JsonTrailing"
    FIELDS = (("at", "uint256"), ("length", "uint256"))
    SELECTOR = bytes.fromhex("371bd022")
    MEANING = "Something follows the end of the document."
    REMEDY = "Submit the JSON as Intel signed it, without a newline."

    at: int
    length: int


class CollateralLevelCountError(CollateralError):
    """`LevelCount`, selector 0xf639c2a1."""

    NAME = "LevelCount"
    FIELDS = (("at", "uint256"), ("limit", "uint256"))
    SELECTOR = bytes.fromhex("f639c2a1")
    MEANING = "There are no levels at all, or more than can be kept."
    REMEDY = "Where Intel lists more, a new reader is needed."

    at: int
    limit: int


class CollateralLevelOrderError(CollateralError):
    """`LevelOrder`, selector 0xfeb9e873."""

    NAME = "LevelOrder"
    FIELDS = (("at", "uint256"),)
    SELECTOR = bytes.fromhex("feb9e873")
    MEANING = (
        "A level does not come before the ones that it is better than, or a "
        "module comes twice."
    )
    REMEDY = "Intel lists the best first. Submit the JSON as Intel signed it."

    at: int


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
        ListedNothingListedError,
        ListedRecipientMissingError,
        ListedRecipientNotListedError,
        ListedRecipientZeroError,
        SafeGuardUnexpectedError,
        SafeModuleUnexpectedError,
        SpendCapacityOutOfRangeError,
        SpendSpendTooFastError,
        TdxAttestationBindingBlockError,
        TdxAttestationBindingOlderError,
        TdxAttestationBindingOverError,
        TdxAttestationBindingSignatureInvalidError,
        TdxAttestationBindingSignatureMalformedError,
        TdxAttestationBindingTooLongError,
        TdxAttestationBindingUnnamedError,
        TdxAttestationEngineNotPermittedError,
        TdxAttestationEvaluationTooOldError,
        TdxAttestationGpuEndorsementOlderError,
        TdxAttestationGpuEndorsementOverError,
        TdxAttestationGpuEndorsementsMissingError,
        TdxAttestationGpuEndorserUnknownError,
        TdxAttestationGpuEndorsersUnorderedError,
        TdxAttestationGpuEvidenceMissingError,
        TdxAttestationGpuSignatureMalformedError,
        TdxAttestationHardwareRevokedError,
        TdxAttestationMeasurementsMismatchError,
        TdxAttestationModelNotPermittedError,
        TdxAttestationNotAttestedError,
        TdxAttestationNotGuardError,
        TdxAttestationProgramNotPermittedError,
        TdxAttestationReportDataMismatchError,
        TdxAttestationStatusNotPermittedError,
        TdxAttestationWorkloadForeignError,
        TdxAttestationWorkloadMalformedError,
        TdxAttestationKeyUnboundError,
        TdxAttributesForbiddenError,
        TdxAuthoritiesFullError,
        TdxAuthorityRevokedError,
        TdxCertificateEarlyError,
        TdxCertificateIssuerError,
        TdxCertificateKeyIdError,
        TdxCertificateOverError,
        TdxCertificateRoleError,
        TdxCertificateSignatureError,
        TdxCollateralDatesError,
        TdxCollateralOlderError,
        TdxCollateralOverError,
        TdxCollateralRollbackError,
        TdxCollateralSignatureError,
        TdxCollateralSignatureLengthError,
        TdxDebuggableError,
        TdxMachineDistrustedError,
        TdxMachineUnknownError,
        TdxModuleForeignError,
        TdxModuleTooOldError,
        TdxModuleUnknownError,
        TdxPceIdMismatchError,
        TdxQeForeignError,
        TdxQeReplacedError,
        TdxQeSignatureError,
        TdxQeTooOldError,
        TdxQuoteKindError,
        TdxQuoteLengthError,
        TdxQuoteSignatureError,
        TdxQuoteTooShortError,
        TdxQuoteVersionError,
        TdxRevocationListOlderError,
        TdxRevocationListOverError,
        TdxRevocationsUnknownError,
        TdxRootForeignError,
        TdxRootKnownError,
        TdxRootNotForProductionError,
        TdxSeptVeEnabledError,
        TdxSerialTakenError,
        TdxServiceBoundError,
        TdxSignaturesLengthError,
        TdxTcbInfoUnknownError,
        TdxTcbLevelNoneError,
        TdxTcbRevokedError,
        CertificateCrlEntryError,
        CertificateDerIntegerError,
        CertificateDerLengthError,
        CertificateDerSizeError,
        CertificateDerTagError,
        CertificateDerTrailingError,
        CertificateDerTruncatedError,
        CertificatePckEntryError,
        CertificatePckSvnError,
        CertificateX509AlgorithmError,
        CertificateX509ExtensionError,
        CertificateX509KeyError,
        CertificateX509NameError,
        CertificateX509RoleError,
        CertificateX509TimeError,
        CertificateX509VersionError,
        CollateralJsonDateError,
        CollateralJsonHexError,
        CollateralJsonMismatchError,
        CollateralJsonNumberError,
        CollateralJsonStatusError,
        CollateralJsonTextError,
        CollateralJsonTrailingError,
        CollateralLevelCountError,
        CollateralLevelOrderError,
    )
}
"""Every class by its selector."""


def decode_revert(data: bytes) -> ContractError:
    """Return the error that the revert bytes `data` stand for; it is not raised.

    Errors inside a reason (`CallFailed`) are decoded too, as its `cause`. Bytes of no
    known error become an `UnknownRevertError`, none at all an `EmptyRevertError`.
    """
    return read_revert(data, errors=ERRORS)
