// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
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

    function testFuzz_setGrantDelay_neverShortensAGrantsWaitBelowTheDelay(
        uint32[6] calldata delays,
        uint16[6] calldata waits
    ) public {
        uint256 time = START_TIME;
        for (uint256 i = 0; i < 6; i++) {
            uint256 before = gate.grantDelayOf(address(this));
            gate.setGrantDelay(delays[i]);
            // A grant just after a change is live no earlier than one just before it would be.
            vm.assertGe(gate.grantDelayOf(address(this)), before, "shortened at once");
            time += waits[i];
            vm.warp(time);
        }
    }

    /* STOP AND RESUME */

    function test_stop_byGuardian_onceAndBounded() public {
        Submission memory s = _honest();
        uint64 latest = uint64(START_TIME + gate.MAX_STOP());
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopTooLong.selector, latest + 1, latest)
        );
        gate.stop(s.mandate, latest + 1);

        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.MandateHalted(s.decision.mandate, guardian, latest);
        vm.prank(guardian);
        gate.stop(s.mandate, latest);

        // Neither while it lasts nor after it: the stop expires unless the owner renews it.
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(guardian);
            vm.expectRevert(abi.encodeWithSelector(IDecisionGate.StopUsed.selector, latest));
            gate.stop(s.mandate, latest + 10);
            vm.warp(latest + 1);
        }
        _byOwner(abi.encodeCall(IDecisionGate.resume, (s.decision.mandate)));
        vm.prank(guardian);
        gate.stop(s.mandate, latest + 10);
    }

    function test_stop_byAccount_renews() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.mandate, uint64(START_TIME + 5));
        _byOwner(abi.encodeCall(IDecisionGate.stop, (s.mandate, uint64(START_TIME + 3650 days))));
        vm.assertEq(gate.stateOf(s.decision.mandate).stoppedUntil, START_TIME + 3650 days, "until");
    }

    function test_stop_reverts_whenNotGuardian() public {
        Submission memory s = _honest();
        address[3] memory others = [address(this), operator, owner];
        for (uint256 i = 0; i < others.length; i++) {
            vm.prank(others[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IDecisionGate.NotGuardian.selector, others[i], guardian)
            );
            gate.stop(s.mandate, uint64(START_TIME + 5));
        }
        _execute(s);
    }

    function test_stop_reverts_whenOver() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.StopOver.selector, START_TIME, START_TIME)
        );
        gate.stop(s.mandate, uint64(START_TIME));
    }

    function test_stop_reverts_whenUnknown() public {
        Submission memory s = _draft(_mandate());
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDecisionGate.MandateUnknown.selector, keccak256(abi.encode(s.mandate))
            )
        );
        gate.stop(s.mandate, uint64(START_TIME + 5));
    }

    function test_resume_liftsAStop() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.mandate, uint64(START_TIME + 50));
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
        gate.stop(s.mandate, uint64(START_TIME + 50));
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

    /* SHAPES */

    function _try(Submission memory s, address sender)
        private
        returns (bool executed, bytes32 digest)
    {
        vm.prank(sender);
        return gate.tryExecute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
    }

    function _setDelay(uint32 delay, uint256 effectiveFrom) private {
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.GrantDelaySet(address(account), delay, uint64(effectiveFrom));
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (delay)));
    }
}
