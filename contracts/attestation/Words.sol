// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Thirty-two bytes of calldata at a time.
library Words {
    /// @dev The 32 bytes at `at`; what is beyond the end reads as zero.
    ///      Assembly, because slices cost four times as much and everything that is read goes
    ///      through here; `loadPlainly` is the same without (tests compare them).
    function load(bytes calldata data, uint256 at) internal pure returns (bytes32 word) {
        if (at >= data.length) return 0;
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, at))
        }
        unchecked {
            uint256 left = data.length - at;
            if (left < 32) word &= bytes32(~(type(uint256).max >> (8 * left)));
        }
    }

    /// @dev The same without assembly.
    function loadPlainly(bytes calldata data, uint256 at) internal pure returns (bytes32) {
        if (at >= data.length) return 0;
        return data.length - at < 32 ? bytes32(data[at:]) : bytes32(data[at:at + 32]);
    }
}
