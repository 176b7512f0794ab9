// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRule} from "../../../contracts/rules/IRule.sol";
import {SpendRate} from "../../../contracts/rules/SpendRate.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {RuleFixture} from "./RuleFixture.sol";

contract SpendRateTest is RuleFixture {
    SpendRate private rule;

    function setUp() public override {
        super.setUp();
        rule = new SpendRate();
    }

    function test_execute_reverts_whenSpendingTooFast() public {
        // 3 000 at once, 1 000 a day: the honest decision risks 2 000.
        Submission memory s = _under(address(rule), _terms(3000, 1000));
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        _ruleRefuses(s, address(rule), _tooFast(4000, 3000));
        vm.warp(START_TIME + 1 days - 1);
        _later(s);
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool early,) = address(gate).call(_calldata(s));
        vm.assertFalse(early, "a second too early");
        _assertUnchanged(s, before);
        vm.warp(START_TIME + 1 days);
        _later(s);
        _execute(s);
        vm.assertEq(
            rule.levelOf(address(gate), s.decision.mandate, _terms(3000, 1000)),
            3000 * DOLLAR,
            "level"
        );
    }

    /// @dev Nobody but the gate writes what counts for its mandates.
    function test_beforeCalls_byAnybodyElse_leavesTheGatesMandatesAlone() public {
        Submission memory s = _under(address(rule), _terms(3000, 1000));
        IRule.Act memory act;
        act.mandate = s.decision.mandate;
        act.account = address(account);
        act.valueAtRisk = 3000 * DOLLAR;
        act.calls = new Call[](0);
        rule.beforeCalls(act, _terms(3000, 1000));
        vm.assertEq(rule.levelOf(address(gate), act.mandate, _terms(3000, 1000)), 0, "the gate's");
        vm.assertEq(
            rule.levelOf(address(this), act.mandate, _terms(3000, 1000)), 3000 * DOLLAR, "mine"
        );
        _execute(s);
    }

    function test_checkTerms_refusesNonsense() public {
        bytes4 range = SpendRate.CapacityOutOfRange.selector;
        _termsRefused(
            address(rule), abi.encode(0, 1), abi.encodeWithSelector(range, 0, type(uint128).max)
        );
        _termsRefused(
            address(rule),
            abi.encode(2 ** 128, 1),
            abi.encodeWithSelector(range, 2 ** 128, type(uint128).max)
        );
        _termsRefused(address(rule), "short", "");
    }

    /// @dev Whatever is spent and whenever, by arithmetic written down a second time: in any span of
    ///      a day, at most capacity and a day's rate.
    function testFuzz_beforeCalls_boundsEveryDay(
        uint64[16] calldata values,
        uint32[16] calldata waits,
        uint64 capacity,
        uint64 perDay
    ) public {
        capacity = uint64(_fold(capacity, 1, 1e15));
        perDay = uint64(_fold(perDay, 0, 1e15));
        bytes memory terms = abi.encode(uint256(capacity), uint256(perDay));
        uint256[16] memory times;
        uint256[16] memory spent;
        uint256 time = START_TIME;
        for (uint256 i = 0; i < 16; i++) {
            time += _fold(waits[i], 0, 1 days / 2);
            vm.warp(time);
            times[i] = time;
            spent[i] = _spend(terms, _fold(values[i], 0, uint256(capacity) * 5 / 4));
            uint256 day;
            for (uint256 j = 0; j <= i; j++) {
                if (time - times[j] < 1 days) day += spent[j];
            }
            vm.assertLe(day, uint256(capacity) + perDay, "a day");
        }
    }

    /// @dev Ask for `value`; tell what was allowed, which is all or nothing.
    function _spend(bytes memory terms, uint256 value) private returns (uint256) {
        IRule.Act memory act;
        act.valueAtRisk = value;
        try rule.beforeCalls(act, terms) returns (bytes4 yes) {
            vm.assertEq(yes, IRule.beforeCalls.selector, "yes");
            return value;
        } catch (bytes memory reason) {
            vm.assertEq(bytes4(reason), SpendRate.SpendTooFast.selector, "reason");
            return 0;
        }
    }

    function _later(Submission memory s) private {
        s.decision.validUntil = uint64(vm.getBlockTimestamp());
        _refreshFeeds();
        _seal(s);
    }

    function _terms(uint256 capacity, uint256 perDay) private pure returns (bytes memory) {
        return abi.encode(capacity * DOLLAR, perDay * DOLLAR);
    }

    function _tooFast(uint256 level, uint256 capacity) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                SpendRate.SpendTooFast.selector, level * DOLLAR, capacity * DOLLAR
            );
    }
}
