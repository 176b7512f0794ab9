// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Call} from "./types/Call.sol";
import {Checkpoint} from "./types/Checkpoint.sol";
import {Decision} from "./types/Decision.sol";
import {Mandate} from "./types/Mandate.sol";
import {Verdict} from "./types/Verdict.sol";

/// @title The gate: it executes sworn decisions within their mandates and refuses the rest.
/// @notice One instance serves all accounts of a chain. It is immutable and has no admin.
///
///         Powers. The **account** grants, revokes (at once, for good), stops and resumes its
///         mandates, bans keys from them and cancels queued decisions. The **guardian** of a
///         mandate can stop it once, for at most `MAX_STOP`, and then no more until the account
///         resumes, and cancel queued decisions; it can neither move money nor prevent revocation
///         or the owner's exit. The **operator** submits decisions and chooses only whether and
///         when in the slot; it cannot change a byte of them. **Node keys** swear decisions; what a
///         stolen key can do is bounded by allow-list, bounds, `maxLoss` and the ladder.
///         **Endorsers** of a mandate can each cancel a queued decision; a quorum of them can say
///         that an outflow is audited (which makes room on the ladder) and ban a node key. They
///         cannot decide, execute or stop anything.
///
///         The ladder. What a mandate's decisions put at risk adds up (`outflow`); what endorsers
///         have audited is taken out (`audited`). The rest and the decision's own value at risk
///         together pick the first rung whose limit is not below them, and the rung says which
///         proof is needed: the key's tier, endorsements, a delay. Above the last rung nothing
///         executes. Splitting a theft climbs the same ladder.
///
///         A *value* is an amount of the feeds' quote currency with 8 decimals.
///
///         Assumptions. Accounts offer the Safe's module interface honestly (they hold their own
///         money). Feeds are honest while fresh. Tracked tokens report balances honestly and are
///         not rebased by others to the account's loss within a call. Block hashes mean
///         something: `BLOCKHASH` for 256 blocks, beyond them the history contract of EIP-2935
///         where the chain has it.
///
/// Warning: several mandates on one account are independent of each other: their limits add up.
/// Warning: the lock is this gate's own. Two gates that may act on one account (two modules of a
///          Safe) can be nested in each other, and each measures what the other does. Enable one.
/// Warning: an asset that no mandate entry tracks is not measured. Do not list a selector that
///          moves an untracked asset.
/// Warning: a token that answers at two addresses (a proxy's twin entry points) and is tracked at
///          both counts twice: a gain at the one hides a loss elsewhere. Track it once.
/// Warning: approvals that the owner gave by hand are outside of the gate's sight; the gate zeroes
///          those (token, spender) pairs that a decision uses.
interface IDecisionGate {
    /* TYPES */

    /// @notice What the gate stores of a mandate, besides the mandate itself.
    /// @param head Digest of the last executed or queued decision; the mandate's id before the first
    ///        one; zero: unknown mandate.
    /// @param outflow Value: all that its decisions put at risk since the grant; never falls.
    /// @param audited Value: the part of `outflow` that endorsers have audited; never falls.
    /// @param liveFrom Unix seconds, inclusive.
    /// @param nextSlot Least slot that may still act.
    /// @param stoppedUntil Unix seconds, exclusive; 0: never stopped, or resumed.
    /// @param queuedAt Unix seconds at which the head was queued; 0: it is not waiting.
    /// @param queuedUntil Unix seconds, inclusive, until which a waiting head can execute; from then
    ///        on it is out of the way.
    /// @param revoked True for good once revoked.
    /// @param guardianStopped Whether the guardian's stop is used up.
    /// @param account The account that granted it.
    struct MandateState {
        bytes32 head;
        uint256 outflow;
        uint256 audited;
        uint64 liveFrom;
        uint64 nextSlot;
        uint64 stoppedUntil;
        uint64 queuedAt;
        uint64 queuedUntil;
        bool revoked;
        bool guardianStopped;
        address account;
    }

    /* EVENTS */

    /// @notice An account granted a mandate.
    /// @param mandateId Its id.
    /// @param account The account.
    /// @param liveFrom Unix seconds from which decisions execute.
    /// @param mandate The mandate in full, so that the chain alone tells what was granted.
    event MandateGranted(
        bytes32 indexed mandateId, address indexed account, uint64 liveFrom, Mandate mandate
    );

    /// @notice A mandate was revoked, for good.
    event MandateWithdrawn(bytes32 indexed mandateId, address indexed account);

    /// @notice A mandate was stopped by its guardian or its account.
    event MandateHalted(bytes32 indexed mandateId, address indexed by, uint64 until);

    /// @notice A stop was lifted, and the guardian may stop anew.
    event MandateResumed(bytes32 indexed mandateId);

    /// @notice A key swears nothing more under a mandate, for good.
    /// @param mandateId The mandate's id.
    /// @param key The node's key.
    /// @param decision Digest of the decision that endorsers found false; zero: the account did it.
    event KeyBanned(bytes32 indexed mandateId, address indexed key, bytes32 decision);

    /// @notice An account set its grant delay.
    /// @param account The account.
    /// @param delay Seconds.
    /// @param effectiveFrom Unix seconds.
    event GrantDelaySet(address indexed account, uint32 delay, uint64 effectiveFrom);

    /// @notice A decision was executed. It is its mandate's head now, or was it since it was queued.
    /// @param mandate The mandate's id.
    /// @param digest The decision's EIP-712 digest.
    /// @param node The key that swore it.
    /// @param slot Its slot.
    /// @param skipped Slots in which nothing was executed or queued: since the last that was;
    ///        before the first one, from the grant's own slot on (that one included, and also those
    ///        before `liveFrom`). An auditor asks for each one's signed HOLD. 0 for a decision that
    ///        was queued: `DecisionQueued` told them.
    /// @param previous The head that it follows.
    /// @param valueAtRisk Value that the decision added to the outflow.
    /// @param changes Measured change per tracked entry, in base units; debts count negatively.
    event DecisionExecuted(
        bytes32 indexed mandate,
        bytes32 indexed digest,
        address indexed node,
        uint64 slot,
        uint64 skipped,
        bytes32 previous,
        uint256 valueAtRisk,
        int256[] changes
    );

    /// @notice A decision took the head and waits out its delay.
    /// @param mandate The mandate's id.
    /// @param digest The decision's EIP-712 digest.
    /// @param node The key that swore it.
    /// @param slot Its slot.
    /// @param skipped As in `DecisionExecuted`.
    /// @param previous The head before.
    /// @param valueAtRisk Value at risk at the prices of now; counted at those of its execution.
    /// @param readyAt Unix seconds from which on it executes, if prices and ladder stay as they are.
    /// @param validUntil Unix seconds, inclusive, until which it can.
    event DecisionQueued(
        bytes32 indexed mandate,
        bytes32 indexed digest,
        address indexed node,
        uint64 slot,
        uint64 skipped,
        bytes32 previous,
        uint256 valueAtRisk,
        uint64 readyAt,
        uint64 validUntil
    );

    /// @notice A queued decision was cancelled, and never executes. It stays the head.
    event DecisionCancelled(bytes32 indexed mandate, bytes32 indexed digest, address indexed by);

    /// @notice The operator submitted a decision that the gate refused; nothing else changed.
    /// @param mandate The mandate's id.
    /// @param digest The decision's EIP-712 digest.
    /// @param reason The error, ABI-encoded.
    event DecisionRefused(bytes32 indexed mandate, bytes32 indexed digest, bytes reason);

    /// @notice Endorsers audited everything up to a head.
    /// @param mandate The mandate's id.
    /// @param head The audited head.
    /// @param outflow Value: the mandate's outflow up to that head, audited from now on.
    event CheckpointReached(bytes32 indexed mandate, bytes32 indexed head, uint256 outflow);

    /* ERRORS: GRANTING, REVOKING, STOPPING */

    /// @notice Only the mandate's account may do this.
    /// @dev Send it through the account.
    error NotAccount(address caller, address account);
    /// @notice Neither the mandate's guardian nor its account is calling.
    /// @dev Send it from the guardian.
    error NotGuardian(address caller, address guardian);
    /// @notice The mandate was granted before; also a revoked one never returns.
    /// @dev Change the salt.
    error MandateExists(bytes32 mandateId);
    /// @notice The mandate does not fit what a contract's code may hold.
    /// @dev Shorten its rules' data, or split it.
    error MandateTooLarge(uint256 length, uint256 most);
    /// @notice The grant delay is so long that it could lock the account out of granting.
    /// @dev At most `MAX_GRANT_DELAY`.
    error GrantDelayTooLong(uint32 delay, uint256 most);
    /// @notice The stop would be over already.
    /// @dev Give a later time.
    error StopOver(uint64 until, uint256 blockTime);
    /// @notice The stop is longer than the caller may ask for.
    /// @dev Guardians: at most `MAX_STOP` from now.
    error StopTooLong(uint64 until, uint256 latest);
    /// @notice The mandate is stopped for as long already: a guardian only prolongs.
    /// @dev Give a later time, or wait until the account's stop is over.
    error StopShorter(uint64 until, uint64 stoppedUntil);
    /// @notice The guardian has used its stop; it expires unless the account renews it.
    /// @dev The account calls `resume` (or `stop`); or revokes.
    error StopUsed(uint64 stoppedUntil);

    /* ERRORS: THE MANDATE AND THE CHAIN */

    /// @notice The gate is executing already, in this very transaction.
    /// @dev A target called back: do not list it.
    error Reentered();
    /// @notice No such mandate was granted here.
    /// @dev Compare every field with the granted mandate; its id is its hash.
    error MandateUnknown(bytes32 mandateId);
    /// @notice The mandate was revoked.
    /// @dev Nothing; the owner may grant another.
    error MandateRevoked(bytes32 mandateId);
    /// @notice The account's grant delay has not passed yet.
    /// @dev Wait until `liveFrom`.
    error MandateNotLive(uint64 liveFrom, uint256 blockTime);
    /// @notice The mandate is over.
    /// @dev Grant a new one.
    error MandateExpired(uint64 expiry, uint256 blockTime);
    /// @notice The mandate is stopped.
    /// @dev Wait, or let the account resume it.
    error MandateStopped(uint64 stoppedUntil, uint256 blockTime);
    /// @notice Only the operator may submit.
    /// @dev Send it from the operator.
    error NotOperator(address caller, address operator);
    /// @notice The decision was made by another program.
    /// @dev Run the program that the mandate names.
    error ProgramMismatch(bytes32 got, bytes32 expected);
    /// @notice The decision does not follow the head: it is a replay, or another came first.
    /// @dev Decide anew on top of the head.
    error HeadMismatch(bytes32 previous, bytes32 head);
    /// @notice A queued decision has the head, and waits.
    /// @dev Execute it, let it be cancelled, or wait until `queuedUntil` is over.
    error HeadQueued(bytes32 head, uint64 queuedUntil);
    /// @notice Only the newest slot may act.
    /// @dev Decide for the newest slot.
    error SlotNotNewest(uint64 slot, uint64 newest);
    /// @notice The slot has acted already.
    /// @dev Wait for the next slot.
    error SlotUsed(uint64 slot);
    /// @notice The decision's time is over.
    /// @dev Decide anew, or submit faster.
    error DecisionExpired(uint64 validUntil, uint256 blockTime);
    /// @notice The chain does not tell the anchor block's hash: it is the current block, or too old
    ///         for what the chain remembers.
    /// @dev Wait one block; or choose a shorter cadence, a newer checkpoint.
    error AnchorUnavailable(uint256 anchorBlock);
    /// @notice The anchor is not this chain's block: a reorganised or invented one, or a fork's.
    /// @dev Decide anew, or sign a checkpoint of this chain.
    error AnchorMismatch(bytes32 got, bytes32 expected);

    /* ERRORS: COMMITMENTS AND CALLS */

    /// @notice These are not the calls that were sworn.
    /// @dev Submit the decision's own.
    error CallsMismatch(bytes32 got, bytes32 expected);
    /// @notice These are not the bounds that were sworn.
    /// @dev Submit the decision's own.
    error BoundsMismatch(bytes32 got, bytes32 expected);
    /// @notice There must be one bound per tracked entry.
    /// @dev Derive the bounds from the mandate.
    error BoundsLength(uint256 got, uint256 expected);
    /// @notice More calls than a decision may have.
    /// @dev Split the plan over several slots.
    error TooManyCalls(uint256 got, uint256 limit);
    /// @notice A HOLD, and the mandate does not record holds.
    /// @dev Keep the signed HOLD off chain.
    error EmptyDecision();
    /// @notice Calldata without a selector.
    /// @dev Give at least 4 bytes.
    error CallTooShort(uint256 index, uint256 length);
    /// @notice The mandate does not list this target and selector.
    /// @dev Grant a mandate that does, if you mean it.
    error CallNotAllowed(address target, bytes4 selector);
    /// @notice An allowance needs a token that is tracked as an asset.
    /// @dev Track the token.
    error TokenUntracked(address token);
    /// @notice A call sends native currency, which is not tracked.
    /// @dev Track the zero address.
    error ValueUntracked(uint256 index, uint256 value);

    /* ERRORS: PROOF */

    /// @notice The mandate permits the key that signed neither by name nor by a workload that it is
    ///         attested to run now. The key is recovered from the signature: where something else was
    ///         signed (another chain's, gate's or decision's digest), it is nobody's.
    /// @dev Compare the digest with `digestOf`; use a permitted node; renew its attestation.
    error NodeNotPermitted(address key);
    /// @notice The key was banned from this mandate, by its account or its endorsers.
    /// @dev Use another node.
    error NodeBanned(address key);
    /// @notice The key's tier is below the rung's.
    /// @dev Permit the key at a higher tier, if you trust it that far.
    error TierTooLow(uint8 tier, uint8 required);
    /// @notice The proof, or another list of signatures, is not 65 bytes r ‖ s ‖ v each, at least one,
    ///         with low s and v 27 or 28, or no key made one of them.
    /// @dev Sign again with a signer that normalises s.
    error SignatureMalformed(uint256 length);
    /// @notice Only the gate's node registry may tell it about keys.
    /// @dev Announce the key in the node registry.
    error NotNodeRegistry(address caller, address nodeRegistry);
    /// @notice The key has not announced itself for the mandate's model and engine.
    /// @dev Announce it in the node registry, for what it serves.
    error NodeUnannounced(address key, bytes32 service);
    /// @notice The key was revoked.
    /// @dev Use another node.
    error NodeRevoked(address key, uint64 revokedAt);
    /// @notice The key's announcement is over.
    /// @dev Announce it anew.
    error NodeExpired(address key, uint64 validUntil);
    /// @notice Somebody signed who is no endorser of the mandate, or something else was signed.
    /// @dev Compare the digest; ask an endorser that the mandate names.
    error EndorserUnknown(address recovered);
    /// @notice Endorsers must be ascending, each once.
    /// @dev Sort the signatures by signer.
    error EndorsersUnordered(address endorser, address previous);
    /// @notice The node endorses its own decision.
    /// @dev Leave its signature out.
    error NodeEndorsesItself(address key);
    /// @notice Fewer endorsers signed than are needed.
    /// @dev Ask more of them; `needed` 0: the mandate has none.
    error EndorsementsMissing(uint256 got, uint256 needed);

    /* ERRORS: PRICES, LADDER AND QUEUE */

    /// @notice The feed's answer is too old; no price, no action.
    /// @dev Wait for the feed. `limit` is the second from which on the answer is stale.
    error PriceStale(address feed, uint256 updatedAt, uint256 limit);
    /// @notice The feed gives no usable price: not positive, from the future, or no answer at all.
    /// @dev Wait for the feed, or grant a mandate with another.
    error PriceInvalid(address feed, int256 answer, uint256 updatedAt);
    /// @notice An amount is too large to be valued.
    /// @dev No real token has so many base units.
    error AmountTooLarge(uint256 amount, uint256 limit);
    /// @notice With this decision the unaudited outflow would pass the last rung.
    /// @dev Decide smaller, or let endorsers audit what was done (`checkpoint`).
    error RungExceeded(uint256 value, uint256 limit);
    /// @notice The mandate's outflow since its grant does not fit what the gate counts.
    /// @dev Grant a new mandate.
    error OutflowTooLarge(uint256 outflow, uint256 most);
    /// @notice The rung asks for a delay that was not served.
    /// @dev `queue` the decision, and execute it once `required` seconds have passed.
    error DelayNotServed(uint256 served, uint256 required);
    /// @notice The rung asks for no delay.
    /// @dev `execute` it.
    error DelayNotNeeded();
    /// @notice The decision would be over before its delay is.
    /// @dev Decide with a later `validUntil`.
    error ValidityTooShort(uint64 validUntil, uint256 readyAt);
    /// @notice This decision is not waiting.
    /// @dev It was executed, cancelled or never queued.
    error NotQueued(bytes32 digest, bytes32 head);
    /// @notice Neither the account, nor the guardian, nor an endorser of the mandate is calling.
    /// @dev Send it from one of them.
    error NotCanceller(address caller);

    /* ERRORS: CHECKPOINTS */

    /// @notice The checkpoint audits nothing that is not audited already.
    /// @dev Nothing; a newer checkpoint was faster.
    error CheckpointOld(uint256 outflow, uint256 audited);
    /// @notice The checkpoint audits more than there was.
    /// @dev Sign what the gate's state says.
    error CheckpointAhead(uint256 outflow, uint256 most);

    /* ERRORS: EXECUTION AND EFFECTS */

    /// @notice A rule refused, or said nothing; `reason` is the beginning of what it said.
    /// @dev Read the reason; see the rule's own errors.
    error RuleRefused(address rule, bytes reason);
    /// @notice A tracked token does not tell the account's balance.
    /// @dev Do not track it.
    error BalanceUnreadable(address token);
    /// @notice A token does not tell an allowance.
    /// @dev Do not use it.
    error AllowanceUnreadable(address token);
    /// @notice A token refused to set the call's allowance, or the account to ask for it.
    /// @dev Enable the gate as the account's module; zero an allowance that is already there.
    error ApprovalFailed(address token, address spender, bytes reason);
    /// @notice A call failed; `reason` is the beginning of what it reverted with.
    /// @dev Read the reason; simulate before sending.
    error CallFailed(uint256 index, bytes reason);
    /// @notice An allowance could not be taken back.
    /// @dev Do not use this token.
    error AllowanceLeft(address token, address spender, uint256 amount);
    /// @notice A tracked entry changed less than was sworn.
    /// @dev The market moved: decide anew.
    error BoundMissed(address token, int256 change, int256 minimum);
    /// @notice A tracked entry worsened and no loss was declared for it.
    /// @dev Declare it in the bounds, where the plan means it.
    error UndeclaredLoss(address token, int256 change);
    /// @notice At feed prices, the decision lost more than the mandate permits.
    /// @dev Trade smaller or closer to the feed's price.
    error LossExceeded(int256 change, uint256 limit);
    /// @notice A refusal cannot be recorded with so little gas left: want of gas may be its reason.
    /// @dev Send it with more gas; what is not used is not paid.
    error GasTooLow(uint256 left, uint256 needed);

    /* GRANTING AND REVOKING */

    /// @notice Grant a mandate; only its account may. Live after the account's grant delay.
    /// @param mandate The mandate; `IMandateChecks` says what must hold of it.
    /// @return mandateId Its id, which is also its first head.
    function grant(Mandate calldata mandate) external returns (bytes32 mandateId);

    /// @notice Set how long the caller's future grants wait before they are live. Raising takes
    ///         effect at once; lowering only after the present delay has passed.
    /// @param delay Seconds, at most `MAX_GRANT_DELAY`.
    function setGrantDelay(uint32 delay) external;

    /// @notice Revoke a mandate at once and for good; only its account may.
    /// @param mandateId The mandate's id.
    function revoke(bytes32 mandateId) external;

    /// @notice Stop a mandate. Its guardian may once, for at most `MAX_STOP`, until the account
    ///         resumes, and only to prolong; its account may for as long as it likes, as often as
    ///         it likes, without using up the guardian's.
    /// @param mandateId The mandate's id.
    /// @param until Unix seconds, exclusive.
    function stop(bytes32 mandateId, uint64 until) external;

    /// @notice Lift a stop, and let the guardian stop anew; only the account may.
    /// @param mandateId The mandate's id.
    function resume(bytes32 mandateId) external;

    /// @notice Ban a node key from a mandate at once and for good; only its account may.
    /// @param mandateId The mandate's id.
    /// @param key The node's key.
    function banKey(bytes32 mandateId, address key) external;

    /// @notice The same by verdict of the mandate's endorsers; anyone may bring it.
    /// @param verdict The verdict.
    /// @param signatures Endorsers' signatures over it, ascending by signer; as many as the mandate's
    ///        quorum.
    function banKeyByVerdict(Verdict calldata verdict, bytes calldata signatures) external;

    /// @notice Told by the node registry, and by nobody else: what it knows of a key. Kept here as
    ///         well, so that an execution need not ask (ADR 24).
    /// @param key The node's key.
    /// @param service keccak256(abi.encode(model, engine)).
    /// @param validUntil Unix seconds, exclusive.
    /// @param revokedAt Unix seconds; 0: not revoked.
    function noteNode(address key, bytes32 service, uint64 validUntil, uint64 revokedAt) external;

    /* EXECUTING */

    /// @notice Execute a sworn decision, or revert with the reason. Checks, in this order:
    ///         1. calls and bounds are those sworn;
    ///         2. mandate live, decision its own, on its head, newest slot, anchored (a queued
    ///            decision: it has the head, and is still valid);
    ///         3. every call is listed, and its money tracked;
    ///         4. a permitted, announced key signed that is neither revoked nor banned; every
    ///            endorsement is a named endorser's;
    ///         5. value at risk, and the rung that it picks: tier, endorsements, delay;
    ///         6. head moved; rules asked; calls made; bounds held; loss within the limit; rules
    ///            asked.
    ///         Arguments must be in the compiler's own encoding.
    /// @param decision The decision. What the gate knows may be left zero (`program`, `anchorHash`,
    ///        `previous`, `calls`, `bounds`), for less calldata: it is filled in before the digest is
    ///        made, which is therefore the same; where something else was signed, the signer is then
    ///        nobody whom the mandate knows, instead of an error that says what differs. A decision
    ///        that waited must be complete.
    /// @param calls Its calls.
    /// @param bounds Per tracked entry, in order: least signed change in base units; debts count
    ///        negatively; 0: must not worsen.
    /// @param proof Signatures over the decision's digest, one after the other, 65 bytes r ‖ s ‖ v
    ///        each, s in the lower half order, v 27 or 28: the node's first, then the endorsers',
    ///        ascending by signer, where the rung asks for them.
    /// @return digest The decision's digest, the new head.
    function execute(
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata proof
    ) external returns (bytes32 digest);

    /// @notice Like `execute`, for the operator of a granted mandate alone, and a complete decision:
    ///         where the gate refuses, the reason is recorded in `DecisionRefused` and nothing else
    ///         changes. Three quarters of the gas may be used up by what is refused; with less left
    ///         it reverts.
    /// @return executed Whether the decision was executed.
    /// @return digest The decision's digest.
    function tryExecute(
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata proof
    ) external returns (bool executed, bytes32 digest);

    /// @notice Let a decision whose rung asks for a delay take the head and wait: checks 1 to 5.
    ///         Until it is executed, cancelled or over (`validUntil`), no other decision acts. To
    ///         execute it, submit it to `execute`, complete: mandate, key, endorsements, prices, rung,
    ///         rules, bounds and loss are checked again, slot and anchor are not.
    /// @return digest The decision's digest, the new head.
    function queue(
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata proof
    ) external returns (bytes32 digest);

    /// @notice Cancel a queued decision; its mandate's account, guardian and each endorser may. The
    ///         head stays where it is, so that the decision cannot be queued again.
    /// @param mandateId The mandate's id.
    /// @param digest The decision's digest.
    function cancel(bytes32 mandateId, bytes32 digest) external;

    /* AUDITING */

    /// @notice Take what endorsers have audited out of the unaudited outflow; anyone may bring it.
    /// @param audited What was audited.
    /// @param signatures Endorsers' signatures over it, ascending by signer; as many as the mandate's
    ///        quorum.
    function checkpoint(Checkpoint calldata audited, bytes calldata signatures) external;

    /* VIEWS */

    /// @notice The mandate's head; zero for an unknown mandate.
    function headOf(bytes32 mandateId) external view returns (bytes32);

    /// @notice All that the gate stores of a mandate, besides the mandate itself.
    function stateOf(bytes32 mandateId) external view returns (MandateState memory);

    /// @notice The mandate as it was granted.
    function mandateOf(bytes32 mandateId) external view returns (Mandate memory);

    /// @notice Whether a key was banned from a mandate.
    function isBanned(bytes32 mandateId, address key) external view returns (bool);

    /// @notice Seconds that a grant by `account` would wait now.
    function grantDelayOf(address account) external view returns (uint32);

    /// @notice The decision's EIP-712 digest, as nodes and endorsers sign it.
    function digestOf(Decision calldata decision) external view returns (bytes32);

    /// @notice EIP-712 domain separator: ("Affiant", "1", chain, gate).
    function domainSeparator() external view returns (bytes32);

    /// @notice Longest grant delay, in seconds.
    function MAX_GRANT_DELAY() external view returns (uint256);

    /// @notice Longest stop by a guardian, in seconds.
    function MAX_STOP() external view returns (uint256);

    /// @notice Most calls in one decision.
    function MAX_CALLS() external view returns (uint256);

    /// @notice Where node keys announce themselves.
    function nodeRegistry() external view returns (address);

    /// @notice Where model commitments are published; known here only so that it cannot be listed.
    function modelRegistry() external view returns (address);

    /// @notice What is asked about every mandate at its grant.
    function mandateChecks() external view returns (address);
}
