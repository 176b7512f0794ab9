// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {StickyToken} from "../../contracts/devnet/StickyToken.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Permission} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {MuteToken} from "./mocks/Doubles.sol";
import {OddAccount} from "./mocks/Hosts.sol";
import {
    CallbackToken,
    FalseReturnToken,
    FeeOnTransferToken,
    MissingReturnToken,
    TestToken
} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract ExecuteEffectsTest is GateFixture {
    /* 6. EXECUTION AND EFFECTS */

    function test_execute_reverts_whenReentered() public {
        CallbackToken token = new CallbackToken();
        Submission memory s = _callbackDraft(token);
        // What the token would submit in the meantime is another mandate's honest decision.
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        token.listen(address(gate), _calldata(other));
        _execute(s);
        vm.assertEq(token.answer(), _error(IDecisionGate.Reentered.selector), "answer");
        vm.assertEq(gate.headOf(other.decision.mandate), other.decision.mandate, "other head");
    }

    function test_execute_opensTheLockAfterwards() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        _execute(s);
        _execute(other);
    }

    function test_execute_reverts_whenATargetReenters() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        s.calls[0] = _plain(abi.encodeCall(Venue.poke, (address(gate), _calldata(other))));
        _seal(s);
        _refuse(s, _callFailed(_error(IDecisionGate.Reentered.selector)));
    }

    function test_execute_reverts_whenCallFails() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.fail, (42)));
        _seal(s);
        _refuse(s, _callFailed(abi.encodeWithSelector(Venue.Refused.selector, 42)));
    }

    function test_execute_undoesEarlierCalls_whenALaterOneFails() public {
        Submission memory s = _honest();
        Call memory first = s.calls[0];
        s.calls = new Call[](2);
        s.calls[0] = first;
        s.calls[1] = _plain(abi.encodeCall(Venue.fail, (42)));
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.CallFailed.selector,
                1,
                abi.encodeWithSelector(Venue.Refused.selector, 42)
            )
        );
    }

    function test_execute_boundsWhatItKeepsOfAReturnBomb() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.bomb, (1_000_000)));
        _seal(s);
        _refuse(s, _callFailed(new bytes(256)));
        s.calls[0] = _plain(abi.encodeCall(Venue.flood, (1_000_000)));
        s.bounds = new int256[](4);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenTheAccountDoesNotAnswer() public {
        OddAccount odd = new OddAccount();
        Submission memory s = _draft(_mandate());
        s.mandate.account = address(odd);
        odd.speak(address(gate), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
        s.calls[0] = _plain(abi.encodeCall(Venue.flood, (0)));
        s.bounds = new int256[](4);
        _reseal(s);
        bytes[4] memory answers = [
            bytes(""),
            abi.encode(true),
            abi.encode(uint256(2), uint256(64), uint256(0)),
            abi.encode(false, bytes(""))
        ];
        for (uint256 i = 0; i < answers.length; i++) {
            odd.set(answers[i], false);
            _refuse(s, _callFailed(""));
        }
        odd.set("no", true);
        _refuse(s, _callFailed("no"));
        odd.set(abi.encode(true, bytes("")), false);
        _execute(s);
    }

    function test_execute_reverts_whenTheAccountHasNotEnabledTheGate() public {
        Submission memory s = _draft(_mandate());
        OddAccount odd = new OddAccount();
        s.mandate.account = address(odd);
        odd.speak(address(gate), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
        _reseal(s);
        odd.set("GS104", true);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ApprovalFailed.selector, address(weth), address(venue), "GS104"
            )
        );
    }

    function test_execute_reverts_whenTokenAnswersFalseToApprove() public {
        FalseReturnToken token = new FalseReturnToken();
        Submission memory s = _foreignDraft(address(token), 10);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ApprovalFailed.selector,
                address(token),
                address(venue),
                abi.encode(false)
            )
        );
    }

    function test_execute_acceptsATokenThatReturnsNothing() public {
        MissingReturnToken token = new MissingReturnToken();
        token.mint(address(account), 1e18);
        // Half of the allowance is left over, and must be taken back.
        Submission memory s = _foreignDraft(address(token), 0.5e18);
        s.calls[0].allowance = 1e18;
        _reseal(s);
        _execute(s);
        vm.assertEq(token.balanceOf(address(account)), 0.5e18, "balance");
        vm.assertEq(token.allowance(address(account), address(venue)), 0, "allowance");
    }

    function test_execute_reverts_whenAnAllowanceIsLeft() public {
        StickyToken token = new StickyToken(2e18);
        token.transfer(address(account), 2e18);
        Submission memory s = _foreignDraft(address(token), 0.4e18);
        s.calls[0].allowance = 1e18;
        _reseal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.AllowanceLeft.selector, address(token), address(venue), 0.6e18
            )
        );
        vm.assertEq(token.allowance(address(account), address(venue)), 0, "allowance");
        vm.assertEq(token.balanceOf(address(account)), 2e18, "balance");
    }

    function test_execute_takesBackAnOldAllowanceOfTheSameSpender() public {
        Submission memory s = _honest();
        vm.prank(owner);
        account.execute(address(weth), 0, abi.encodeCall(TestToken.approve, (address(venue), 7e18)));
        // More than the venue takes, so that something is left to take back.
        s.calls[0].allowance = 3e18;
        _seal(s);
        _execute(s);
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
    }

    function test_execute_reverts_whenAllowanceCannotBeRead() public {
        Submission memory s = _foreignDraft(address(new MuteToken()), 0);
        s.calls[0].allowance = 1;
        s.bounds[0] = -1;
        _reseal(s);
        _refuse(
            s,
            _error(
                IDecisionGate.AllowanceUnreadable.selector,
                bytes32(uint256(uint160(s.calls[0].token)))
            )
        );
    }

    function test_execute_reverts_whenBalanceCannotBeRead() public {
        MuteToken token = new MuteToken();
        Submission memory s = _foreignDraft(address(token), 1);
        token.hide();
        _refuse(
            s,
            _error(
                IDecisionGate.BalanceUnreadable.selector, bytes32(uint256(uint160(address(token))))
            )
        );
    }

    function test_execute_reverts_whenBoundMissed() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1990e6 - 1);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector,
                address(usdc),
                int256(1990e6 - 1),
                int256(1990e6)
            )
        );
        s.calls[0] = _sale(1e18, 1990e6);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenMoreIsTakenThanSworn() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18 + 1, 1995e6);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(weth), -int256(1e18 + 1), -int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenATokenKeepsAFee() public {
        FeeOnTransferToken token = new FeeOnTransferToken();
        Submission memory s = _foreignDraft(address(token), 0);
        token.mint(address(venue), 100e18);
        // The account is to receive 1 and gets 0.99.
        s.mandate.allowList[0] = Permission(address(token), TestToken.transferFrom.selector);
        s.mandate.salt = keccak256("fee");
        _grant(s.mandate);
        vm.prank(address(venue));
        token.approve(address(account), 1e18);
        s.calls[0] = Call(
            address(token),
            0,
            abi.encodeCall(TestToken.transferFrom, (address(venue), address(account), 1e18)),
            address(0),
            0
        );
        s.bounds[0] = 1e18;
        _reseal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(token), int256(0.99e18), int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenALossIsUndeclared() public {
        Submission memory s = _honest();
        s.bounds[0] = 0;
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(weth), -int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenADebtGrowsUndeclared() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.borrow, (address(debt), address(usdc), 500e6)));
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(debt), -int256(500e6)
            )
        );
    }

    function test_execute_countsADeclaredDebtAsRiskInFull() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.borrow, (address(debt), address(usdc), 500e6)));
        s.bounds = new int256[](4);
        s.bounds[1] = 500e6;
        s.bounds[2] = -500e6;
        _seal(s);
        _execute(s);
        vm.assertEq(_unaudited(s.decision.mandate), 500 * DOLLAR, "outflow");
        vm.assertEq(debt.balanceOf(address(account)), 500e6, "debt");
    }

    function test_execute_reverts_whenNativeCurrencyIsLostUndeclared() public {
        Submission memory s = _honest();
        s.calls[0] =
            Call(address(venue), 1 ether, abi.encodeCall(Venue.keep, (0.4 ether)), address(0), 0);
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(0), -int256(0.6 ether)
            )
        );
    }

    function test_execute_sendsDeclaredNativeCurrency() public {
        Submission memory s = _honest();
        s.calls[0] =
            Call(address(venue), 1 ether, abi.encodeCall(Venue.keep, (0.995 ether)), address(0), 0);
        s.bounds = new int256[](4);
        s.bounds[3] = -0.005 ether;
        _seal(s);
        _execute(s);
        vm.assertEq(address(account).balance, 4.995 ether, "native");
    }

    function test_execute_reverts_whenLossExceeded() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1980e6 - 1);
        s.bounds[1] = 1;
        _seal(s);
        // A gain of 1979.999999 dollars against a loss of 2000: a millionth over the limit of 20.
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.LossExceeded.selector, -int256(20 * DOLLAR + 100), 20 * DOLLAR
            )
        );
        s.calls[0] = _sale(1e18, 1980e6);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenLossIsNegligibleButOverTheLimit_roundedUp() public {
        Submission memory s = _draft(_mandate());
        s.mandate.maxLoss = 0;
        s.calls[0] = _sale(1, 0);
        s.bounds[0] = -1;
        s.bounds[1] = 0;
        _regrant(s);
        _refuse(
            s, abi.encodeWithSelector(IDecisionGate.LossExceeded.selector, int256(-1), uint256(0))
        );
    }

    function _callbackDraft(CallbackToken token) private returns (Submission memory s) {
        token.mint(address(account), 1e18);
        return _foreignDraft(address(token), 0.1e18);
    }
}
