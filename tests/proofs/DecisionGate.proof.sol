// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Decision} from "../../contracts/types/Decision.sol";
import {GateProof} from "./GateProof.sol";
import {PlainToken} from "./Proof.sol";

/// @title Nothing executes without a live mandate, the current head, and what was sworn.
/// @notice One condition each. All else of the decision is as it should be, or open.
contract DecisionGateProof is GateProof {
    /* THE MANDATE IS NOT LIVE */

    function check_nothingExecutes_onceRevoked(
        bytes32 evidence,
        uint256 amount,
        int256 bound,
        Signature memory sig
    ) public {
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (id)));
        assert(!_any(evidence, amount, bound, sig));
    }

    function check_nothingExecutes_whileStopped(
        uint64 time,
        uint64 until,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(until > TIME && until < EXPIRY && time < until && time >= TIME);
        _byOwner(abi.encodeCall(IDecisionGate.stop, (id, until)));
        vm.warp(time);
        assert(!_any(evidence, 1, -1, sig));
    }

    function check_nothingExecutes_onceExpired(
        uint64 time,
        bytes32 evidence,
        uint256 amount,
        int256 bound,
        Signature memory sig
    ) public {
        vm.assume(time >= EXPIRY);
        vm.warp(time);
        assert(!_any(evidence, amount, bound, sig));
    }

    /// @dev Whatever name a decision has for a mandate, it was granted first.
    function check_nothingExecutes_whereNothingWasGranted(
        bytes32 evidence,
        uint256 amount,
        int256 bound,
        Signature memory sig
    ) public {
        id = keccak256("never granted");
        assert(!_any(evidence, amount, bound, sig));
    }

    /* THE DECISION IS NOT ON THE HEAD, OR NOT IN THE NEWEST SLOT */

    function check_nothingExecutes_onAnotherHead(
        bytes32 previous,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(previous != id && previous != 0);
        Decision memory decision = _decision(0, 0, evidence);
        decision.previous = previous;
        assert(!_executes(decision, _transfer(token, 1), _bounds(-1, 0), sig));
    }

    function check_nothingExecutes_inAnotherSlot(
        uint64 slot,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(slot != SLOT);
        Decision memory decision = _decision(0, 0, evidence);
        decision.slot = slot;
        assert(!_executes(decision, _transfer(token, 1), _bounds(-1, 0), sig));
    }

    function check_nothingExecutes_afterItsTime(
        uint64 validUntil,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(validUntil < TIME);
        Decision memory decision = _decision(0, 0, evidence);
        decision.validUntil = validUntil;
        assert(!_executes(decision, _transfer(token, 1), _bounds(-1, 0), sig));
    }

    function check_nothingExecutes_forAnotherProgram(
        bytes32 program,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(program != "program" && program != 0);
        Decision memory decision = _decision(0, 0, evidence);
        decision.program = program;
        assert(!_executes(decision, _transfer(token, 1), _bounds(-1, 0), sig));
    }

    /* WHAT IS DONE IS NOT WHAT WAS SWORN */

    function check_nothingExecutes_withOtherCalls(
        bytes32 sworn,
        uint256 amount,
        bytes32 evidence,
        Signature memory sig
    ) public {
        Call[] memory calls = _transfer(token, amount);
        vm.assume(sworn != keccak256(abi.encode(calls)) && sworn != 0);
        Decision memory decision = _decision(0, 0, evidence);
        decision.calls = sworn;
        assert(!_executes(decision, calls, _bounds(-1, 0), sig));
    }

    function check_nothingExecutes_withOtherBounds(
        bytes32 sworn,
        int256 first,
        int256 second,
        bytes32 evidence,
        Signature memory sig
    ) public {
        int256[] memory bounds = _bounds(first, second);
        vm.assume(sworn != keccak256(abi.encode(bounds)) && sworn != 0);
        Decision memory decision = _decision(0, 0, evidence);
        decision.bounds = sworn;
        assert(!_executes(decision, _transfer(token, 1), bounds, sig));
    }

    /// @dev Whatever target and function: if it executes, the mandate lists it.
    function check_nothingExecutes_thatIsNotListed(
        address target,
        bytes4 selector,
        uint256 value,
        bytes32 word,
        Signature memory sig
    ) public {
        bool listed = selector == PlainToken.transfer.selector
            && (target == address(token) || target == address(other));
        vm.assume(!listed && (target != address(idle) || selector != idle.idle.selector));
        Call[] memory calls = new Call[](1);
        calls[0] = Call(target, value, abi.encodePacked(selector, word, word), address(0), 0);
        assert(!_executes(_decision(0, 0, 0), calls, _bounds(-1, 0), sig));
    }

    function _any(bytes32 evidence, uint256 amount, int256 bound, Signature memory sig)
        private
        returns (bool)
    {
        Decision memory decision = _decision(0, 0, evidence);
        return _executes(decision, _transfer(token, amount), _bounds(bound, 0), sig);
    }
}
