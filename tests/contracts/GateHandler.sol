// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Checkpoint} from "../../contracts/types/Checkpoint.sol";
import {Verdict} from "../../contracts/types/Verdict.sol";
import {GateBooks} from "./GateBooks.sol";
import {TestToken} from "./mocks/TestToken.sol";

/// @title Honest and hostile steps in any order, and what was right to happen.
/// @notice The handler is the whole world: it never reverts; the gate's refusals are caught and
///         counted.
contract GateHandler is GateBooks {
    /// @dev What a step may choose about who acts, and how.
    struct Choice {
        uint256 which;
        uint256 secret;
        uint256 endorsements;
        bool large;
        bool later;
        bool fair;
    }

    /* STEPS */

    /// @dev Some 500 dollars at risk, and now and then some thousands. Most are fair, in a slot of
    ///      their own, and keep what they swear; the venue may always take more than it does.
    function trade(
        uint256 who,
        uint256 amountIn,
        uint256 amountOut,
        uint256 declared,
        uint256 promised
    ) external {
        Choice memory by = _choose(who);
        amountIn = _fold(amountIn, 0, 0.4e18);
        amountOut = by.fair
            ? _fold(amountOut, amountIn * 19 / 1e10, amountIn * 21 / 1e10)
            : _fold(amountOut, 0, 1600e6);
        promised = _fold(promised, 0, by.fair ? amountOut : amountOut * 5 / 4);
        uint256 least = by.fair ? amountIn : amountIn * 3 / 4;
        if (by.later) _pass(CADENCE, 12);
        Submission memory s = _next(by.which);
        s.calls[0] = _sale(amountIn, amountOut);
        s.calls[0].allowance += _fold(declared, 1, 1e18);
        s.bounds[0] = -int256(_fold(declared, least, by.large ? 4e18 : 0.4e18));
        s.bounds[1] = int256(promised);
        _commit(s);
        _prove(s, by.secret, by.endorsements);
        _submit(by.which, Oath(abi.encode(s), by.secret, by.endorsements));
    }

    /// @dev A sale at a fair price that risks up to 8 000 dollars, to be executed a day later.
    function queue(uint256 who, uint256 declared, uint256 lasting) external {
        Choice memory by = _choose(who);
        if (by.later) _pass(CADENCE, 12);
        Submission memory s = _next(by.which);
        s.calls[0] = _sale(0.1e18, 200e6);
        s.bounds[0] = -int256(_fold(declared, by.fair ? 2.4e18 : 0.1e18, 4e18));
        s.bounds[1] = 199e6;
        s.decision.validUntil =
            uint64(vm.getBlockTimestamp() + DELAY - 1 minutes + _fold(lasting, 0, 3 days));
        _commit(s);
        _prove(s, by.secret, by.endorsements);
        vm.prank(operator);
        (bool success, bytes memory result) = address(gate)
            .call(abi.encodeCall(IDecisionGate.queue, (s.decision, s.calls, s.bounds, s.proof)));
        if (!success) return _refusedHonestly(bytes4(result));
        Book storage book = _books[by.which];
        uint256 risk = _risked(s);
        vm.assertTrue(book.outflow - book.audited + risk > MIDDLE, "no delay was needed");
        _assertEntitled(book, by.secret, by.endorsements, risk);
        queued++;
        book.head = abi.decode(result, (bytes32));
        book.waits = true;
        book.queuedAt = vm.getBlockTimestamp();
        book.waiting = Oath(abi.encode(s), by.secret, by.endorsements);
    }

    /// @dev What was queued last is executed, if it waits at all, now or after a day.
    function serve(uint256 which, bool later) external {
        Book storage book = _books[which % 2];
        if (book.waiting.submission.length == 0) return;
        if (later) _pass(CADENCE, DELAY);
        bool waits = book.waits;
        if (!_submit(which % 2, book.waiting)) return;
        vm.assertTrue(waits, "it did not wait any more");
        served++;
    }

    function cancel(uint256 which, uint256 who) external {
        Book storage book = _books[which % 2];
        who = who % 8;
        address[3] memory entitled = [address(account), guardian, endorsers[2]];
        vm.prank(who < 3 ? entitled[who] : operator);
        (bool success, bytes memory reason) =
            address(gate).call(abi.encodeCall(IDecisionGate.cancel, (book.id, book.head)));
        vm.assertEq(success, who < 3 && book.waits, "cancelled");
        if (!success) {
            bytes4 expected =
                who < 3 ? IDecisionGate.NotQueued.selector : IDecisionGate.NotCanceller.selector;
            return _refusedFor(reason, expected);
        }
        book.waits = false;
        cancelled++;
    }

    /// @dev Of any outflow, from what is audited already to more than there is.
    function audit(uint256 which, uint256 upTo, uint256 signers) external {
        Book storage book = _books[which % 2];
        Checkpoint memory it = _checkpoint(book.id);
        uint256 outflow = _fold(upTo, book.audited, book.outflow + 1);
        it.outflow = outflow;
        signers = 1 + signers % 4 % 3;
        bytes memory signatures = _signatures(_digest(it), _secrets(signers));
        (bool success, bytes memory reason) =
            address(gate).call(abi.encodeCall(IDecisionGate.checkpoint, (it, signatures)));
        if (outflow == book.audited) {
            vm.assertFalse(success, "nothing new");
            return _refusedFor(reason, IDecisionGate.CheckpointOld.selector);
        }
        if (outflow > book.outflow) {
            vm.assertFalse(success, "ahead");
            return _refusedFor(reason, IDecisionGate.CheckpointAhead.selector);
        }
        vm.assertEq(success, signers > 1, "audited");
        if (!success) return _refusedFor(reason, IDecisionGate.EndorsementsMissing.selector);
        book.audited = outflow;
        checkpoints++;
    }

    /// @dev The second key, rarely: by the account or by verdict; or by those who may not.
    function ban(uint256 which, uint256 how) external {
        Book storage book = _books[which % 2];
        how = how % 16;
        address key = vm.addr(SECOND_SECRET);
        bytes memory data = abi.encodeCall(IDecisionGate.banKey, (book.id, key));
        if (how % 2 == 1) {
            Verdict memory verdict = Verdict(book.id, key, book.head);
            bytes memory signatures = _signatures(_digest(verdict), _secrets(how == 1 ? 2 : 1));
            data = abi.encodeCall(IDecisionGate.banKeyByVerdict, (verdict, signatures));
        }
        vm.prank(how == 0 ? address(account) : operator);
        (bool success, bytes memory reason) = address(gate).call(data);
        vm.assertEq(success, how < 2, "banned");
        if (!success) {
            bytes4 expected = how % 2 == 1
                ? IDecisionGate.EndorsementsMissing.selector
                : IDecisionGate.NotAccount.selector;
            return _refusedFor(reason, expected);
        }
        book.banned = true;
        bans++;
    }

    function replay(uint256 which) external {
        bytes memory data = _books[which % 2].last;
        if (data.length == 0) return;
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(data);
        vm.assertFalse(success, "replayed");
        bytes4 error = bytes4(reason);
        vm.assertTrue(
            error == IDecisionGate.HeadMismatch.selector
                || error == IDecisionGate.HeadQueued.selector
                || error == IDecisionGate.MandateExpired.selector,
            "another reason"
        );
        refused++;
    }

    function tamper(uint256 which, uint256 amountIn, uint8 part) external {
        Submission memory s = _next(which % 2);
        s.calls[0] = _sale(0.1e18, 200e6);
        s.bounds[0] = -0.1e18;
        s.bounds[1] = 199e6;
        _commit(s);
        _prove(s, NODE_SECRET, 2);
        if (!_wouldPass(s)) return;

        part = part % 4;
        if (part == 0) s.calls[0] = _sale(_fold(amountIn, 0, 0.09e18), 0);
        if (part == 1) s.bounds[0] -= 1;
        if (part == 2) s.decision.receipts = keccak256("forged");
        if (part == 3) _prove(s, uint256(keccak256("thief")), 2);
        bytes4[4] memory reasons = [
            IDecisionGate.CallsMismatch.selector,
            IDecisionGate.BoundsMismatch.selector,
            IDecisionGate.NodeNotPermitted.selector,
            IDecisionGate.NodeNotPermitted.selector
        ];
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "tampered");
        _refusedFor(reason, reasons[part]);
        tampered++;
    }

    /// @dev Minutes, and now and then half a day.
    function pass(uint8 blocks, uint16 time) external {
        _pass(blocks % 20, time % 600 + (time % 4 == 0 ? 13 hours : 0));
    }

    /// @dev The owner leaves with a part, whatever state the mandate is in, and returns it.
    function ownerExit(uint256 amount, uint256 which, bool stopped) external {
        amount = _fold(amount, 0, weth.balanceOf(address(account)));
        bytes32 id = _books[which % 2].id;
        if (stopped) {
            _byOwner(abi.encodeCall(IDecisionGate.stop, (id, uint64(vm.getBlockTimestamp() + 60))));
        }
        uint256 before = weth.balanceOf(owner);
        vm.prank(owner);
        account.execute(address(weth), 0, abi.encodeCall(TestToken.transfer, (owner, amount)));
        vm.assertEq(weth.balanceOf(owner), before + amount, "exit");
        vm.prank(owner);
        weth.transfer(address(account), amount);
        _byOwner(abi.encodeCall(IDecisionGate.resume, (id)));
    }

    /* SHAPES */

    function _choose(uint256 who) private pure returns (Choice memory) {
        return Choice({
            which: who % 2,
            secret: who / 2 % 4 == 3 ? SECOND_SECRET : NODE_SECRET,
            endorsements: who / 8 % 4 == 3 ? 2 : who / 8 % 4,
            large: who / 32 % 4 == 3,
            later: who / 128 % 4 != 0,
            fair: who / 512 % 4 != 0
        });
    }

    /// @dev Whether it would execute as it is; it does not stay executed.
    function _wouldPass(Submission memory s) private returns (bool success) {
        uint256 snapshot = vm.snapshotState();
        vm.prank(operator);
        (success,) = address(gate).call(_calldata(s));
        vm.assertTrue(vm.revertToState(snapshot), "no snapshot");
    }
}
