// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {hashMandate} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {HistoryDouble} from "./mocks/Doubles.sol";
import {OddAccount} from "./mocks/Hosts.sol";

contract ExecuteMandateTest is GateFixture {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /* 1. MANDATE AND CHAIN */

    function test_execute_reverts_whenNotOperator() public {
        Submission memory s = _honest();
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotOperator.selector, address(this), operator)
        );
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
    }

    function test_execute_byAnyone_whereNoOperatorIsNamed() public {
        Submission memory s = _draft(_mandate());
        s.mandate.operator = address(0);
        _regrant(s);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
    }

    function test_execute_reverts_whenMandateUnknown() public {
        Submission memory s = _honest();
        s.mandate.maxLoss += 1;
        _reseal(s);
        _refuse(s, _error(IDecisionGate.MandateUnknown.selector, hashMandate(s.mandate)));
    }

    function test_execute_reverts_whenMandateRevoked() public {
        Submission memory s = _honest();
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
        _refuse(s, _error(IDecisionGate.MandateRevoked.selector, s.decision.mandate));
    }

    function test_execute_reverts_whenMandateNotLive() public {
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (30)));
        Submission memory s = _honest();
        vm.warp(START_TIME + 29);
        _refuse(s, _error(IDecisionGate.MandateNotLive.selector, START_TIME + 30, START_TIME + 29));
        vm.warp(START_TIME + 30);
        _execute(s);
    }

    function test_execute_reverts_whenMandateExpired() public {
        Submission memory s = _draft(_mandate());
        s.mandate.expiry = uint64(START_TIME + 10);
        _regrant(s);
        vm.warp(START_TIME + 10);
        _refuse(s, _error(IDecisionGate.MandateExpired.selector, START_TIME + 10, START_TIME + 10));
        vm.warp(START_TIME + 9);
        _execute(s);
    }

    function test_execute_reverts_whenMandateStopped() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 20));
        vm.warp(START_TIME + 19);
        _refuse(s, _error(IDecisionGate.MandateStopped.selector, START_TIME + 20, START_TIME + 19));
        vm.warp(START_TIME + 20);
        _execute(s);
    }

    /// @dev Whatever of it is carried over to another mandate, the node has not sworn that.
    function test_execute_reverts_whenSwornForAnotherMandate() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        bytes32 id = other.decision.mandate;
        other.decision = s.decision;
        other.proof = s.proof;
        other.decision.mandate = id;
        _refuse(other, _error(IDecisionGate.HeadMismatch.selector, s.decision.previous, id));
        other.decision.previous = id;
        Picture memory before = _picture(other);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.NodeNotPermitted.selector);
        gate.execute(other.decision, other.calls, other.bounds, other.proof);
        _assertUnchanged(other, before);
    }

    function test_execute_reverts_whenProgramIsAnother() public {
        Submission memory s = _honest();
        s.decision.program = keccak256("another program");
        _seal(s);
        _refuse(
            s, _error(IDecisionGate.ProgramMismatch.selector, s.decision.program, s.mandate.program)
        );
    }

    function test_execute_reverts_whenReplayed() public {
        Submission memory s = _honest();
        bytes32 head = _execute(s);
        _refuse(s, _error(IDecisionGate.HeadMismatch.selector, s.decision.mandate, head));
    }

    function test_execute_reverts_whenSlotIsOlder() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK + CADENCE);
        _refuse(s, _error(IDecisionGate.SlotNotNewest.selector, SLOT, SLOT + 1));
    }

    function test_execute_reverts_whenSlotIsAhead() public {
        Submission memory s = _honest();
        s.decision.slot = SLOT + 1;
        _seal(s);
        _refuse(s, _error(IDecisionGate.SlotNotNewest.selector, SLOT + 1, SLOT));
    }

    function test_execute_reverts_whenSlotUsed() public {
        Submission memory s = _honest();
        s.decision.previous = _execute(s);
        _seal(s);
        _refuse(s, _error(IDecisionGate.SlotUsed.selector, bytes32(uint256(SLOT))));
    }

    function test_execute_reverts_whenDecisionExpired() public {
        Submission memory s = _honest();
        vm.warp(START_TIME + 61);
        _refuse(s, _error(IDecisionGate.DecisionExpired.selector, START_TIME + 60, START_TIME + 61));
        vm.warp(START_TIME + 60);
        _execute(s);
    }

    function test_execute_reverts_whenAnchorIsTheCurrentBlock() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK - 3);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(START_BLOCK - 3)));
    }

    function test_execute_reverts_whenAnchorIsNotKnownYetAndNoHistory() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 256;
        s.decision.slot = 4;
        s.decision.anchorHash = keccak256("block 1024");
        _regrant(s);
        vm.roll(1024);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1024))));
    }

    function test_execute_readsOldAnchorsFromTheHistoryContract() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        s.decision.anchorHash = keccak256("block 1000");
        HistoryDouble history = new HistoryDouble();
        vm.etch(HISTORY, address(history).code);
        HistoryDouble(HISTORY).set(1000, s.decision.anchorHash);
        _regrant(s);
        vm.roll(1257);
        _execute(s);
    }

    function test_execute_reverts_whenTheHistoryAnswersTooLittle() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        vm.etch(HISTORY, address(new OddAccount()).code);
        _regrant(s);
        vm.roll(1257);
        OddAccount(payable(HISTORY)).set(new bytes(31), false);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1000))));
        OddAccount(payable(HISTORY)).set(bytes.concat(bytes31(uint248(1))), false);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1000))));
    }

    function test_execute_reverts_whenAnchorWasReorganised() public {
        Submission memory s = _honest();
        vm.setBlockhash(uint256(SLOT) * CADENCE, keccak256("another block"));
        _refuse(
            s,
            _error(
                IDecisionGate.AnchorMismatch.selector,
                s.decision.anchorHash,
                keccak256("another block")
            )
        );
    }
}
