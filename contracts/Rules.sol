// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {IRule} from "./rules/IRule.sol";
import {KeptMandate, RULES} from "./types/KeptMandate.sol";

/// @title Asking a mandate's rules, so that silence refuses.
library Rules {
    /// @dev Most bytes kept of what a rule says.
    uint256 private constant MAX_REASON_BYTES = 256;

    /// @dev Revert unless every rule says yes, before the calls.
    function askBefore(KeptMandate mandate, IRule.Act memory act) internal {
        uint256 rules = mandate.count(RULES);
        for (uint256 i = 0; i < rules; i++) {
            _ask(
                mandate.ruleTarget(i),
                IRule.beforeCalls.selector,
                abi.encodeCall(IRule.beforeCalls, (act, mandate.ruleData(i)))
            );
        }
    }

    /// @dev Revert unless every rule says yes, after the calls.
    function askAfter(
        KeptMandate mandate,
        IRule.Act memory act,
        int256[] memory changes,
        int256 valueChange
    ) internal {
        uint256 rules = mandate.count(RULES);
        for (uint256 i = 0; i < rules; i++) {
            _ask(
                mandate.ruleTarget(i),
                IRule.afterCalls.selector,
                abi.encodeCall(IRule.afterCalls, (act, mandate.ruleData(i), changes, valueChange))
            );
        }
    }

    /// @dev No code answers with success and nothing: only the selector, in a word, is a yes.
    function _ask(address rule, bytes4 yes, bytes memory question) private {
        (bool success, bytes memory answer) = BoundedCall.call(rule, 0, question, MAX_REASON_BYTES);
        if (!success || answer.length != 32 || bytes32(answer) != bytes32(yes)) {
            revert IDecisionGate.RuleRefused(rule, answer);
        }
    }
}
