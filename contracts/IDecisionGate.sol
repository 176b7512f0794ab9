// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Call} from "./types/Call.sol";
import {Decision} from "./types/Decision.sol";
import {InferenceReceipt} from "./types/InferenceReceipt.sol";
import {Mandate} from "./types/Mandate.sol";
import {Proof} from "./types/Proof.sol";

/// @title The gate: it executes sworn decisions within their mandates and refuses the rest.
/// @notice One instance serves all accounts of a chain. It is immutable and has no admin.
///
///         Powers. The **account** grants, revokes (at once, for good), stops and resumes its
///         mandates. The **guardian** of a mandate can stop it once, for at most `MAX_STOP`, and
///         then no more until the account resumes; it can neither move money nor prevent
///         revocation or the owner's exit. The **operator** submits decisions and chooses only
///         whether and when in the slot; it cannot change a byte of them. **Node keys** swear
///         decisions; what a stolen key can do is bounded by allow-list, bounds, `maxLoss` and the
///         rung's limit.
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

    /// @notice What the gate stores of a mandate.
    /// @param head Digest of the last executed decision; the mandate's id before the first one; zero:
    ///        unknown mandate.
    /// @param unaudited Value: outflow since the last audited head; until checkpoints are built,
    ///        since the grant.
    /// @param liveFrom Unix seconds, inclusive.
    /// @param nextSlot Least slot that may still act.
    /// @param stoppedUntil Unix seconds, exclusive; 0: never stopped, or resumed.
    /// @param revoked True for good once revoked.
    /// @param account The account that granted it.
    struct MandateState {
        bytes32 head;
        uint104 unaudited;
        uint48 liveFrom;
        uint48 nextSlot;
        uint48 stoppedUntil;
        bool revoked;
        address account;
    }

    /* EVENTS */

    /// @notice An account granted a mandate.
    /// @param mandateId keccak256(abi.encode(mandate)).
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

    /// @notice An account set its grant delay.
    /// @param account The account.
    /// @param delay Seconds.
    /// @param effectiveFrom Unix seconds.
    event GrantDelaySet(address indexed account, uint32 delay, uint64 effectiveFrom);

    /// @notice A decision was executed and is its mandate's head now.
    /// @param mandate The mandate's id.
    /// @param digest The decision's EIP-712 digest.
    /// @param node The key that swore it.
    /// @param slot Its slot.
    /// @param skipped Slots in which nothing was executed: since the last executed one; before the
    ///        first one, from the grant's own slot on (that one included, and also those before
    ///        `liveFrom`). An auditor asks for each one's signed HOLD.
    /// @param previous The head before.
    /// @param valueAtRisk Value that the decision added to the unaudited outflow.
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

    /// @notice The operator submitted a decision that the gate refused; nothing else changed.
    /// @param mandate The mandate's id.
    /// @param digest The decision's EIP-712 digest.
    /// @param reason The error, ABI-encoded; empty where the gas ran out.
    event DecisionRefused(bytes32 indexed mandate, bytes32 indexed digest, bytes reason);

    /* ERRORS: GRANTING AND REVOKING */

    /// @notice Only the mandate's account may do this.
    /// @dev Send it through the account.
    error NotAccount(address caller, address account);
    /// @notice Neither the mandate's guardian nor its account is calling.
    /// @dev Send it from the guardian.
    error NotGuardian(address caller, address guardian);
    /// @notice The mandate was granted before; also a revoked one never returns.
    /// @dev Change the salt.
    error MandateExists(bytes32 mandateId);
    /// @notice The grant delay is so long that it could lock the account out of granting.
    /// @dev At most `MAX_GRANT_DELAY`.
    error GrantDelayTooLong(uint32 delay, uint256 most);
    /// @notice The mandate would be over before it is live.
    /// @dev Choose an `expiry` after now and the account's grant delay.
    error GrantExpired(uint64 expiry, uint256 liveFrom);
    /// @notice The slot's length in blocks is out of range.
    /// @dev At least 2 (an anchor must be a past block), at most what the chain's history holds.
    error CadenceOutOfRange(uint32 cadence, uint256 least, uint256 most);
    /// @notice The mandate permits no key.
    /// @dev Name at least one.
    error NoNode();
    /// @notice A permitted key is the zero address or listed twice.
    /// @dev Remove it.
    error NodeKeyInvalid(address key);
    /// @notice A name alone cannot give this tier.
    /// @dev Permit named keys at tier 0 or 1.
    error NodeTierTooHigh(address key, uint8 tier, uint8 most);
    /// @notice Permission by measurement is not built yet, and is refused rather than ignored.
    /// @dev Leave `workloads` empty.
    error WorkloadsUnsupported(uint256 count);
    /// @notice Endorsers are not built yet, and are refused rather than ignored.
    /// @dev Leave `endorsers` empty.
    error EndorsersUnsupported(uint256 count);
    /// @notice Rules are not built yet, and are refused rather than ignored.
    /// @dev Leave `rules` empty.
    error RulesUnsupported(uint256 count);
    /// @notice The ladder must have exactly one rung; an empty one would permit nothing.
    /// @dev Give one rung.
    error LadderUnsupported(uint256 length);
    /// @notice The rung asks for proof that the gate cannot check yet.
    /// @dev Tier at most 1, no endorsements, no delay.
    error RungUnsupported(uint8 tier, uint8 endorsements, uint32 delay);
    /// @notice The rung's limit does not fit.
    /// @dev Choose a limit that means something.
    error RungLimitTooLarge(uint256 limit, uint256 most);
    /// @notice Gate, account, registries and the zero address can never be listed.
    /// @dev Remove the entry.
    error TargetForbidden(address target);
    /// @notice There is no contract at a listed target (calls to it would succeed silently), or
    ///         only a key's owner's, who may exchange it any time (EIP-7702).
    /// @dev Check the address and the chain.
    error TargetWithoutCode(address target);
    /// @notice The selector gives others authority over the account's money, or hides which
    ///         function is called.
    /// @dev Use an allowance of a call instead of approvals.
    error SelectorForbidden(address target, bytes4 selector);
    /// @notice Calls are listed and no asset is tracked: nothing would measure what they take.
    /// @dev Track what the account holds, or list no calls.
    error NoAssetTracked(uint256 permissions);
    /// @notice The selector sends tokens away, and its target is not tracked as an asset.
    /// @dev Track the token, or do not list it. Tokens without `decimals()` cannot be tracked.
    error TransferUntracked(address target, bytes4 selector);
    /// @notice An answer of the feed would never be fresh.
    /// @dev Set `maxAge` to the feed's heartbeat plus a margin.
    error FeedAgeZero(address feed);
    /// @notice A tracked entry names a feed that the mandate does not have.
    /// @dev Mind that feeds are counted from 0.
    error FeedIndexOutOfRange(uint8 index, uint256 feeds);
    /// @notice A token is tracked twice.
    /// @dev Remove one entry.
    error TrackedTwice(address token);
    /// @notice The native currency cannot be a debt.
    /// @dev Clear `debt`.
    error NativeDebt();
    /// @notice The stated decimals are not the contract's own, or more than 36 (a feed's: 18).
    /// @dev State what `decimals()` returns; 18 for the native currency.
    error DecimalsMismatch(address source, uint8 stated, uint256 actual);
    /// @notice The contract does not tell its decimals.
    /// @dev Only tokens and feeds with `decimals()` can be used.
    error DecimalsUnreadable(address source);
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
    /// @notice The decision was made under another mandate.
    /// @dev Submit it with its own.
    error MandateMismatch(bytes32 got, bytes32 expected);
    /// @notice The decision was made by another program.
    /// @dev Run the program that the mandate names.
    error ProgramMismatch(bytes32 got, bytes32 expected);
    /// @notice The decision does not follow the head: it is a replay, or another came first.
    /// @dev Decide anew on top of the head.
    error HeadMismatch(bytes32 previous, bytes32 head);
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
    ///         for a chain without history contract.
    /// @dev Wait one block; or choose a cadence of at most 256 blocks.
    error AnchorUnavailable(uint256 anchorBlock);
    /// @notice The anchor is not this chain's block: a reorganised or invented one.
    /// @dev Decide anew.
    error AnchorMismatch(bytes32 got, bytes32 expected);

    /* ERRORS: COMMITMENTS AND CALLS */

    /// @notice No inference stands behind the decision.
    /// @dev Submit its receipts.
    error NoReceipt();
    /// @notice These are not the receipts that were sworn.
    /// @dev Submit the decision's own.
    error ReceiptsMismatch(bytes32 got, bytes32 expected);
    /// @notice Another model answered than the mandate names.
    /// @dev Run the mandate's model.
    error ModelMismatch(bytes32 got, bytes32 expected);
    /// @notice Another engine answered than the mandate names.
    /// @dev Run the mandate's engine.
    error EngineMismatch(bytes32 got, bytes32 expected);
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

    /// @notice The mandate does not permit this key.
    /// @dev Use a permitted node.
    error NodeNotPermitted(address key);
    /// @notice The key's tier is below the rung's.
    /// @dev Permit the key at a higher tier, if you trust it that far.
    error TierTooLow(uint8 tier, uint8 required);
    /// @notice The signature is not 65 bytes r ‖ s ‖ v with low s and v 27 or 28.
    /// @dev Sign again with a signer that normalises s.
    error SignatureMalformed(uint256 length);
    /// @notice Another key signed, or something else was signed: another chain's, gate's or
    ///         decision's digest.
    /// @dev Compare the digest with `digestOf`.
    error SignatureInvalid(address expected, address recovered);
    /// @notice The key never announced itself.
    /// @dev Announce it in the node registry.
    error NodeUnannounced(address key);
    /// @notice The key was revoked.
    /// @dev Use another node.
    error NodeRevoked(address key, uint64 revokedAt);
    /// @notice The key's announcement is over.
    /// @dev Announce it anew.
    error NodeExpired(address key, uint64 validUntil);
    /// @notice The key announced another model or engine.
    /// @dev Use a node that serves the mandate's.
    error NodeServesOther(bytes32 service, bytes32 expected);

    /* ERRORS: PRICES AND LIMITS */

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
    /// @dev Decide smaller, or grant a new mandate: nothing resets the outflow yet (a checkpoint
    ///      over an audited head will).
    error RungExceeded(uint256 value, uint256 limit);

    /* ERRORS: EXECUTION AND EFFECTS */

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

    /* GRANTING AND REVOKING */

    /// @notice Grant a mandate; only its account may. Live after the account's grant delay.
    /// @param mandate The mandate.
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
    /// @param mandate The mandate.
    /// @param until Unix seconds, exclusive.
    function stop(Mandate calldata mandate, uint64 until) external;

    /// @notice Lift a stop, and let the guardian stop anew; only the account may.
    /// @param mandateId The mandate's id.
    function resume(bytes32 mandateId) external;

    /* EXECUTING */

    /// @notice Execute a sworn decision, or revert with the reason. Checks, in this order:
    ///         1. mandate live, decision its own, on its head, newest slot, anchored;
    ///         2. receipts, calls and bounds are those sworn;
    ///         3. every call is listed, and its money tracked;
    ///         4. a permitted, announced, unrevoked key signed;
    ///         5. value at risk within the rung;
    ///         6. head moved, calls made, bounds held, loss within the limit.
    /// @param mandate The mandate that it acts under.
    /// @param decision The decision.
    /// @param receipts Its inference receipts; the last is the plan's.
    /// @param calls Its calls.
    /// @param bounds Per tracked entry, in order: least signed change in base units; debts count
    ///        negatively; 0: must not worsen.
    /// @param proof The node's signature.
    /// @return digest The decision's digest, the new head.
    function execute(
        Mandate calldata mandate,
        Decision calldata decision,
        InferenceReceipt[] calldata receipts,
        Call[] calldata calls,
        int256[] calldata bounds,
        Proof calldata proof
    ) external returns (bytes32 digest);

    /// @notice Like `execute`, for the operator of a granted mandate alone: where the gate refuses,
    ///         the reason is recorded in `DecisionRefused` and nothing else changes.
    /// @return executed Whether the decision was executed.
    /// @return digest The decision's digest.
    function tryExecute(
        Mandate calldata mandate,
        Decision calldata decision,
        InferenceReceipt[] calldata receipts,
        Call[] calldata calls,
        int256[] calldata bounds,
        Proof calldata proof
    ) external returns (bool executed, bytes32 digest);

    /* VIEWS */

    /// @notice The mandate's head; zero for an unknown mandate.
    function headOf(bytes32 mandateId) external view returns (bytes32);

    /// @notice All that the gate stores of a mandate.
    function stateOf(bytes32 mandateId) external view returns (MandateState memory);

    /// @notice Seconds that a grant by `account` would wait now.
    function grantDelayOf(address account) external view returns (uint32);

    /// @notice The decision's EIP-712 digest, as a node signs it.
    function digestOf(Decision calldata decision) external view returns (bytes32);

    /// @notice EIP-712 domain separator: ("Affiant", "1", chain, gate).
    function domainSeparator() external view returns (bytes32);

    /// @notice Whether no mandate can list this selector.
    function isSelectorForbidden(bytes4 selector) external pure returns (bool);

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
}
