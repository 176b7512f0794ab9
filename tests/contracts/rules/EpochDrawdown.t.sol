// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EpochDrawdown} from "../../../contracts/rules/EpochDrawdown.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {RuleFixture} from "./RuleFixture.sol";

contract EpochDrawdownTest is RuleFixture {
    EpochDrawdown private rule;

    function setUp() public override {
        super.setUp();
        rule = new EpochDrawdown();
    }

    /// @dev Each decision loses 5 dollars; 12 are permitted per day.
    function test_execute_reverts_whenTheEpochsLossesAddUp() public {
        Submission memory s = _under(address(rule), abi.encode(12 * DOLLAR, uint64(1 days)));
        for (uint64 i = 1; i < 3; i++) {
            s.decision.previous = _execute(s);
            _nextSlot(s, i);
        }
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(
                EpochDrawdown.DrawdownExceeded.selector, 15 * DOLLAR, 12 * DOLLAR
            )
        );
        // A gain makes up for nothing.
        s.calls[0] = _sale(1e18, 2100e6);
        _seal(s);
        s.decision.previous = _execute(s);
        s.calls[0] = _sale(1e18, 1995e6);
        _nextSlot(s, 3);
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success,) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "made up for");
        _assertUnchanged(s, before);
        // The next epoch begins anew.
        vm.warp((START_TIME / 1 days + 1) * 1 days);
        s.decision.validUntil = uint64(vm.getBlockTimestamp());
        _refreshFeeds();
        _seal(s);
        _execute(s);
        (uint64 epoch, uint256 lost) =
            rule.lossOf(address(gate), s.decision.mandate, abi.encode(12 * DOLLAR, uint64(1 days)));
        vm.assertEq(epoch, START_TIME / 1 days + 1, "epoch");
        vm.assertEq(lost, 5 * DOLLAR, "lost");
    }

    function test_execute_takesALossOfExactlyTheLimit() public {
        Submission memory s = _under(address(rule), abi.encode(5 * DOLLAR, uint64(1 days)));
        _execute(s);
    }

    function test_checkTerms_refusesShortEpochs() public {
        _termsRefused(
            address(rule),
            abi.encode(1, uint64(3599)),
            abi.encodeWithSelector(EpochDrawdown.EpochTooShort.selector, 3599, 3600)
        );
    }

    function testFuzz_afterCalls_boundsEveryEpoch(
        int64[16] calldata changes,
        uint32[16] calldata waits,
        uint64 limit
    ) public {
        bytes memory terms = abi.encode(uint256(limit), uint64(1 days));
        uint256 time = START_TIME;
        uint256 epoch;
        uint256 lost;
        for (uint256 i = 0; i < 16; i++) {
            time += _fold(waits[i], 0, 1 days / 3);
            vm.warp(time);
            if (time / 1 days != epoch) (epoch, lost) = (time / 1 days, 0);
            int256 change = changes[i] % int256(uint256(limit) + 1);
            uint256 loss = change < 0 ? uint256(-change) : 0;
            IRule.Act memory act;
            (bool success,) = address(rule)
                .call(abi.encodeCall(IRule.afterCalls, (act, terms, new int256[](0), change)));
            vm.assertEq(success, loss == 0 || lost + loss <= limit, "success");
            if (success) lost += loss;
            vm.assertLe(lost, limit, "epoch");
        }
    }
}
