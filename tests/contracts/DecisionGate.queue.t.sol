// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Rung} from "../../contracts/types/Mandate.sol";
import {LadderFixture} from "./LadderFixture.sol";

/// @title Waiting out a rung's delay.
contract DecisionGateQueueTest is LadderFixture {
    /* ATTACKS FIRST */

    function test_execute_reverts_whenTheDelayWasNotQueued() public {
        Submission memory s = _large();
        _refuse(s, _notServed(0));
    }

    function test_execute_reverts_beforeTheDelayIsOver() public {
        Submission memory s = _large();
        _queue(s);
        _refuse(s, _notServed(0));
        vm.warp(START_TIME + DELAY - 1);
        _refresh();
        _refuse(s, _notServed(DELAY - 1));
        vm.warp(START_TIME + DELAY);
        _refresh();
        _execute(s);
    }

    /// @dev Stuffed blocks, however many, are not time; and time alone is what counts.
    function test_execute_reverts_howeverManyBlocksPass() public {
        Submission memory s = _large();
        _queue(s);
        vm.roll(START_BLOCK + 1_000_000);
        _refuse(s, _notServed(0));
        vm.roll(START_BLOCK + 1);
        vm.warp(START_TIME + DELAY);
        _refresh();
        _execute(s);
    }

    /// @dev Whoever fills blocks to keep the guardian out must fill a day of them; and once the
    ///      decision is over, it is over for whoever filled them as well.
    function test_execute_reverts_whenBlocksWereStuffedUntilItIsOver() public {
        Submission memory s = _large();
        s.decision.validUntil = uint64(START_TIME + DELAY);
        _seal(s);
        _endorse(s, 2);
        _queue(s);
        vm.warp(START_TIME + DELAY + 1);
        _refresh();
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.DecisionExpired.selector,
                uint64(START_TIME + DELAY),
                START_TIME + DELAY + 1
            )
        );
    }

    function test_execute_reverts_whenItWasCancelled() public {
        address[3] memory who = [address(account), guardian, endorsers[2]];
        for (uint256 i = 0; i < 3; i++) {
            uint256 state = vm.snapshotState();
            Submission memory s = _large();
            bytes32 digest = _queue(s);
            vm.expectEmit(true, true, true, true, address(gate));
            emit IDecisionGate.DecisionCancelled(s.decision.mandate, digest, who[i]);
            vm.prank(who[i]);
            gate.cancel(s.decision.mandate, digest);
            vm.warp(START_TIME + DELAY);
            _refresh();
            // It is the head, and does not wait any more: neither way leads back.
            bytes memory reason =
                _error(IDecisionGate.HeadMismatch.selector, s.decision.previous, digest);
            _refuse(s, reason);
            _refuseQueue(s, reason);
            vm.assertTrue(vm.revertToState(state), "no snapshot");
        }
    }

    function test_cancel_reverts_forEverybodyElse() public {
        Submission memory s = _large();
        bytes32 digest = _queue(s);
        address[4] memory others = [address(this), operator, node, owner];
        for (uint256 i = 0; i < 4; i++) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IDecisionGate.NotCanceller.selector, others[i]));
            gate.cancel(s.decision.mandate, digest);
        }
        vm.assertTrue(gate.stateOf(s.decision.mandate).queuedAt != 0, "waiting");
    }

    function test_cancel_reverts_whenNothingWaits() public {
        Submission memory s = _climb(100);
        bytes32 digest = _execute(s);
        vm.prank(guardian);
        vm.expectRevert(_error(IDecisionGate.NotQueued.selector, digest, digest));
        gate.cancel(s.decision.mandate, digest);
        vm.prank(guardian);
        vm.expectRevert(_error(IDecisionGate.NotQueued.selector, bytes32(0), digest));
        gate.cancel(s.decision.mandate, bytes32(0));
        vm.expectRevert(_error(IDecisionGate.MandateUnknown.selector, bytes32(uint256(7))));
        gate.cancel(bytes32(uint256(7)), digest);
    }

    function test_cancel_reverts_afterItWasExecuted() public {
        Submission memory s = _large();
        bytes32 digest = _queue(s);
        vm.warp(START_TIME + DELAY);
        _refresh();
        _execute(s);
        vm.prank(guardian);
        vm.expectRevert(_error(IDecisionGate.NotQueued.selector, digest, digest));
        gate.cancel(s.decision.mandate, digest);
    }

    function test_execute_reverts_whileAnotherWaits() public {
        Submission memory s = _large();
        bytes32 digest = _queue(s);
        Submission memory small = _draft(_laddered());
        small.decision.previous = digest;
        _risk(small, 10);
        vm.roll(START_BLOCK + CADENCE);
        small.decision.slot = SLOT + 1;
        small.decision.anchorHash = blockhash(uint256(SLOT + 1) * CADENCE);
        _seal(small);
        bytes memory reason = abi.encodeWithSelector(
            IDecisionGate.HeadQueued.selector, digest, s.decision.validUntil
        );
        _refuse(small, reason);
        _refuseQueue(small, reason);
        // Nor the one that waits, a second time.
        _refuseQueue(s, reason);
        // Once that one is cancelled, the slot is free.
        vm.prank(guardian);
        gate.cancel(s.decision.mandate, digest);
        _execute(small);
    }

    /// @dev A decision that was never executed gets out of the way by itself.
    function test_execute_goesOn_onceTheOneThatWaitedIsOver() public {
        Submission memory s = _large();
        s.decision.validUntil = uint64(START_TIME + DELAY + 10);
        _seal(s);
        _endorse(s, 2);
        bytes32 digest = _queue(s);
        vm.warp(START_TIME + DELAY + 11);
        _refresh();
        Submission memory next = _draft(_laddered());
        next.decision.previous = digest;
        _risk(next, 10);
        _nextSlot(next, 1);
        _execute(next);
        vm.assertEq(gate.stateOf(s.decision.mandate).queuedAt, 0, "waiting");
        // And does not come back.
        _refuse(s, _error(IDecisionGate.HeadMismatch.selector, s.decision.previous, _headOf(s)));
    }

    /* WHAT IS CHECKED AGAIN */

    function test_execute_ofOneThatWaited_reverts_whenTheMandateIsRevokedOrStopped() public {
        Submission memory s = _waited();
        bytes32 id = s.decision.mandate;
        vm.prank(guardian);
        gate.stop(id, uint64(vm.getBlockTimestamp() + 5));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.MandateStopped.selector,
                uint64(vm.getBlockTimestamp() + 5),
                vm.getBlockTimestamp()
            )
        );
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (id)));
        _refuse(s, _error(IDecisionGate.MandateRevoked.selector, id));
    }

    function test_execute_ofOneThatWaited_reverts_whenTheKeyIsRevokedSince() public {
        Submission memory s = _waited();
        uint64 time = uint64(vm.getBlockTimestamp());
        vm.prank(node);
        registry.revoke();
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeRevoked.selector, node, time));
    }

    function test_execute_ofOneThatWaited_reverts_whenTheKeyIsBannedSince() public {
        Submission memory s = _waited();
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, node)));
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeBanned.selector, node));
    }

    function test_execute_ofOneThatWaited_reverts_withoutItsEndorsements() public {
        Submission memory s = _waited();
        _endorse(s, 1);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 1, 2));
    }

    function test_execute_ofOneThatWaited_reverts_whenPricesAreStale() public {
        Submission memory s = _large();
        _queue(s);
        vm.warp(START_TIME + DELAY);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.PriceStale.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_execute_ofOneThatWaited_reverts_whenBoundsOrLossNoLongerHold() public {
        Submission memory s = _waited();
        // The same sale is worth more by now: what it brings is too little.
        wethFeed.set(int256(2400 * DOLLAR), uint64(vm.getBlockTimestamp()));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.LossExceeded.selector, -int256(2000 * DOLLAR), 100 * DOLLAR
            )
        );
    }

    /// @dev Prices may have moved it to a rung that asks for more.
    function test_execute_ofOneThatWaited_reverts_whenItIsOnAHigherRungByNow() public {
        Submission memory s = _draft(_laddered());
        s.mandate.ladder = new Rung[](2);
        s.mandate.ladder[0] = Rung(11_000 * DOLLAR, 0, 2, DELAY);
        s.mandate.ladder[1] = Rung(20_000 * DOLLAR, 0, 3, 2 * DELAY);
        s.mandate.quorum = 3;
        s.mandate.maxLoss = 5000 * DOLLAR;
        _regrant(s);
        _risk(s, 10_000);
        _endorse(s, 2);
        _queue(s);
        vm.warp(START_TIME + DELAY);
        _refresh();
        wethFeed.set(int256(2400 * DOLLAR), uint64(vm.getBlockTimestamp()));
        _refuse(s, abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 2, 3));
        _endorse(s, 3);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.DelayNotServed.selector, DELAY, 2 * DELAY));
        // It only has to wait on.
        vm.warp(START_TIME + 2 * DELAY);
        _refresh();
        wethFeed.set(int256(2400 * DOLLAR), uint64(vm.getBlockTimestamp()));
        _execute(s);
    }

    function test_execute_ofOneThatWaited_reverts_whenCallsOrBoundsAreOthers() public {
        Submission memory s = _waited();
        bytes32 sworn = s.decision.calls;
        s.calls[0] = _sale(5e18, 9999e6);
        _refuse(
            s, _error(IDecisionGate.CallsMismatch.selector, keccak256(abi.encode(s.calls)), sworn)
        );
        // Even by a new oath of the same node: that is another decision, and one waits already.
        _seal(s);
        _endorse(s, 2);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.HeadQueued.selector, _headOf(s), s.decision.validUntil
            )
        );
    }

    function test_execute_ofOneThatWaited_reverts_whenItIsBlank() public {
        Submission memory s = _waited();
        s.decision.previous = 0;
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.HeadQueued.selector, _headOf(s), s.decision.validUntil
            )
        );
    }

    /* QUEUEING */

    function test_queue_reverts_whenNoDelayIsNeeded() public {
        Submission memory s = _climb(100);
        _refuseQueue(s, _error(IDecisionGate.DelayNotNeeded.selector));
    }

    function test_queue_reverts_whenItWouldBeOverBeforeItsDelay() public {
        Submission memory s = _large();
        s.decision.validUntil = uint64(START_TIME + DELAY - 1);
        _seal(s);
        _endorse(s, 2);
        _refuseQueue(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ValidityTooShort.selector,
                uint64(START_TIME + DELAY - 1),
                START_TIME + DELAY
            )
        );
    }

    /// @dev Everything that does not wait is checked when it takes the head.
    function test_queue_checksWhatExecuteWould() public {
        Submission memory s = _large();
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotOperator.selector, address(this), operator)
        );
        gate.queue(s.decision, s.calls, s.bounds, s.proof);
        _endorse(s, 1);
        _refuseQueue(s, abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 1, 2));
        _sign(s, 7);
        _refuseQueue(s, abi.encodeWithSelector(IDecisionGate.NodeNotPermitted.selector, vm.addr(7)));
        s.decision.slot = SLOT - 1;
        _seal(s);
        _refuseQueue(s, _error(IDecisionGate.SlotNotNewest.selector, SLOT - 1, SLOT));
        s = _draft(_laddered());
        _risk(s, 10_000);
        s.decision.anchorHash = keccak256("another");
        _seal(s);
        _refuseQueue(
            s,
            _error(
                IDecisionGate.AnchorMismatch.selector,
                keccak256("another"),
                blockhash(uint256(SLOT) * CADENCE)
            )
        );
    }

    function test_queue_takesTheHead_andTellsWhenItIsReady() public {
        Submission memory s = _large();
        _nextSlot(s, 3);
        _endorse(s, 2);
        bytes32 digest = gate.digestOf(s.decision);
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.DecisionQueued(
            s.decision.mandate,
            digest,
            node,
            SLOT + 3,
            3,
            s.decision.mandate,
            10_000 * DOLLAR,
            uint64(START_TIME + DELAY),
            s.decision.validUntil
        );
        vm.assertEq(_queue(s), digest, "digest");
        IDecisionGate.MandateState memory state = gate.stateOf(s.decision.mandate);
        vm.assertEq(state.head, digest, "head");
        vm.assertEq(state.outflow, 0, "nothing has flowed out");
        vm.assertEq(state.nextSlot, SLOT + 4, "slot");
        vm.assertEq(state.queuedAt, START_TIME, "queued at");
        vm.assertEq(state.queuedUntil, s.decision.validUntil, "queued until");
        vm.assertEq(weth.balanceOf(address(account)), 100e18, "WETH");
    }

    /// @dev Far beyond what any chain remembers of its blocks, with or without history.
    function testFuzz_execute_ofOneThatWaited_worksHoweverManyBlocksLater(
        uint256 blocks,
        uint256 time
    ) public {
        blocks = _fold(blocks, 1, 10_000_000);
        time = _fold(time, DELAY, 30 days - 1);
        Submission memory s = _large();
        bytes32 digest = _queue(s);
        vm.roll(START_BLOCK + blocks);
        vm.warp(START_TIME + time);
        vm.prank(node);
        registry.announce(model, engine, uint64(START_TIME + 90 days));
        _refresh();
        if (time >= 20 days) {
            // The mandate of the fixture ends after twenty days.
            _refuse(
                s,
                _error(
                    IDecisionGate.MandateExpired.selector, START_TIME + 20 days, START_TIME + time
                )
            );
            return;
        }
        vm.assertEq(_execute(s), digest, "digest");
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
        vm.assertEq(gate.stateOf(s.decision.mandate).outflow, 10_000 * DOLLAR, "outflow");
        vm.assertEq(gate.stateOf(s.decision.mandate).queuedAt, 0, "waiting");
        vm.assertEq(weth.balanceOf(address(account)), 95e18, "WETH");
        // Once.
        _refuse(s, _error(IDecisionGate.HeadMismatch.selector, s.decision.previous, digest));
    }

    /// @dev A slot that waited is used; the next decision is of a later one, and counts the slots
    ///      that passed meanwhile as skipped.
    function test_execute_afterOneThatWaited_countsWhatWasSkipped() public {
        Submission memory s = _large();
        _queue(s);
        vm.roll(START_BLOCK + 10 * CADENCE);
        vm.warp(START_TIME + DELAY);
        _refresh();
        bytes32 digest = _execute(s);
        vm.assertEq(gate.stateOf(s.decision.mandate).nextSlot, SLOT + 1, "slot");
        Submission memory next = _draft(_laddered());
        next.decision.previous = digest;
        _risk(next, 10);
        next.decision.slot = SLOT + 10;
        next.decision.anchorHash = blockhash(uint256(SLOT + 10) * CADENCE);
        _seal(next);
        _endorse(next, 2);
        _refuse(next, _notServed(0));
        // Above the second rung a checkpoint is what it takes; the queue works as well.
        vm.prank(operator);
        gate.queue(next.decision, next.calls, next.bounds, next.proof);
        vm.assertEq(gate.stateOf(s.decision.mandate).nextSlot, SLOT + 11, "next slot");
    }

    function test_queue_reverts_whileExecuting() public {
        Submission memory inner = _draft(_laddered());
        inner.mandate.operator = address(0);
        _regrant(inner);
        _risk(inner, 10_000);
        _endorse(inner, 2);
        Submission memory s = _draft(_laddered());
        s.mandate.salt = keccak256("outer");
        _regrant(s);
        _risk(s, 100);
        s.calls[0] = _plain(
            abi.encodeWithSignature(
                "poke(address,bytes)",
                address(gate),
                abi.encodeCall(
                    IDecisionGate.queue, (inner.decision, inner.calls, inner.bounds, inner.proof)
                )
            )
        );
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(s, _callFailed(_error(IDecisionGate.Reentered.selector)));
    }

    /* SHAPES */

    /// @dev On the last rung, endorsed.
    function _large() private returns (Submission memory s) {
        s = _climb(10_000);
        _endorse(s, 2);
    }

    /// @dev The same, queued, its delay over, prices fresh.
    function _waited() private returns (Submission memory s) {
        s = _large();
        _queue(s);
        vm.warp(START_TIME + DELAY);
        _refresh();
    }

    function _refresh() private {
        wethFeed.set(int256(2000 * DOLLAR), uint64(vm.getBlockTimestamp()));
        usdcFeed.set(int256(DOLLAR), uint64(vm.getBlockTimestamp()));
    }

    function _headOf(Submission memory s) private view returns (bytes32) {
        return gate.headOf(s.decision.mandate);
    }

    function _notServed(uint256 served) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.DelayNotServed.selector, served, DELAY);
    }
}
