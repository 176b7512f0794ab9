// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxVerifier} from "../../../contracts/attestation/ITdxVerifier.sol";
import {Test} from "../Test.sol";

/// @notice The verifier's own readers, whom it deployed.
interface IReaders {
    function certificateReader() external view returns (address);
    function collateralReader() external view returns (address);
}

/// @title What the Python tests of this folder asked, asked again here.
/// @notice Those tests run on anvil, where coverage is not told. `make coverage` lets them write down
///         what they ask and what they are answered, and this replays it: the same answers, from what
///         coverage has compiled. Elsewhere there is nothing to do: the answers are seen on anvil,
///         and a test's gas does not suffice for all of them.
contract RecordedTest is Test {
    string private constant RECORD = ".cache/forge/recorded/calls.txt";

    function test_everyRecordedCall_isAnsweredAsOnAnvil() public {
        bool counted =
            keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("")))) == keccak256("coverage");
        if (!counted) {
            vm.skip(true);
            return;
        }
        // Each in a call of its own, whose memory and state are gone afterwards.
        bool more = true;
        while (more) {
            uint256 snapshot = vm.snapshotState();
            more = this.replayNext();
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
    }

    /// @dev Replay one line: calls in simulated blocks, on top of a fresh verifier.
    function replayNext() external returns (bool) {
        string memory line = vm.readLine(RECORD);
        if (bytes(line).length == 0) return false;
        (
            bytes32 root,
            string memory part,
            uint64[] memory times,
            bytes[] memory calls,
            bool[] memory succeeded,
            bytes[] memory answers
        ) = abi.decode(vm.parseBytes(line), (bytes32, string, uint64[], bytes[], bool[], bytes[]));
        address place = _placeOf(root, part);
        for (uint256 i = 0; i < calls.length; i++) {
            vm.warp(times[i]);
            (bool success, bytes memory answer) = place.call(calls[i]);
            vm.assertTrue(success == succeeded[i], "another outcome");
            vm.assertEq(answer, answers[i], "another answer");
        }
        return true;
    }

    function _placeOf(bytes32 root, string memory part) private returns (address) {
        address verifier = _deploy("TdxVerifier", abi.encode(root));
        vm.assertEq(ITdxVerifier(verifier).rootKeyHash(), root, "root");
        if (bytes(part).length == 0) return verifier;
        return keccak256(bytes(part)) == keccak256("certificate")
            ? IReaders(verifier).certificateReader()
            : IReaders(verifier).collateralReader();
    }
}
