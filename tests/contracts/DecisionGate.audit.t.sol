// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Checkpoint} from "../../contracts/types/Checkpoint.sol";
import {Verdict} from "../../contracts/types/Verdict.sol";
import {LadderFixture} from "./LadderFixture.sol";
import {HistoryDouble} from "./mocks/Doubles.sol";

/// @title What endorsers can say afterwards: checkpoints and verdicts; and what accounts can: bans.
contract DecisionGateAuditTest is LadderFixture {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /* CHECKPOINTS: ATTACKS FIRST */

    function test_checkpoint_reverts_whenTooFewSign() public {
        Checkpoint memory audited = _audited();
        _refuseCheckpoint(
            audited,
            _signatures(_digest(audited), _secrets(1)),
            abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 1, 2)
        );
    }

    function test_checkpoint_reverts_whenOneSignsTwice_orOutOfOrder() public {
        Checkpoint memory audited = _audited();
        bytes memory one = _signed(endorserSecrets[0], _digest(audited));
        bytes memory two = _signed(endorserSecrets[1], _digest(audited));
        _refuseCheckpoint(
            audited,
            bytes.concat(one, one),
            abi.encodeWithSelector(
                IDecisionGate.EndorsersUnordered.selector, endorsers[0], endorsers[0]
            )
        );
        _refuseCheckpoint(
            audited,
            bytes.concat(two, one),
            abi.encodeWithSelector(
                IDecisionGate.EndorsersUnordered.selector, endorsers[0], endorsers[1]
            )
        );
    }

    function test_checkpoint_reverts_whenAStrangerOrTheNodeSigns() public {
        Checkpoint memory audited = _audited();
        uint256[2] memory secrets = [uint256(7), NODE_SECRET];
        for (uint256 i = 0; i < 2; i++) {
            uint256[] memory both = new uint256[](2);
            (both[0], both[1]) = (secrets[i], endorserSecrets[0]);
            if (vm.addr(both[0]) > vm.addr(both[1])) (both[0], both[1]) = (both[1], both[0]);
            _refuseCheckpoint(
                audited,
                _signatures(_digest(audited), both),
                abi.encodeWithSelector(IDecisionGate.EndorserUnknown.selector, vm.addr(secrets[i]))
            );
        }
    }

    function test_checkpoint_reverts_whenSignaturesAreMalformed() public {
        Checkpoint memory audited = _audited();
        bytes memory whole = _signatures(_digest(audited), _secrets(2));
        uint256[5] memory lengths = [uint256(0), 64, 66, 129, 131];
        for (uint256 i = 0; i < 5; i++) {
            bytes memory cut = new bytes(lengths[i]);
            for (uint256 j = 0; j < lengths[i] && j < 130; j++) {
                cut[j] = whole[j];
            }
            _refuseCheckpoint(
                audited,
                cut,
                abi.encodeWithSelector(IDecisionGate.SignatureMalformed.selector, lengths[i])
            );
        }
    }

    /// @dev Every field, the chain and the gate are part of what was signed.
    function testFuzz_checkpoint_reverts_whenAnyFieldIsChanged(uint8 field, uint256 noise) public {
        Checkpoint memory audited = _audited();
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        bytes32 sworn = _digest(audited);
        field = field % 3;
        if (field == 0) audited.head ^= bytes32(noise);
        if (field == 1) audited.outflow = _fold(noise, 1, audited.outflow);
        if (field == 2) {
            audited.anchor -= uint64(_fold(noise, 0, 200));
            audited.anchorHash = blockhash(audited.anchor);
        }
        vm.assume(_digest(audited) != sworn);
        bytes32 before = _state(audited.mandate);
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.checkpoint(audited, signatures);
        vm.assertEq(_state(audited.mandate), before, "state");
    }

    function test_checkpoint_reverts_whenSignedForAnotherChainOrGate() public {
        Checkpoint memory audited = _audited();
        vm.chainId(2);
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        vm.chainId(31337);
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.checkpoint(audited, signatures);
        address other = address(0x6A7E);
        vm.etch(other, address(gate).code);
        bytes32 digest = keccak256(
            abi.encodePacked(
                hex"1901", IDecisionGate(other).domainSeparator(), this.structHashOf(audited)
            )
        );
        signatures = _signatures(digest, _secrets(2));
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.checkpoint(audited, signatures);
        vm.assertEq(gate.stateOf(audited.mandate).audited, 0, "audited");
    }

    /// @dev Same chain id, same outflow, another history: the anchor is not this chain's.
    function test_checkpoint_reverts_onAForkOrAfterAReorganisation() public {
        Checkpoint memory audited = _audited();
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        bytes32 fork = keccak256("another block");
        vm.setBlockhash(audited.anchor, fork);
        _refuseCheckpoint(
            audited,
            signatures,
            _error(IDecisionGate.AnchorMismatch.selector, audited.anchorHash, fork)
        );
    }

    function test_checkpoint_reverts_whenTheAnchorIsForgottenOrToCome() public {
        Checkpoint memory audited = _audited();
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        vm.roll(audited.anchor + 257);
        _refuseCheckpoint(
            audited,
            signatures,
            _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(audited.anchor)))
        );
        audited.anchor = uint64(vm.getBlockNumber());
        _refuseCheckpoint(
            audited,
            signatures,
            _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(audited.anchor)))
        );
    }

    /// @dev With the history contract, for a day.
    function test_checkpoint_readsOldAnchorsFromTheHistory() public {
        Checkpoint memory audited = _audited();
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        vm.roll(audited.anchor + 8000);
        vm.etch(HISTORY, address(new HistoryDouble()).code);
        HistoryDouble(HISTORY).set(audited.anchor, audited.anchorHash);
        gate.checkpoint(audited, signatures);
        vm.assertEq(_unaudited(audited.mandate), 0, "unaudited");
    }

    function test_checkpoint_reverts_whenItAuditsMoreThanThereWas() public {
        Checkpoint memory audited = _audited();
        audited.outflow += 1;
        _refuseCheckpoint(
            audited,
            _signatures(_digest(audited), _secrets(3)),
            abi.encodeWithSelector(
                IDecisionGate.CheckpointAhead.selector, audited.outflow, audited.outflow - 1
            )
        );
    }

    function test_checkpoint_reverts_whenReplayed_orOlder() public {
        Submission memory s = _climb(600);
        s.decision.previous = _execute(s);
        Checkpoint memory older = _checkpoint(s.decision.mandate);
        bytes memory olderSigned = _signatures(_digest(older), _secrets(2));
        _nextSlot(s, 1);
        _endorse(s, 1);
        _execute(s);
        Checkpoint memory newer = _checkpoint(s.decision.mandate);
        gate.checkpoint(newer, _signatures(_digest(newer), _secrets(2)));
        vm.assertEq(_unaudited(s.decision.mandate), 0, "unaudited");
        // Neither of them once more.
        _refuseCheckpoint(older, olderSigned, _old(600 * DOLLAR, 1200 * DOLLAR));
        _refuseCheckpoint(
            newer, _signatures(_digest(newer), _secrets(2)), _old(1200 * DOLLAR, 1200 * DOLLAR)
        );
    }

    function test_checkpoint_reverts_whenNothingWasAtRisk() public {
        Submission memory s = _climb(600);
        Checkpoint memory nothing = _checkpoint(s.decision.mandate);
        _refuseCheckpoint(nothing, _signatures(_digest(nothing), _secrets(2)), _old(0, 0));
    }

    function test_checkpoint_reverts_withoutEndorsers() public {
        Submission memory s = _honest();
        _execute(s);
        Checkpoint memory audited = _checkpoint(s.decision.mandate);
        _refuseCheckpoint(
            audited,
            _signatures(_digest(audited), _secrets(2)),
            abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 2, 0)
        );
    }

    function test_checkpoint_reverts_whenTheMandateIsUnknown() public {
        Checkpoint memory audited = _audited();
        audited.mandate = bytes32(uint256(7));
        vm.expectRevert(_error(IDecisionGate.MandateUnknown.selector, audited.mandate));
        gate.checkpoint(audited, "");
    }

    /* CHECKPOINTS */

    /// @dev A checkpoint of an older head leaves what came after it unaudited, and is in nobody's
    ///      way: the decision that executes in between neither stops it nor is covered by it.
    function test_checkpoint_landsWhileDecisionsExecute() public {
        Submission memory s = _climb(600);
        bytes32 first = _execute(s);
        s.decision.previous = first;
        Checkpoint memory audited = _checkpoint(s.decision.mandate);
        bytes memory signatures = _signatures(_digest(audited), _secrets(2));
        _nextSlot(s, 1);
        _endorse(s, 1);
        bytes32 second = _execute(s);
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.CheckpointReached(s.decision.mandate, first, 600 * DOLLAR);
        gate.checkpoint(audited, signatures);
        IDecisionGate.MandateState memory state = gate.stateOf(s.decision.mandate);
        vm.assertEq(state.head, second, "head");
        vm.assertEq(state.outflow, 1200 * DOLLAR, "outflow");
        vm.assertEq(state.audited, 600 * DOLLAR, "audited");
        // 600 unaudited dollars: another 400 need a signature only.
        s.decision.previous = second;
        _risk(s, 400);
        _nextSlot(s, 2);
        _execute(s);
    }

    function test_checkpoint_makesRoomOnTheLadder() public {
        Submission memory s = _climb(1000);
        for (uint64 i = 1; i < 6; i++) {
            s.decision.previous = _execute(s);
            Checkpoint memory audited = _checkpoint(s.decision.mandate);
            gate.checkpoint(audited, _signatures(_digest(audited), _secrets(2)));
            _nextSlot(s, i);
        }
        _execute(s);
        vm.assertEq(gate.stateOf(s.decision.mandate).outflow, 6000 * DOLLAR, "outflow");
        vm.assertEq(_unaudited(s.decision.mandate), 1000 * DOLLAR, "unaudited");
    }

    /// @dev Whatever executes and whatever is audited: the two sums never fall, the audited one
    ///      never passes the other, and the difference is what was executed since.
    function testFuzz_checkpoint_neverCoversWhatCameAfter(
        uint16[6] calldata risks,
        uint8[6] calldata audits
    ) public {
        Submission memory s = _climb(1);
        bytes32 id = s.decision.mandate;
        uint256[7] memory outflows;
        uint256 audited;
        for (uint64 i = 0; i < 6; i++) {
            _risk(s, _fold(risks[i], 1, 700));
            s.decision.previous = gate.headOf(id);
            _nextSlot(s, i + 1);
            _endorse(s, 1);
            _execute(s);
            outflows[i + 1] = gate.stateOf(id).outflow;
            vm.assertGe(outflows[i + 1], outflows[i], "outflow");

            Checkpoint memory it = _checkpoint(id);
            it.outflow = outflows[audits[i] % (i + 2)];
            try gate.checkpoint(it, _signatures(_digest(it), _secrets(2))) {
                vm.assertGe(it.outflow, audited + 1, "moved");
                audited = it.outflow;
            } catch {
                vm.assertLe(it.outflow, audited, "refused");
            }
            vm.assertEq(gate.stateOf(id).audited, audited, "audited");
            vm.assertEq(_unaudited(id), outflows[i + 1] - audited, "unaudited");
        }
    }

    /* BANS */

    function test_banKey_byTheAccount_isAtOnceAndForGood() public {
        Submission memory s = _climb(100);
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.KeyBanned(s.decision.mandate, node, 0);
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, node)));
        vm.assertTrue(gate.isBanned(s.decision.mandate, node), "banned");
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeBanned.selector, node));
        // Not even announced anew.
        vm.prank(node);
        registry.announce(model, engine, uint64(START_TIME + 60 days));
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeBanned.selector, node));
    }

    /// @dev Of one key and one mandate: nothing else stops.
    function test_banKey_leavesOtherKeysAndMandates() public {
        Submission memory s = _climb(100);
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, vm.addr(9))));
        _execute(s);
        Submission memory other = _draft(_laddered());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        _risk(other, 100);
        _byOwner(abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, node)));
        _execute(other);
    }

    function test_banKey_reverts_whenNotAccount() public {
        Submission memory s = _climb(100);
        address[5] memory others = [address(this), operator, guardian, owner, endorsers[0]];
        for (uint256 i = 0; i < 5; i++) {
            vm.prank(others[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDecisionGate.NotAccount.selector, others[i], address(account)
                )
            );
            gate.banKey(s.decision.mandate, node);
        }
        _execute(s);
    }

    function test_banKeyByVerdict_takesAQuorum_andAnyoneBringsIt() public {
        Submission memory s = _climb(100);
        bytes32 digest = _execute(s);
        Verdict memory verdict = Verdict(s.decision.mandate, node, digest);
        bytes memory one = _signatures(_digest(verdict), _secrets(1));
        vm.expectRevert(abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, 1, 2));
        gate.banKeyByVerdict(verdict, one);
        vm.assertFalse(gate.isBanned(s.decision.mandate, node), "banned by one");

        bytes memory two = _signatures(_digest(verdict), _secrets(2));
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.KeyBanned(s.decision.mandate, node, digest);
        gate.banKeyByVerdict(verdict, two);
        s.decision.previous = digest;
        _nextSlot(s, 1);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeBanned.selector, node));
    }

    /// @dev A checkpoint's signatures are no verdict's, nor one mandate's another's.
    function test_banKeyByVerdict_reverts_whenSomethingElseWasSigned() public {
        Submission memory s = _climb(100);
        _execute(s);
        Verdict memory verdict = Verdict(s.decision.mandate, node, 0);
        bytes memory other = _signatures(_digest(_checkpoint(s.decision.mandate)), _secrets(2));
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.banKeyByVerdict(verdict, other);
        bytes memory signatures = _signatures(_digest(verdict), _secrets(2));
        verdict.key = vm.addr(7);
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.banKeyByVerdict(verdict, signatures);
        verdict.mandate = bytes32(uint256(7));
        vm.expectRevert(_error(IDecisionGate.MandateUnknown.selector, verdict.mandate));
        gate.banKeyByVerdict(verdict, signatures);
        vm.assertFalse(gate.isBanned(s.decision.mandate, node), "banned");
    }

    /* KEYS BY TIME */

    /// @dev One key's end is another's beginning, and no slot is left without a key.
    function test_rotation_leavesNoGap() public {
        Submission memory s = _draft(_laddered());
        s.mandate.nodes = _twoNodes();
        _regrant(s);
        _risk(s, 10);
        uint64 handover = uint64(START_TIME + 1 hours);
        vm.prank(node);
        registry.announce(model, engine, handover);
        s.decision.previous = _execute(s);

        vm.warp(START_TIME + 30 minutes);
        vm.prank(vm.addr(7));
        registry.announce(model, engine, uint64(START_TIME + 30 days));
        // Both swear while both are valid.
        _nextSlot(s, 1);
        s.decision.previous = _execute(s);
        _nextSlot(s, 2);
        _sign(s, 7);
        s.decision.previous = _execute(s);
        // From the handover on, the successor alone.
        vm.warp(handover);
        wethFeed.set(int256(2000 * DOLLAR), handover);
        _nextSlot(s, 3);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeExpired.selector, node, handover));
        _sign(s, 7);
        _execute(s);
        bytes32 service = keccak256(abi.encode(model, engine));
        vm.assertTrue(registry.servedAt(node, service, handover - 1), "predecessor then");
        vm.assertFalse(registry.servedAt(node, service, handover), "predecessor now");
        vm.assertTrue(registry.servedAt(vm.addr(7), service, handover), "successor now");
    }

    /* SHAPES */

    /// @dev 600 dollars executed, and what endorsers would sign of it.
    function _audited() private returns (Checkpoint memory) {
        Submission memory s = _climb(600);
        _execute(s);
        return _checkpoint(s.decision.mandate);
    }

    function _refuseCheckpoint(
        Checkpoint memory audited,
        bytes memory signatures,
        bytes memory reason
    ) private {
        bytes32 before = _state(audited.mandate);
        vm.expectRevert(reason);
        gate.checkpoint(audited, signatures);
        vm.assertEq(_state(audited.mandate), before, "state");
    }

    function _state(bytes32 mandateId) private view returns (bytes32) {
        return keccak256(abi.encode(gate.stateOf(mandateId)));
    }

    function _old(uint256 outflow, uint256 audited) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.CheckpointOld.selector, outflow, audited);
    }
}
