// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Call} from "../../contracts/types/Call.sol";
import {GateProof} from "./GateProof.sol";
import {PlainToken} from "./Proof.sol";

/// @title What executes leaves the account no worse than was sworn, and than the mandate permits.
/// @notice For every amount, bound and signature; whether it executes is left open.
contract BoundsProof is GateProof {
    function check_balancesNeverFallBelowTheirBounds(
        uint256 amount,
        int256 first,
        int256 second,
        Signature memory sig
    ) public {
        if (!_executes(_decision(0, 0, 0), _transfer(token, amount), _bounds(first, second), sig)) {
            return;
        }
        assert(int256(token.balanceOf(address(account))) - int256(HELD) >= first);
        assert(int256(other.balanceOf(address(account))) - int256(HELD) >= second);
    }

    /// @dev What nothing was sworn about does not fall at all.
    function check_whatIsUndeclaredNeverFalls(uint256 amount, int256 first, Signature memory sig)
        public
    {
        if (!_executes(_decision(0, 0, 0), _transfer(other, amount), _bounds(first, 0), sig)) {
            return;
        }
        assert(other.balanceOf(address(account)) >= HELD);
    }

    function check_noLossIsAboveTheLimit(uint256 amount, int256 bound, Signature memory sig)
        public
    {
        if (!_executes(_decision(0, 0, 0), _transfer(token, amount), _bounds(bound, 0), sig)) return;
        uint256 left = token.balanceOf(address(account));
        assert(left >= HELD || (HELD - left) * PRICE <= MAX_LOSS);
    }

    function check_theOutflowIsBookedAndNeverAboveTheRung(
        uint256 amount,
        int256 bound,
        Signature memory sig
    ) public {
        if (!_executes(_decision(0, 0, 0), _transfer(token, amount), _bounds(bound, 0), sig)) return;
        uint256 outflow = gate.stateOf(id).outflow;
        assert(outflow <= LIMIT);
        assert(bound >= 0 || outflow == uint256(-bound) * PRICE);
    }

    /// @dev The head moves, and the slot is used, by what executes.
    function check_whatExecutesMovesTheHead(uint256 amount, int256 bound, Signature memory sig)
        public
    {
        if (!_executes(_decision(0, 0, 0), _transfer(token, amount), _bounds(bound, 0), sig)) {
            return;
        }
        assert(gate.stateOf(id).nextSlot == SLOT + 1);
        assert(!_executes(_decision(0, 0, 0), _transfer(token, 0), _bounds(0, 0), sig));
    }

    /// @dev Whatever allowance a call is given: none is left after it.
    function check_noAllowanceStays(uint256 allowance, int256 bound, Signature memory sig) public {
        Call[] memory calls = new Call[](1);
        calls[0] = Call(address(idle), 0, abi.encodeCall(idle.idle, ()), address(token), allowance);
        if (!_executes(_decision(0, 0, 0), calls, _bounds(bound, 0), sig)) return;
        assert(token.allowance(address(account), address(idle)) == 0);
    }

    /* CONTROLS */

    /// @dev False: money does move.
    function control_nothingEverFalls(uint256 amount, int256 first, Signature memory sig) public {
        if (!_executes(_decision(0, 0, 0), _transfer(token, amount), _bounds(first, 0), sig)) {
            return;
        }
        assert(token.balanceOf(address(account)) >= HELD);
    }

    /// @dev False: allowances are granted.
    function control_noAllowanceIsEverGranted(uint256 allowance, Signature memory sig) public {
        Call[] memory calls = new Call[](1);
        calls[0] = Call(address(idle), 0, abi.encodeCall(idle.idle, ()), address(token), allowance);
        if (!_executes(_decision(0, 0, 0), calls, _bounds(0, 0), sig)) return;
        assert(allowance == 0);
    }
}
