// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {hashMandate} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {Vm} from "./Vm.sol";
import {TestToken} from "./mocks/TestToken.sol";

/// @title What account, guardian and operator can and cannot do besides executing.
contract DecisionGatePowersTest is GateFixture {
    /* REVOKE */

    function test_revoke_isFinalAndAtOnce() public {
        Submission memory s = _honest();
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.MandateWithdrawn(s.decision.mandate, address(account));
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
        vm.assertTrue(gate.stateOf(s.decision.mandate).revoked, "revoked");
        _byOwner(abi.encodeCall(IDecisionGate.resume, (s.decision.mandate)));
        _refuse(
            s, abi.encodeWithSelector(IDecisionGate.MandateRevoked.selector, s.decision.mandate)
        );
    }

    function test_revoke_reverts_whenNotAccount() public {
        Submission memory s = _honest();
        address[4] memory others = [address(this), operator, guardian, owner];
        for (uint256 i = 0; i < others.length; i++) {
            vm.prank(others[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDecisionGate.NotAccount.selector, others[i], address(account)
                )
            );
            gate.revoke(s.decision.mandate);
        }
        vm.assertFalse(gate.stateOf(s.decision.mandate).revoked, "revoked");
    }

    function test_revoke_reverts_whenUnknown() public {
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.MandateUnknown.selector, bytes32(uint256(1)))
        );
        gate.revoke(bytes32(uint256(1)));
    }

    /* GRANT DELAY */

    function test_setGrantDelay_raisesAtOnce_lowersAfterTheDelay() public {
        _setDelay(100, START_TIME);
        vm.assertEq(gate.grantDelayOf(address(account)), 100, "raised");
        _setDelay(10, START_TIME + 100);
        vm.warp(START_TIME + 99);
        vm.assertEq(gate.grantDelayOf(address(account)), 100, "not yet lowered");
        vm.warp(START_TIME + 100);
        vm.assertEq(gate.grantDelayOf(address(account)), 10, "lowered");
    }

    function test_setGrantDelay_raisingCancelsAPendingLowering() public {
        _setDelay(100, START_TIME);
        _setDelay(0, START_TIME + 100);
        _setDelay(100, START_TIME);
        vm.warp(START_TIME + 1000);
        vm.assertEq(gate.grantDelayOf(address(account)), 100, "delay");
    }

    function test_setGrantDelay_loweringTwiceWaitsAnew() public {
        _setDelay(100, START_TIME);
        _setDelay(50, START_TIME + 100);
        vm.warp(START_TIME + 60);
        _setDelay(0, START_TIME + 160);
        vm.warp(START_TIME + 159);
        vm.assertEq(gate.grantDelayOf(address(account)), 100, "delay");
    }

    function test_setGrantDelay_reverts_whenTooLong() public {
        uint32[2] memory delays = [uint32(30 days + 1), type(uint32).max];
        for (uint256 i = 0; i < delays.length; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDecisionGate.GrantDelayTooLong.selector, delays[i], gate.MAX_GRANT_DELAY()
                )
            );
            gate.setGrantDelay(delays[i]);
        }
        vm.assertEq(gate.grantDelayOf(address(this)), 0, "delay");
        gate.setGrantDelay(30 days);
        vm.assertEq(gate.grantDelayOf(address(this)), 30 days, "delay");
    }

    /// @dev Whatever is set and however long one waits: the earliest second at which a grant made
    ///      from now on can be live never comes nearer. That second is `now + grantDelayOf`, or,
    ///      with a lowering ahead, the second at which it takes effect plus what it lowers to.
    function testFuzz_setGrantDelay_neverShortensAGrantsWaitBelowTheDelay(
        uint32[8] calldata delays,
        uint32[8] calldata waits
    ) public {
        uint256 time = START_TIME;
        uint256 earliest = time;
        uint256 loweredAt = 0;
        uint256 loweredTo = 0;
        for (uint256 i = 0; i < 8; i++) {
            uint256 before = gate.grantDelayOf(address(this));
            uint32 delay = uint32(_fold(delays[i], 0, 1000));
            gate.setGrantDelay(delay);
            loweredAt = delay < before ? time + before : 0;
            loweredTo = delay;
            earliest = _atLeast(earliest, time, loweredAt, loweredTo);

            // On average two of three lowerings take effect before the next change.
            uint256 next = time + _fold(waits[i], 0, 2000);
            if (loweredAt != 0 && loweredAt <= next) {
                vm.warp(loweredAt - 1);
                vm.assertEq(gate.grantDelayOf(address(this)), before, "lowered too early");
                earliest = _atLeast(earliest, loweredAt - 1, loweredAt, loweredTo);
                vm.warp(loweredAt);
                vm.assertEq(gate.grantDelayOf(address(this)), delay, "not lowered");
                earliest = _atLeast(earliest, loweredAt, 0, 0);
                loweredAt = 0;
            }
            time = next;
            vm.warp(time);
            earliest = _atLeast(earliest, time, loweredAt, loweredTo);
        }
    }

    /// @dev The earliest second at which a grant could be live, seen at `time`; no earlier than it
    ///      was.
    function _atLeast(uint256 before, uint256 time, uint256 loweredAt, uint256 loweredTo)
        private
        view
        returns (uint256 earliest)
    {
        earliest = time + gate.grantDelayOf(address(this));
        if (loweredAt > time && loweredAt + loweredTo < earliest) earliest = loweredAt + loweredTo;
        vm.assertGe(earliest, before, "a grant can be live earlier than before");
    }

    /* STOP AND RESUME */

    function test_stop_byGuardian_onceAndBounded() public {
        Submission memory s = _honest();
        uint64 latest = uint64(START_TIME + gate.MAX_STOP());
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopTooLong.selector, latest + 1, latest)
        );
        gate.stop(s.decision.mandate, latest + 1);

        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.MandateHalted(s.decision.mandate, guardian, latest);
        vm.prank(guardian);
        gate.stop(s.decision.mandate, latest);

        // Neither while it lasts nor after it: the stop expires unless the owner renews it.
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(guardian);
            vm.expectRevert(abi.encodeWithSelector(IDecisionGate.StopUsed.selector, latest));
            gate.stop(s.decision.mandate, latest + 10);
            vm.warp(latest + 1);
        }
        _byOwner(abi.encodeCall(IDecisionGate.resume, (s.decision.mandate)));
        vm.prank(guardian);
        gate.stop(s.decision.mandate, latest + 10);
    }

    function test_stop_byAccount_renews() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 5));
        _byOwner(
            abi.encodeCall(IDecisionGate.stop, (s.decision.mandate, uint64(START_TIME + 3650 days)))
        );
        vm.assertEq(gate.stateOf(s.decision.mandate).stoppedUntil, START_TIME + 3650 days, "until");
    }

    /// @dev An owner's stop that is over must not use up the guardian's.
    function test_stop_byGuardian_worksAfterTheAccountsOwnStop() public {
        Submission memory s = _honest();
        _byOwner(abi.encodeCall(IDecisionGate.stop, (s.decision.mandate, uint64(START_TIME + 5))));
        vm.warp(START_TIME + 10);
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 20));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.MandateStopped.selector, uint64(START_TIME + 20), START_TIME + 10
            )
        );
        // That was its one stop.
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopUsed.selector, uint64(START_TIME + 20))
        );
        gate.stop(s.decision.mandate, uint64(START_TIME + 30));
    }

    /// @dev And the account's renewal does not give the guardian another.
    function test_stop_byGuardian_staysUsedWhenTheAccountRenews() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 5));
        _byOwner(abi.encodeCall(IDecisionGate.stop, (s.decision.mandate, uint64(START_TIME + 10))));
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopUsed.selector, uint64(START_TIME + 10))
        );
        gate.stop(s.decision.mandate, uint64(START_TIME + 20));
    }

    function test_stop_reverts_whenTheGuardianWouldShortenTheAccountsStop() public {
        Submission memory s = _honest();
        uint64 until = uint64(START_TIME + 1 days);
        _byOwner(abi.encodeCall(IDecisionGate.stop, (s.decision.mandate, until)));
        uint64[2] memory attempts = [uint64(START_TIME + 1), until];
        for (uint256 i = 0; i < attempts.length; i++) {
            vm.prank(guardian);
            vm.expectRevert(
                abi.encodeWithSelector(IDecisionGate.StopShorter.selector, attempts[i], until)
            );
            gate.stop(s.decision.mandate, attempts[i]);
        }
        vm.assertEq(gate.stateOf(s.decision.mandate).stoppedUntil, until, "until");
        // Nothing was used up by trying.
        vm.prank(guardian);
        gate.stop(s.decision.mandate, until + 1);
    }

    function test_stop_reverts_whenNotGuardian() public {
        Submission memory s = _honest();
        address[3] memory others = [address(this), operator, owner];
        for (uint256 i = 0; i < others.length; i++) {
            vm.prank(others[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IDecisionGate.NotGuardian.selector, others[i], guardian)
            );
            gate.stop(s.decision.mandate, uint64(START_TIME + 5));
        }
        _execute(s);
    }

    function test_stop_reverts_whenOver() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopOver.selector, START_TIME, START_TIME)
        );
        gate.stop(s.decision.mandate, uint64(START_TIME));
    }

    function test_stop_reverts_whenUnknown() public {
        Submission memory s = _draft(_mandate());
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.MandateUnknown.selector, hashMandate(s.mandate))
        );
        gate.stop(s.decision.mandate, uint64(START_TIME + 5));
    }

    function test_resume_liftsAStop() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 50));
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotAccount.selector, guardian, address(account))
        );
        gate.resume(s.decision.mandate);
        _byOwner(abi.encodeCall(IDecisionGate.resume, (s.decision.mandate)));
        _execute(s);
    }

    function test_ownerExit_whileStoppedAndRevoked() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 50));
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
        vm.prank(owner);
        account.execute(address(weth), 0, abi.encodeCall(TestToken.transfer, (owner, 100e18)));
        vm.assertEq(weth.balanceOf(owner), 100e18, "WETH");
    }

    /* TRYING */

    function test_tryExecute_executes() public {
        Submission memory s = _honest();
        (bool executed, bytes32 digest) = _try(s, operator);
        vm.assertTrue(executed, "executed");
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
        vm.assertEq(usdc.balanceOf(address(account)), 11_995e6, "USDC");
    }

    function test_tryExecute_recordsTheRefusal_andChangesNothing() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1989e6);
        _seal(s);
        Picture memory before = _picture(s);
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.DecisionRefused(
            s.decision.mandate,
            gate.digestOf(s.decision),
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(usdc), int256(1989e6), int256(1990e6)
            )
        );
        (bool executed, bytes32 digest) = _try(s, operator);
        vm.assertFalse(executed, "executed");
        vm.assertEq(digest, gate.digestOf(s.decision), "digest");
        _assertUnchanged(s, before);
        // And the lock is open.
        s.calls[0] = _sale(1e18, 1995e6);
        _seal(s);
        _execute(s);
    }

    function test_tryExecute_recordsOneRefusalAndNothingElse() public {
        Submission memory s = _honest();
        s.decision.slot = 7;
        _seal(s);
        vm.recordLogs();
        _try(s, operator);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1, "logs");
        vm.assertEq(logs[0].topics[0], IDecisionGate.DecisionRefused.selector, "event");
    }

    function test_tryExecute_reverts_whenNotOperator() public {
        Submission memory s = _honest();
        address[3] memory others = [address(this), owner, guardian];
        for (uint256 i = 0; i < others.length; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(IDecisionGate.NotOperator.selector, others[i], operator)
            );
            _try(s, others[i]);
        }
    }

    function test_tryExecute_reverts_whereNoOperatorIsNamed() public {
        Submission memory s = _draft(_mandate());
        s.mandate.operator = address(0);
        _regrant(s);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotOperator.selector, address(this), address(0))
        );
        _try(s, address(this));
    }

    /// @dev Anyone can make up a mandate whose operator they are.
    function test_tryExecute_reverts_whenTheMandateIsUnknown() public {
        Submission memory s = _draft(_mandate());
        s.mandate.operator = address(this);
        _reseal(s);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.MandateUnknown.selector, s.decision.mandate)
        );
        _try(s, address(this));
    }

    /* SHAPES */

    function _try(Submission memory s, address sender)
        private
        returns (bool executed, bytes32 digest)
    {
        vm.prank(sender);
        return gate.tryExecute(s.decision, s.calls, s.bounds, s.proof);
    }

    function _setDelay(uint32 delay, uint256 effectiveFrom) private {
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.GrantDelaySet(address(account), delay, uint64(effectiveFrom));
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (delay)));
    }
}
