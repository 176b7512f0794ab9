// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../../contracts/IMandateChecks.sol";
import {Checkpoint} from "../../../contracts/types/Checkpoint.sol";
import {Permission, Rule, Workload, hashMandate} from "../../../contracts/types/Mandate.sol";
import {Verdict} from "../../../contracts/types/Verdict.sol";
import {AttestationDouble, RuleDouble} from "../mocks/Doubles.sol";
import {TestToken} from "../mocks/TestToken.sol";
import {AttackTable} from "./AttackTable.sol";

/// @title Attacks by those who have some power, and what no mandate can list.
contract PowersAttacksTest is AttackTable {
    function test_attacks_byThoseInPower() public {
        bytes4 notAccount = IDecisionGate.NotAccount.selector;
        bytes4 missing = IDecisionGate.EndorsementsMissing.selector;
        // A malicious creator of mandates
        _add("a stranger grants a mandate on the account", notAccount, _strangerGrants);
        _add(
            "a stranger makes up a mandate and has refusals recorded",
            IDecisionGate.MandateUnknown.selector,
            _madeUp
        );
        _add("a revoked mandate is granted again", IDecisionGate.MandateExists.selector, _again);
        _add("a stolen owner's key grants at once", IDecisionGate.MandateNotLive.selector, _notLive);
        _add("a mandate is too large to be kept", IDecisionGate.MandateTooLarge.selector, _tooLarge);
        _add("a list is too long to be walked", IMandateChecks.ListTooLong.selector, _tooLong);
        _add("a mandate measures nothing", IMandateChecks.NoAssetTracked.selector, _unmeasured);
        _add("a mandate has an empty ladder", IMandateChecks.NoRung.selector, _noLadder);
        // A guardian who goes rogue
        _add("the guardian stops it twice", IDecisionGate.StopUsed.selector, _stopsTwice);
        _add("the guardian stops it for ever", IDecisionGate.StopTooLong.selector, _stopsForEver);
        _add(
            "the guardian shortens the account's stop",
            IDecisionGate.StopShorter.selector,
            _shortens
        );
        _add("the guardian revokes", notAccount, _guardianRevokes);
        _add("the guardian resumes", notAccount, _guardianResumes);
        _add("the guardian bans a key", notAccount, _guardianBans);
        _add(
            "the guardian cancels what does not wait",
            IDecisionGate.NotQueued.selector,
            _guardianCancels
        );
        _add("the guardian submits", IDecisionGate.NotOperator.selector, _guardianSubmits);
        // Endorsers, alone or too eager
        _add("one endorser says that all is audited", missing, _loneCheckpoint);
        _add("one endorser bans the node", missing, _loneVerdict);
        _add("endorsers audit ahead", IDecisionGate.CheckpointAhead.selector, _ahead);
        _add("an old checkpoint comes again", IDecisionGate.CheckpointOld.selector, _oldCheckpoint);
        _add(
            "a checkpoint of a fork is used",
            IDecisionGate.AnchorMismatch.selector,
            _forkedCheckpoint
        );
        // Delays
        _add("a delay is not queued", IDecisionGate.DelayNotServed.selector, _unqueued);
        _add(
            "a thousand blocks are stuffed into a minute",
            IDecisionGate.DelayNotServed.selector,
            _stuffed
        );
        _add(
            "blocks are stuffed until it is over",
            IDecisionGate.DecisionExpired.selector,
            _stuffedOver
        );
        _add("a cancelled decision executes", IDecisionGate.HeadMismatch.selector, _cancelled);
        _add(
            "a second decision overtakes the one that waits",
            IDecisionGate.HeadQueued.selector,
            _overtakes
        );
        // The registry
        _add("a stranger tells the gate of a key", IDecisionGate.NotNodeRegistry.selector, _noted);
        _play(27, 6);
    }

    /* WHAT NO MANDATE CAN LIST */

    AttestationDouble private attestation = new AttestationDouble();

    function test_attacks_byListing() public {
        bytes4 target = IMandateChecks.TargetForbidden.selector;
        RuleDouble rule = new RuleDouble();
        address[7] memory forbidden = [
            address(gate),
            address(account),
            address(registry),
            address(models),
            address(wethFeed),
            address(rule),
            address(attestation)
        ];
        for (uint256 i = 0; i < 7; i++) {
            _listing("a target that is relied on", forbidden[i], bytes4(0x12345678), target, rule);
        }
        string[18] memory signatures = [
            "approve(address,uint256)",
            "increaseAllowance(address,uint256)",
            "setApprovalForAll(address,bool)",
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            "approve(address,address,uint160,uint48)",
            "permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)",
            "approveDelegation(address,uint256)",
            "delegationWithSig(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            "delegate(address)",
            "enableModule(address)",
            "setGuard(address)",
            "setFallbackHandler(address)",
            "execTransactionFromModule(address,uint256,bytes,uint8)",
            "transferOwnership(address)",
            "upgradeToAndCall(address,bytes)",
            "multicall(bytes[])",
            "setPreSignature(bytes,bool)",
            "grantRole(bytes32,address)"
        ];
        for (uint256 i = 0; i < 18; i++) {
            bytes4 selector = bytes4(keccak256(bytes(signatures[i])));
            _listing(
                signatures[i],
                address(venue),
                selector,
                IMandateChecks.SelectorForbidden.selector,
                rule
            );
        }
        string[3] memory moves = [
            "safeTransferFrom(address,address,uint256)",
            "safeTransferFrom(address,address,uint256,uint256,bytes)",
            // Another name of transferFrom's selector: lists know selectors, not names.
            "gasprice_bit_ether(int128)"
        ];
        for (uint256 i = 0; i < 3; i++) {
            bytes4 selector = bytes4(keccak256(bytes(moves[i])));
            _listing(
                moves[i], address(venue), selector, IMandateChecks.TransferUntracked.selector, rule
            );
        }
        _listing(
            "an account of a key",
            address(0xE0A),
            bytes4(0x12345678),
            IMandateChecks.TargetWithoutCode.selector,
            rule
        );
    }

    function test_attacks_collision_isReal() public pure {
        vm.assertEq(
            bytes32(bytes4(keccak256("gasprice_bit_ether(int128)"))),
            bytes32(TestToken.transferFrom.selector),
            "the same selector"
        );
    }

    function _listing(
        string memory name,
        address target,
        bytes4 selector,
        bytes4 expected,
        RuleDouble rule
    ) private {
        Submission memory s = _draft(_laddered());
        s.mandate.rules = new Rule[](1);
        s.mandate.rules[0] = Rule(address(rule), "");
        s.mandate.workloads = new Workload[](1);
        s.mandate.workloads[0] = Workload(address(attestation), keccak256("measurement"));
        s.mandate.allowList[0] = Permission(target, selector);
        Picture memory before = _picture(s);
        vm.prank(address(account));
        (bool success, bytes memory reason) =
            address(gate).call(abi.encodeCall(IDecisionGate.grant, (s.mandate)));
        vm.assertFalse(success, name);
        vm.assertEq(bytes4(reason), expected, name);
        vm.assertEq(gate.headOf(hashMandate(s.mandate)), bytes32(0), name);
        _assertUnchanged(s, before);
    }

    /* CREATORS */

    function _strangerGrants() private view returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        return _sent(s, address(0xBAD), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
    }

    function _madeUp() private view returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        s.mandate.operator = address(0xBAD);
        _reseal(s);
        return _sent(
            s,
            address(0xBAD),
            abi.encodeCall(IDecisionGate.tryExecute, (s.decision, s.calls, s.bounds, s.proof))
        );
    }

    function _again() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
        return _byAccount(s);
    }

    function _notLive() private returns (Attempt memory) {
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (1 days)));
        return _submitted(_climb(500));
    }

    function _tooLarge() private returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        s.mandate.rules = new Rule[](1);
        s.mandate.rules[0] = Rule(address(new RuleDouble()), new bytes(24_576));
        return _byAccount(s);
    }

    function _tooLong() private view returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        s.mandate.allowList = new Permission[](65);
        return _byAccount(s);
    }

    function _unmeasured() private view returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        delete s.mandate.tracked;
        return _byAccount(s);
    }

    function _noLadder() private view returns (Attempt memory) {
        Submission memory s = _draft(_laddered());
        delete s.mandate.ladder;
        return _byAccount(s);
    }

    /* THE GUARDIAN */

    function _stopsTwice() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        vm.prank(guardian);
        gate.stop(s.decision.mandate, uint64(START_TIME + 1 days));
        return _sent(s, guardian, _stop(s, START_TIME + 2 days));
    }

    function _stopsForEver() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        return _sent(s, guardian, _stop(s, START_TIME + 7 days + 1));
    }

    function _shortens() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        _byOwner(_stop(s, START_TIME + 5 days));
        return _sent(s, guardian, _stop(s, START_TIME + 1));
    }

    function _guardianRevokes() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        return _sent(s, guardian, abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
    }

    function _guardianResumes() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        return _sent(s, guardian, abi.encodeCall(IDecisionGate.resume, (s.decision.mandate)));
    }

    function _guardianBans() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        return _sent(s, guardian, abi.encodeCall(IDecisionGate.banKey, (s.decision.mandate, node)));
    }

    function _guardianCancels() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes32 id = s.decision.mandate;
        return _sent(s, guardian, abi.encodeCall(IDecisionGate.cancel, (id, id)));
    }

    function _guardianSubmits() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        return _sent(s, guardian, _calldata(s));
    }

    /* ENDORSERS */

    function _loneCheckpoint() private returns (Attempt memory) {
        Submission memory s = _executed();
        return _checkpointed(s, _checkpoint(s.decision.mandate), 1);
    }

    function _loneVerdict() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        Verdict memory verdict = Verdict(s.decision.mandate, node, s.decision.mandate);
        bytes memory signatures = _signatures(_digest(verdict), _secrets(1));
        return _sent(
            s, endorsers[0], abi.encodeCall(IDecisionGate.banKeyByVerdict, (verdict, signatures))
        );
    }

    function _ahead() private returns (Attempt memory) {
        Submission memory s = _executed();
        Checkpoint memory it = _checkpoint(s.decision.mandate);
        it.outflow += 1;
        return _checkpointed(s, it, 2);
    }

    function _oldCheckpoint() private returns (Attempt memory) {
        Submission memory s = _executed();
        Checkpoint memory it = _checkpoint(s.decision.mandate);
        gate.checkpoint(it, _signatures(_digest(it), _secrets(2)));
        return _checkpointed(s, it, 2);
    }

    function _forkedCheckpoint() private returns (Attempt memory) {
        Submission memory s = _executed();
        Checkpoint memory it = _checkpoint(s.decision.mandate);
        vm.setBlockhash(it.anchor, keccak256("the other side"));
        return _checkpointed(s, it, 2);
    }

    /* DELAYS */

    function _unqueued() private returns (Attempt memory) {
        return _submitted(_delayed());
    }

    function _stuffed() private returns (Attempt memory) {
        Submission memory s = _delayed();
        _queue(s);
        vm.roll(START_BLOCK + 1000);
        vm.warp(START_TIME + 60);
        return _submitted(s);
    }

    function _stuffedOver() private returns (Attempt memory) {
        Submission memory s = _delayed();
        s.decision.validUntil = uint64(START_TIME + DELAY + 60);
        _seal(s);
        _endorse(s, 2);
        _queue(s);
        vm.warp(START_TIME + DELAY + 61);
        return _submitted(s);
    }

    function _cancelled() private returns (Attempt memory) {
        Submission memory s = _delayed();
        bytes32 digest = _queue(s);
        vm.prank(endorsers[2]);
        gate.cancel(s.decision.mandate, digest);
        vm.warp(START_TIME + DELAY + 1);
        return _submitted(s);
    }

    function _overtakes() private returns (Attempt memory) {
        Submission memory s = _delayed();
        bytes32 digest = _queue(s);
        Submission memory other = _draft(_laddered());
        _risk(other, 100);
        other.decision.previous = digest;
        _nextSlot(other, 1);
        return _submitted(other);
    }

    function _noted() private returns (Attempt memory) {
        Submission memory s = _climb(500);
        bytes32 service = keccak256(abi.encode(model, engine));
        return _sent(
            s, node, abi.encodeCall(IDecisionGate.noteNode, (node, service, type(uint64).max, 0))
        );
    }

    /* SHAPES */

    /// @dev The grant, in the account's own name; so the gate's own error is told.
    function _byAccount(Submission memory s) private view returns (Attempt memory) {
        return _sent(s, address(account), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
    }

    function _stop(Submission memory s, uint256 until) private pure returns (bytes memory) {
        return abi.encodeCall(IDecisionGate.stop, (s.decision.mandate, uint64(until)));
    }

    function _executed() private returns (Submission memory s) {
        s = _climb(500);
        _execute(s);
        vm.roll(START_BLOCK + 1);
    }

    function _delayed() private returns (Submission memory s) {
        s = _climb(6000);
        _endorse(s, 2);
    }

    function _checkpointed(Submission memory s, Checkpoint memory it, uint256 signers)
        private
        view
        returns (Attempt memory)
    {
        bytes memory signatures = _signatures(_digest(it), _secrets(signers));
        return _sent(s, address(this), abi.encodeCall(IDecisionGate.checkpoint, (it, signatures)));
    }
}
