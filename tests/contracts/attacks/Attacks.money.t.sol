// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IOwnedAccount} from "../../../contracts/accounts/IOwnedAccount.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission, hashMandate} from "../../../contracts/types/Mandate.sol";
import {DecimalFeed, MuteToken} from "../mocks/Doubles.sol";
import {InsistingToken, LendingOperator, RebasingToken, SpotFeed} from "../mocks/Hostile.sol";
import {
    CallbackToken,
    FalseReturnToken,
    FeeOnTransferToken,
    MissingReturnToken,
    ShortReturnToken,
    TestToken
} from "../mocks/TestToken.sol";
import {Venue} from "../mocks/Venue.sol";
import {AttackTable} from "./AttackTable.sol";

/// @title Attacks on the money, by a thief who holds the operator's and the node's keys.
contract MoneyAttacksTest is AttackTable {
    bytes4 private constant PANIC = 0x4e487b71;

    function test_attacks_onTheMoney() public {
        bytes4 failed = IDecisionGate.CallFailed.selector;
        bytes4 loss = IDecisionGate.LossExceeded.selector;
        bytes4 undeclared = IDecisionGate.UndeclaredLoss.selector;
        bytes4 missed = IDecisionGate.BoundMissed.selector;
        bytes4 notAllowed = IDecisionGate.CallNotAllowed.selector;
        bytes4 reentered = IDecisionGate.Reentered.selector;

        _add("a swap brings less than sworn", missed, _brings);
        _add("a swap is sworn to bring nothing", loss, _nothing);
        _addInner("a call takes more than its allowance", failed, bytes4(0), _takesMore);
        _add(
            "a theft is split into small steps", IDecisionGate.EndorsementsMissing.selector, _split
        );
        _add("a theft is as large as the ladder", IDecisionGate.RungExceeded.selector, _large);
        _add("a debt grows that was not sworn", undeclared, _debtGrows);
        _add("borrowing climbs past the ladder", IDecisionGate.RungExceeded.selector, _borrowed);
        _add("native currency leaves unsworn", undeclared, _nativeLeaves);
        _add("a token keeps a fee of what the account receives", missed, _fee);
        _add("a token rebases during the calls", undeclared, _rebased);
        _add(
            "a token answers false to its approval",
            IDecisionGate.ApprovalFailed.selector,
            _falseApproval
        );
        _add(
            "a token answers one byte to its approval",
            IDecisionGate.ApprovalFailed.selector,
            _shortApproval
        );
        _addInner("a token without return values is not paid", failed, bytes4(0), _missingReturn);
        _add("a token hides its balance meanwhile", IDecisionGate.BalanceUnreadable.selector, _mute);
        _add("a token's hook moves what is not sworn", undeclared, _hookSteals);
        _addInner("a call executes another decision", failed, reentered, _nested);
        _addInner("a call executes another mandate, to offset its loss", failed, reentered, _offset);
        _addInner("a call queues another decision", failed, reentered, _nestedQueue);
        _add("money is lent while it is measured, to be taken back", PANIC, _lent);
        _addInner("a token's hook executes another decision", failed, reentered, _hookExecutes);
        _add("a gift that was not sworn hides a loss", loss, _gift);
        _add("a call moves the price by which it is judged", loss, _priceMoved);
        _add(
            "a price is moved before the decision, by a stale feed",
            IDecisionGate.PriceStale.selector,
            _stale
        );
        _add("a price is missing", IDecisionGate.PriceInvalid.selector, _missing);
        _add("a token of 30 decimals loses more than allowed", loss, _manyDecimals);
        _add("an amount overflows its value", IDecisionGate.AmountTooLarge.selector, _overflow);
        _addWhole("a call fails with a bomb of return data", _callFailed(new bytes(256)), _bomb);
        _add("the gate is called in the account's name", notAllowed, _callsGate);
        _add("a registry is called in the account's name", notAllowed, _callsRegistry);
        _add("the account calls itself", notAllowed, _callsAccount);
        _add("a tracked token is approved by a call", notAllowed, _approves);
        _add("a listed selector is called on another target", notAllowed, _selectorElsewhere);
        _add(
            "a selector is hidden in three bytes", IDecisionGate.CallTooShort.selector, _threeBytes
        );
        _add(
            "an allowance is given in an untracked token",
            IDecisionGate.TokenUntracked.selector,
            _untracked
        );
        _add("there are too many calls", IDecisionGate.TooManyCalls.selector, _tooMany);
        _add(
            "the thief uses the account's module interface", IOwnedAccount.NotGate.selector, _direct
        );
        _add(
            "the account is made to delegate, by the gate itself",
            IOwnedAccount.OperationUnsupported.selector,
            _delegates
        );
        _play(36, 33);
    }

    /// @dev What the gate does not see: an allowance that the owner gave himself, and that no decision
    ///      uses. Whoever has it may use it before, after and without any decision.
    function test_anAllowanceOfTheOwners_thatNoDecisionUses_staysOpen() public {
        (Submission memory s, LendingOperator thief) = _lending(false);
        uint256 wethBefore = weth.balanceOf(address(account));
        uint256 usdcBefore = usdc.balanceOf(address(account));
        bytes32 digest = gate.digestOf(s.decision);
        thief.run(_calldata(s), address(usdc), address(account), 500e6);
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "executed");
        vm.assertEq(weth.balanceOf(address(account)), wethBefore - 0.25e18, "WETH");
        vm.assertEq(usdc.balanceOf(address(account)), usdcBefore, "paid, and taken back");
        // And where a decision does use it, it is gone for good.
        (s,) = _lending(true);
        vm.prank(address(s.mandate.operator));
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        vm.assertEq(usdc.allowance(address(account), s.mandate.operator), 0, "taken back");
        vm.assertEq(usdc.balanceOf(address(account)), usdcBefore + 500e6, "and paid");
    }

    /* PRICES OF SWAPS, AND THE LADDER */

    function _brings() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _sale(0.25e18, 499e6 - 1);
        _seal(s);
        return _submitted(s);
    }

    function _nothing() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _sale(0.25e18, 0);
        s.bounds[1] = 0;
        _seal(s);
        return _submitted(s);
    }

    function _takesMore() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _sale(0.26e18, 500e6);
        s.calls[0].allowance = 0.25e18;
        _seal(s);
        return _submitted(s);
    }

    function _split() private returns (Attempt memory) {
        Submission memory s = _climb(100);
        for (uint64 i = 0; i < 10; i++) {
            s.decision.previous = _execute(s);
            _nextSlot(s, i + 1);
        }
        return _submitted(s);
    }

    function _large() private returns (Attempt memory) {
        Submission memory s = _climb(20_001);
        _endorse(s, 3);
        return _submitted(s);
    }

    function _debtGrows() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _plain(abi.encodeCall(Venue.indebt, (address(debt), 1)));
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    function _borrowed() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes memory data = abi.encodeCall(Venue.borrow, (address(debt), address(usdc), 20_001e6));
        s.calls[0] = _plain(data);
        s.bounds = new int256[](4);
        s.bounds[1] = 20_001e6;
        s.bounds[2] = -20_001e6;
        _seal(s);
        _endorse(s, 3);
        return _submitted(s);
    }

    function _nativeLeaves() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = Call(address(venue), 1, abi.encodeCall(Venue.keep, (0)), address(0), 0);
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    /* TOKENS */

    function _fee() private returns (Attempt memory) {
        FeeOnTransferToken token = new FeeOnTransferToken();
        token.mint(address(venue), 1e18);
        Submission memory s = _foreign(address(token));
        s.mandate.allowList[0] = Permission(address(token), TestToken.transferFrom.selector);
        vm.prank(address(venue));
        token.approve(address(account), 1e18);
        bytes memory data =
            abi.encodeCall(TestToken.transferFrom, (address(venue), address(account), 1e18));
        s.calls[0] = Call(address(token), 0, data, address(0), 0);
        s.bounds[0] = 1e18;
        _regrant(s);
        return _submitted(s);
    }

    function _rebased() private returns (Attempt memory) {
        RebasingToken token = new RebasingToken();
        token.mint(address(account), 100e18);
        Submission memory s = _foreign(address(token));
        _poke(s, address(token), abi.encodeCall(RebasingToken.rebase, (address(account))));
        _regrant(s);
        return _submitted(s);
    }

    function _falseApproval() private returns (Attempt memory) {
        FalseReturnToken token = new FalseReturnToken();
        token.mint(address(account), 100e18);
        return _submitted(_foreignDraft(address(token), 1e18));
    }

    function _shortApproval() private returns (Attempt memory) {
        ShortReturnToken token = new ShortReturnToken();
        token.mint(address(account), 100e18);
        return _submitted(_foreignDraft(address(token), 1e18));
    }

    /// @dev The venue takes twice what it may; the token itself refuses, in its own way.
    function _missingReturn() private returns (Attempt memory) {
        MissingReturnToken token = new MissingReturnToken();
        token.mint(address(account), 100e18);
        Submission memory s = _foreignDraft(address(token), 1e18);
        s.calls[0].data = abi.encodeCall(Venue.trade, (address(token), 2e18, address(usdc), 0));
        _seal(s);
        return _submitted(s);
    }

    function _mute() private returns (Attempt memory) {
        MuteToken token = new MuteToken();
        Submission memory s = _foreign(address(token));
        _poke(s, address(token), abi.encodeCall(MuteToken.hide, ()));
        _regrant(s);
        return _submitted(s);
    }

    /// @dev As ERC-777 would tell a sender: the hook burns the account's USDC.
    function _hookSteals() private returns (Attempt memory) {
        CallbackToken token = new CallbackToken();
        token.mint(address(account), 100e18);
        token.listen(address(usdc), abi.encodeCall(TestToken.burn, (address(account), 1)));
        Submission memory s = _foreignDraft(address(token), 1e18);
        return _submitted(s);
    }

    /// @dev As ERC-777 would tell a sender, by a hook that fails where it does not succeed. The other
    ///      decision may be submitted by anybody: only the lock is in its way.
    function _hookExecutes() private returns (Attempt memory) {
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        InsistingToken token = new InsistingToken();
        token.mint(address(account), 1e18);
        token.listen(address(gate), _calldata(other));
        Submission memory s = _foreign(address(token));
        s.mandate.allowList[0] = Permission(address(token), TestToken.transfer.selector);
        bytes memory data = abi.encodeCall(TestToken.transfer, (address(venue), 1));
        s.calls[0] = Call(address(token), 0, data, address(0), 0);
        s.bounds[0] = -1;
        _regrant(s);
        return _submitted(s);
    }

    /* NESTING */

    function _nested() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        Submission memory inner = _draft(_laddered());
        _risk(inner, 400);
        _poke(s, address(gate), _calldata(inner));
        _seal(s);
        return _submitted(s);
    }

    /// @dev Each measures the other's gain: were it possible, both losses would be hidden.
    function _offset() private returns (Attempt memory) {
        Submission memory other = _draft(_laddered());
        other.mandate.salt = keccak256("other");
        other.mandate.operator = address(0);
        _grant(other.mandate);
        other.decision.mandate = hashMandate(other.mandate);
        other.decision.previous = other.decision.mandate;
        _risk(other, 400);
        Submission memory s = _climb(500);
        _poke(s, address(gate), _calldata(other));
        _seal(s);
        return _submitted(s);
    }

    function _nestedQueue() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        Submission memory inner = _draft(_laddered());
        _risk(inner, 6000);
        _endorse(inner, 2);
        bytes memory data = abi.encodeCall(
            IDecisionGate.queue, (inner.decision, inner.calls, inner.bounds, inner.proof)
        );
        _poke(s, address(gate), data);
        _seal(s);
        return _submitted(s);
    }

    /* MEASUREMENT */

    /// @dev The sale's proceeds are the thief's own, lent: he would take them back in the same
    ///      transaction, by an allowance that the owner gave him long ago. The decision uses it, so it
    ///      is taken back with the call, and his taking fails.
    function _lent() private returns (Attempt memory) {
        (Submission memory s, LendingOperator thief) = _lending(true);
        vm.assertEq(
            usdc.allowance(address(account), address(thief)), type(uint256).max, "given long ago"
        );
        return Attempt(
            s,
            address(thief),
            address(thief),
            abi.encodeCall(
                LendingOperator.run, (_calldata(s), address(usdc), address(account), 500e6)
            ),
            0
        );
    }

    /// @dev A thief who is operator and venue at once, has lent 500 dollars as the price of a quarter
    ///      of a WETH, and may take any USDC that the account has.
    /// @param used Whether the decision uses the same allowance.
    function _lending(bool used) private returns (Submission memory s, LendingOperator thief) {
        thief = new LendingOperator(gate);
        usdc.mint(address(thief), 500e6);
        vm.prank(owner);
        account.execute(
            address(usdc), 0, abi.encodeCall(TestToken.approve, (address(thief), type(uint256).max))
        );
        s = _draft(_laddered());
        s.mandate.operator = address(thief);
        s.mandate.allowList[0] = Permission(address(thief), LendingOperator.buy.selector);
        s.mandate.allowList[1] = Permission(address(thief), LendingOperator.charge.selector);
        _risk(s, 500);
        bytes memory data =
            abi.encodeCall(LendingOperator.buy, (address(weth), 0.25e18, address(usdc), 500e6));
        s.calls = new Call[](used ? 2 : 1);
        s.calls[0] = Call(address(thief), 0, data, address(weth), 0.25e18);
        if (used) {
            data = abi.encodeCall(LendingOperator.charge, (address(usdc), 0));
            s.calls[1] = Call(address(thief), 0, data, address(usdc), 1);
        }
        _regrant(s);
    }

    function _gift() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.bounds[1] = 0;
        _seal(s);
        return _submitted(s);
    }

    /// @dev Sells WETH for 100 USDC, and makes USDC five times as dear meanwhile.
    function _priceMoved() private returns (Attempt memory) {
        SpotFeed feed = new SpotFeed(1e8);
        Submission memory s = _draft(_laddered());
        s.mandate.feeds[1].aggregator = address(feed);
        _grant(s.mandate);
        s.decision.mandate = hashMandate(s.mandate);
        s.decision.previous = s.decision.mandate;
        _risk(s, 500);
        Call[] memory calls = new Call[](2);
        calls[0] = _sale(0.25e18, 100e6);
        calls[1] = _plain(
            abi.encodeCall(Venue.poke, (address(feed), abi.encodeCall(SpotFeed.push, (5e8))))
        );
        s.calls = calls;
        s.bounds[1] = 100e6;
        _seal(s);
        return _submitted(s);
    }

    function _stale() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.warp(START_TIME + 1 hours);
        return _submitted(s);
    }

    function _missing() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        wethFeed.set(0, uint64(START_TIME));
        return _submitted(s);
    }

    function _manyDecimals() private returns (Attempt memory) {
        TestToken token = new TestToken(30);
        token.mint(address(account), 100e30);
        Submission memory s = _draft(_laddered());
        s.mandate.tracked[0].token = address(token);
        s.mandate.tracked[0].decimals = 30;
        s.mandate.feeds[0].aggregator = address(new DecimalFeed(8, 2000e8));
        _grant(s.mandate);
        // A twentieth of a token and one unit: 100 dollars, rounded up to more.
        uint256 amount = 0.05e30 + 1;
        s.calls[0] = Call(
            address(venue),
            0,
            abi.encodeCall(Venue.trade, (address(token), amount, address(usdc), 0)),
            address(token),
            amount
        );
        s.bounds = new int256[](4);
        s.bounds[0] = -int256(amount);
        _reseal(s);
        return _submitted(s);
    }

    function _overflow() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.bounds[0] = type(int256).min;
        _seal(s);
        return _submitted(s);
    }

    function _bomb() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _plain(abi.encodeCall(Venue.bomb, (100_000)));
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    /* CALLS */

    function _callsGate() private returns (Attempt memory) {
        return _calling(address(gate), abi.encodeCall(IDecisionGate.setGrantDelay, (0)));
    }

    function _callsRegistry() private returns (Attempt memory) {
        return _calling(address(registry), abi.encodeWithSignature("revoke()"));
    }

    function _callsAccount() private returns (Attempt memory) {
        return
            _calling(
                address(account), abi.encodeCall(IOwnedAccount.execute, (address(weth), 0, ""))
            );
    }

    function _approves() private returns (Attempt memory) {
        return _calling(address(weth), abi.encodeCall(TestToken.approve, (operator, 1e18)));
    }

    function _selectorElsewhere() private returns (Attempt memory) {
        Venue another = new Venue();
        return _calling(
            address(another),
            abi.encodeCall(Venue.trade, (address(weth), 1e18, address(usdc), 2000e6))
        );
    }

    function _threeBytes() private returns (Attempt memory) {
        return _calling(address(venue), hex"010203");
    }

    function _untracked() private returns (Attempt memory) {
        TestToken token = new TestToken(18);
        Submission memory s = _climb(500);
        s.calls[0].token = address(token);
        _seal(s);
        return _submitted(s);
    }

    function _tooMany() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        Call memory one = s.calls[0];
        s.calls = new Call[](17);
        for (uint256 i = 0; i < 17; i++) {
            s.calls[i] = one;
        }
        _seal(s);
        return _submitted(s);
    }

    function _direct() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes memory theft = abi.encodeCall(TestToken.transfer, (operator, 1e18));
        return Attempt(s, operator, address(account), _viaModule(address(weth), theft, 0), 0);
    }

    /// @dev Code of the venue's, run as the account's own, would give the WETH away.
    function _delegates() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes memory theft = abi.encodeCall(TestToken.transfer, (operator, 1e18));
        bytes memory code = abi.encodeCall(Venue.poke, (address(weth), theft));
        return Attempt(s, address(gate), address(account), _viaModule(address(venue), code, 1), 0);
    }

    /* SHAPES */

    function _viaModule(address to, bytes memory data, uint8 operation)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSignature(
            "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)",
            to,
            0,
            data,
            operation
        );
    }

    /// @dev An otherwise honest decision that makes one call, sworn and sealed.
    function _calling(address target, bytes memory data) private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = Call(target, 0, data, address(0), 0);
        s.bounds = new int256[](4);
        _seal(s);
        return _submitted(s);
    }

    /// @dev Let the venue call somebody, and swear that nothing falls.
    function _poke(Submission memory s, address target, bytes memory data) private view {
        s.calls[0] = _plain(abi.encodeCall(Venue.poke, (target, data)));
        s.bounds = new int256[](4);
    }

    /// @dev `token` is tracked in WETH's place; not granted yet.
    function _foreign(address token) private view returns (Submission memory s) {
        s = _draft(_mandate());
        s.mandate.tracked[0].token = token;
        s.bounds = new int256[](4);
    }
}
