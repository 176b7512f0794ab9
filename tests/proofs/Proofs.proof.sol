// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {INodeRegistry} from "../../contracts/INodeRegistry.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Decision} from "../../contracts/types/Decision.sol";
import {Mandate, Rung} from "../../contracts/types/Mandate.sol";
import {GateProof} from "./GateProof.sol";
import {CheapFeed} from "./Proof.sol";

/// @title Nothing executes without a valid proof: the mandate's key swore exactly this.
contract NodeKeyProof is GateProof {
    /// @dev Whatever the signature: where it is not the key's over this decision's own digest, it is
    ///      refused, though another key that is announced likewise may have made it.
    function check_nothingExecutes_thatAnotherKeySwore(bytes32 evidence, Signature memory sig)
        public
    {
        Decision memory decision = _stated(evidence, _transfer(token, 1), _bounds(-1, 0));
        address signer = ecrecover(gate.digestOf(decision), sig.v, sig.r, sig.s);
        vm.assume(signer != NODE && signer != SILENT && signer != address(0));
        vm.assume(_wellFormed(sig));
        _assertRefused(_transferred(decision, sig), IDecisionGate.NodeNotPermitted.selector);
    }

    /// @dev A signature with a twin, an unknown recovery id, or one that recovers nobody.
    function check_nothingExecutes_thatNobodySwore(bytes32 evidence, Signature memory sig) public {
        Decision memory decision = _stated(evidence, _transfer(token, 1), _bounds(-1, 0));
        address signer = ecrecover(gate.digestOf(decision), sig.v, sig.r, sig.s);
        vm.assume(!_wellFormed(sig) || signer == address(0));
        _assertRefused(_transferred(decision, sig), IDecisionGate.SignatureMalformed.selector);
    }

    /// @dev A signature and some bytes more, or fewer.
    function check_nothingExecutes_withAnotherLength(
        bytes32 evidence,
        Signature memory sig,
        bool longer
    ) public {
        bytes memory proof = longer
            ? abi.encodePacked(sig.r, sig.s, sig.v, sig.v)
            : abi.encodePacked(sig.r, sig.s);
        _assertRefused(
            _outcome(_decision(evidence), _transfer(token, 1), _bounds(-1, 0), proof),
            IDecisionGate.SignatureMalformed.selector
        );
    }

    function check_nothingExecutes_onceTheKeyIsRevoked(bytes32 evidence, Signature memory sig)
        public
    {
        INodeRegistry registry = INodeRegistry(gate.nodeRegistry());
        vm.prank(NODE);
        registry.revoke();
        _assertRefused(_swornByNode(evidence, sig), IDecisionGate.NodeRevoked.selector);
    }

    function check_nothingExecutes_onceTheKeyIsBanned(bytes32 evidence, Signature memory sig)
        public
    {
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (id, NODE)));
        _assertRefused(_swornByNode(evidence, sig), IDecisionGate.NodeBanned.selector);
    }

    /// @dev While the mandate lasts on: the key is announced anew, for less long.
    function check_nothingExecutes_onceTheKeyIsOver(
        uint64 time,
        bytes32 evidence,
        Signature memory sig
    ) public {
        INodeRegistry registry = INodeRegistry(gate.nodeRegistry());
        vm.prank(NODE);
        registry.announce("model", "engine", TIME + 1);
        vm.assume(time > TIME && time < EXPIRY);
        vm.warp(time);
        _assertRefused(_swornByNode(evidence, sig), IDecisionGate.NodeExpired.selector);
    }

    function check_nothingExecutes_ofAKeyThatWasNeverAnnounced(
        bytes32 evidence,
        Signature memory sig
    ) public {
        _assertRefused(_swornBy(SILENT, evidence, sig), IDecisionGate.NodeUnannounced.selector);
    }

    function _swornByNode(bytes32 evidence, Signature memory sig) private returns (bytes4) {
        return _swornBy(NODE, evidence, sig);
    }

    function _swornBy(address key, bytes32 evidence, Signature memory sig)
        private
        returns (bytes4)
    {
        Decision memory decision = _stated(evidence, _transfer(token, 1), _bounds(-1, 0));
        vm.assume(ecrecover(gate.digestOf(decision), sig.v, sig.r, sig.s) == key);
        vm.assume(_wellFormed(sig));
        return _transferred(decision, sig);
    }

    function _wellFormed(Signature memory sig) private pure returns (bool) {
        return (sig.v == 27 || sig.v == 28) && uint256(sig.s) <= HALF_ORDER;
    }
}

/// @title Nothing executes with fewer endorsements than its rung asks for, or others.
contract EndorsementsProof is GateProof {
    /// @dev Found to be false: with one, it executes.
    function reach_anEndorsedDecision_executes(
        bytes32 evidence,
        Signature memory sig,
        Signature memory endorsement
    ) public {
        bytes memory proof = bytes.concat(_packed(sig), _packed(endorsement));
        assert(
            _outcome(_decision(evidence), _transfer(token, 1), _bounds(-1, 0), proof) != EXECUTED
        );
    }

    function check_nothingExecutes_unendorsed(bytes32 evidence, Signature memory sig) public {
        Decision memory decision = _stated(evidence, _transfer(token, 1), _bounds(-1, 0));
        vm.assume(ecrecover(gate.digestOf(decision), sig.v, sig.r, sig.s) == NODE);
        vm.assume((sig.v == 27 || sig.v == 28) && uint256(sig.s) <= HALF_ORDER);
        _assertRefused(_transferred(decision, sig), IDecisionGate.EndorsementsMissing.selector);
    }

    /// @dev Whoever signed second, if not the endorser, was refused.
    function check_nothingExecutes_thatAStrangerEndorsed(
        bytes32 evidence,
        Signature memory sig,
        Signature memory endorsement
    ) public {
        Decision memory decision = _stated(evidence, _transfer(token, 1), _bounds(-1, 0));
        bytes32 digest = gate.digestOf(decision);
        address endorser = ecrecover(digest, endorsement.v, endorsement.r, endorsement.s);
        vm.assume(endorser != ENDORSER);
        bytes memory proof = bytes.concat(_packed(sig), _packed(endorsement));
        assert(_outcome(decision, _transfer(token, 1), _bounds(-1, 0), proof) != EXECUTED);
    }

    function _mandate() internal override returns (Mandate memory mandate) {
        mandate = super._mandate();
        mandate.endorsers = new address[](1);
        mandate.endorsers[0] = ENDORSER;
        mandate.quorum = 1;
        mandate.ladder[0] = Rung(LIMIT, 0, 1, 0);
    }
}

/// @title Nothing executes below the tier of its rung, before its delay, or above the last rung.
contract RungProof is GateProof {
    function check_nothingExecutes_belowTheTier(bytes32 evidence, Signature memory sig) public {
        Mandate memory mandate = _mandate();
        mandate.nodes[1].tier = 1;
        mandate.ladder[0] = Rung(LIMIT, 1, 0, 0);
        _assertRefused(_swornUnder(mandate, -1, evidence, sig), IDecisionGate.TierTooLow.selector);
    }

    function check_nothingExecutes_beforeItsDelay(bytes32 evidence, Signature memory sig) public {
        Mandate memory mandate = _mandate();
        mandate.ladder[0] = Rung(LIMIT, 0, 0, 1 hours);
        _assertRefused(
            _swornUnder(mandate, -1, evidence, sig), IDecisionGate.DelayNotServed.selector
        );
    }

    /// @dev At a price of one unit, so that values are amounts.
    function check_nothingExecutes_aboveTheLastRung(
        int64 bound,
        bytes32 evidence,
        Signature memory sig
    ) public {
        vm.assume(bound < -500);
        Mandate memory mandate = _mandate();
        mandate.feeds[0].aggregator = address(new CheapFeed());
        mandate.ladder[0].limit = 500;
        _assertRefused(
            _swornUnder(mandate, bound, evidence, sig), IDecisionGate.RungExceeded.selector
        );
    }

    function _swornUnder(
        Mandate memory mandate,
        int256 bound,
        bytes32 evidence,
        Signature memory sig
    ) private returns (bytes4) {
        id = _grant(mandate);
        Call[] memory calls = _transfer(token, 1);
        Decision memory decision = _stated(evidence, calls, _bounds(bound, 0));
        vm.assume(ecrecover(gate.digestOf(decision), sig.v, sig.r, sig.s) == NODE);
        vm.assume((sig.v == 27 || sig.v == 28) && uint256(sig.s) <= HALF_ORDER);
        return _outcome(decision, calls, _bounds(bound, 0), _packed(sig));
    }
}
