// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {EpochDrawdown} from "../../../contracts/rules/EpochDrawdown.sol";
import {HealthFactorFloor} from "../../../contracts/rules/HealthFactorFloor.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {SpendRate} from "../../../contracts/rules/SpendRate.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission, Rule} from "../../../contracts/types/Mandate.sol";
import {PoolDouble} from "./HealthFactorFloor.t.sol";
import {RuleFixture} from "./RuleFixture.sol";

/// @title One rule, listed twice by a mandate with other terms: each holds as if it were alone.
contract TwoOfAKindTest is RuleFixture {
    /// @dev Days of the fuzzed sequences: two of the longer epochs.
    uint256 private constant STEPS = 16;

    address private spendRate;
    address private drawdown;
    address private floors;
    PoolDouble private poolA;
    PoolDouble private poolB;

    function setUp() public override {
        super.setUp();
        spendRate = _deploy("SpendRate", "");
        drawdown = _deploy("EpochDrawdown", "");
        floors = _deploy("HealthFactorFloor", "");
        (poolA, poolB) = (new PoolDouble(), new PoolDouble());
    }

    /* ATTACKS */

    /// @dev 12 dollars a day and 17 a week; a decision loses 5.
    function test_execute_reverts_whenEitherOfTwoDrawdownsIsExceeded() public {
        bytes[2] memory terms =
            [abi.encode(12 * DOLLAR, uint64(1 days)), abi.encode(17 * DOLLAR, uint64(7 days))];
        for (uint256 order = 0; order < 2; order++) {
            uint256 snapshot = vm.snapshotState();
            Submission memory s = _underBoth(drawdown, terms[order], terms[1 - order]);
            _executeNext(s, 1 minutes);
            _executeNext(s, 1 minutes);
            _refusedNext(s, 1 minutes, drawdown, _lost(15, 12));
            // Another day of the same week.
            _executeNext(s, 1 days);
            _refusedNext(s, 1 days, drawdown, _lost(20, 17));
            // And another week.
            _executeNext(s, 7 days);
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
    }

    /// @dev A small bucket that is empty again at once, and a large one that hardly empties; a
    ///      decision risks 2 000 dollars.
    function test_execute_reverts_whenTheSlowerOfTwoSpendRatesIsFull() public {
        bytes[2] memory terms =
            [abi.encode(3000 * DOLLAR, 100_000 * DOLLAR), abi.encode(5000 * DOLLAR, 100 * DOLLAR)];
        for (uint256 order = 0; order < 2; order++) {
            uint256 snapshot = vm.snapshotState();
            Submission memory s = _underBoth(spendRate, terms[order], terms[1 - order]);
            _executeNext(s, 1 minutes);
            // Neither has emptied by so much as needed: the small one says so.
            _refusedNext(s, 1 seconds, spendRate, "");
            _executeNext(s, 1 days);
            _refusedNext(s, 1 days, spendRate, "");
            _executeNext(s, 9 days);
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
    }

    /// @dev Both are below their floors already. Neither may fall, whatever the other's is.
    function test_execute_reverts_whenOneOfTwoHealthFactorsFallsToTheOthers() public {
        for (uint256 order = 0; order < 2; order++) {
            uint256 snapshot = vm.snapshotState();
            (PoolDouble high, PoolDouble low) = order == 0 ? (poolA, poolB) : (poolB, poolA);
            high.set(1.15e18);
            low.set(1.05e18);
            Submission memory s = _setting(high, 1.05e18);
            _ruleRefuses(
                s,
                floors,
                abi.encodeWithSelector(
                    HealthFactorFloor.HealthTooLow.selector, 1.05e18, 1.15e18, 1.2e18
                )
            );
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
    }

    /// @dev The very same terms twice are one entry, and count twice: never less than once.
    function test_execute_countsTheSameTermsTwice() public {
        bytes memory terms = abi.encode(3000 * DOLLAR, 0);
        Submission memory s = _underBoth(spendRate, terms, terms);
        _ruleRefuses(
            s,
            spendRate,
            abi.encodeWithSelector(SpendRate.SpendTooFast.selector, 4000 * DOLLAR, 3000 * DOLLAR)
        );
    }

    /* FUZZED: EACH AS IF IT WERE ALONE */

    function testFuzz_twoDrawdowns_boundEpochsOfTheirOwn(
        int64[STEPS] calldata changes,
        uint32[STEPS] calldata waits,
        uint64[2] calldata limits,
        uint32[2] calldata lengths
    ) public {
        bytes[2] memory terms;
        uint256[2] memory length;
        uint256[2] memory epoch;
        uint256[2] memory lost;
        for (uint256 k = 0; k < 2; k++) {
            length[k] = _fold(lengths[k], 1 hours, 3 days);
            terms[k] = abi.encode(uint256(limits[k]), length[k]);
        }
        vm.assume(keccak256(terms[0]) != keccak256(terms[1]));
        uint256 time = START_TIME;
        for (uint256 i = 0; i < STEPS; i++) {
            time += _fold(waits[i], 0, 1 days / 3);
            vm.warp(time);
            int256 change = changes[i] % int256(uint256(limits[i % 2]) + 1);
            uint256 loss = change < 0 ? uint256(-change) : 0;
            bool fits = true;
            for (uint256 k = 0; k < 2; k++) {
                if (time / length[k] != epoch[k]) (epoch[k], lost[k]) = (time / length[k], 0);
                fits = fits && lost[k] + loss <= limits[k];
            }
            bool success = _askBoth(drawdown, terms, 0, change);
            vm.assertEq(success, loss == 0 || fits, "success");
            if (!success) continue;
            (lost[0], lost[1]) = (lost[0] + loss, lost[1] + loss);
        }
    }

    /// @dev Buckets written down a second time.
    function testFuzz_twoSpendRates_areBucketsOfTheirOwn(
        uint64[STEPS] calldata values,
        uint32[STEPS] calldata waits,
        uint64[2] calldata capacities,
        uint64[2] calldata rates
    ) public {
        bytes[2] memory terms;
        uint256[2] memory capacity;
        uint256[2] memory level;
        for (uint256 k = 0; k < 2; k++) {
            capacity[k] = _fold(capacities[k], 1, 1e15);
            terms[k] = abi.encode(capacity[k], _fold(rates[k], 0, 1e15));
        }
        vm.assume(keccak256(terms[0]) != keccak256(terms[1]));
        uint256 time = START_TIME;
        uint256 last = START_TIME;
        vm.warp(time);
        for (uint256 i = 0; i < STEPS; i++) {
            time += _fold(waits[i], 0, 1 days / 2);
            vm.warp(time);
            uint256 value = _fold(values[i], 0, capacity[i % 2] * 5 / 4);
            bool fits = true;
            uint256[2] memory next;
            for (uint256 k = 0; k < 2; k++) {
                uint256 drained = _fold(rates[k], 0, 1e15) * (time - last) / 1 days;
                next[k] = (drained < level[k] ? level[k] - drained : 0) + value;
                fits = fits && next[k] <= capacity[k];
            }
            vm.assertEq(_askBoth(spendRate, terms, value, 0), fits, "success");
            if (fits) (level, last) = (next, time);
        }
    }

    function testFuzz_twoFloors_lookAtPoolsOfTheirOwn(
        uint64[2] calldata earlier,
        uint64[2] calldata later,
        uint64[2] calldata least
    ) public {
        bytes[2] memory terms;
        PoolDouble[2] memory pools = [poolA, poolB];
        bool fits = true;
        for (uint256 k = 0; k < 2; k++) {
            uint256 floor = _fold(least[k], 1e18, 3e18);
            terms[k] = abi.encode(address(pools[k]), floor);
            pools[k].set(_fold(earlier[k], 0.9e18, 4e18));
            fits = fits
                && (_fold(later[k], 0.9e18, 4e18) >= floor
                    || _fold(later[k], 0.9e18, 4e18) >= pools[k].health());
        }
        IRule.Act memory act;
        act.mandate = keccak256("mandate");
        for (uint256 k = 0; k < 2; k++) {
            IRule(floors).beforeCalls(act, terms[k]);
        }
        for (uint256 k = 0; k < 2; k++) {
            pools[k].set(_fold(later[k], 0.9e18, 4e18));
        }
        bool success = true;
        for (uint256 k = 0; k < 2; k++) {
            (bool yes,) = floors.call(
                abi.encodeCall(IRule.afterCalls, (act, terms[k], new int256[](0), int256(0)))
            );
            success = success && yes;
        }
        vm.assertEq(success, fits, "success");
    }

    /// @dev As the gate does: both are asked in one transaction, and where one refuses, neither has
    ///      been asked.
    function askBoth(address rule, bytes[2] calldata terms, uint256 value, int256 change) external {
        IRule.Act memory act;
        act.mandate = keccak256("mandate");
        act.valueAtRisk = value;
        for (uint256 k = 0; k < 2; k++) {
            IRule(rule).beforeCalls(act, terms[k]);
        }
        for (uint256 k = 0; k < 2; k++) {
            IRule(rule).afterCalls(act, terms[k], new int256[](0), change);
        }
    }

    function _askBoth(address rule, bytes[2] memory terms, uint256 value, int256 change)
        private
        returns (bool success)
    {
        (success,) = address(this).call(abi.encodeCall(this.askBoth, (rule, terms, value, change)));
    }

    /* SHAPES */

    function _underBoth(address rule, bytes memory first, bytes memory second)
        private
        returns (Submission memory s)
    {
        s = _draft(_ruled(rule, first));
        s.mandate.ladder[0].limit = 1_000_000 * DOLLAR;
        s.mandate.rules = new Rule[](2);
        s.mandate.rules[0] = Rule(rule, first);
        s.mandate.rules[1] = Rule(rule, second);
        _regrant(s);
    }

    /// @dev `pool`'s health factor is set by the decision's call.
    function _setting(PoolDouble pool, uint256 health) private returns (Submission memory s) {
        s = _underBoth(
            floors, abi.encode(address(poolA), 1.2e18), abi.encode(address(poolB), 1.2e18)
        );
        s.mandate.allowList[0] = Permission(address(pool), PoolDouble.set.selector);
        s.calls[0] = Call(address(pool), 0, abi.encodeCall(PoolDouble.set, (health)), address(0), 0);
        s.bounds = new int256[](4);
        _regrant(s);
    }

    /// @dev The honest decision again, in a later slot and second.
    function _later(Submission memory s, uint256 wait) private {
        vm.warp(vm.getBlockTimestamp() + wait);
        vm.roll(vm.getBlockNumber() + CADENCE);
        _refreshFeeds();
        s.decision.previous = gate.headOf(s.decision.mandate);
        s.decision.slot += 1;
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * CADENCE);
        s.decision.validUntil = uint64(vm.getBlockTimestamp());
        _seal(s);
    }

    function _executeNext(Submission memory s, uint256 wait) private {
        _later(s, wait);
        _execute(s);
    }

    /// @param reason What the rule says; empty: anything.
    function _refusedNext(Submission memory s, uint256 wait, address rule, bytes memory reason)
        private
    {
        _later(s, wait);
        if (reason.length != 0) return _ruleRefuses(s, rule, reason);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.RuleRefused.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function _lost(uint256 lost, uint256 limit) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            EpochDrawdown.DrawdownExceeded.selector, lost * DOLLAR, limit * DOLLAR
        );
    }
}
