// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../../contracts/IMandateChecks.sol";
import {IModuleHost} from "../../../contracts/IModuleHost.sol";
import {SafeSettings} from "../../../contracts/rules/SafeSettings.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission} from "../../../contracts/types/Mandate.sol";
import {LadderFixture} from "../LadderFixture.sol";
import {ISafe, SafeFixture} from "../SafeFixture.sol";
import {ClosedGuard, OtherModule} from "../SafeModule.t.sol";
import {TestToken} from "../mocks/TestToken.sol";
import {Venue} from "../mocks/Venue.sol";
import {AttackTable} from "./AttackTable.sol";

/// @title Attacks on a real Safe's own settings, by the thief who holds the operator's and the
///        node's keys.
contract SafeAttacksTest is AttackTable, SafeFixture {
    /// @dev `Error(string)`, as which a Safe tells its own.
    bytes4 private constant ERROR = 0x08c379a0;

    address private rule;

    function setUp() public override(LadderFixture, SafeFixture) {
        super.setUp();
        rule = _deploy("SafeSettings", "");
    }

    function test_attacks_onASafesSettings() public {
        bytes4 notAllowed = IDecisionGate.CallNotAllowed.selector;
        bytes4 refused = IDecisionGate.RuleRefused.selector;
        _add("a decision enables a second module of the Safe", notAllowed, _enables);
        _add("a decision sets the Safe's guard", notAllowed, _guards);
        _add("a decision replaces the Safe's owner", notAllowed, _swaps);
        _add("a decision sets the Safe's fallback handler", notAllowed, _handles);
        _add(
            "a mandate lists the Safe's own settings",
            IMandateChecks.TargetForbidden.selector,
            _listsIts
        );
        _add(
            "a mandate lists another Safe's settings",
            IMandateChecks.SelectorForbidden.selector,
            _listsAnothers
        );
        _add(
            "a second module takes money within a decision",
            IDecisionGate.UndeclaredLoss.selector,
            _takesMeanwhile
        );
        _addInner(
            "a second module was enabled since",
            refused,
            SafeSettings.ModuleUnexpected.selector,
            _enabledSince
        );
        _addInner(
            "a guard was set since, which is not asked",
            refused,
            SafeSettings.GuardUnexpected.selector,
            _guardedSince
        );
        _add("the thief uses the Safe's module interface", ERROR, _direct);
        _add("the thief delegates from the Safe", ERROR, _delegates);
        _play(11, 7);
        _execute(_safeHonest());
    }

    /* DECISIONS ABOUT SETTINGS */

    function _enables() private returns (Attempt memory) {
        return _setting(abi.encodeCall(ISafe.enableModule, (operator)));
    }

    function _guards() private returns (Attempt memory) {
        return _setting(abi.encodeCall(ISafe.setGuard, (address(new ClosedGuard()))));
    }

    function _swaps() private returns (Attempt memory) {
        return _setting(
            abi.encodeWithSignature(
                "swapOwner(address,address,address)", address(1), owner, operator
            )
        );
    }

    function _handles() private returns (Attempt memory) {
        return _setting(abi.encodeWithSignature("setFallbackHandler(address)", operator));
    }

    function _listsIts() private view returns (Attempt memory) {
        return _listing(address(safe));
    }

    function _listsAnothers() private returns (Attempt memory) {
        return _listing(address(_newSafe(2)));
    }

    /* MODULES AND GUARDS */

    function _takesMeanwhile() private returns (Attempt memory) {
        OtherModule other = new OtherModule();
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (address(other))));
        Submission memory s = _safeHonest();
        bytes memory theft = abi.encodeCall(OtherModule.take, (address(safe), address(weth), 1e18));
        s.calls[0] = _plain(abi.encodeCall(Venue.poke, (address(other), theft)));
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    function _enabledSince() private returns (Attempt memory) {
        Submission memory s = _safeUnder(rule, abi.encode(address(0)));
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (address(new OtherModule()))));
        return _submitted(s);
    }

    function _guardedSince() private returns (Attempt memory) {
        Submission memory s = _safeUnder(rule, abi.encode(address(0)));
        _asSafe(address(safe), abi.encodeCall(ISafe.setGuard, (address(new ClosedGuard()))));
        return _submitted(s);
    }

    function _direct() private returns (Attempt memory) {
        return _viaModule(address(weth), abi.encodeCall(TestToken.transfer, (operator, 1e18)), 0);
    }

    function _delegates() private returns (Attempt memory) {
        bytes memory theft = abi.encodeCall(TestToken.transfer, (operator, 1e18));
        return _viaModule(address(venue), abi.encodeCall(Venue.poke, (address(weth), theft)), 1);
    }

    /* SHAPES */

    /// @dev A decision that makes one call to the Safe in its own name, sworn and sealed.
    function _setting(bytes memory data) private returns (Attempt memory) {
        Submission memory s = _safeHonest();
        s.calls[0] = Call(address(safe), 0, data, address(0), 0);
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    /// @dev The grant, in the Safe's own name; so the gate's own error is told.
    function _listing(address target) private view returns (Attempt memory) {
        Submission memory s = _draft(_safeMandate());
        s.mandate.allowList[0] = Permission(target, ISafe.enableModule.selector);
        return _sent(s, address(safe), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
    }

    function _viaModule(address to, bytes memory data, uint8 operation)
        private
        returns (Attempt memory)
    {
        bytes memory request = abi.encodeCall(
            IModuleHost.execTransactionFromModuleReturnData, (to, 0, data, operation)
        );
        return Attempt(_safeHonest(), operator, address(safe), request, 0);
    }
}
