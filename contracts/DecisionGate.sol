// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccountCalls} from "./AccountCalls.sol";
import {BlockHashes} from "./BlockHashes.sol";
import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {IMandateChecks} from "./IMandateChecks.sol";
import {NodeRegistry} from "./NodeRegistry.sol";
import {Proofs} from "./Proofs.sol";
import {Rules} from "./Rules.sol";
import {Signatures} from "./Signatures.sol";
import {Values} from "./Values.sol";
import {IRule} from "./rules/IRule.sol";
import {Call, hashCalls} from "./types/Call.sol";
import {Checkpoint, hashCheckpoint} from "./types/Checkpoint.sol";
import {Decision, copyDecision, hashBounds, hashDecision} from "./types/Decision.sol";
import {
    ALLOW_LIST,
    ENDORSERS,
    Entry,
    KeptMandate,
    LADDER,
    RULES,
    TRACKED,
    WORKLOADS,
    encodeMandate,
    keepMandate,
    loadMandate,
    placeOf
} from "./types/KeptMandate.sol";
import {Mandate} from "./types/Mandate.sol";
import {Turn, firstTurn} from "./types/Turn.sol";
import {Verdict, hashVerdict} from "./types/Verdict.sol";

/// @title DecisionGate
contract DecisionGate is IDecisionGate {
    /* TYPES */

    /// @dev Who granted, and what stops it, in one slot.
    struct Standing {
        address account;
        uint40 liveFrom;
        uint40 stoppedUntil;
        bool revoked;
        bool guardianStopped;
    }

    /// @dev Of the decision that waits.
    struct Queue {
        uint64 queuedAt;
        uint64 validUntil;
    }

    struct Ledger {
        bytes32 head;
        Turn turn;
        Standing standing;
        Queue queue;
    }

    /// @dev What the registry told of a key and a service.
    struct Node {
        uint64 validUntil;
        uint64 revokedAt;
    }

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

    /// @dev What a contract's code may hold (EIP-170), and the init code's own bytes before it.
    uint256 private constant MAX_MANDATE_BYTES = 24_576 + 11;

    /// @dev `notBefore` of a revoked mandate.
    uint40 private constant NEVER = type(uint40).max;

    /* IMMUTABLES */

    /// @inheritdoc IDecisionGate
    address public immutable nodeRegistry;

    /// @inheritdoc IDecisionGate
    address public immutable modelRegistry;

    /// @inheritdoc IDecisionGate
    address public immutable mandateChecks;

    /// @dev The domain separator, of this contract on the chain that it was deployed on.
    address private immutable _self;
    uint256 private immutable _chainId;
    bytes32 private immutable _domainSeparator;

    /* STORAGE */

    mapping(bytes32 mandateId => Ledger) private _ledgers;
    mapping(bytes32 mandateId => mapping(address key => bool)) private _banned;
    mapping(bytes32 keyAndService => Node) private _nodes;
    mapping(address account => GrantDelay) private _grantDelays;

    /// @dev One lock for all mandates: a token or protocol that calls back must not find another
    ///      mandate of the same account open between its balances' two measurements.
    /// 1 while executing.
    uint256 private transient _executing;

    /* CONSTRUCTOR */

    /// @param modelRegistry_ Where model commitments are published.
    /// @param mandateChecks_ What is asked about every mandate at its grant.
    constructor(address modelRegistry_, address mandateChecks_) {
        nodeRegistry = address(new NodeRegistry());
        modelRegistry = modelRegistry_;
        mandateChecks = mandateChecks_;
        _self = address(this);
        _chainId = block.chainid;
        _domainSeparator = Signatures.domainSeparator();
    }

    /* EXTERNAL: GRANTING AND REVOKING */

    /// @inheritdoc IDecisionGate
    function grant(Mandate calldata mandate) external returns (bytes32 mandateId) {
        _checkAccount(mandate.account);
        bytes memory initCode;
        (mandateId, initCode) = encodeMandate(mandate);
        Ledger storage ledger = _ledgers[mandateId];
        if (ledger.head != bytes32(0)) revert MandateExists(mandateId);
        uint64 liveFrom = uint64(block.timestamp) + grantDelayOf(msg.sender);
        IMandateChecks(mandateChecks)
            .check(mandate, liveFrom, address(this), nodeRegistry, modelRegistry);

        ledger.head = mandateId;
        ledger.turn = firstTurn(uint40(block.number / mandate.cadence), uint40(liveFrom));
        ledger.standing = Standing(msg.sender, uint40(liveFrom), 0, false, false);
        if (initCode.length > MAX_MANDATE_BYTES || !keepMandate(initCode)) {
            revert MandateTooLarge(initCode.length, MAX_MANDATE_BYTES);
        }

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
        Ledger storage ledger = _ownLedger(mandateId);

        ledger.standing.revoked = true;
        ledger.turn = ledger.turn.withNotBefore(NEVER);

        emit MandateWithdrawn(mandateId, msg.sender);
    }

    /// @inheritdoc IDecisionGate
    function stop(bytes32 mandateId, uint64 until) external {
        Ledger storage ledger = _knownLedger(mandateId);
        Standing memory standing = ledger.standing;
        bool byGuardian = msg.sender != standing.account;
        uint256 latest = NEVER - 1;
        if (byGuardian) {
            address guardian = _mandate(mandateId).guardian();
            if (msg.sender != guardian) revert NotGuardian(msg.sender, guardian);
            if (standing.guardianStopped) revert StopUsed(standing.stoppedUntil);
            latest = block.timestamp + MAX_STOP;
        }
        if (until <= block.timestamp) revert StopOver(until, block.timestamp);
        if (until > latest) revert StopTooLong(until, latest);
        if (byGuardian && until <= standing.stoppedUntil) {
            revert StopShorter(until, standing.stoppedUntil);
        }

        standing.stoppedUntil = uint40(until);
        if (byGuardian) standing.guardianStopped = true;
        _setStanding(ledger, standing);

        emit MandateHalted(mandateId, msg.sender, until);
    }

    /// @inheritdoc IDecisionGate
    function resume(bytes32 mandateId) external {
        Ledger storage ledger = _ownLedger(mandateId);
        Standing memory standing = ledger.standing;

        standing.stoppedUntil = 0;
        standing.guardianStopped = false;
        _setStanding(ledger, standing);

        emit MandateResumed(mandateId);
    }

    /// @inheritdoc IDecisionGate
    function banKey(bytes32 mandateId, address key) external {
        Ledger storage ledger = _ownLedger(mandateId);

        _ban(ledger, mandateId, key, bytes32(0));
    }

    /// @inheritdoc IDecisionGate
    function banKeyByVerdict(Verdict calldata verdict, bytes calldata signatures) external {
        Ledger storage ledger = _knownLedger(verdict.mandate);
        _checkQuorum(_mandate(verdict.mandate), hashVerdict(verdict), signatures);

        _ban(ledger, verdict.mandate, verdict.key, verdict.decision);
    }

    /// @inheritdoc IDecisionGate
    function noteNode(address key, bytes32 service, uint64 validUntil, uint64 revokedAt) external {
        if (msg.sender != nodeRegistry) revert NotNodeRegistry(msg.sender, nodeRegistry);

        _nodes[_keyAndService(key, service)] = Node(validUntil, revokedAt);
    }

    /* EXTERNAL: EXECUTING */

    /// @inheritdoc IDecisionGate
    /// @dev The event comes last, because it carries what was measured; everything that a replay
    ///      would need is used up before the first call.
    function execute(
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata proof
    ) external returns (bytes32 digest) {
        if (_executing != 0) _refuseReentry();
        _executing = 1;
        Decision memory sworn = copyDecision(decision);
        KeptMandate mandate = _mandate(sworn.mandate);
        // Not from itself: that is `tryExecute`, which has asked already.
        if (msg.sender != address(this)) _checkSender(mandate.operator());
        Ledger storage ledger = _ledgers[sworn.mandate];
        Turn turn = ledger.turn;

        // 1. What is about to be used is what was sworn.
        _checkCommitments(mandate, sworn, bounds, hashCalls(calls, bounds));
        // 2. Mandate live; decision its own, on its head, in the newest slot, anchored.
        _checkLive(mandate, ledger, turn, sworn.mandate);
        uint256 served;
        uint256 skipped;
        if (turn.queued()) (turn, served) = _waited(ledger, turn, sworn);
        if (served == 0) (turn, skipped) = _takeTurn(mandate, ledger, turn, sworn);
        digest = _digest(hashDecision(sworn));
        // 3. to 5. Only listed calls; a permitted key swore it; the rung holds.
        _checkCalls(mandate, calls);
        (address node, int256 tier, uint256 endorsements) =
            _checkProof(mandate, turn, sworn.mandate, digest, proof);
        (uint256 valueAtRisk, uint256[] memory prices) =
            _checkRung(mandate, turn, bounds, node, tier, endorsements, served);
        // 6. Head, outflow and slot are used up first; then rules and calls; then what they did.
        uint256 outflow = turn.outflow() + valueAtRisk;
        if (outflow > type(uint80).max) revert OutflowTooLarge(outflow, type(uint80).max);
        ledger.turn = turn.withOutflow(uint80(outflow));
        ledger.head = digest;
        int256[] memory changes = _act(mandate, sworn, digest, calls, bounds, valueAtRisk, prices);

        emit DecisionExecuted(
            sworn.mandate,
            digest,
            node,
            sworn.slot,
            uint64(skipped),
            sworn.previous,
            valueAtRisk,
            changes
        );
        _executing = 0;
    }

    /// @inheritdoc IDecisionGate
    function tryExecute(
        Decision calldata decision,
        Call[] calldata,
        int256[] calldata,
        bytes calldata
    ) external returns (bool executed, bytes32 digest) {
        // A mandate that nobody granted names whom it likes, and would record what it likes.
        address operator = _mandate(decision.mandate).operator();
        if (msg.sender != operator) _refuseSender(operator);
        digest = digestOf(decision);
        uint256 given = gasleft();

        // The same arguments, byte by byte, under the other selector.
        bytes memory reason;
        (executed, reason) = BoundedCall.call(
            address(this), 0, bytes.concat(this.execute.selector, msg.data[4:]), type(uint256).max
        );
        if (executed) return (true, digest);
        // A call that is given too little fails as well, and at each level of calls one part in 64
        // is left over: a refusal that used up most of what it was given may be want of gas.
        if (gasleft() < given / 4) revert GasTooLow(gasleft(), given / 4);
        emit DecisionRefused(decision.mandate, digest, reason);
    }

    /// @inheritdoc IDecisionGate
    function queue(
        Decision calldata decision,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata proof
    ) external returns (bytes32 digest) {
        if (_executing != 0) _refuseReentry();
        Decision memory sworn = copyDecision(decision);
        KeptMandate mandate = _mandate(sworn.mandate);
        _checkSender(mandate.operator());
        Ledger storage ledger = _ledgers[sworn.mandate];
        Turn turn = ledger.turn;

        // 1. to 5., as in `execute`, as if the delay had been served.
        _checkCommitments(mandate, sworn, bounds, hashCalls(calls, bounds));
        _checkLive(mandate, ledger, turn, sworn.mandate);
        uint256 served;
        uint256 skipped;
        if (turn.queued()) (turn, served) = _waited(ledger, turn, sworn);
        if (served != 0) _refuseQueued(ledger.head, sworn.validUntil);
        (turn, skipped) = _takeTurn(mandate, ledger, turn, sworn);
        digest = _digest(hashDecision(sworn));
        _checkCalls(mandate, calls);
        (address node, int256 tier, uint256 endorsements) =
            _checkProof(mandate, turn, sworn.mandate, digest, proof);
        (uint256 valueAtRisk,) =
            _checkRung(mandate, turn, bounds, node, tier, endorsements, type(uint256).max);
        uint256 delay = _rung(mandate, turn, valueAtRisk).field(3);
        if (delay == 0) revert DelayNotNeeded();
        uint256 readyAt = block.timestamp + delay;
        if (sworn.validUntil < readyAt) revert ValidityTooShort(sworn.validUntil, readyAt);

        ledger.turn = turn.withQueued(true);
        ledger.head = digest;
        ledger.queue = Queue(uint64(block.timestamp), sworn.validUntil);

        emit DecisionQueued(
            sworn.mandate,
            digest,
            node,
            sworn.slot,
            uint64(skipped),
            sworn.previous,
            valueAtRisk,
            uint64(readyAt),
            sworn.validUntil
        );
    }

    /// @inheritdoc IDecisionGate
    function cancel(bytes32 mandateId, bytes32 digest) external {
        Ledger storage ledger = _knownLedger(mandateId);
        KeptMandate mandate = _mandate(mandateId);
        bool entitled = msg.sender == mandate.account() || msg.sender == mandate.guardian();
        for (uint256 i = 0; i < mandate.count(ENDORSERS); i++) {
            entitled = entitled || uint160(msg.sender) == mandate.word(ENDORSERS, i, 0);
        }
        if (!entitled) revert NotCanceller(msg.sender);
        if (!ledger.turn.queued() || ledger.head != digest) revert NotQueued(digest, ledger.head);

        ledger.turn = ledger.turn.withQueued(false);

        emit DecisionCancelled(mandateId, digest, msg.sender);
    }

    /* EXTERNAL: AUDITING */

    /// @inheritdoc IDecisionGate
    function checkpoint(Checkpoint calldata audited, bytes calldata signatures) external {
        Ledger storage ledger = _knownLedger(audited.mandate);
        Turn turn = ledger.turn;
        uint256 outflow = audited.outflow;
        if (outflow <= turn.audited()) revert CheckpointOld(outflow, turn.audited());
        if (outflow > turn.outflow()) revert CheckpointAhead(outflow, turn.outflow());
        bytes32 anchorHash = _anchorHash(audited.anchor);
        if (audited.anchorHash != anchorHash) {
            _refuseAnchor(audited.anchorHash, anchorHash);
        }
        _checkQuorum(_mandate(audited.mandate), hashCheckpoint(audited), signatures);

        ledger.turn = turn.withAudited(uint80(outflow));

        emit CheckpointReached(audited.mandate, audited.head, outflow);
    }

    /* INTERNAL: AUTHORITY */

    function _checkAccount(address account) private view {
        if (msg.sender != account) revert NotAccount(msg.sender, account);
    }

    function _checkSender(address operator) private view {
        if (operator != address(0) && msg.sender != operator) _refuseSender(operator);
    }

    function _knownLedger(bytes32 mandateId) private view returns (Ledger storage ledger) {
        ledger = _ledgers[mandateId];
        if (ledger.head == bytes32(0)) _refuseUnknown(mandateId);
    }

    function _ownLedger(bytes32 mandateId) private view returns (Ledger storage ledger) {
        ledger = _knownLedger(mandateId);
        _checkAccount(ledger.standing.account);
    }

    function _mandate(bytes32 mandateId) private view returns (KeptMandate mandate) {
        bool kept;
        (kept, mandate) = loadMandate(placeOf(mandateId, address(this)));
        if (!kept) _refuseUnknown(mandateId);
    }

    function _checkQuorum(KeptMandate mandate, bytes32 structHash, bytes calldata signatures)
        private
        view
    {
        uint256 count = Proofs.countSignatures(signatures);
        uint256 quorum = mandate.quorum();
        if (quorum == 0 || count < quorum) _refuseFew(count, quorum);
        Proofs.checkEndorsers(mandate, _digest(structHash), signatures, 0, address(0));
    }

    function _setStanding(Ledger storage ledger, Standing memory standing) private {
        ledger.standing = standing;
        if (standing.revoked) return;
        ledger.turn = ledger.turn
            .withNotBefore(
                standing.stoppedUntil > standing.liveFrom
                    ? standing.stoppedUntil
                    : standing.liveFrom
            );
    }

    function _ban(Ledger storage ledger, bytes32 mandateId, address key, bytes32 decision) private {
        ledger.turn = ledger.turn.withBanned(true);
        _banned[mandateId][key] = true;

        emit KeyBanned(mandateId, key, decision);
    }

    /* INTERNAL: CHECKS BEFORE EXECUTION */

    /// @dev Step 1, of the mandate.
    function _checkLive(KeptMandate mandate, Ledger storage ledger, Turn turn, bytes32 mandateId)
        private
        view
    {
        if (block.timestamp < turn.notBefore()) {
            Standing memory standing = ledger.standing;
            if (standing.revoked) revert MandateRevoked(mandateId);
            if (block.timestamp < standing.liveFrom) {
                revert MandateNotLive(standing.liveFrom, block.timestamp);
            }
            revert MandateStopped(standing.stoppedUntil, block.timestamp);
        }
        uint64 expiry = mandate.expiry();
        if (block.timestamp >= expiry) revert MandateExpired(expiry, block.timestamp);
    }

    /// @dev Step 1. What was left blank is filled in.
    function _checkCommitments(
        KeptMandate mandate,
        Decision memory sworn,
        int256[] calldata bounds,
        bytes32 callsHash
    ) private pure {
        if (sworn.calls == 0) sworn.calls = callsHash;
        if (callsHash != sworn.calls) revert CallsMismatch(callsHash, sworn.calls);
        bytes32 boundsHash = hashBounds(bounds);
        if (sworn.bounds == 0) sworn.bounds = boundsHash;
        if (boundsHash != sworn.bounds) revert BoundsMismatch(boundsHash, sworn.bounds);
        uint256 tracked = mandate.count(TRACKED);
        if (bounds.length != tracked) revert BoundsLength(bounds.length, tracked);
    }

    /// @dev Step 2, where the head waits.
    /// @return next `turn`, in which nothing waits any more.
    /// @return served Seconds that this decision waited, and one more; 0: it is another one, and the
    ///         one that waited is over.
    function _waited(Ledger storage ledger, Turn turn, Decision memory sworn)
        private
        view
        returns (Turn next, uint256 served)
    {
        Queue memory waiting = ledger.queue;
        if (_digest(hashDecision(sworn)) == ledger.head) {
            _checkValid(sworn.validUntil);
            served = block.timestamp - waiting.queuedAt + 1;
        } else if (block.timestamp <= waiting.validUntil) {
            _refuseQueued(ledger.head, waiting.validUntil);
        }
        next = turn.withQueued(false);
    }

    /// @dev Step 2, of a decision that did not wait. What was left blank is filled in.
    /// @return next `turn`, in which the slot is used up.
    /// @return skipped Slots skipped before it.
    function _takeTurn(KeptMandate mandate, Ledger storage ledger, Turn turn, Decision memory sworn)
        private
        view
        returns (Turn next, uint256 skipped)
    {
        bytes32 program = mandate.program();
        if (sworn.program == 0) sworn.program = program;
        if (sworn.program != program) revert ProgramMismatch(sworn.program, program);
        bytes32 head = ledger.head;
        if (sworn.previous == 0) sworn.previous = head;
        if (sworn.previous != head) revert HeadMismatch(sworn.previous, head);
        uint256 cadence = mandate.cadence();
        uint64 slot = sworn.slot;
        uint64 newest = uint64(block.number / cadence);
        if (slot != newest) revert SlotNotNewest(slot, newest);
        if (slot < turn.nextSlot()) revert SlotUsed(slot);
        _checkValid(sworn.validUntil);
        bytes32 anchorHash = _anchorHash(slot * cadence);
        if (sworn.anchorHash == 0) sworn.anchorHash = anchorHash;
        if (sworn.anchorHash != anchorHash) _refuseAnchor(sworn.anchorHash, anchorHash);
        skipped = slot - turn.nextSlot();
        next = turn.withNextSlot(uint40(slot) + 1);
    }

    function _checkValid(uint64 validUntil) private view {
        if (block.timestamp > validUntil) revert DecisionExpired(validUntil, block.timestamp);
    }

    function _anchorHash(uint256 number) private view returns (bytes32 hash) {
        hash = BlockHashes.at(number);
        if (hash == bytes32(0)) revert AnchorUnavailable(number);
    }

    /// @dev Step 3.
    function _checkCalls(KeptMandate mandate, Call[] calldata calls) private pure {
        uint256 count = calls.length;
        if (count > MAX_CALLS) revert TooManyCalls(count, MAX_CALLS);
        if (count == 0 && !mandate.recordHolds()) revert EmptyDecision();
        for (uint256 i = 0; i < count; i++) {
            Call calldata item = calls[i];
            bytes calldata data = item.data;
            if (data.length < 4) revert CallTooShort(i, data.length);
            _checkListed(mandate, item.target, bytes4(data));
            if (item.value != 0 && !_isAsset(mandate, address(0))) {
                revert ValueUntracked(i, item.value);
            }
            address token = item.token;
            // A token without an allowance means nothing, and is held to the same rule.
            if (
                (token != address(0) || item.allowance != 0)
                    && (token == address(0) || !_isAsset(mandate, token))
            ) revert TokenUntracked(token);
        }
    }

    function _checkListed(KeptMandate mandate, address target, bytes4 selector) private pure {
        uint256 count = mandate.count(ALLOW_LIST);
        for (uint256 i = 0; i < count; i++) {
            Entry entry = mandate.entry(ALLOW_LIST, i);
            if (entry.field(0) == uint160(target) && bytes32(entry.field(1)) == selector) return;
        }
        revert CallNotAllowed(target, selector);
    }

    function _isAsset(KeptMandate mandate, address token) private pure returns (bool) {
        uint256 count = mandate.count(TRACKED);
        for (uint256 i = 0; i < count; i++) {
            Entry entry = mandate.entry(TRACKED, i);
            if (entry.field(0) == uint160(token)) return entry.field(3) == 0;
        }
        return false;
    }

    /// @dev Step 4.
    /// @return node The key that swore.
    /// @return tier Tier by name; negative where the mandate does not name the key.
    /// @return endorsements How many endorsers signed.
    function _checkProof(
        KeptMandate mandate,
        Turn turn,
        bytes32 mandateId,
        bytes32 digest,
        bytes calldata proof
    ) private view returns (address node, int256 tier, uint256 endorsements) {
        endorsements = Proofs.countSignatures(proof) - 1;
        node = Proofs.signer(digest, proof);
        tier = Proofs.namedTier(mandate, node);
        if (tier < 0 && mandate.count(WORKLOADS) == 0) _refuseNode(node);
        if (turn.banned() && _banned[mandateId][node]) revert NodeBanned(node);
        bytes32 service = mandate.service();
        Node storage known = _nodes[_keyAndService(node, service)];
        (uint64 validUntil, uint64 revokedAt) = (known.validUntil, known.revokedAt);
        if (validUntil == 0) revert NodeUnannounced(node, service);
        if (revokedAt != 0) revert NodeRevoked(node, revokedAt);
        if (block.timestamp >= validUntil) revert NodeExpired(node, validUntil);
        if (endorsements != 0) Proofs.checkEndorsers(mandate, digest, proof, 1, node);
    }

    /// @dev Step 5.
    /// @param served Seconds of delay that were served, and one more; 0: none.
    /// @return valueAtRisk The decision's.
    /// @return prices What it was measured with.
    function _checkRung(
        KeptMandate mandate,
        Turn turn,
        int256[] calldata bounds,
        address node,
        int256 tier,
        uint256 endorsements,
        uint256 served
    ) private view returns (uint256 valueAtRisk, uint256[] memory prices) {
        (valueAtRisk, prices) = Values.atRisk(mandate, bounds);
        Entry rung = _rung(mandate, turn, valueAtRisk);
        int256 needed = int256(rung.field(1));
        if (tier < needed) {
            int256 attested = Proofs.attestedTier(mandate, node, needed);
            if (attested > tier) tier = attested;
            if (tier < 0) _refuseNode(node);
            if (tier < needed) revert TierTooLow(uint8(uint256(tier)), uint8(uint256(needed)));
        }
        if (endorsements < rung.field(2)) _refuseFew(endorsements, rung.field(2));
        uint256 delay = rung.field(3);
        if (delay != 0 && served <= delay) {
            revert DelayNotServed(served == 0 ? 0 : served - 1, delay);
        }
    }

    /// @dev keccak256(abi.encode(key, service)), in scratch memory.
    function _keyAndService(address key, bytes32 service) private pure returns (bytes32 id) {
        assembly ("memory-safe") {
            mstore(0, key)
            mstore(32, service)
            id := keccak256(0, 64)
        }
    }

    /// @dev The first rung whose limit is not below the unaudited outflow and `valueAtRisk` together.
    function _rung(KeptMandate mandate, Turn turn, uint256 valueAtRisk)
        private
        pure
        returns (Entry rung)
    {
        uint256 unaudited = turn.outflow() - turn.audited() + valueAtRisk;
        uint256 count = mandate.count(LADDER);
        for (uint256 i = 0; i < count; i++) {
            rung = mandate.entry(LADDER, i);
            if (unaudited <= rung.field(0)) return rung;
        }
        revert RungExceeded(unaudited, rung.field(0));
    }

    /* INTERNAL: EXECUTION AND ITS EFFECTS */

    /// @dev Step 6, after the head has moved.
    function _act(
        KeptMandate mandate,
        Decision memory sworn,
        bytes32 digest,
        Call[] calldata calls,
        int256[] calldata bounds,
        uint256 valueAtRisk,
        uint256[] memory prices
    ) private returns (int256[] memory changes) {
        if (mandate.count(RULES) == 0) {
            (changes,) = _makeCalls(mandate, calls, bounds, prices);
            return changes;
        }
        IRule.Act memory act = IRule.Act({
            mandate: sworn.mandate,
            digest: digest,
            account: mandate.account(),
            slot: sworn.slot,
            valueAtRisk: valueAtRisk,
            calls: calls,
            bounds: bounds
        });
        Rules.askBefore(mandate, act);
        int256 valueChange;
        (changes, valueChange) = _makeCalls(mandate, calls, bounds, prices);
        Rules.askAfter(mandate, act, changes, valueChange);
    }

    /// @dev Make the calls, and revert unless bounds and loss limit hold.
    /// @return changes Measured change per tracked entry.
    /// @return valueChange What those that were priced come to.
    function _makeCalls(
        KeptMandate mandate,
        Call[] calldata calls,
        int256[] calldata bounds,
        uint256[] memory prices
    ) private returns (int256[] memory changes, int256 valueChange) {
        changes = new int256[](bounds.length);
        address account = mandate.account();
        bool moves = calls.length != 0;
        for (uint256 i = 0; moves && i < bounds.length; i++) {
            changes[i] = Values.balance(mandate, i, account);
        }
        for (uint256 i = 0; i < calls.length; i++) {
            AccountCalls.make(account, i, calls[i]);
        }
        for (uint256 i = 0; i < bounds.length; i++) {
            int256 change = moves ? Values.balance(mandate, i, account) - changes[i] : int256(0);
            changes[i] = change;
            int256 bound = bounds[i];
            if (change < bound) _refuseChange(mandate, i, change, bound);
            // What was not priced has not fallen.
            if (bound == 0 || prices.length == 0) continue;
            valueChange += Values.ofChange(mandate, i, change, prices[mandate.word(TRACKED, i, 1)]);
        }
        if (valueChange < 0 && uint256(-valueChange) > mandate.maxLoss()) {
            revert LossExceeded(valueChange, mandate.maxLoss());
        }
    }

    function _refuseChange(KeptMandate mandate, uint256 index, int256 change, int256 bound)
        private
        pure
    {
        address token = address(uint160(mandate.word(TRACKED, index, 0)));
        if (bound == 0) revert UndeclaredLoss(token, change);
        revert BoundMissed(token, change, bound);
    }

    /* INTERNAL: ERRORS OF SEVERAL CHECKS */

    function _refuseReentry() private pure {
        revert Reentered();
    }

    function _refuseSender(address operator) private view {
        revert NotOperator(msg.sender, operator);
    }

    function _refuseUnknown(bytes32 mandateId) private pure {
        revert MandateUnknown(mandateId);
    }

    function _refuseFew(uint256 got, uint256 needed) private pure {
        revert EndorsementsMissing(got, needed);
    }

    function _refuseAnchor(bytes32 stated, bytes32 actual) private pure {
        revert AnchorMismatch(stated, actual);
    }

    function _refuseQueued(bytes32 head, uint64 until) private pure {
        revert HeadQueued(head, until);
    }

    function _refuseNode(address node) private pure {
        revert NodeNotPermitted(node);
    }

    /* VIEWS */

    /// @inheritdoc IDecisionGate
    function headOf(bytes32 mandateId) external view returns (bytes32) {
        return _ledgers[mandateId].head;
    }

    /// @inheritdoc IDecisionGate
    function stateOf(bytes32 mandateId) external view returns (MandateState memory) {
        Ledger memory ledger = _ledgers[mandateId];
        bool waits = ledger.turn.queued();
        return MandateState({
            head: ledger.head,
            outflow: ledger.turn.outflow(),
            audited: ledger.turn.audited(),
            liveFrom: ledger.standing.liveFrom,
            nextSlot: uint64(ledger.turn.nextSlot()),
            stoppedUntil: ledger.standing.stoppedUntil,
            queuedAt: waits ? ledger.queue.queuedAt : 0,
            queuedUntil: waits ? ledger.queue.validUntil : 0,
            revoked: ledger.standing.revoked,
            guardianStopped: ledger.standing.guardianStopped,
            account: ledger.standing.account
        });
    }

    /// @inheritdoc IDecisionGate
    /// @dev What is kept is the answer's own encoding.
    function mandateOf(bytes32 mandateId) external view returns (Mandate memory) {
        bytes memory encoded = placeOf(mandateId, address(this)).code;
        if (encoded.length == 0) _refuseUnknown(mandateId);
        assembly ("memory-safe") {
            return(add(encoded, 32), mload(encoded))
        }
    }

    /// @inheritdoc IDecisionGate
    function isBanned(bytes32 mandateId, address key) external view returns (bool) {
        return _banned[mandateId][key];
    }

    /// @inheritdoc IDecisionGate
    function grantDelayOf(address account) public view returns (uint32) {
        GrantDelay storage stored = _grantDelays[account];
        bool changed = stored.changesAt != 0 && block.timestamp >= stored.changesAt;
        return changed ? stored.next : stored.delay;
    }

    /// @inheritdoc IDecisionGate
    function digestOf(Decision calldata decision) public view returns (bytes32) {
        return _digest(hashDecision(decision));
    }

    /// @inheritdoc IDecisionGate
    function domainSeparator() public view returns (bytes32) {
        // A fork may have taken another chain id since; and code may be run in another's name.
        if (block.chainid == _chainId && address(this) == _self) return _domainSeparator;
        return Signatures.domainSeparator();
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return Signatures.digest(domainSeparator(), structHash);
    }
}
