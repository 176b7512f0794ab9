// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LadderFixture} from "../LadderFixture.sol";

/// @title A table of attacks: a sentence, the error that must refuse it, and nothing changed.
/// @notice Each case sets its scene, on a chain that is put back afterwards, and returns the one
///         transaction that must fail. What must not have moved is looked at around that
///         transaction: balances, allowance, head, outflow, slot.
abstract contract AttackTable is LadderFixture {
    /// @param s Whose balances and state must not move.
    /// @param sender Who sends.
    /// @param target To whom.
    /// @param data What.
    struct Attempt {
        Submission s;
        address sender;
        address target;
        bytes data;
    }

    /// @param name The attack, as a sentence.
    /// @param expected The error that must refuse it.
    /// @param inner The error inside of that one's reason; zero: there is none.
    /// @param attack Sets the scene.
    struct Case {
        string name;
        bytes4 expected;
        bytes4 inner;
        function() returns (Attempt memory) attack;
    }

    /// @dev Where the bytes begin in an error of (one word, bytes), selector included.
    uint256 private constant INNER = 100;

    Case[] private _cases;

    function _add(string memory name, bytes4 expected, function() returns (Attempt memory) attack)
        internal
    {
        _cases.push(Case(name, expected, bytes4(0), attack));
    }

    function _addInner(
        string memory name,
        bytes4 expected,
        bytes4 inner,
        function() returns (Attempt memory) attack
    ) internal {
        _cases.push(Case(name, expected, inner, attack));
    }

    /// @dev Play every case. The scene must be one in which an attack could have succeeded, so every
    ///      table also shows the honest decision executing.
    function _play(uint256 least) internal {
        uint256 count = _cases.length;
        vm.assertGe(count, least, "the table has shrunk");
        for (uint256 i = 0; i < count; i++) {
            uint256 snapshot = vm.snapshotState();
            _playOne(_cases[i]);
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
        _execute(_climb(500));
    }

    function _playOne(Case memory it) private {
        Attempt memory attempt = it.attack();
        Picture memory before = _picture(attempt.s);
        vm.prank(attempt.sender);
        (bool success, bytes memory reason) = attempt.target.call(attempt.data);
        vm.assertFalse(success, string.concat("not refused: ", it.name));
        vm.assertEq(bytes4(reason), it.expected, it.name);
        if (it.inner != 0) vm.assertEq(_innerOf(reason), it.inner, it.name);
        _assertUnchanged(attempt.s, before);
    }

    function _innerOf(bytes memory reason) private pure returns (bytes4 inner) {
        if (reason.length < INNER + 4) return 0;
        assembly {
            inner := mload(add(reason, add(INNER, 32)))
        }
        inner = bytes4(inner);
    }

    /* SHAPES */

    /// @dev The operator submits it.
    function _submitted(Submission memory s) internal view returns (Attempt memory) {
        return Attempt(s, operator, address(gate), _calldata(s));
    }

    /// @dev Somebody sends something to the gate.
    function _sent(Submission memory s, address sender, bytes memory data)
        internal
        view
        returns (Attempt memory)
    {
        return Attempt(s, sender, address(gate), data);
    }

    function _key(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name)));
    }
}
