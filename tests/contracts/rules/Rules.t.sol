// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../../contracts/IMandateChecks.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {Mandate, Permission, Rule} from "../../../contracts/types/Mandate.sol";
import {RuleDouble} from "../mocks/Doubles.sol";
import {Venue} from "../mocks/Venue.sol";
import {RuleFixture} from "./RuleFixture.sol";

/// @title How the gate asks rules: silence refuses.
contract RulesTest is RuleFixture {
    RuleDouble private rule;

    function setUp() public override {
        super.setUp();
        rule = new RuleDouble();
    }

    /* ATTACKS FIRST */

    /// @dev A rule whose code is gone says nothing, and so do a bare fallback and short answers.
    function test_execute_reverts_whenARuleIsSilent() public {
        Submission memory s = _under(address(rule), "terms");
        bytes memory word = abi.encode(IRule.afterCalls.selector);
        bytes[7] memory codes = [
            bytes(hex""),
            hex"00",
            hex"60206000f3", // 32 zero bytes
            hex"60046000f3",
            // beforeCalls' selector alone, without the rest of its word
            bytes.concat(hex"63", IRule.beforeCalls.selector, hex"60e01b5f5260045ff3"),
            // afterCalls' selector, also when asked before
            bytes.concat(hex"63", IRule.afterCalls.selector, hex"60e01b5f5260205ff3"),
            // the right selector, and another word
            bytes.concat(hex"63", IRule.beforeCalls.selector, hex"60e01b5f5260405ff3")
        ];
        bytes[7] memory said = [
            bytes(""),
            "",
            new bytes(32),
            new bytes(4),
            abi.encodePacked(IRule.beforeCalls.selector),
            word,
            bytes.concat(abi.encode(IRule.beforeCalls.selector), new bytes(32))
        ];
        for (uint256 i = 0; i < 7; i++) {
            vm.etch(address(rule), codes[i]);
            _ruleRefuses(s, address(rule), said[i]);
        }
    }

    function test_execute_reverts_whenARuleRefuses_beforeOrAfter() public {
        Submission memory s = _under(address(rule), "terms");
        rule.refuse(true, false);
        _ruleRefuses(
            s, address(rule), abi.encodeWithSelector(RuleDouble.Refused.selector, "before")
        );
        rule.refuse(false, true);
        _ruleRefuses(s, address(rule), abi.encodeWithSelector(RuleDouble.Refused.selector, "after"));
        rule.refuse(false, false);
        _execute(s);
    }

    /// @dev A rule is asked while the gate is locked: nothing executes from inside of it.
    function test_execute_reverts_whenARuleReenters() public {
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        Submission memory s = _under(address(rule), "terms");
        rule.call(address(gate), _calldata(other));
        _execute(s);
        vm.assertEq(rule.answer(), _error(IDecisionGate.Reentered.selector), "answer");
        vm.assertEq(gate.headOf(other.decision.mandate), other.decision.mandate, "other head");
    }

    /// @dev What a rule may do to others is what anybody may: it is not the account.
    function test_execute_givesARuleNoAuthority() public {
        Submission memory s = _under(address(rule), "terms");
        rule.call(
            address(account),
            abi.encodeWithSignature(
                "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)",
                address(weth),
                0,
                abi.encodeWithSignature("transfer(address,uint256)", address(rule), 1e18),
                0
            )
        );
        _execute(s);
        vm.assertEq(weth.balanceOf(address(rule)), 0, "WETH");
    }

    function test_execute_boundsWhatItKeepsOfARulesBomb() public {
        Submission memory s = _under(address(rule), "terms");
        // Reverts with a million bytes.
        vm.etch(address(rule), hex"620f42405ffd");
        _ruleRefuses(s, address(rule), new bytes(256));
    }

    /// @dev A state that a refused decision wrote is not there afterwards.
    function test_execute_undoesWhatARuleWrote_whenRefused() public {
        Submission memory s = _under(address(rule), "terms");
        s.calls[0] = _sale(2e18, 1);
        _seal(s);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.BoundMissed.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
        vm.assertEq(rule.asked(), 0, "asked");
    }

    /* GRANTING */

    function test_grant_reverts_whenARuleHasNoCode_orIsNoRule() public {
        _termsRefused(address(0), "", "");
        _termsRefused(owner, "", "");
        _termsRefused(address(usdc), "", "");
        // A token that answers one word to nothing it knows.
        vm.etch(address(0xF00), hex"60206000f3");
        _termsRefused(address(0xF00), "", new bytes(32));
        address delegating = address(0xDE1E);
        vm.etch(delegating, abi.encodePacked(hex"ef0100", address(rule)));
        _termsRefused(delegating, "", abi.encode(IRule.checkTerms.selector));
    }

    function test_grant_reverts_whenTheTermsAreRefused() public {
        rule.refuseTerms(true);
        _termsRefused(
            address(rule), "", abi.encodeWithSelector(RuleDouble.Refused.selector, "terms")
        );
    }

    /// @dev What a check depends on cannot be called by the account, whatever it would do there.
    function test_grant_reverts_whenARuleOrAFeedIsATarget() public {
        address[2] memory targets = [address(rule), address(wethFeed)];
        for (uint256 i = 0; i < 2; i++) {
            Mandate memory mandate = _ruled(address(rule), "");
            mandate.allowList[0] = Permission(targets[i], Venue.trade.selector);
            vm.prank(owner);
            vm.expectRevert(
                abi.encodeWithSignature(
                    "OwnerCallFailed(uint256,bytes)",
                    0,
                    abi.encodeWithSelector(IMandateChecks.TargetForbidden.selector, targets[i])
                )
            );
            account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
        }
    }

    function test_grant_reverts_whenThereAreTooManyRules() public {
        Mandate memory mandate = _ruled(address(rule), "");
        mandate.rules = new Rule[](9);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSignature(
                "OwnerCallFailed(uint256,bytes)",
                0,
                abi.encodeWithSelector(IMandateChecks.ListTooLong.selector, "rules", 9, 8)
            )
        );
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
    }

    /* WHAT A RULE IS TOLD */

    function test_execute_tellsARuleWhatIsDone() public {
        Submission memory s = _under(address(rule), "the terms");
        bytes32 digest = _execute(s);
        vm.assertEq(rule.gate(), address(gate), "gate");
        vm.assertEq(rule.mandate(), s.decision.mandate, "mandate");
        vm.assertEq(rule.digest(), digest, "digest");
        vm.assertEq(rule.account(), address(account), "account");
        vm.assertEq(rule.slot(), SLOT, "slot");
        vm.assertEq(rule.valueAtRisk(), 2000 * DOLLAR, "value");
        vm.assertEq(rule.calls(), s.decision.calls, "calls");
        vm.assertEq(rule.bounds(), s.decision.bounds, "bounds");
        vm.assertEq(rule.terms(), "the terms", "terms");
        int256[] memory changes = new int256[](4);
        (changes[0], changes[1]) = (-1e18, 1995e6);
        vm.assertEq(rule.changes(), keccak256(abi.encode(changes)), "changes");
        vm.assertEq(rule.valueChange(), -int256(5 * DOLLAR), "value change");
    }

    function test_execute_asksAllRules_inOrder() public {
        RuleDouble second = new RuleDouble();
        Mandate memory mandate = _ruled(address(rule), "one");
        RuleDouble third = new RuleDouble();
        mandate.rules = new Rule[](3);
        mandate.rules[0] = Rule(address(rule), "one");
        mandate.rules[1] = Rule(address(second), "two");
        mandate.rules[2] = Rule(address(third), "");
        Submission memory s = _draft(mandate);
        _regrant(s);
        second.refuse(false, true);
        _ruleRefuses(
            s, address(second), abi.encodeWithSelector(RuleDouble.Refused.selector, "after")
        );
        second.refuse(false, false);
        _execute(s);
        vm.assertEq(rule.asked(), 2, "first");
        vm.assertEq(second.asked(), 2, "second");
        vm.assertEq(third.asked(), 2, "third");
        vm.assertEq(second.terms(), "two", "terms");
    }
}
