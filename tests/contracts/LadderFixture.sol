// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checkpoint, hashCheckpoint} from "../../contracts/types/Checkpoint.sol";
import {Mandate, NodePermit, Rung} from "../../contracts/types/Mandate.sol";
import {Verdict, hashVerdict} from "../../contracts/types/Verdict.sol";
import {GateFixture} from "./GateFixture.sol";

/// @title The gate with endorsers and a ladder to climb.
/// @notice Three endorsers, two of whom are a quorum. Up to 1 000 dollars a signature is enough, up
///         to 5 000 it takes one endorsement, up to 20 000 two and a day's delay.
abstract contract LadderFixture is GateFixture {
    uint32 internal constant DELAY = 1 days;

    /// @dev Secrets of the endorsers, ascending by address.
    uint256[] internal endorserSecrets;
    address[] internal endorsers;

    function setUp() public virtual override {
        super.setUp();
        endorserSecrets = [
            uint256(keccak256("endorser 0")),
            uint256(keccak256("endorser 1")),
            uint256(keccak256("endorser 2"))
        ];
        for (uint256 i = 0; i < 3; i++) {
            for (uint256 j = 0; j < i; j++) {
                if (vm.addr(endorserSecrets[i]) < vm.addr(endorserSecrets[j])) {
                    (endorserSecrets[i], endorserSecrets[j]) =
                    (endorserSecrets[j], endorserSecrets[i]);
                }
            }
        }
        for (uint256 i = 0; i < 3; i++) {
            endorsers.push(vm.addr(endorserSecrets[i]));
        }
    }

    function _laddered() internal view returns (Mandate memory mandate) {
        mandate = _mandate();
        mandate.endorsers = endorsers;
        mandate.quorum = 2;
        mandate.maxLoss = 100 * DOLLAR;
        mandate.ladder = new Rung[](3);
        mandate.ladder[0] = Rung(1000 * DOLLAR, 0, 0, 0);
        mandate.ladder[1] = Rung(5000 * DOLLAR, 0, 1, 0);
        mandate.ladder[2] = Rung(20_000 * DOLLAR, 0, 2, DELAY);
    }

    /// @dev The usual key and key 7, both by name.
    function _twoNodes() internal view returns (NodePermit[] memory nodes) {
        nodes = new NodePermit[](2);
        nodes[0] = NodePermit(node, 0);
        nodes[1] = NodePermit(vm.addr(7), 0);
    }

    /// @dev A granted mandate and a decision that puts `dollars` at risk, at a fair price.
    function _climb(uint256 dollars) internal returns (Submission memory s) {
        s = _draft(_laddered());
        _grant(s.mandate);
        _risk(s, dollars);
    }

    /// @dev Let it put `dollars` at risk, and last for long enough to wait.
    function _risk(Submission memory s, uint256 dollars) internal view {
        uint256 amount = dollars * 1e18 / 2000;
        s.calls[0] = _sale(amount, dollars * 1e6);
        s.bounds[0] = -int256(amount);
        s.bounds[1] = int256(dollars * 1e6) - 1;
        s.decision.validUntil = uint64(START_TIME + 30 days);
        _seal(s);
    }

    /// @dev Let some endorsers sign, in the order given.
    function _endorse(Submission memory s, uint256[] memory secrets) internal view {
        _sign(s, NODE_SECRET);
        for (uint256 i = 0; i < secrets.length; i++) {
            s.proof = bytes.concat(s.proof, _signed(secrets[i], gate.digestOf(s.decision)));
        }
    }

    /// @dev Let the first `count` endorsers sign.
    function _endorse(Submission memory s, uint256 count) internal view {
        _endorse(s, _secrets(count));
    }

    function _secrets(uint256 count) internal view returns (uint256[] memory secrets) {
        secrets = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            secrets[i] = endorserSecrets[i];
        }
    }

    function _signed(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(secret, digest);
        return abi.encodePacked(r, z, v);
    }

    /// @dev What endorsers would sign of the mandate as it is after the parent block.
    function _checkpoint(bytes32 mandateId) internal view returns (Checkpoint memory) {
        uint256 anchor = vm.getBlockNumber() - 1;
        return Checkpoint({
            mandate: mandateId,
            head: gate.headOf(mandateId),
            outflow: gate.stateOf(mandateId).outflow,
            anchor: uint64(anchor),
            anchorHash: blockhash(anchor)
        });
    }

    function _signatures(bytes32 digest, uint256[] memory secrets)
        internal
        pure
        returns (bytes memory signatures)
    {
        for (uint256 i = 0; i < secrets.length; i++) {
            signatures = bytes.concat(signatures, _signed(secrets[i], digest));
        }
    }

    function _digest(Checkpoint memory checkpoint) internal view returns (bytes32) {
        return _typed(this.structHashOf(checkpoint));
    }

    function _digest(Verdict memory verdict) internal view returns (bytes32) {
        return _typed(this.verdictHashOf(verdict));
    }

    function _typed(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", gate.domainSeparator(), structHash));
    }

    function structHashOf(Checkpoint calldata checkpoint) external pure returns (bytes32) {
        return hashCheckpoint(checkpoint);
    }

    function verdictHashOf(Verdict calldata verdict) external pure returns (bytes32) {
        return hashVerdict(verdict);
    }

    function _queue(Submission memory s) internal returns (bytes32) {
        vm.prank(operator);
        return gate.queue(s.decision, s.calls, s.bounds, s.proof);
    }

    /// @dev `queue` refuses with exactly `reason`, and nothing has changed.
    function _refuseQueue(Submission memory s, bytes memory reason) internal {
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectRevert(reason);
        gate.queue(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }
}
