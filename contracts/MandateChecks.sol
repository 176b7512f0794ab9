// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {ForbiddenSelectors} from "./ForbiddenSelectors.sol";
import {IMandateChecks} from "./IMandateChecks.sol";
import {OwnCode} from "./OwnCode.sol";
import {IAttestation} from "./attestation/IAttestation.sol";
import {IRule} from "./rules/IRule.sol";
import {
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    Workload
} from "./types/Mandate.sol";

/// @title MandateChecks
contract MandateChecks is IMandateChecks {
    /* TYPES */

    /// @dev Anchors must be past blocks (2), and told by BLOCKHASH or the history contract.
    uint256 private constant LEAST_CADENCE = 2;
    uint256 private constant BLOCKHASH_REACH = 256;
    uint256 private constant HISTORY_REACH = 8191;
    address private constant BLOCK_HASH_HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    uint8 private constant MOST_NAMED_TIER = 1;
    uint8 private constant MOST_TIER = 3;
    uint256 private constant MOST_LIMIT = type(uint80).max;
    uint256 private constant LEAST_DELAY = 1 hours;
    uint256 private constant MOST_DELAY = 30 days;

    /// @dev So that 10 to the power of a token's and a feed's decimals together fits a word.
    uint8 private constant MOST_DECIMALS = 36;
    uint8 private constant MOST_FEED_DECIMALS = 18;

    /// @dev What `execute` goes through must fit a block with room for the calls.
    uint256 private constant MOST_NODES = 16;
    uint256 private constant MOST_WORKLOADS = 8;
    uint256 private constant MOST_ENDORSERS = 16;
    uint256 private constant MOST_RUNGS = 8;
    uint256 private constant MOST_PERMISSIONS = 64;
    uint256 private constant MOST_FEEDS = 16;
    uint256 private constant MOST_TRACKED = 16;
    uint256 private constant MOST_RULES = 8;

    /// @dev Most bytes kept of what a rule says.
    uint256 private constant MOST_REASON_BYTES = 256;

    /* EXTERNAL */

    /// @inheritdoc IMandateChecks
    function check(
        Mandate calldata mandate,
        uint64 liveFrom,
        address gate,
        address nodeRegistry,
        address modelRegistry
    ) external view {
        if (mandate.expiry <= liveFrom) {
            revert GrantExpired(mandate.expiry, liveFrom);
        }
        _checkCadence(mandate.cadence);
        _checkLengths(mandate);
        _checkNodes(mandate);
        _checkEndorsers(mandate);
        _checkLadder(mandate);
        _checkMeasured(mandate);
        for (uint256 i = 0; i < mandate.allowList.length; i++) {
            Permission calldata entry = mandate.allowList[i];
            if (
                entry.target == address(0) || entry.target == gate
                    || entry.target == mandate.account || entry.target == nodeRegistry
                    || entry.target == modelRegistry || _isReliedOn(mandate, entry.target)
            ) revert TargetForbidden(entry.target);
            _checkPermission(mandate, entry);
        }
        for (uint256 i = 0; i < mandate.feeds.length; i++) {
            _checkFeed(mandate.feeds[i]);
        }
        for (uint256 i = 0; i < mandate.tracked.length; i++) {
            _checkTracked(mandate.tracked, i, mandate.feeds.length);
        }
        for (uint256 i = 0; i < mandate.rules.length; i++) {
            _checkRule(mandate.account, mandate.rules[i]);
        }
    }

    /// @inheritdoc IMandateChecks
    function isSelectorForbidden(bytes4 selector) external pure returns (bool) {
        return ForbiddenSelectors.contains(selector);
    }

    /* INTERNAL */

    function _checkCadence(uint32 cadence) private view {
        uint256 reach = BLOCK_HASH_HISTORY.code.length == 0 ? BLOCKHASH_REACH : HISTORY_REACH;
        if (cadence < LEAST_CADENCE || cadence > reach) {
            revert CadenceOutOfRange(cadence, LEAST_CADENCE, reach);
        }
    }

    function _checkLengths(Mandate calldata mandate) private pure {
        _checkLength("nodes", mandate.nodes.length, MOST_NODES);
        _checkLength("workloads", mandate.workloads.length, MOST_WORKLOADS);
        _checkLength("endorsers", mandate.endorsers.length, MOST_ENDORSERS);
        _checkLength("ladder", mandate.ladder.length, MOST_RUNGS);
        _checkLength("allowList", mandate.allowList.length, MOST_PERMISSIONS);
        _checkLength("feeds", mandate.feeds.length, MOST_FEEDS);
        _checkLength("tracked", mandate.tracked.length, MOST_TRACKED);
        _checkLength("rules", mandate.rules.length, MOST_RULES);
    }

    function _checkLength(string memory list, uint256 length, uint256 most) private pure {
        if (length > most) revert ListTooLong(list, length, most);
    }

    function _checkNodes(Mandate calldata mandate) private view {
        NodePermit[] calldata nodes = mandate.nodes;
        if (nodes.length == 0 && mandate.workloads.length == 0) revert NoNode();
        for (uint256 i = 0; i < nodes.length; i++) {
            address key = nodes[i].key;
            if (nodes[i].tier > MOST_NAMED_TIER) {
                revert NodeTierTooHigh(key, nodes[i].tier, MOST_NAMED_TIER);
            }
            bool invalid = key == address(0);
            for (uint256 j = 0; j < i; j++) {
                invalid = invalid || nodes[j].key == key;
            }
            if (invalid) revert NodeKeyInvalid(key);
        }
        for (uint256 i = 0; i < mandate.workloads.length; i++) {
            _checkWorkload(mandate.workloads[i]);
        }
    }

    /// @dev Asked about nobody's key, a contract that implements the interface answers all the same.
    function _checkWorkload(Workload calldata workload) private view {
        address attestation = workload.attestation;
        (bool success, bytes memory result) = BoundedCall.staticCall(
            attestation,
            abi.encodeCall(IAttestation.attestationOf, (address(0), workload.measurement)),
            128
        );
        if (!success || result.length != 128 || !OwnCode.at(attestation)) {
            revert AttestationUnusable(attestation);
        }
    }

    function _checkEndorsers(Mandate calldata mandate) private pure {
        address previous = address(0);
        for (uint256 i = 0; i < mandate.endorsers.length; i++) {
            address endorser = mandate.endorsers[i];
            if (endorser <= previous) revert EndorsersUnsorted(endorser, previous);
            for (uint256 j = 0; j < mandate.nodes.length; j++) {
                if (mandate.nodes[j].key == endorser) revert EndorserIsNode(endorser);
            }
            previous = endorser;
        }
    }

    function _checkLadder(Mandate calldata mandate) private pure {
        Rung[] calldata ladder = mandate.ladder;
        if (ladder.length == 0) revert NoRung();
        uint8 mostTier = _reachableTier(mandate);
        for (uint256 i = 0; i < ladder.length; i++) {
            Rung calldata rung = ladder[i];
            if (i != 0 && !_rises(ladder[i - 1], rung)) revert LadderNotRising(i);
            if (rung.limit > MOST_LIMIT) revert RungLimitTooLarge(rung.limit, MOST_LIMIT);
            if (rung.tier > mostTier) revert RungTierUnreachable(i, rung.tier, mostTier);
            if (rung.endorsements > mandate.endorsers.length) {
                revert RungEndorsementsUnreachable(i, rung.endorsements, mandate.endorsers.length);
            }
            if (rung.delay != 0 && (rung.delay < LEAST_DELAY || rung.delay > MOST_DELAY)) {
                revert RungDelayOutOfRange(i, rung.delay, LEAST_DELAY, MOST_DELAY);
            }
        }
        // Endorsements never fall along the ladder: the last rung asks for the most.
        uint256 least = ladder[ladder.length - 1].endorsements;
        if (least == 0 && mandate.endorsers.length != 0) least = 1;
        if (mandate.quorum < least || mandate.quorum > mandate.endorsers.length) {
            revert QuorumOutOfRange(mandate.quorum, least, mandate.endorsers.length);
        }
    }

    function _rises(Rung calldata below, Rung calldata rung) private pure returns (bool) {
        return rung.limit > below.limit && rung.tier >= below.tier
            && rung.endorsements >= below.endorsements && rung.delay >= below.delay;
    }

    function _reachableTier(Mandate calldata mandate) private pure returns (uint8 most) {
        if (mandate.workloads.length != 0) return MOST_TIER;
        for (uint256 i = 0; i < mandate.nodes.length; i++) {
            if (mandate.nodes[i].tier > most) most = mandate.nodes[i].tier;
        }
    }

    /// @dev Bounds and loss are measured in tracked assets: without any, calls could take all.
    function _checkMeasured(Mandate calldata mandate) private pure {
        if (mandate.allowList.length == 0) return;
        for (uint256 i = 0; i < mandate.tracked.length; i++) {
            if (!mandate.tracked[i].debt) return;
        }
        revert NoAssetTracked(mandate.allowList.length);
    }

    /// @dev Whether a check of the mandate depends on what `target` says.
    function _isReliedOn(Mandate calldata mandate, address target) private pure returns (bool) {
        for (uint256 i = 0; i < mandate.rules.length; i++) {
            if (mandate.rules[i].target == target) return true;
        }
        for (uint256 i = 0; i < mandate.workloads.length; i++) {
            if (mandate.workloads[i].attestation == target) return true;
        }
        for (uint256 i = 0; i < mandate.feeds.length; i++) {
            if (mandate.feeds[i].aggregator == target) return true;
        }
        return false;
    }

    function _checkPermission(Mandate calldata mandate, Permission calldata permission)
        private
        view
    {
        address target = permission.target;
        if (ForbiddenSelectors.contains(permission.selector)) {
            revert SelectorForbidden(target, permission.selector);
        }
        if (ForbiddenSelectors.moves(permission.selector) && !_isAsset(mandate.tracked, target)) {
            revert TransferUntracked(target, permission.selector);
        }
        if (!OwnCode.at(target)) revert TargetWithoutCode(target);
    }

    function _isAsset(Tracked[] calldata tracked, address token) private pure returns (bool) {
        for (uint256 i = 0; i < tracked.length; i++) {
            if (tracked[i].token == token) return !tracked[i].debt;
        }
        return false;
    }

    function _checkFeed(Feed calldata feed) private view {
        if (feed.maxAge == 0) revert FeedAgeZero(feed.aggregator);
        _checkDecimals(
            feed.aggregator, feed.decimals, _decimals(feed.aggregator), MOST_FEED_DECIMALS
        );
    }

    function _checkTracked(Tracked[] calldata tracked, uint256 index, uint256 feeds) private view {
        Tracked calldata entry = tracked[index];
        if (entry.feed >= feeds) revert FeedIndexOutOfRange(entry.feed, feeds);
        for (uint256 i = 0; i < index; i++) {
            if (tracked[i].token == entry.token) revert TrackedTwice(entry.token);
        }
        if (entry.token == address(0)) {
            if (entry.debt) revert NativeDebt();
            _checkDecimals(entry.token, entry.decimals, 18, MOST_DECIMALS);
        } else {
            _checkDecimals(entry.token, entry.decimals, _decimals(entry.token), MOST_DECIMALS);
        }
    }

    function _checkDecimals(address source, uint8 stated, uint256 actual, uint8 most) private pure {
        if (stated != actual || stated > most) revert DecimalsMismatch(source, stated, actual);
    }

    function _decimals(address source) private view returns (uint256) {
        (bool success, bytes memory result) =
            BoundedCall.staticCall(source, abi.encodeWithSignature("decimals()"), 32);
        if (!success || result.length < 32) revert DecimalsUnreadable(source);
        return abi.decode(result, (uint256));
    }

    function _checkRule(address account, Rule calldata rule) private view {
        (bool success, bytes memory result) = BoundedCall.staticCall(
            rule.target, abi.encodeCall(IRule.checkTerms, (account, rule.data)), MOST_REASON_BYTES
        );
        if (
            !success || result.length != 32 || bytes32(result) != bytes32(IRule.checkTerms.selector)
                || !OwnCode.at(rule.target)
        ) revert RuleUnusable(rule.target, result);
    }
}
