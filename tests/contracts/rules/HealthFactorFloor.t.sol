// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {HealthFactorFloor} from "../../../contracts/rules/HealthFactorFloor.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission} from "../../../contracts/types/Mandate.sol";
import {RuleFixture} from "./RuleFixture.sol";

/// @title A lending pool whose health factor is what somebody last set.
contract PoolDouble {
    uint256 public health = type(uint256).max;

    function set(uint256 health_) external {
        health = health_;
    }

    /// @notice Set it, after calling somebody: an act in the middle of an act.
    function setAfter(uint256 health_, address target, bytes calldata data) external {
        (bool success,) = target.call(data);
        require(success, "not called");
        health = health_;
    }

    function getUserAccountData(address)
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, uint256)
    {
        return (1, 2, 3, 4, 5, health);
    }
}

contract HealthFactorFloorTest is RuleFixture {
    HealthFactorFloor private rule;
    PoolDouble private pool;

    function setUp() public override {
        super.setUp();
        rule = new HealthFactorFloor();
        pool = new PoolDouble();
    }

    function test_execute_reverts_whenHealthFallsBelowTheFloor() public {
        Submission memory s = _setting(1.2e18 - 1);
        _ruleRefuses(s, address(rule), _tooLow(1.2e18 - 1, type(uint256).max));
        s = _setting(1.2e18);
        _execute(s);
    }

    /// @dev Below the floor already: it may rise, and may not fall.
    function test_execute_mayRepayBelowTheFloor_andNothingElse() public {
        pool.set(1.1e18);
        Submission memory s = _setting(1.1e18 - 1);
        _ruleRefuses(s, address(rule), _tooLow(1.1e18 - 1, 1.1e18));
        s = _setting(1.15e18);
        _execute(s);
        vm.assertEq(pool.health(), 1.15e18, "health");
    }

    /// @dev A target that asks the rule in between, in a name of its own, lowers nothing.
    function test_execute_reverts_howeverTheRuleIsAskedInBetween() public {
        pool.set(1.1e18);
        Submission memory s = _setting(1);
        IRule.Act memory act;
        act.mandate = s.decision.mandate;
        act.account = address(account);
        s.calls[0] = _toPool(
            abi.encodeCall(
                PoolDouble.setAfter,
                (1e18, address(rule), abi.encodeCall(IRule.beforeCalls, (act, _terms())))
            )
        );
        _seal(s);
        _ruleRefuses(s, address(rule), _tooLow(1e18, 1.1e18));
    }

    function test_execute_reverts_whenThePoolIsSilent() public {
        Submission memory s = _setting(2e18);
        vm.etch(address(pool), "");
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(bytes4(keccak256("RuleRefused(address,bytes)")));
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_checkTerms_refusesAFloorBelowOne_andAPoolThatIsNone() public {
        _termsRefused(
            address(rule),
            abi.encode(address(pool), 1e18 - 1),
            abi.encodeWithSelector(HealthFactorFloor.FloorTooLow.selector, 1e18 - 1, 1e18)
        );
        _termsRefused(address(rule), abi.encode(owner, 1e18), "");
        _termsRefused(address(rule), abi.encode(address(weth), 1e18), "");
    }

    function _setting(uint256 health) private returns (Submission memory s) {
        s = _draft(_ruled(address(rule), _terms()));
        s.mandate.allowList[0] = Permission(address(pool), PoolDouble.set.selector);
        s.mandate.allowList[1] = Permission(address(pool), PoolDouble.setAfter.selector);
        s.mandate.salt = bytes32(health);
        s.calls[0] = _toPool(abi.encodeCall(PoolDouble.set, (health)));
        s.bounds = new int256[](4);
        _regrant(s);
    }

    function _toPool(bytes memory data) private view returns (Call memory item) {
        item = _plain(data);
        item.target = address(pool);
    }

    function _terms() private view returns (bytes memory) {
        return abi.encode(address(pool), 1.2e18);
    }

    function _tooLow(uint256 health, uint256 earlier) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(HealthFactorFloor.HealthTooLow.selector, health, earlier, 1.2e18);
    }
}
