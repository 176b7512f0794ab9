// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {ForbiddenSelectors} from "./ForbiddenSelectors.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {Feed, Mandate, NodePermit, Permission, Rung, Tracked, isAsset} from "./types/Mandate.sol";

/// @title What must hold of a mandate when it is granted, and cannot change afterwards.
/// @notice Whatever the gate cannot enforce yet is refused here by name, never ignored.
library MandateChecks {
    /// @dev Anchors must be past blocks (2), and known to the history contract (8191 blocks).
    uint256 private constant LEAST_CADENCE = 2;
    uint256 private constant MOST_CADENCE = 8191;
    uint8 private constant MOST_NAMED_TIER = 1;
    uint256 private constant MOST_LIMIT = type(uint104).max;
    /// @dev So that 10 to the power of a token's and a feed's decimals together fits a word.
    uint8 private constant MOST_DECIMALS = 36;
    uint8 private constant MOST_FEED_DECIMALS = 18;
    /// @dev What the code of an account begins with that delegates to another's (EIP-7702), and
    ///      how long it is: a key's owner changes it at will.
    bytes3 private constant DELEGATION = 0xef0100;
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @dev Revert by name where the mandate is not one that the gate can enforce.
    /// @param liveFrom Unix seconds at which it would be live.
    function check(
        Mandate calldata mandate,
        uint64 liveFrom,
        address nodeRegistry,
        address modelRegistry
    ) internal view {
        if (mandate.expiry <= liveFrom) {
            revert IDecisionGate.GrantExpired(mandate.expiry, liveFrom);
        }
        if (mandate.cadence < LEAST_CADENCE || mandate.cadence > MOST_CADENCE) {
            revert IDecisionGate.CadenceOutOfRange(mandate.cadence, LEAST_CADENCE, MOST_CADENCE);
        }
        _checkUnbuilt(mandate);
        _checkNodes(mandate.nodes);
        _checkLadder(mandate.ladder);
        _checkMeasured(mandate);
        for (uint256 i = 0; i < mandate.allowList.length; i++) {
            _checkPermission(mandate, mandate.allowList[i], nodeRegistry, modelRegistry);
        }
        for (uint256 i = 0; i < mandate.feeds.length; i++) {
            _checkFeed(mandate.feeds[i]);
        }
        for (uint256 i = 0; i < mandate.tracked.length; i++) {
            _checkTracked(mandate.tracked, i, mandate.feeds.length);
        }
    }

    function _checkUnbuilt(Mandate calldata mandate) private pure {
        if (mandate.workloads.length != 0) {
            revert IDecisionGate.WorkloadsUnsupported(mandate.workloads.length);
        }
        if (mandate.endorsers.length != 0) {
            revert IDecisionGate.EndorsersUnsupported(mandate.endorsers.length);
        }
        if (mandate.rules.length != 0) revert IDecisionGate.RulesUnsupported(mandate.rules.length);
    }

    function _checkNodes(NodePermit[] calldata nodes) private pure {
        if (nodes.length == 0) revert IDecisionGate.NoNode();
        for (uint256 i = 0; i < nodes.length; i++) {
            address key = nodes[i].key;
            if (nodes[i].tier > MOST_NAMED_TIER) {
                revert IDecisionGate.NodeTierTooHigh(key, nodes[i].tier, MOST_NAMED_TIER);
            }
            bool invalid = key == address(0);
            for (uint256 j = 0; j < i; j++) {
                invalid = invalid || nodes[j].key == key;
            }
            if (invalid) revert IDecisionGate.NodeKeyInvalid(key);
        }
    }

    function _checkLadder(Rung[] calldata ladder) private pure {
        if (ladder.length != 1) revert IDecisionGate.LadderUnsupported(ladder.length);
        Rung calldata rung = ladder[0];
        if (rung.tier > MOST_NAMED_TIER || rung.endorsements != 0 || rung.delay != 0) {
            revert IDecisionGate.RungUnsupported(rung.tier, rung.endorsements, rung.delay);
        }
        if (rung.limit > MOST_LIMIT) {
            revert IDecisionGate.RungLimitTooLarge(rung.limit, MOST_LIMIT);
        }
    }

    /// @dev Bounds and loss are measured in tracked assets: without any, calls could take all.
    function _checkMeasured(Mandate calldata mandate) private pure {
        if (mandate.allowList.length == 0) return;
        for (uint256 i = 0; i < mandate.tracked.length; i++) {
            if (!mandate.tracked[i].debt) return;
        }
        revert IDecisionGate.NoAssetTracked(mandate.allowList.length);
    }

    function _checkPermission(
        Mandate calldata mandate,
        Permission calldata permission,
        address nodeRegistry,
        address modelRegistry
    ) private view {
        address target = permission.target;
        if (
            target == address(0) || target == address(this) || target == mandate.account
                || target == nodeRegistry || target == modelRegistry
        ) revert IDecisionGate.TargetForbidden(target);
        if (ForbiddenSelectors.contains(permission.selector)) {
            revert IDecisionGate.SelectorForbidden(target, permission.selector);
        }
        if (ForbiddenSelectors.moves(permission.selector) && !isAsset(mandate.tracked, target)) {
            revert IDecisionGate.TransferUntracked(target, permission.selector);
        }
        if (!_hasOwnCode(target)) revert IDecisionGate.TargetWithoutCode(target);
    }

    function _hasOwnCode(address target) private view returns (bool) {
        uint256 length = target.code.length;
        if (length == DELEGATION_LENGTH) return bytes3(target.code) != DELEGATION;
        return length != 0;
    }

    function _checkFeed(Feed calldata feed) private view {
        if (feed.maxAge == 0) revert IDecisionGate.FeedAgeZero(feed.aggregator);
        _checkDecimals(
            feed.aggregator, feed.decimals, _decimals(feed.aggregator), MOST_FEED_DECIMALS
        );
    }

    function _checkTracked(Tracked[] calldata tracked, uint256 index, uint256 feeds) private view {
        Tracked calldata entry = tracked[index];
        if (entry.feed >= feeds) revert IDecisionGate.FeedIndexOutOfRange(entry.feed, feeds);
        for (uint256 i = 0; i < index; i++) {
            if (tracked[i].token == entry.token) revert IDecisionGate.TrackedTwice(entry.token);
        }
        if (entry.token == address(0)) {
            if (entry.debt) revert IDecisionGate.NativeDebt();
            _checkDecimals(entry.token, entry.decimals, 18, MOST_DECIMALS);
        } else {
            _checkDecimals(entry.token, entry.decimals, _decimals(entry.token), MOST_DECIMALS);
        }
    }

    function _checkDecimals(address source, uint8 stated, uint256 actual, uint8 most) private pure {
        if (stated != actual || stated > most) {
            revert IDecisionGate.DecimalsMismatch(source, stated, actual);
        }
    }

    function _decimals(address source) private view returns (uint256) {
        (bool success, bytes memory result) =
            BoundedCall.staticCall(source, abi.encodeWithSignature("decimals()"), 32);
        if (!success || result.length < 32) revert IDecisionGate.DecimalsUnreadable(source);
        return abi.decode(result, (uint256));
    }
}
