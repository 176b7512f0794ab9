// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../contracts/IMandateChecks.sol";
import {IModuleHost} from "../../contracts/IModuleHost.sol";
import {SafeSettings} from "../../contracts/rules/SafeSettings.sol";
import {Permission, Rule, hashMandate} from "../../contracts/types/Mandate.sol";
import {ISafe, SafeFixture} from "./SafeFixture.sol";
import {TestToken} from "./mocks/TestToken.sol";

/// @title A guard that lets nothing pass.
contract ClosedGuard {
    error Closed();

    function supportsInterface(bytes4) external pure returns (bool) {
        return true;
    }

    fallback() external {
        revert Closed();
    }
}

/// @title A second module, whose operator takes what he likes.
contract OtherModule {
    function take(address safe, address token, uint256 amount) external {
        bytes memory data = abi.encodeCall(TestToken.transfer, (msg.sender, amount));
        IModuleHost(safe).execTransactionFromModuleReturnData(token, 0, data, 0);
    }
}

/// @title The gate on a real Safe 1.4.1.
contract SafeModuleTest is SafeFixture {
    address private rule;

    function setUp() public override {
        super.setUp();
        rule = _deploy("SafeSettings", "");
    }

    function test_itIsTheRealOne() public view {
        vm.assertEq(safe.VERSION(), "1.4.1", "version");
        vm.assertEq(safe.getOwners()[0], owner, "owner");
        vm.assertTrue(safe.isModuleEnabled(address(gate)), "module");
    }

    /* EXECUTING */

    function test_execute_onASafe() public {
        Submission memory s = _safeHonest();
        bytes32 digest = _execute(s);
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
        vm.assertEq(weth.balanceOf(address(safe)), 99e18, "WETH");
        vm.assertEq(usdc.balanceOf(address(safe)), 11_995e6, "USDC");
        vm.assertEq(weth.allowance(address(safe), address(venue)), 0, "allowance");
    }

    function test_execute_reverts_whenTheSafeHasNotEnabledTheGate() public {
        Submission memory s = _safeHonest();
        _asSafe(address(safe), abi.encodeCall(ISafe.disableModule, (address(1), address(gate))));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ApprovalFailed.selector,
                address(weth),
                address(venue),
                abi.encodeWithSignature("Error(string)", "GS104")
            )
        );
    }

    function test_execute_reverts_whenACallOnASafeFails() public {
        Submission memory s = _safeHonest();
        s.calls[0] = _plain(abi.encodeWithSignature("fail(uint256)", 7));
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(s, _callFailed(abi.encodeWithSignature("Refused(uint256)", 7)));
    }

    function test_execute_reverts_whenASafeLosesMoreThanSworn() public {
        Submission memory s = _safeHonest();
        s.calls[0] = _sale(1e18, 1989e6);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(usdc), int256(1989e6), int256(1990e6)
            )
        );
    }

    /* GRANTING */

    /// @dev Whoever is a module, a node or an owner: only the Safe itself grants.
    function test_grant_reverts_whenTheOwnerGrantsInHisOwnName() public {
        Submission memory s = _draft(_safeMandate());
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotAccount.selector, owner, address(safe))
        );
        gate.grant(s.mandate);
    }

    function test_grant_reverts_whenTheSafesOwnSettingsAreListed() public {
        bytes4[7] memory settings = [
            ISafe.enableModule.selector,
            ISafe.disableModule.selector,
            ISafe.setGuard.selector,
            ISafe.execTransaction.selector,
            bytes4(keccak256("swapOwner(address,address,address)")),
            bytes4(keccak256("setFallbackHandler(address)")),
            bytes4(keccak256("approveHash(bytes32)"))
        ];
        ISafe another = _newSafe(2);
        Submission memory s = _draft(_safeMandate());
        for (uint256 i = 0; i < settings.length; i++) {
            // Its own, whatever the selector; another Safe's, because of it.
            s.mandate.allowList[0] = Permission(address(safe), settings[i]);
            _grantRefused(
                s, abi.encodeWithSelector(IMandateChecks.TargetForbidden.selector, address(safe))
            );
            s.mandate.allowList[0] = Permission(address(another), settings[i]);
            _grantRefused(
                s,
                abi.encodeWithSelector(
                    IMandateChecks.SelectorForbidden.selector, address(another), settings[i]
                )
            );
        }
    }

    /* LEAVING */

    /// @dev Gate, registries and feeds are gone, the node is silent: the owner takes it all.
    function test_ownerExit_ofASafe_withEverythingElseDead() public {
        Submission memory s = _safeHonest();
        vm.etch(address(gate), hex"fe");
        vm.etch(address(registry), hex"fe");
        vm.etch(address(models), hex"fe");
        vm.etch(address(checks), hex"fe");
        vm.etch(address(wethFeed), hex"fe");
        vm.prank(operator);
        (bool success,) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "a dead gate");

        _asSafe(address(weth), abi.encodeCall(TestToken.transfer, (owner, 100e18)));
        _asSafe(address(usdc), abi.encodeCall(TestToken.transfer, (owner, 10_000e6)));
        _asSafe(address(safe), abi.encodeCall(ISafe.disableModule, (address(1), address(gate))));
        vm.assertEq(weth.balanceOf(owner), 100e18, "WETH");
        vm.assertEq(usdc.balanceOf(owner), 10_000e6, "USDC");
        vm.assertFalse(safe.isModuleEnabled(address(gate)), "module");
    }

    /* GUARDS AND OTHER MODULES */

    /// @dev What Safe 1.4.1 does, and why there is a rule about it: the owner's own transaction is
    ///      stopped by the guard, the module's is not.
    function test_aGuardDoesNotSeeDecisions() public {
        Submission memory s = _safeHonest();
        _asSafe(address(safe), abi.encodeCall(ISafe.setGuard, (address(new ClosedGuard()))));

        bytes memory signature =
            abi.encodePacked(bytes32(uint256(uint160(owner))), bytes32(0), uint8(1));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ClosedGuard.Closed.selector));
        safe.execTransaction(address(weth), 0, "", 0, 0, 0, 0, address(0), address(0), signature);
        _execute(s);
        vm.assertEq(weth.balanceOf(address(safe)), 99e18, "executed, unguarded");
    }

    function test_execute_reverts_whenAGuardWasSetSince() public {
        Submission memory s = _safeUnder(rule, abi.encode(address(0)));
        address guard = address(new ClosedGuard());
        _asSafe(address(safe), abi.encodeCall(ISafe.setGuard, (guard)));
        _ruleRefusesOnSafe(
            s, abi.encodeWithSelector(SafeSettings.GuardUnexpected.selector, guard, address(0))
        );
    }

    function test_grant_reverts_whenThereIsAGuardThatTheTermsDoNotName() public {
        address guard = address(new ClosedGuard());
        vm.etch(guard, hex"600160005260206000f3");
        _asSafe(address(safe), abi.encodeCall(ISafe.setGuard, (guard)));
        // It lets the owner's own transactions pass.
        Submission memory s = _draft(_safeMandate());
        s.mandate.rules = _rules(abi.encode(address(0)));
        _grantRefused(
            s,
            abi.encodeWithSelector(
                IMandateChecks.RuleUnusable.selector,
                rule,
                abi.encodeWithSelector(SafeSettings.GuardUnexpected.selector, guard, address(0))
            )
        );
        s = _safeUnder(rule, abi.encode(guard));
        _execute(s);
    }

    function test_execute_reverts_whenAnotherModuleIsEnabled() public {
        Submission memory s = _safeUnder(rule, abi.encode(address(0)));
        address other = address(new OtherModule());
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (other)));
        _ruleRefusesOnSafe(
            s, abi.encodeWithSelector(SafeSettings.ModuleUnexpected.selector, other, address(gate))
        );
        _asSafe(address(safe), abi.encodeCall(ISafe.disableModule, (address(1), other)));
        _execute(s);
    }

    /// @dev The gate is not the only module however the list is ordered.
    function test_execute_reverts_whenAnotherModuleIsOlder() public {
        address other = address(new OtherModule());
        _asSafe(address(safe), abi.encodeCall(ISafe.disableModule, (address(1), address(gate))));
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (other)));
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (address(gate))));
        Submission memory s = _safeUnder(rule, abi.encode(address(0)));
        _ruleRefusesOnSafe(
            s, abi.encodeWithSelector(SafeSettings.ModuleUnexpected.selector, other, address(gate))
        );
    }

    /// @dev A decision that makes a second module take money is measured: the loss is undeclared.
    function test_execute_reverts_whenAnotherModuleTakesMoneyWithinADecision() public {
        OtherModule other = new OtherModule();
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (address(other))));
        Submission memory s = _safeHonest();
        bytes memory theft = abi.encodeCall(OtherModule.take, (address(safe), address(weth), 1e18));
        s.calls[0] = _plain(abi.encodeWithSignature("poke(address,bytes)", address(other), theft));
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(weth), int256(-1e18)
            )
        );
    }

    /// @dev Asked by somebody who is no module, the rule finds the gate unexpected.
    function test_beforeCalls_reverts_whenTheAskerIsNoModule() public {
        SafeSettings.Act memory act;
        act.account = address(safe);
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeSettings.ModuleUnexpected.selector, address(gate), address(this)
            )
        );
        SafeSettings(rule).beforeCalls(act, abi.encode(address(0)));

        act.account = address(_newSafe(3));
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeSettings.ModuleUnexpected.selector, address(0), address(this)
            )
        );
        SafeSettings(rule).beforeCalls(act, abi.encode(address(0)));
    }

    function test_checkTerms_refusesWhatIsNoSafe() public {
        vm.expectRevert(bytes(""));
        SafeSettings(rule).checkTerms(address(weth), abi.encode(address(0)));
        vm.expectRevert(bytes(""));
        SafeSettings(rule).checkTerms(address(0xE0A), abi.encode(address(0)));
    }

    /* SHAPES */

    function _rules(bytes memory terms) private view returns (Rule[] memory rules) {
        rules = new Rule[](1);
        rules[0] = Rule(rule, terms);
    }

    function _ruleRefusesOnSafe(Submission memory s, bytes memory reason) private {
        _refuse(s, abi.encodeWithSelector(IDecisionGate.RuleRefused.selector, rule, reason));
    }

    /// @dev The Safe reverts with GS013 where an inner call fails without gas of its own; so the
    ///      reason is read by asking the gate in the Safe's name.
    function _grantRefused(Submission memory s, bytes memory reason) private {
        Picture memory before = _picture(s);
        vm.prank(address(safe));
        vm.expectRevert(reason);
        gate.grant(s.mandate);
        _assertUnchanged(s, before);
        vm.assertEq(gate.headOf(hashMandate(s.mandate)), bytes32(0), "head");
    }
}
