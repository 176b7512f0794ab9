// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {Mandate, hashMandate} from "../../../contracts/types/Mandate.sol";
import {AttackTable} from "./AttackTable.sol";

/// @title Attacks on who swore, to what, where and when.
contract OathAttacksTest is AttackTable {
    /// @dev Order of secp256k1.
    uint256 private constant ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function test_attacks_onTheOath() public {
        bytes4 malformed = IDecisionGate.SignatureMalformed.selector;
        bytes4 nobody = IDecisionGate.NodeNotPermitted.selector;
        _add("the malleable twin of the node's signature is used", malformed, _twin);
        _add("a signature that recovers to the zero address is used", malformed, _zero);
        _add("a signature is a byte short", malformed, _short);
        _add("a signature is a byte long", malformed, _long);
        _add("there is no signature", malformed, _none);
        _add("a compact signature of 64 bytes is used", malformed, _compact);
        _add("a stranger's key swears", nobody, _stranger);
        _add("an oath for another chain is used", nobody, _otherChain);
        _add("an oath of before a fork is used under the fork's own id", nobody, _forkedId);
        _add(
            "an oath of one side of a fork is used on the other, of the same id",
            IDecisionGate.AnchorMismatch.selector,
            _forkedHistory
        );
        _add("an oath for another gate is used", nobody, _otherGate);
        _add("an oath for another mandate of the account is used", nobody, _otherMandate);
        _add("an endorser signs twice", IDecisionGate.EndorsersUnordered.selector, _endorsedTwice);
        _add(
            "endorsers sign in the wrong order",
            IDecisionGate.EndorsersUnordered.selector,
            _endorsersSwapped
        );
        _add("the node endorses itself", IDecisionGate.NodeEndorsesItself.selector, _selfEndorsed);
        _add("a stranger endorses", IDecisionGate.EndorserUnknown.selector, _strangerEndorses);
        _add(
            "an endorsement of another decision is used",
            IDecisionGate.EndorserUnknown.selector,
            _endorsementReused
        );
        _add("the calls are exchanged", IDecisionGate.CallsMismatch.selector, _callsExchanged);
        _add("a bound is loosened", IDecisionGate.BoundsMismatch.selector, _boundLoosened);
        _add("the calls of a blank decision are exchanged", nobody, _blankCallsExchanged);
        _add("the evidence's hash is exchanged", nobody, _evidenceExchanged);
        _add("a decision is executed twice", IDecisionGate.HeadMismatch.selector, _replayed);
        _add("a blank decision is executed twice", IDecisionGate.SlotUsed.selector, _replayedBlank);
        _add("two decisions race for one head", IDecisionGate.HeadMismatch.selector, _headRaced);
        _add("a decision of an older slot is kept back", IDecisionGate.SlotNotNewest.selector, _old);
        _add(
            "a decision is kept back until it is over",
            IDecisionGate.DecisionExpired.selector,
            _over
        );
        _add(
            "the anchor is reorganised away", IDecisionGate.AnchorMismatch.selector, _forkedHistory
        );
        _add("a revoked key swears", IDecisionGate.NodeRevoked.selector, _revokedKey);
        _add("a banned key swears", IDecisionGate.NodeBanned.selector, _bannedKey);
        _add("a key swears whose time is over", IDecisionGate.NodeExpired.selector, _expiredKey);
        _play(30, 30);
    }

    /* SIGNATURES */

    function _twin() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(NODE_SECRET, gate.digestOf(s.decision));
        s.proof = abi.encodePacked(r, bytes32(ORDER - uint256(z)), v == 27 ? uint8(28) : uint8(27));
        return _submitted(s);
    }

    function _zero() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.proof = abi.encodePacked(bytes32(0), bytes32(uint256(1)), uint8(27));
        return _submitted(s);
    }

    function _short() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes memory proof = s.proof;
        assembly {
            mstore(proof, 64)
        }
        return _submitted(s);
    }

    function _long() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.proof = bytes.concat(s.proof, hex"00");
        return _submitted(s);
    }

    function _none() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.proof = "";
        return _submitted(s);
    }

    /// @dev ERC-2098: s and the parity of v in one word.
    function _compact() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(NODE_SECRET, gate.digestOf(s.decision));
        s.proof = abi.encodePacked(r, bytes32(uint256(z) | uint256(v - 27) << 255));
        return _submitted(s);
    }

    function _stranger() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        _sign(s, _key("stranger"));
        return _submitted(s);
    }

    function _otherChain() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.chainId(2);
        _sign(s, NODE_SECRET);
        vm.chainId(31337);
        return _submitted(s);
    }

    function _forkedId() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.chainId(31338);
        return _submitted(s);
    }

    function _forkedHistory() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.setBlockhash(uint256(SLOT) * CADENCE, keccak256("the other side"));
        return _submitted(s);
    }

    function _otherGate() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        address other = address(0x6A7E);
        vm.etch(other, address(gate).code);
        s.proof = _signed(NODE_SECRET, IDecisionGate(other).digestOf(s.decision));
        return _submitted(s);
    }

    function _otherMandate() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        Mandate memory other = _laddered();
        other.salt = keccak256("other");
        _grant(other);
        s.mandate = other;
        s.decision.mandate = hashMandate(other);
        s.decision.previous = s.decision.mandate;
        return _submitted(s);
    }

    /* ENDORSEMENTS */

    function _endorsedTwice() private returns (Attempt memory) {
        Submission memory s = _climb(3000);
        uint256[] memory secrets = new uint256[](2);
        (secrets[0], secrets[1]) = (endorserSecrets[0], endorserSecrets[0]);
        _endorse(s, secrets);
        return _submitted(s);
    }

    function _endorsersSwapped() private returns (Attempt memory) {
        Submission memory s = _climb(3000);
        uint256[] memory secrets = new uint256[](2);
        (secrets[0], secrets[1]) = (endorserSecrets[1], endorserSecrets[0]);
        _endorse(s, secrets);
        return _submitted(s);
    }

    function _selfEndorsed() private returns (Attempt memory) {
        Submission memory s = _climb(3000);
        uint256[] memory secrets = new uint256[](1);
        secrets[0] = NODE_SECRET;
        _endorse(s, secrets);
        return _submitted(s);
    }

    function _strangerEndorses() private returns (Attempt memory) {
        Submission memory s = _climb(3000);
        uint256[] memory secrets = new uint256[](1);
        secrets[0] = _key("stranger");
        _endorse(s, secrets);
        return _submitted(s);
    }

    function _endorsementReused() private returns (Attempt memory) {
        Submission memory s = _climb(3000);
        _endorse(s, 1);
        bytes memory earlier = s.proof;
        s.decision.evidence = keccak256("other evidence");
        _seal(s);
        bytes memory endorsement = new bytes(65);
        for (uint256 i = 0; i < 65; i++) {
            endorsement[i] = earlier[65 + i];
        }
        s.proof = bytes.concat(s.proof, endorsement);
        return _submitted(s);
    }

    /* CONTENT */

    function _callsExchanged() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.calls[0] = _sale(0.25e18, 0);
        return _submitted(s);
    }

    function _boundLoosened() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.bounds[1] = 0;
        return _submitted(s);
    }

    function _blankCallsExchanged() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.decision.calls = 0;
        s.calls[0] = _sale(0.25e18, 0);
        return _submitted(s);
    }

    function _evidenceExchanged() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.decision.evidence = keccak256("other evidence");
        return _submitted(s);
    }

    /* ORDER AND TIME */

    function _replayed() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        _execute(s);
        return _submitted(s);
    }

    function _replayedBlank() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.decision.previous = 0;
        _execute(s);
        return _submitted(s);
    }

    function _headRaced() private returns (Attempt memory) {
        Submission memory first = _climb(500);
        Submission memory second = _draft(_laddered());
        _risk(second, 400);
        _execute(first);
        return _submitted(second);
    }

    function _old() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.roll(START_BLOCK + CADENCE);
        return _submitted(s);
    }

    function _over() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        s.decision.validUntil = uint64(START_TIME);
        _seal(s);
        vm.warp(START_TIME + 1);
        return _submitted(s);
    }

    /* KEYS */

    function _revokedKey() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.prank(node);
        registry.revoke();
        return _submitted(s);
    }

    function _bannedKey() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, node)));
        return _submitted(s);
    }

    function _expiredKey() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.prank(node);
        registry.announce(model, engine, uint64(START_TIME + 1));
        vm.warp(START_TIME + 1);
        return _submitted(s);
    }
}
