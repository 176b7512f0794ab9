// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../../contracts/IMandateChecks.sol";
import {IOwnedAccount} from "../../../contracts/accounts/IOwnedAccount.sol";
import {Mandate, Rule} from "../../../contracts/types/Mandate.sol";
import {GateFixture} from "../GateFixture.sol";

/// @title The gate, and a mandate with one rule.
abstract contract RuleFixture is GateFixture {
    /// @dev The usual mandate, asking `rule` with the terms `data`; no loss limit in the way.
    function _ruled(address rule, bytes memory data)
        internal
        view
        returns (Mandate memory mandate)
    {
        mandate = _mandate();
        mandate.maxLoss = 1_000_000 * DOLLAR;
        mandate.rules = new Rule[](1);
        mandate.rules[0] = Rule(rule, data);
    }

    /// @dev Grant it, and return the honest decision under it.
    function _under(address rule, bytes memory data) internal returns (Submission memory s) {
        s = _draft(_ruled(rule, data));
        _grant(s.mandate);
        _seal(s);
    }

    /// @dev The gate refuses because the rule does, with exactly `reason`.
    function _ruleRefuses(Submission memory s, address rule, bytes memory reason) internal {
        _refuse(s, abi.encodeWithSelector(IDecisionGate.RuleRefused.selector, rule, reason));
    }

    /// @dev The rule does not take these terms, for exactly `reason`.
    function _termsRefused(address rule, bytes memory data, bytes memory reason) internal {
        Mandate memory mandate = _ruled(rule, data);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOwnedAccount.OwnerCallFailed.selector,
                0,
                abi.encodeWithSelector(IMandateChecks.RuleUnusable.selector, rule, reason)
            )
        );
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
    }

    function _refreshFeeds() internal {
        wethFeed.set(int256(2000 * DOLLAR), uint64(vm.getBlockTimestamp()));
        usdcFeed.set(int256(DOLLAR), uint64(vm.getBlockTimestamp()));
    }
}
