// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Rule} from "../../../contracts/types/Mandate.sol";
import {PoolDouble} from "./HealthFactorFloor.t.sol";
import {RuleFixture} from "./RuleFixture.sol";

/// @title What a rule that keeps a state adds to an executed decision.
/// @notice Every call is a transaction of its own (`isolate`). Second executions are measured, as in
///         `Gas.t.sol`.
contract RuleGasTest is RuleFixture {
    /// forge-config: default.isolate = true
    /// forge-config: long.isolate = true
    function test_gas_ofRules() public {
        Rule[] memory rules = new Rule[](0);
        uint256 bare = _second("no rule", rules);
        _measure("SpendRate", abi.encode(10_000 * DOLLAR, DOLLAR), bare);
        _measure("EpochDrawdown", abi.encode(100 * DOLLAR, uint64(1 days)), bare);
        _measure("HealthFactorFloor", abi.encode(new PoolDouble(), 1.2e18), bare);
    }

    function _measure(string memory name, bytes memory terms, uint256 bare) private {
        Rule[] memory rules = new Rule[](1);
        rules[0] = Rule(_deploy(name, ""), terms);
        uint256 gas = _second(name, rules);
        vm.snapshotValue("rules", string.concat(name, ": adds"), gas - bare);
    }

    function _second(string memory name, Rule[] memory rules) private returns (uint256) {
        vm.roll(START_BLOCK);
        Submission memory s = _draft(_mandate());
        s.mandate.rules = rules;
        _regrant(s);
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        vm.prank(operator);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        return vm.snapshotGasLastCall("rules", name);
    }
}
