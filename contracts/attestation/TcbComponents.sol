// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Versions of TCB components, one byte each, compared all at once.
library TcbComponents {
    uint256 private constant EVEN =
        0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant CARRY =
        0x0100010001000100010001000100010001000100010001000100010001000100;

    /// @dev Whether each byte of `have` is at least the same byte of `need`.
    ///      Every other byte stands in a lane of 16 bits, with a one put above what is had: it is
    ///      still there after the subtraction exactly where nothing had to be borrowed.
    function reach(bytes32 have, bytes32 need) internal pure returns (bool) {
        return
            _lanes(uint256(have), uint256(need)) && _lanes(uint256(have) >> 8, uint256(need) >> 8);
    }

    function _lanes(uint256 have, uint256 need) private pure returns (bool) {
        // No lane borrows from the next: 0x100 + a byte is more than any byte.
        unchecked {
            return (((have & EVEN) | CARRY) - (need & EVEN)) & CARRY == CARRY;
        }
    }
}
