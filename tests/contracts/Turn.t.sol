// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Turn, firstTurn} from "../../contracts/types/Turn.sol";
import {Test} from "./Test.sol";

/// @title A turn is its plain twin, a struct that the compiler packs.
contract TurnTest is Test {
    struct Twin {
        uint80 outflow;
        uint80 audited;
        uint40 nextSlot;
        uint40 notBefore;
        bool queued;
        bool banned;
    }

    Twin private _twin;

    function testFuzz_firstTurn_isTheTwins(uint40 slot, uint40 liveFrom) public {
        _twin = Twin(0, 0, slot, liveFrom, false, false);
        _assertSame(firstTurn(slot, liveFrom));
    }

    /// @dev Each field is read and changed alone, whatever the others are.
    function testFuzz_everyField_isTheTwins(Twin memory start, Twin memory next) public {
        _twin = start;
        Turn turn = Turn.wrap(_word());
        _assertSame(turn);
        turn = turn.withOutflow(next.outflow);
        _twin.outflow = next.outflow;
        _assertSame(turn);
        turn = turn.withAudited(next.audited);
        _twin.audited = next.audited;
        _assertSame(turn);
        turn = turn.withNextSlot(next.nextSlot);
        _twin.nextSlot = next.nextSlot;
        _assertSame(turn);
        turn = turn.withNotBefore(next.notBefore);
        _twin.notBefore = next.notBefore;
        _assertSame(turn);
        turn = turn.withQueued(next.queued);
        _twin.queued = next.queued;
        _assertSame(turn);
        turn = turn.withBanned(next.banned);
        _twin.banned = next.banned;
        _assertSame(turn);
    }

    function _assertSame(Turn turn) private view {
        vm.assertEq(Turn.unwrap(turn), _word(), "word");
        Twin memory twin = _twin;
        vm.assertEq(turn.outflow(), uint256(twin.outflow), "outflow");
        vm.assertEq(turn.audited(), uint256(twin.audited), "audited");
        vm.assertEq(turn.nextSlot(), uint256(twin.nextSlot), "next slot");
        vm.assertEq(turn.notBefore(), uint256(twin.notBefore), "not before");
        vm.assertTrue(turn.queued() == twin.queued, "queued");
        vm.assertTrue(turn.banned() == twin.banned, "banned");
    }

    function _word() private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(_twin.slot)
        }
    }
}
