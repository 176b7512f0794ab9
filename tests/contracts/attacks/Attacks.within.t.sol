// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {OracleAgainstTwap} from "../../../contracts/rules/OracleAgainstTwap.sol";
import {Rule} from "../../../contracts/types/Mandate.sol";
import {PoolOperator, ReenteringRule, ShareFeed, SharePool} from "../mocks/Hostile.sol";
import {ObserverDouble} from "../rules/OracleAgainstTwap.t.sol";
import {AttackTable} from "./AttackTable.sol";

/// @title Attacks from within something else that runs: a rule, a pool's payment, too little gas.
contract WithinAttacksTest is AttackTable {
    /// @dev Of 1 000 shares: while they are paid out, a share seems worth five dollars.
    uint256 private constant WITHDRAWN = 800;

    /// @dev WETH at 2 000 USDC, as the pool remembers it.
    int56 private constant FAIR_TICK = -200_312;

    address private twap;

    function setUp() public override {
        super.setUp();
        twap = _deploy("OracleAgainstTwap", "");
    }

    function test_attacks_fromWithin() public {
        bytes4 rule = IDecisionGate.RuleRefused.selector;
        _addInner(
            "a rule executes another decision",
            rule,
            IDecisionGate.Reentered.selector,
            _ruleExecutes
        );
        _addInner(
            "a rule queues another decision", rule, IDecisionGate.Reentered.selector, _ruleQueues
        );
        _addInner(
            "a decision is executed within a pool's payment, at the price of that moment",
            rule,
            OracleAgainstTwap.PricesDisagree.selector,
            _withinAPayment
        );
        _add(
            "an honest decision is given too little gas, to have it recorded as refused",
            IDecisionGate.GasTooLow.selector,
            _starved
        );
        _play(4, 2);
    }

    /// @dev What the gate alone does not see: a feed that is wrong at this very moment. The rule that
    ///      holds feeds against an average does.
    function test_aFeedThatReadsAPool_isBelieved_whereNoRuleHoldsIt() public {
        SharePool pool = new SharePool();
        (Submission memory s, PoolOperator thief) = _paid(pool, false);
        uint256 wethBefore = weth.balanceOf(address(account));
        uint256 usdcBefore = usdc.balanceOf(address(account));
        // At rest, its price is true: 400 dollars of 500 are too much to lose.
        vm.prank(address(thief));
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "at rest");
        vm.assertEq(bytes4(reason), IDecisionGate.LossExceeded.selector, "at rest");

        thief.run(pool, WITHDRAWN, _calldata(s));
        vm.assertEq(pool.sharePrice(), 1e8, "true again");
        vm.assertEq(weth.balanceOf(address(account)), wethBefore - 0.25e18, "WETH");
        vm.assertEq(usdc.balanceOf(address(account)), usdcBefore + 100e6, "USDC");
    }

    /// @dev The rule is in nobody's way while feed and pool agree.
    function test_theRuleLetsFairDecisionsPass() public {
        (Submission memory s, PoolOperator thief) = _paid(new SharePool(), true);
        s.calls[0] = _sale(0.25e18, 500e6);
        _seal(s);
        vm.prank(address(thief));
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
    }

    /* RULES */

    /// @dev The other decision may be submitted by anybody: only the lock is in its way.
    function _ruleExecutes() private returns (Attempt memory) {
        Submission memory other = _anybodys(400);
        return _asked(_calldata(other));
    }

    function _ruleQueues() private returns (Attempt memory) {
        Submission memory other = _anybodys(6000);
        _endorse(other, 2);
        return _asked(
            abi.encodeCall(
                IDecisionGate.queue, (other.decision, other.calls, other.bounds, other.proof)
            )
        );
    }

    function _anybodys(uint256 dollars) private returns (Submission memory other) {
        other = _draft(_laddered());
        other.mandate.operator = address(0);
        _regrant(other);
        _risk(other, dollars);
    }

    /// @dev Under a mandate whose rule sends `message` to the gate.
    function _asked(bytes memory message) private returns (Attempt memory) {
        ReenteringRule rule = new ReenteringRule();
        rule.call(address(gate), message);
        Submission memory s = _draft(_laddered());
        s.mandate.rules = new Rule[](1);
        s.mandate.rules[0] = Rule(address(rule), "");
        _regrant(s);
        _risk(s, 500);
        return _submitted(s);
    }

    /* PRICES */

    function _withinAPayment() private returns (Attempt memory) {
        SharePool pool = new SharePool();
        (Submission memory s, PoolOperator thief) = _paid(pool, true);
        return Attempt(
            s,
            address(0xBAD),
            address(thief),
            abi.encodeCall(PoolOperator.run, (pool, WITHDRAWN, _calldata(s))),
            0
        );
    }

    /// @dev A sale of 500 dollars' worth for 100, under a mandate that takes the price of the second
    ///      token from a pool.
    /// @param held Whether a rule holds the two feeds against an average.
    function _paid(SharePool pool, bool held)
        private
        returns (Submission memory s, PoolOperator thief)
    {
        thief = new PoolOperator(gate);
        address feed = address(new ShareFeed(pool));
        s = _draft(_laddered());
        s.mandate.operator = address(thief);
        s.mandate.feeds[1].aggregator = feed;
        if (held) {
            ObserverDouble observer = new ObserverDouble(address(weth), address(usdc));
            observer.set(FAIR_TICK, 0);
            OracleAgainstTwap.Terms memory terms = OracleAgainstTwap.Terms({
                pool: address(observer),
                feed0: address(wethFeed),
                feed1: feed,
                window: 30 minutes,
                maxAge: 1 hours,
                maxDeviation: 100,
                up: 14,
                down: 26
            });
            s.mandate.rules = new Rule[](1);
            s.mandate.rules[0] = Rule(twap, abi.encode(terms));
        }
        _regrant(s);
        _risk(s, 500);
        s.calls[0] = _sale(0.25e18, 100e6);
        s.bounds[1] = 100e6;
        _seal(s);
    }

    /* GAS */

    /// @dev At each level of calls one part of gas in 64 is held back: between too little to begin
    ///      with and enough there is what lets the inner execution starve, and the outer one live.
    function _starved() private returns (Attempt memory attempt) {
        Submission memory s = _climb(500);
        bytes memory data =
            abi.encodeCall(IDecisionGate.tryExecute, (s.decision, s.calls, s.bounds, s.proof));
        uint256 first;
        uint256 last;
        for (uint256 gas = 30_000; gas <= 500_000; gas += 2000) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(operator);
            (, bytes memory result) = address(gate).call{gas: gas}(data);
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
            if (bytes4(result) != IDecisionGate.GasTooLow.selector) continue;
            if (first == 0) first = gas;
            last = gas;
        }
        attempt = _sent(s, operator, data);
        attempt.gas = (first + last) / 2;
    }
}
