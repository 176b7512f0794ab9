// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Decision} from "../../contracts/types/Decision.sol";
import {Mandate} from "../../contracts/types/Mandate.sol";
import {GateProof} from "./GateProof.sol";
import {PlainToken} from "./Proof.sol";

/// @title Nothing executes without a live mandate, the current head, and what was sworn.
/// @notice One condition each; all else is as it should be, and the signature is open. Each refusal is
///         by its own name.
contract DecisionGateProof is GateProof {
    /// @dev Found to be false: an honest decision executes, so that the proofs are about something.
    function reach_anHonestDecision_executes(bytes32 evidence, Signature memory sig) public {
        assert(_transferred(_decision(evidence), sig) != EXECUTED);
    }

    /* THE MANDATE IS NOT LIVE */

    function check_nothingExecutes_onceRevoked(
        uint256 amount,
        int256 bound,
        bytes32 evidence,
        Signature memory sig
    ) public {
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (id)));
        _assertRefused(
            _outcome(
                _decision(evidence), _transfer(token, amount), _bounds(bound, 0), _packed(sig)
            ),
            IDecisionGate.MandateRevoked.selector
        );
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
        _assertRefused(
            _transferred(_decision(evidence), sig), IDecisionGate.MandateStopped.selector
        );
    }

    function check_nothingExecutes_beforeItIsLive(
        uint64 time,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(time >= TIME && time < TIME + 1 days);
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (1 days)));
        Mandate memory mandate = _mandate();
        mandate.salt = "later";
        id = _grant(mandate);
        vm.warp(time);
        _assertRefused(
            _transferred(_decision(evidence), sig), IDecisionGate.MandateNotLive.selector
        );
    }

    function check_nothingExecutes_onceExpired(uint64 time, bytes32 evidence, Signature memory sig)
        public
    {
        vm.assume(time >= EXPIRY);
        vm.warp(time);
        _assertRefused(
            _transferred(_decision(evidence), sig), IDecisionGate.MandateExpired.selector
        );
    }

    /// @dev Whatever name a decision has for a mandate, it was granted first.
    function check_nothingExecutes_whereNothingWasGranted(
        uint256 amount,
        int256 bound,
        bytes32 evidence,
        Signature memory sig
    ) public {
        id = keccak256("never granted");
        _assertRefused(
            _outcome(
                _decision(evidence), _transfer(token, amount), _bounds(bound, 0), _packed(sig)
            ),
            IDecisionGate.MandateUnknown.selector
        );
    }

    /* THE DECISION IS NOT ON THE HEAD, OR NOT IN THE NEWEST SLOT */

    function check_nothingExecutes_onAnotherHead(
        bytes32 previous,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(previous != id && previous != 0);
        Decision memory decision = _decision(evidence);
        decision.previous = previous;
        _assertRefused(_transferred(decision, sig), IDecisionGate.HeadMismatch.selector);
    }

    /// @dev Once one was executed, no second one of its slot is, whoever signs what.
    function check_nothingExecutes_twiceInASlot(
        bytes32 evidence,
        Signature memory sig,
        bytes32 again,
        Signature memory next
    ) public {
        vm.assume(_transferred(_decision(evidence), sig) == EXECUTED);
        _assertRefused(_transferred(_decision(again), next), IDecisionGate.SlotUsed.selector);
    }

    function check_nothingExecutes_inAnotherSlot(
        uint64 slot,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(slot != SLOT);
        Decision memory decision = _decision(evidence);
        decision.slot = slot;
        _assertRefused(_transferred(decision, sig), IDecisionGate.SlotNotNewest.selector);
    }

    function check_nothingExecutes_onAnotherAnchor(
        bytes32 anchorHash,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(anchorHash != blockhash(uint256(SLOT) * CADENCE) && anchorHash != 0);
        Decision memory decision = _decision(evidence);
        decision.anchorHash = anchorHash;
        _assertRefused(_transferred(decision, sig), IDecisionGate.AnchorMismatch.selector);
    }

    function check_nothingExecutes_afterItsTime(
        uint64 validUntil,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(validUntil < TIME);
        Decision memory decision = _decision(evidence);
        decision.validUntil = validUntil;
        _assertRefused(_transferred(decision, sig), IDecisionGate.DecisionExpired.selector);
    }

    function check_nothingExecutes_forAnotherProgram(
        bytes32 program,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(program != "program" && program != 0);
        Decision memory decision = _decision(evidence);
        decision.program = program;
        _assertRefused(_transferred(decision, sig), IDecisionGate.ProgramMismatch.selector);
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
        Decision memory decision = _decision(evidence);
        decision.calls = sworn;
        _assertRefused(
            _outcome(decision, calls, _bounds(-1, 0), _packed(sig)),
            IDecisionGate.CallsMismatch.selector
        );
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
        Decision memory decision = _decision(evidence);
        decision.bounds = sworn;
        _assertRefused(
            _outcome(decision, _transfer(token, 1), bounds, _packed(sig)),
            IDecisionGate.BoundsMismatch.selector
        );
    }

    /// @dev Whatever target and function, as the first call or the second: the mandate lists it.
    function check_nothingExecutes_thatIsNotListed(
        address target,
        bytes4 selector,
        bytes32 word,
        bool second,
        Signature memory sig
    ) public {
        bool listed = selector == PlainToken.transfer.selector
            && (target == address(token) || target == address(other));
        vm.assume(!listed && (target != address(idle) || selector != idle.idle.selector));
        Call memory call = Call(target, 0, abi.encodePacked(selector, word, word), address(0), 0);
        Call[] memory calls = new Call[](second ? 2 : 1);
        calls[0] = second ? _transfer(token, 1)[0] : call;
        calls[calls.length - 1] = call;
        _assertRefused(
            _outcome(_decision(0), calls, _bounds(-1, 0), _packed(sig)),
            IDecisionGate.CallNotAllowed.selector
        );
    }

    /* THE OWNER'S EXIT */

    /// @dev Whatever the real gate and its registry hold, of any mandate, node, stop or queue: the owner
    ///      takes any amount that there is.
    function check_ownerExit_whateverTheGateHolds(uint256 amount) public {
        vm.assume(amount <= HELD);
        address registry = gate.nodeRegistry();
        vm.setArbitraryStorage(address(gate));
        vm.setArbitraryStorage(registry);
        bytes memory data = abi.encodeCall(PlainToken.transfer, (OWNER, amount));
        vm.prank(OWNER);
        try account.execute(address(token), 0, data) {
            assert(token.balanceOf(OWNER) == amount);
        } catch {
            assert(false);
        }
    }
}
