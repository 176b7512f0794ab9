// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccountCalls} from "./AccountCalls.sol";
import {BoundedCall} from "./BoundedCall.sol";
import {ForbiddenSelectors} from "./ForbiddenSelectors.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {INodeRegistry} from "./INodeRegistry.sol";
import {MandateChecks} from "./MandateChecks.sol";
import {Signatures} from "./Signatures.sol";
import {Values} from "./Values.sol";
import {Call, hashCalls} from "./types/Call.sol";
import {Decision, hashBounds, hashDecision} from "./types/Decision.sol";
import {InferenceReceipt, hashReceipts} from "./types/InferenceReceipt.sol";
import {Mandate, Permission, Tracked, hashMandate, isAsset} from "./types/Mandate.sol";
import {Proof} from "./types/Proof.sol";

/// @title DecisionGate
contract DecisionGate is IDecisionGate {
    /* TYPES */

    /// @dev An account's delay between grant and life: `delay` until `changesAt`, `next` from then
    ///      on. `changesAt` 0: no change ahead.
    struct GrantDelay {
        uint32 delay;
        uint32 next;
        uint64 changesAt;
    }

    /// @inheritdoc IDecisionGate
    uint256 public constant MAX_GRANT_DELAY = 30 days;

    /// @inheritdoc IDecisionGate
    uint256 public constant MAX_STOP = 7 days;

    /// @inheritdoc IDecisionGate
    uint256 public constant MAX_CALLS = 16;

    /// @dev Serves the hashes of the last 8191 blocks, on chains with EIP-2935.
    address private constant BLOCK_HASH_HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /* IMMUTABLES */

    /// @inheritdoc IDecisionGate
    address public immutable nodeRegistry;

    /// @inheritdoc IDecisionGate
    address public immutable modelRegistry;

    /* STORAGE */

    mapping(bytes32 mandateId => MandateState) private _states;
    mapping(address account => GrantDelay) private _grantDelays;

    /// @dev Whether the guardian has used its stop. Not told by `stoppedUntil`, which the account
    ///      sets as well.
    mapping(bytes32 mandateId => bool) private _guardianStopped;

    /// @dev One lock for all mandates: a token or protocol that calls back must not find another
    ///      mandate of the same account open between its balances' two measurements.
    bool private transient _executing;

    /* CONSTRUCTOR */

    /// @param nodeRegistry_ Where node keys announce themselves.
    /// @param modelRegistry_ Where model commitments are published.
    constructor(address nodeRegistry_, address modelRegistry_) {
        nodeRegistry = nodeRegistry_;
        modelRegistry = modelRegistry_;
    }

    /* EXTERNAL: GRANTING AND REVOKING */

    /// @inheritdoc IDecisionGate
    function grant(Mandate calldata mandate) external returns (bytes32 mandateId) {
        _checkAccount(mandate.account);
        mandateId = hashMandate(mandate);
        MandateState storage state = _states[mandateId];
        if (state.head != bytes32(0)) revert MandateExists(mandateId);
        uint64 liveFrom = uint64(block.timestamp) + grantDelayOf(msg.sender);
        MandateChecks.check(mandate, liveFrom, nodeRegistry, modelRegistry);

        state.head = mandateId;
        state.liveFrom = uint48(liveFrom);
        state.nextSlot = uint48(block.number / mandate.cadence);
        state.account = msg.sender;

        emit MandateGranted(mandateId, msg.sender, liveFrom, mandate);
    }

    /// @inheritdoc IDecisionGate
    function setGrantDelay(uint32 delay) external {
        if (delay > MAX_GRANT_DELAY) revert GrantDelayTooLong(delay, MAX_GRANT_DELAY);
        uint32 present = grantDelayOf(msg.sender);
        // Whoever steals the account's authority must wait out the delay before it shrinks.
        uint64 effectiveFrom = uint64(block.timestamp) + (delay < present ? present : 0);

        _grantDelays[msg.sender] =
            delay < present ? GrantDelay(present, delay, effectiveFrom) : GrantDelay(delay, 0, 0);

        emit GrantDelaySet(msg.sender, delay, effectiveFrom);
    }

    /// @inheritdoc IDecisionGate
    function revoke(bytes32 mandateId) external {
        MandateState storage state = _knownState(mandateId);
        _checkAccount(state.account);

        state.revoked = true;

        emit MandateWithdrawn(mandateId, msg.sender);
    }

    /// @inheritdoc IDecisionGate
    function stop(Mandate calldata mandate, uint64 until) external {
        bytes32 mandateId = hashMandate(mandate);
        MandateState storage state = _knownState(mandateId);
        bool byGuardian = msg.sender != mandate.account;
        uint256 latest = type(uint48).max;
        if (byGuardian) {
            if (msg.sender != mandate.guardian) revert NotGuardian(msg.sender, mandate.guardian);
            if (_guardianStopped[mandateId]) revert StopUsed(state.stoppedUntil);
            latest = block.timestamp + MAX_STOP;
        }
        if (until <= block.timestamp) revert StopOver(until, block.timestamp);
        if (until > latest) revert StopTooLong(until, latest);
        if (byGuardian && until <= state.stoppedUntil) {
            revert StopShorter(until, state.stoppedUntil);
        }

        state.stoppedUntil = uint48(until);
        if (byGuardian) _guardianStopped[mandateId] = true;

        emit MandateHalted(mandateId, msg.sender, until);
    }

    /// @inheritdoc IDecisionGate
    function resume(bytes32 mandateId) external {
        MandateState storage state = _knownState(mandateId);
        _checkAccount(state.account);

        state.stoppedUntil = 0;
        _guardianStopped[mandateId] = false;

        emit MandateResumed(mandateId);
    }

    /* EXTERNAL: EXECUTING */

    /// @inheritdoc IDecisionGate
    /// @dev The event comes last, because it carries what was measured; everything that a replay
    ///      would need is used up before the first call.
    function execute(
        Mandate calldata mandate,
        Decision calldata decision,
        InferenceReceipt[] calldata receipts,
        Call[] calldata calls,
        int256[] calldata bounds,
        Proof calldata proof
    ) external returns (bytes32 digest) {
        if (_executing) revert Reentered();
        _executing = true;

        // Not from itself: that is `tryExecute`, which has asked already.
        if (mandate.operator != address(0) && msg.sender != address(this)) {
            _checkOperator(mandate.operator);
        }

        // 1. Mandate live; decision its own, on its head, in the newest slot, anchored.
        (MandateState storage state, uint256 skipped) = _checkTurn(mandate, decision);
        // 2. What is about to be used is what was sworn.
        _checkReceipts(mandate, decision, receipts);
        _checkCommitments(mandate, decision, calls, bounds);
        // 3. Only listed calls, only tracked money.
        _checkCalls(mandate, calls);
        // 4. A permitted key swore it.
        digest = digestOf(decision);
        _checkProof(mandate, digest, proof);
        // 5. The rung holds.
        uint256[] memory prices = Values.prices(mandate.feeds);
        uint256 valueAtRisk = Values.atRisk(mandate, bounds, prices);
        uint256 unaudited = state.unaudited + valueAtRisk;
        if (unaudited > mandate.ladder[0].limit) {
            revert RungExceeded(unaudited, mandate.ladder[0].limit);
        }
        // 6. Head, outflow and slot are used up first; then the calls; then what they did.
        state.head = digest;
        state.unaudited = uint104(unaudited);
        state.nextSlot = uint48(decision.slot) + 1;
        int256[] memory changes = _makeCalls(mandate, calls);
        _checkBounds(mandate.tracked, bounds, changes);
        _checkLoss(mandate, changes, prices);

        emit DecisionExecuted(
            decision.mandate,
            digest,
            proof.node,
            decision.slot,
            uint64(skipped),
            decision.previous,
            valueAtRisk,
            changes
        );
        _executing = false;
    }

    /// @inheritdoc IDecisionGate
    function tryExecute(
        Mandate calldata mandate,
        Decision calldata decision,
        InferenceReceipt[] calldata,
        Call[] calldata,
        int256[] calldata,
        Proof calldata
    ) external returns (bool executed, bytes32 digest) {
        // A mandate that nobody granted names whom it likes, and would record what it likes.
        bytes32 mandateId = hashMandate(mandate);
        _knownState(mandateId);
        _checkOperator(mandate.operator);
        digest = digestOf(decision);

        // The same arguments, byte by byte, under the other selector.
        bytes memory reason;
        (executed, reason) = BoundedCall.call(
            address(this), 0, bytes.concat(this.execute.selector, msg.data[4:]), type(uint256).max
        );
        if (!executed) emit DecisionRefused(mandateId, digest, reason);
    }

    /* INTERNAL: AUTHORITY */

    function _checkAccount(address account) private view {
        if (msg.sender != account) revert NotAccount(msg.sender, account);
    }

    function _checkOperator(address operator) private view {
        if (msg.sender != operator) revert NotOperator(msg.sender, operator);
    }

    function _knownState(bytes32 mandateId) private view returns (MandateState storage state) {
        state = _states[mandateId];
        if (state.head == bytes32(0)) revert MandateUnknown(mandateId);
    }

    /* INTERNAL: CHECKS BEFORE EXECUTION */

    /// @dev Step 1, and the slots skipped since the last execution.
    function _checkTurn(Mandate calldata mandate, Decision calldata decision)
        private
        view
        returns (MandateState storage state, uint256 skipped)
    {
        bytes32 mandateId = hashMandate(mandate);
        state = _liveState(mandate, mandateId);
        if (decision.mandate != mandateId) revert MandateMismatch(decision.mandate, mandateId);
        skipped = _checkDecision(mandate, decision, state);
    }

    function _liveState(Mandate calldata mandate, bytes32 mandateId)
        private
        view
        returns (MandateState storage state)
    {
        state = _knownState(mandateId);
        if (state.revoked) revert MandateRevoked(mandateId);
        if (block.timestamp < state.liveFrom) {
            revert MandateNotLive(state.liveFrom, block.timestamp);
        }
        if (block.timestamp >= mandate.expiry) {
            revert MandateExpired(mandate.expiry, block.timestamp);
        }
        if (block.timestamp < state.stoppedUntil) {
            revert MandateStopped(state.stoppedUntil, block.timestamp);
        }
    }

    function _checkDecision(
        Mandate calldata mandate,
        Decision calldata decision,
        MandateState storage state
    ) private view returns (uint256 skipped) {
        if (decision.program != mandate.program) {
            revert ProgramMismatch(decision.program, mandate.program);
        }
        if (decision.previous != state.head) revert HeadMismatch(decision.previous, state.head);
        uint64 newest = uint64(block.number / mandate.cadence);
        if (decision.slot != newest) revert SlotNotNewest(decision.slot, newest);
        if (decision.slot < state.nextSlot) revert SlotUsed(decision.slot);
        if (block.timestamp > decision.validUntil) {
            revert DecisionExpired(decision.validUntil, block.timestamp);
        }
        bytes32 anchorHash = _blockHash(uint256(decision.slot) * mandate.cadence);
        if (decision.anchorHash != anchorHash) {
            revert AnchorMismatch(decision.anchorHash, anchorHash);
        }
        return decision.slot - state.nextSlot;
    }

    /// @dev Hash of a past block; never zero.
    function _blockHash(uint256 number) private view returns (bytes32 hash) {
        hash = blockhash(number);
        // Zero is what BLOCKHASH says of the current block and of those over 256 blocks ago. The
        // history contract reverts outside its window, and an account without code says nothing.
        if (hash == bytes32(0) && number < block.number) {
            (bool success, bytes memory result) =
                BoundedCall.staticCall(BLOCK_HASH_HISTORY, abi.encode(number), 32);
            if (success && result.length == 32) hash = bytes32(result);
        }
        if (hash == bytes32(0)) revert AnchorUnavailable(number);
    }

    function _checkReceipts(
        Mandate calldata mandate,
        Decision calldata decision,
        InferenceReceipt[] calldata receipts
    ) private pure {
        if (receipts.length == 0) revert NoReceipt();
        bytes32 sworn = hashReceipts(receipts);
        if (sworn != decision.receipts) revert ReceiptsMismatch(sworn, decision.receipts);
        for (uint256 i = 0; i < receipts.length; i++) {
            if (receipts[i].model != mandate.model) {
                revert ModelMismatch(receipts[i].model, mandate.model);
            }
            if (receipts[i].engine != mandate.engine) {
                revert EngineMismatch(receipts[i].engine, mandate.engine);
            }
        }
    }

    function _checkCommitments(
        Mandate calldata mandate,
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds
    ) private pure {
        bytes32 callsHash = hashCalls(calls);
        if (callsHash != decision.calls) revert CallsMismatch(callsHash, decision.calls);
        bytes32 boundsHash = hashBounds(bounds);
        if (boundsHash != decision.bounds) revert BoundsMismatch(boundsHash, decision.bounds);
        if (bounds.length != mandate.tracked.length) {
            revert BoundsLength(bounds.length, mandate.tracked.length);
        }
    }

    function _checkCalls(Mandate calldata mandate, Call[] calldata calls) private pure {
        if (calls.length > MAX_CALLS) revert TooManyCalls(calls.length, MAX_CALLS);
        if (calls.length == 0 && !mandate.recordHolds) revert EmptyDecision();
        for (uint256 i = 0; i < calls.length; i++) {
            Call calldata item = calls[i];
            if (item.data.length < 4) revert CallTooShort(i, item.data.length);
            bytes4 selector = bytes4(item.data);
            if (!_isListed(mandate.allowList, item.target, selector)) {
                revert CallNotAllowed(item.target, selector);
            }
            if (item.value != 0 && !isAsset(mandate.tracked, address(0))) {
                revert ValueUntracked(i, item.value);
            }
            // A token without an allowance means nothing, and is held to the same rule.
            if (
                (item.allowance != 0 || item.token != address(0))
                    && (item.token == address(0) || !isAsset(mandate.tracked, item.token))
            ) revert TokenUntracked(item.token);
        }
    }

    function _isListed(Permission[] calldata allowList, address target, bytes4 selector)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < allowList.length; i++) {
            if (allowList[i].target == target && allowList[i].selector == selector) return true;
        }
        return false;
    }

    function _checkProof(Mandate calldata mandate, bytes32 digest, Proof calldata proof)
        private
        view
    {
        address key = proof.node;
        uint8 tier = _permittedTier(mandate, key);
        if (tier < mandate.ladder[0].tier) revert TierTooLow(tier, mandate.ladder[0].tier);
        (bool wellFormed, address signer) = Signatures.recover(digest, proof.signature);
        if (!wellFormed) revert SignatureMalformed(proof.signature.length);
        // A permitted key is never zero, so a failed recovery cannot equal it.
        if (signer != key) revert SignatureInvalid(key, signer);
        _checkAnnouncement(mandate, key);
    }

    function _permittedTier(Mandate calldata mandate, address key) private pure returns (uint8) {
        for (uint256 i = 0; i < mandate.nodes.length; i++) {
            if (mandate.nodes[i].key == key) return mandate.nodes[i].tier;
        }
        revert NodeNotPermitted(key);
    }

    function _checkAnnouncement(Mandate calldata mandate, address key) private view {
        (uint64 validFrom, uint64 validUntil, uint64 revokedAt,, bytes32 service) =
            INodeRegistry(nodeRegistry).nodeOf(key);
        if (revokedAt != 0) revert NodeRevoked(key, revokedAt);
        if (validFrom == 0) revert NodeUnannounced(key);
        if (block.timestamp >= validUntil) revert NodeExpired(key, validUntil);
        bytes32 expected = keccak256(abi.encode(mandate.model, mandate.engine));
        if (service != expected) revert NodeServesOther(service, expected);
    }

    /* INTERNAL: EXECUTION AND ITS EFFECTS */

    function _makeCalls(Mandate calldata mandate, Call[] calldata calls)
        private
        returns (int256[] memory changes)
    {
        Tracked[] calldata tracked = mandate.tracked;
        uint256[] memory before = Values.balances(tracked, mandate.account);
        for (uint256 i = 0; i < calls.length; i++) {
            AccountCalls.make(mandate.account, i, calls[i]);
        }
        uint256[] memory later = Values.balances(tracked, mandate.account);
        changes = new int256[](tracked.length);
        for (uint256 i = 0; i < tracked.length; i++) {
            int256 rise = int256(later[i]) - int256(before[i]);
            changes[i] = tracked[i].debt ? -rise : rise;
        }
    }

    function _checkBounds(
        Tracked[] calldata tracked,
        int256[] calldata bounds,
        int256[] memory changes
    ) private pure {
        for (uint256 i = 0; i < bounds.length; i++) {
            if (changes[i] >= bounds[i]) continue;
            if (bounds[i] == 0) revert UndeclaredLoss(tracked[i].token, changes[i]);
            revert BoundMissed(tracked[i].token, changes[i], bounds[i]);
        }
    }

    function _checkLoss(Mandate calldata mandate, int256[] memory changes, uint256[] memory prices)
        private
        pure
    {
        int256 change = Values.ofChanges(mandate, changes, prices);
        if (change < 0 && uint256(-change) > mandate.maxLoss) {
            revert LossExceeded(change, mandate.maxLoss);
        }
    }

    /* VIEWS */

    /// @inheritdoc IDecisionGate
    function headOf(bytes32 mandateId) external view returns (bytes32) {
        return _states[mandateId].head;
    }

    /// @inheritdoc IDecisionGate
    function stateOf(bytes32 mandateId) external view returns (MandateState memory) {
        return _states[mandateId];
    }

    /// @inheritdoc IDecisionGate
    function grantDelayOf(address account) public view returns (uint32) {
        GrantDelay storage stored = _grantDelays[account];
        bool changed = stored.changesAt != 0 && block.timestamp >= stored.changesAt;
        return changed ? stored.next : stored.delay;
    }

    /// @inheritdoc IDecisionGate
    function digestOf(Decision calldata decision) public view returns (bytes32) {
        return Signatures.digest(domainSeparator(), hashDecision(decision));
    }

    /// @inheritdoc IDecisionGate
    function domainSeparator() public view returns (bytes32) {
        return Signatures.domainSeparator();
    }

    /// @inheritdoc IDecisionGate
    function isSelectorForbidden(bytes4 selector) external pure returns (bool) {
        return ForbiddenSelectors.contains(selector);
    }
}
