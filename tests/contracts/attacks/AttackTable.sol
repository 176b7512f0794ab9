// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {LadderFixture} from "../LadderFixture.sol";
import {Vm} from "../Vm.sol";

/// @title A table of attacks: a sentence, the error that must refuse it, and nothing changed.
/// @notice Each case sets its scene, on a chain that is put back afterwards, and returns the one
///         transaction that must fail. What must not have moved is looked at around that
///         transaction: balances and allowances in all that is tracked, head, outflow, slot.
///
///         A transaction that reverts can leave nothing behind. `tryExecute` does not revert: what
///         the operator submits is played through it as well, and must be recorded for the same
///         reason, byte by byte.
abstract contract AttackTable is LadderFixture {
    /// @param s Whose balances and state must not move.
    /// @param sender Who sends.
    /// @param target To whom.
    /// @param data What.
    /// @param gas With how much gas; 0: as much as there is.
    struct Attempt {
        Submission s;
        address sender;
        address target;
        bytes data;
        uint256 gas;
    }

    /// @param name The attack, as a sentence.
    /// @param expected The error that must refuse it.
    /// @param inner The error inside of that one's reason; zero: there is none.
    /// @param whole All of the error; empty: whatever it says besides.
    /// @param attack Sets the scene.
    struct Case {
        string name;
        bytes4 expected;
        bytes4 inner;
        bytes whole;
        function() returns (Attempt memory) attack;
    }

    /// @dev Where the bytes begin in an error of (one word, bytes), selector included.
    uint256 private constant INNER = 100;

    Case[] private _cases;

    /// @dev How many refusals were recorded as well.
    uint256 private _recorded;

    function _add(string memory name, bytes4 expected, function() returns (Attempt memory) attack)
        internal
    {
        _cases.push(Case(name, expected, bytes4(0), "", attack));
    }

    function _addInner(
        string memory name,
        bytes4 expected,
        bytes4 inner,
        function() returns (Attempt memory) attack
    ) internal {
        _cases.push(Case(name, expected, inner, "", attack));
    }

    /// @dev The error must be `whole`, to the last byte.
    function _addWhole(
        string memory name,
        bytes memory whole,
        function() returns (Attempt memory) attack
    ) internal {
        _cases.push(Case(name, bytes4(whole), bytes4(0), whole, attack));
    }

    /// @dev Play every case. The scene must be one in which an attack could have succeeded, so every
    ///      table also shows the honest decision executing.
    /// @param least How many there must be.
    /// @param leastRecorded How many of them must be what an operator submits.
    function _play(uint256 least, uint256 leastRecorded) internal {
        uint256 count = _cases.length;
        vm.assertGe(count, least, "the table has shrunk");
        for (uint256 i = 0; i < count; i++) {
            uint256 snapshot = vm.snapshotState();
            _playOne(_cases[i]);
            uint256 recorded = _recorded;
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
            _recorded = recorded;
        }
        vm.assertGe(_recorded, leastRecorded, "fewer were recorded");
        _execute(_climb(500));
    }

    function _playOne(Case memory it) private {
        Attempt memory attempt = it.attack();
        Picture memory before = _picture(attempt.s);
        uint256 gas = attempt.gas == 0 ? gasleft() : attempt.gas;
        vm.prank(attempt.sender);
        (bool success, bytes memory reason) = attempt.target.call{gas: gas}(attempt.data);
        vm.assertFalse(success, string.concat("not refused: ", it.name));
        vm.assertEq(bytes4(reason), it.expected, it.name);
        if (it.inner != 0) vm.assertEq(_innerOf(reason), it.inner, it.name);
        if (it.whole.length != 0) vm.assertEq(reason, it.whole, it.name);
        _assertUnchanged(attempt.s, before);
        if (_isSubmission(attempt)) _playRecorded(it.name, attempt, before, reason);
    }

    /// @dev Whether it is what an operator submits: then he may have the refusal recorded.
    function _isSubmission(Attempt memory attempt) private view returns (bool) {
        return attempt.target == address(gate) && attempt.sender == attempt.s.mandate.operator
            && bytes4(attempt.data) == IDecisionGate.execute.selector;
    }

    function _playRecorded(
        string memory name,
        Attempt memory attempt,
        Picture memory before,
        bytes memory reason
    ) private {
        Submission memory s = attempt.s;
        vm.recordLogs();
        vm.prank(attempt.sender);
        (bool success, bytes memory result) = address(gate)
            .call(
                abi.encodeCall(IDecisionGate.tryExecute, (s.decision, s.calls, s.bounds, s.proof))
            );
        vm.assertTrue(success, string.concat("not recorded: ", name));
        bytes32 digest = gate.digestOf(s.decision);
        vm.assertEq(result, abi.encode(false, digest), name);
        uint256 found;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].topics[0] != IDecisionGate.DecisionRefused.selector) continue;
            found++;
            vm.assertEq(logs[i].emitter, address(gate), name);
            vm.assertEq(logs[i].topics[1], s.decision.mandate, name);
            vm.assertEq(logs[i].topics[2], digest, name);
            vm.assertEq(logs[i].data, abi.encode(reason), name);
        }
        vm.assertEq(found, 1, string.concat("records of: ", name));
        _assertUnchanged(s, before);
        _recorded++;
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
        return Attempt(s, operator, address(gate), _calldata(s), 0);
    }

    /// @dev Somebody sends something to the gate.
    function _sent(Submission memory s, address sender, bytes memory data)
        internal
        view
        returns (Attempt memory)
    {
        return Attempt(s, sender, address(gate), data, 0);
    }

    function _key(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name)));
    }
}
