// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../contracts/IMandateChecks.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {Mandate, NodePermit, Rung, Workload} from "../../contracts/types/Mandate.sol";
import {LadderFixture} from "./LadderFixture.sol";
import {AttestationDouble} from "./mocks/Doubles.sol";

/// @title What proof a decision needs, by what is at risk and not audited.
contract DecisionGateLadderTest is LadderFixture {
    /* RUNGS */

    function test_execute_needsTheRungOfItsOwnRisk() public {
        Submission memory s = _climb(1000);
        _execute(s);
        Submission memory other = _another(1001);
        _refuse(other, _missing(0, 1));
        _endorse(other, 1);
        _execute(other);
    }

    /// @dev Splitting climbs the same ladder: what was put at risk before counts.
    function test_execute_needsTheRungOfAllThatIsUnaudited() public {
        Submission memory s = _climb(600);
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        _refuse(s, _missing(0, 1));
        _endorse(s, 1);
        _execute(s);
        vm.assertEq(_unaudited(s.decision.mandate), 1200 * DOLLAR, "unaudited");
    }

    /// @dev A decision that risks nothing still stands on the rung that was reached.
    function test_execute_ofNoRisk_standsOnTheRungReached() public {
        Submission memory s = _climb(1001);
        _endorse(s, 1);
        s.decision.previous = _execute(s);
        s.calls[0] = _sale(0, 1e6);
        s.calls[0].token = address(0);
        s.bounds = new int256[](4);
        _nextSlot(s, 1);
        _refuse(s, _missing(0, 1));
        _endorse(s, 1);
        _execute(s);
    }

    function test_execute_reverts_aboveTheLastRung_whateverTheProof() public {
        Submission memory s = _climb(20_001);
        _endorse(s, 3);
        bytes memory reason = abi.encodeWithSelector(
            IDecisionGate.RungExceeded.selector, 20_001 * DOLLAR, 20_000 * DOLLAR
        );
        _refuse(s, reason);
        _refuseQueue(s, reason);
    }

    function test_execute_takesMoreProofThanNeeded() public {
        Submission memory s = _climb(100);
        _endorse(s, 3);
        _execute(s);
    }

    /// @dev Whatever is risked and however often: the first rung that is not too low is the one.
    function testFuzz_execute_needsExactlyTheFirstRungThatHolds(
        uint256 before,
        uint256 risk,
        uint256 endorsements
    ) public {
        before = _fold(before, 0, 5000);
        risk = _fold(risk, 1, 6000);
        endorsements = _fold(endorsements, 0, 3);
        Submission memory s = _climb(before);
        _endorse(s, 1);
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        _risk(s, risk);
        _endorse(s, endorsements);

        uint256 sum = before + risk;
        if (sum > 5000) {
            bytes memory reason = endorsements < 2
                ? _missing(endorsements, 2)
                : abi.encodeWithSelector(IDecisionGate.DelayNotServed.selector, 0, DELAY);
            _refuse(s, reason);
        } else if (sum > 1000 && endorsements == 0) {
            _refuse(s, _missing(0, 1));
        } else {
            _execute(s);
        }
    }

    /* ENDORSEMENTS */

    function test_execute_reverts_whenAnEndorserSignsTwice() public {
        Submission memory s = _climb(2000);
        uint256[] memory twice = new uint256[](2);
        (twice[0], twice[1]) = (endorserSecrets[0], endorserSecrets[0]);
        _endorse(s, twice);
        _refuse(s, _unordered(endorsers[0], endorsers[0]));
    }

    function test_execute_reverts_whenEndorsersAreUnsorted() public {
        Submission memory s = _climb(2000);
        uint256[] memory swapped = new uint256[](2);
        (swapped[0], swapped[1]) = (endorserSecrets[1], endorserSecrets[0]);
        _endorse(s, swapped);
        _refuse(s, _unordered(endorsers[0], endorsers[1]));
    }

    function test_execute_reverts_whenAnEndorserIsNotNamed() public {
        Submission memory s = _climb(2000);
        // Before, between and after those who are.
        for (uint256 secret = 1; secret < 40; secret++) {
            uint256[] memory strangers = new uint256[](1);
            strangers[0] = secret;
            _endorse(s, strangers);
            _refuse(
                s, abi.encodeWithSelector(IDecisionGate.EndorserUnknown.selector, vm.addr(secret))
            );
        }
    }

    function test_execute_reverts_whenOneGoodEndorsementComesWithABadOne() public {
        Submission memory s = _climb(2000);
        _endorse(s, 1);
        s.proof = bytes.concat(s.proof, new bytes(65));
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(195))));
    }

    function test_execute_reverts_whenTheNodeEndorsesItself() public {
        Submission memory s = _climb(2000);
        uint256[] memory own = new uint256[](1);
        own[0] = NODE_SECRET;
        _endorse(s, own);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeEndorsesItself.selector, node));
    }

    /// @dev A named endorser may run an attested workload besides; not for the same decision.
    function test_execute_reverts_whenAnEndorsersKeySwears_andEndorses() public {
        AttestationDouble attestation = new AttestationDouble();
        attestation.set(endorsers[0], 2, uint64(START_TIME), uint64(START_TIME + 1 days), 0);
        vm.prank(endorsers[0]);
        registry.announce(model, engine, uint64(START_TIME + 30 days));
        Submission memory s = _draft(_laddered());
        s.mandate.workloads = new Workload[](1);
        s.mandate.workloads[0] = Workload(address(attestation), keccak256("measurement"));
        _regrant(s);
        _risk(s, 2000);
        bytes32 digest = gate.digestOf(s.decision);
        bytes memory own = _signed(endorserSecrets[0], digest);
        s.proof = bytes.concat(own, own);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeEndorsesItself.selector, endorsers[0]));
        s.proof = bytes.concat(own, _signed(endorserSecrets[1], digest));
        _execute(s);
    }

    function testFuzz_execute_reverts_whenAnEndorsementByteIsFlipped(uint256 index, uint8 flip)
        public
    {
        vm.assume(flip != 0);
        Submission memory s = _climb(2000);
        _endorse(s, 2);
        index = 65 + index % 130;
        s.proof[index] = s.proof[index] ^ bytes1(flip);
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        vm.assertTrue(
            bytes4(reason) == IDecisionGate.SignatureMalformed.selector
                || bytes4(reason) == IDecisionGate.EndorserUnknown.selector
                || bytes4(reason) == IDecisionGate.EndorsersUnordered.selector,
            "another reason"
        );
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenEndorsementsAreOfAnotherDecision() public {
        Submission memory s = _climb(2000);
        _endorse(s, 2);
        bytes memory endorsements = _endorsementsOf(s);
        _risk(s, 2001);
        s.proof = bytes.concat(s.proof, endorsements);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.EndorserUnknown.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function _endorsementsOf(Submission memory s) private pure returns (bytes memory rest) {
        rest = new bytes(s.proof.length - 65);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = s.proof[65 + i];
        }
    }

    /* TIERS AND WORKLOADS */

    function test_execute_takesAnAttestedKey_whileItIsAttested() public {
        (Submission memory s, AttestationDouble attestation) = _attested(2);
        uint64 until = uint64(START_TIME + 100);
        uint64 never = type(uint64).max;
        bytes memory stranger =
            abi.encodeWithSelector(IDecisionGate.NodeNotPermitted.selector, vm.addr(7));
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 2, uint64(START_TIME + 1), until, 0);
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 2, uint64(START_TIME), uint64(START_TIME), 0);
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 2, uint64(START_TIME), until, uint64(START_TIME));
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 2, 0, never, 0);
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 4, uint64(START_TIME), until, 0);
        _refuse(s, stranger);
        attestation.set(vm.addr(7), 1, uint64(START_TIME), until, 0);
        _refuse(s, _error(IDecisionGate.TierTooLow.selector, 1, 2));
        attestation.set(vm.addr(7), 2, uint64(START_TIME), until, 0);
        _execute(s);
    }

    function test_execute_reverts_whenTheAttestationSaysNothing() public {
        (Submission memory s, AttestationDouble attestation) = _attested(2);
        attestation.set(vm.addr(7), 2, uint64(START_TIME), uint64(START_TIME + 1), 0);
        bytes memory stranger =
            abi.encodeWithSelector(IDecisionGate.NodeNotPermitted.selector, vm.addr(7));
        bytes memory code = address(attestation).code;
        bytes[4] memory silent = [bytes(hex""), hex"00", hex"60206000f3", hex"60006000fd"];
        for (uint256 i = 0; i < silent.length; i++) {
            vm.etch(address(attestation), silent[i]);
            _refuse(s, stranger);
        }
        vm.etch(address(attestation), code);
        _execute(s);
    }

    /// @dev A key that is named at a low tier may climb by what it is attested to run.
    function test_execute_takesTheBetterOfNameAndWorkload() public {
        (Submission memory s, AttestationDouble attestation) = _attested(3);
        s.mandate.nodes = new NodePermit[](1);
        s.mandate.nodes[0] = NodePermit(vm.addr(7), 1);
        s.mandate.ladder[0].tier = 1;
        _regrant(s);
        _risk(s, 100);
        _sign(s, 7);
        // The name is enough: nobody is asked.
        vm.etch(address(attestation), hex"fe");
        _execute(s);
    }

    function test_execute_asksWorkloadsUntilOneIsEnough() public {
        (Submission memory s, AttestationDouble second) = _attested(2);
        AttestationDouble first = new AttestationDouble();
        first.set(vm.addr(7), 0, uint64(START_TIME), uint64(START_TIME + 1), 0);
        second.set(vm.addr(7), 3, uint64(START_TIME), uint64(START_TIME + 1), 0);
        Workload memory known = s.mandate.workloads[0];
        s.mandate.workloads = new Workload[](2);
        s.mandate.workloads[0] = Workload(address(first), keccak256("measurement"));
        s.mandate.workloads[1] = known;
        _regrant(s);
        _risk(s, 100);
        _sign(s, 7);
        _execute(s);
        // Another measurement is another program.
        s.mandate.workloads[1].measurement = keccak256("another");
        s.mandate.salt = keccak256("another");
        _regrant(s);
        _sign(s, 7);
        _refuse(s, _error(IDecisionGate.TierTooLow.selector, 0, 2));
    }

    /// @dev A mandate without named keys, whose first rung asks for `tier`; sworn by key 7, which
    ///      is announced and not attested yet.
    function _attested(uint8 tier)
        private
        returns (Submission memory s, AttestationDouble attestation)
    {
        attestation = new AttestationDouble();
        s = _draft(_laddered());
        s.mandate.nodes = new NodePermit[](0);
        s.mandate.workloads = new Workload[](1);
        s.mandate.workloads[0] = Workload(address(attestation), keccak256("measurement"));
        for (uint256 i = 0; i < 3; i++) {
            s.mandate.ladder[i].tier = tier;
        }
        _regrant(s);
        _risk(s, 100);
        vm.prank(vm.addr(7));
        registry.announce(model, engine, uint64(START_TIME + 30 days));
        _sign(s, 7);
    }

    /* GRANTING LADDERS */

    function test_grant_reverts_whenTheLadderIsEmpty() public {
        Mandate memory mandate = _laddered();
        mandate.ladder = new Rung[](0);
        _refuseGrant(mandate, abi.encodeWithSelector(IMandateChecks.NoRung.selector));
    }

    function test_grant_reverts_whenTheLadderDoesNotRise() public {
        Rung[4] memory rungs = [
            Rung(1000 * DOLLAR, 0, 1, 0),
            Rung(5000 * DOLLAR, 0, 0, 2 hours),
            Rung(5000 * DOLLAR, 1, 0, 2 hours),
            Rung(5000 * DOLLAR, 1, 1, 1 hours)
        ];
        Rung[4] memory below = [
            Rung(1000 * DOLLAR, 0, 1, 0),
            Rung(1000 * DOLLAR, 0, 1, 0),
            Rung(1000 * DOLLAR, 1, 1, 0),
            Rung(1000 * DOLLAR, 1, 1, 2 hours)
        ];
        for (uint256 i = 0; i < 4; i++) {
            Mandate memory mandate = _laddered();
            mandate.nodes[0].tier = 1;
            mandate.ladder = new Rung[](2);
            (mandate.ladder[0], mandate.ladder[1]) = (below[i], rungs[i]);
            _refuseGrant(
                mandate, abi.encodeWithSelector(IMandateChecks.LadderNotRising.selector, 1)
            );
        }
    }

    function test_grant_reverts_whenARungIsOutOfReach() public {
        Mandate memory mandate = _laddered();
        mandate.ladder[2].tier = 1;
        _refuseGrant(mandate, _unreachable(2, 1, 0));
        mandate.workloads = new Workload[](1);
        mandate.workloads[0] = Workload(address(new AttestationDouble()), 0);
        mandate.ladder[2].tier = 4;
        _refuseGrant(mandate, _unreachable(2, 4, 3));
        mandate.ladder[2].tier = 3;
        mandate.ladder[2].endorsements = 4;
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(IMandateChecks.RungEndorsementsUnreachable.selector, 2, 4, 3)
        );
        mandate.ladder[2].endorsements = 3;
        mandate.quorum = 3;
        _grant(mandate);
    }

    function test_grant_reverts_whenTheQuorumIsOutOfRange() public {
        Mandate memory mandate = _laddered();
        // Less than the last rung asks for, more than there are.
        uint8[4] memory quorums = [0, 1, 4, 255];
        for (uint256 i = 0; i < 4; i++) {
            mandate.quorum = quorums[i];
            _refuseGrant(mandate, _quorum(quorums[i], 2, 3));
        }
        mandate.ladder = _mandate().ladder;
        mandate.quorum = 0;
        _refuseGrant(mandate, _quorum(0, 1, 3));
        mandate.endorsers = new address[](0);
        mandate.quorum = 1;
        _refuseGrant(mandate, _quorum(1, 0, 0));
    }

    function test_grant_reverts_whenADelayIsTooShortOrTooLong() public {
        uint32[3] memory delays = [uint32(1), 1 hours - 1, 30 days + 1];
        for (uint256 i = 0; i < 3; i++) {
            Mandate memory mandate = _laddered();
            mandate.ladder[2].delay = delays[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(
                    IMandateChecks.RungDelayOutOfRange.selector, 2, delays[i], 1 hours, 30 days
                )
            );
        }
    }

    function test_grant_reverts_whenEndorsersAreNotAscending() public {
        Mandate memory mandate = _laddered();
        mandate.endorsers = new address[](2);
        _refuseGrant(mandate, _unsorted(address(0), address(0)));
        mandate.endorsers[0] = endorsers[1];
        mandate.endorsers[1] = endorsers[0];
        _refuseGrant(mandate, _unsorted(endorsers[0], endorsers[1]));
        mandate.endorsers[1] = endorsers[1];
        _refuseGrant(mandate, _unsorted(endorsers[1], endorsers[1]));
    }

    function test_grant_reverts_whenANodeIsAnEndorser() public {
        Mandate memory mandate = _laddered();
        mandate.nodes[0].key = endorsers[1];
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.EndorserIsNode.selector, endorsers[1])
        );
    }

    function test_grant_reverts_whenAnAttestationIsUnusable() public {
        Mandate memory mandate = _laddered();
        mandate.workloads = new Workload[](1);
        address[3] memory places = [address(0), owner, address(venue)];
        for (uint256 i = 0; i < 3; i++) {
            mandate.workloads[0].attestation = places[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(IMandateChecks.AttestationUnusable.selector, places[i])
            );
        }
        // A key's account that delegates answers as it likes, when it likes.
        address delegating = address(0xDE1E);
        vm.etch(delegating, abi.encodePacked(hex"ef0100", address(new AttestationDouble())));
        mandate.workloads[0].attestation = delegating;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.AttestationUnusable.selector, delegating)
        );
    }

    function test_grant_reverts_whenAListIsTooLong() public {
        Mandate memory mandate = _laddered();
        mandate.nodes = new NodePermit[](17);
        _refuseGrant(mandate, _tooLong("nodes", 17, 16));
        mandate = _laddered();
        mandate.workloads = new Workload[](9);
        _refuseGrant(mandate, _tooLong("workloads", 9, 8));
        mandate = _laddered();
        mandate.endorsers = new address[](17);
        _refuseGrant(mandate, _tooLong("endorsers", 17, 16));
        mandate = _laddered();
        mandate.ladder = new Rung[](9);
        _refuseGrant(mandate, _tooLong("ladder", 9, 8));
    }

    /* SHAPES */

    function _another(uint256 dollars) private returns (Submission memory s) {
        s = _draft(_laddered());
        s.mandate.salt = keccak256("another");
        _regrant(s);
        _risk(s, dollars);
    }

    function _missing(uint256 got, uint256 needed) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.EndorsementsMissing.selector, got, needed);
    }

    function _unordered(address endorser, address previous) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.EndorsersUnordered.selector, endorser, previous);
    }

    function _unreachable(uint256 rung, uint8 tier, uint8 most)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IMandateChecks.RungTierUnreachable.selector, rung, tier, most);
    }

    function _quorum(uint8 quorum, uint256 least, uint256 most)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IMandateChecks.QuorumOutOfRange.selector, quorum, least, most);
    }

    function _unsorted(address endorser, address previous) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMandateChecks.EndorsersUnsorted.selector, endorser, previous);
    }

    function _tooLong(string memory list, uint256 length, uint256 most)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IMandateChecks.ListTooLong.selector, list, length, most);
    }

    function _refuseGrant(Mandate memory mandate, bytes memory reason) private {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.OwnerCallFailed.selector, 0, reason));
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
    }
}
