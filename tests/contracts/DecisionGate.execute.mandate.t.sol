// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {GateFixture} from "./GateFixture.sol";
import {HistoryDouble} from "./mocks/Doubles.sol";
import {OddAccount} from "./mocks/Hosts.sol";

contract ExecuteMandateTest is GateFixture {
    /* 1. MANDATE AND CHAIN */

    function test_execute_reverts_whenNotOperator() public {
        Submission memory s = _honest();
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotOperator.selector, address(this), operator)
        );
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
    }

    function test_execute_byAnyone_whereNoOperatorIsNamed() public {
        Submission memory s = _draft(_mandate());
        s.mandate.operator = address(0);
        _regrant(s);
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
    }

    function test_execute_reverts_whenMandateUnknown() public {
        Submission memory s = _honest();
        s.mandate.maxLoss += 1;
        _refuse(s, _error(IDecisionGate.MandateUnknown.selector, keccak256(abi.encode(s.mandate))));
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
        gate.stop(s.mandate, uint64(START_TIME + 20));
        vm.warp(START_TIME + 19);
        _refuse(s, _error(IDecisionGate.MandateStopped.selector, START_TIME + 20, START_TIME + 19));
        vm.warp(START_TIME + 20);
        _execute(s);
    }

    function test_execute_reverts_whenMandateIsAnother() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        other.decision = s.decision;
        other.proof = s.proof;
        _refuse(
            other,
            _error(
                IDecisionGate.MandateMismatch.selector,
                s.decision.mandate,
                keccak256(abi.encode(other.mandate))
            )
        );
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

    function test_execute_reverts_whenAnchorTooOldAndNoHistory() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        s.decision.anchorHash = keccak256("block 1000");
        _regrant(s);
        vm.roll(1257);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1000))));
    }

    function test_execute_readsOldAnchorsFromTheHistoryContract() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        s.decision.anchorHash = keccak256("block 1000");
        _regrant(s);
        vm.roll(1257);
        HistoryDouble history = new HistoryDouble();
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, address(history).code);
        HistoryDouble(0x0000F90827F1C53a10cb7A02335B175320002935).set(1000, s.decision.anchorHash);
        _execute(s);
    }

    function test_execute_reverts_whenTheHistoryAnswersTooLittle() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        _regrant(s);
        vm.roll(1257);
        address history = 0x0000F90827F1C53a10cb7A02335B175320002935;
        vm.etch(history, address(new OddAccount()).code);
        OddAccount(payable(history)).set(new bytes(31), false);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1000))));
        OddAccount(payable(history)).set(bytes.concat(bytes31(uint248(1))), false);
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
