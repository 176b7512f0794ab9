// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Calls whose return data is copied only up to a limit.
/// @dev Solidity's own calls copy whatever a hostile callee returns, at the caller's expense;
///      there is no way to say "at most" without assembly.
library BoundedCall {
    /// @dev Call `to` and keep at most `limit` bytes of what it returns.
    function call(address to, uint256 value, bytes memory data, uint256 limit)
        internal
        returns (bool success, bytes memory result)
    {
        assembly ("memory-safe") {
            success := call(gas(), to, value, add(data, 32), mload(data), 0, 0)
        }
        result = returned(limit);
    }

    /// @dev Call `to`, which is to answer with three words or more, the first of them 1. What it
    ///      answered is left where it is: `returned` copies it, for whoever wants to read it.
    /// @return answered Whether the call succeeded.
    /// @return yes Whether it also answered so.
    function callForYes(address to, bytes memory data) internal returns (bool answered, bool yes) {
        assembly ("memory-safe") {
            // Its first word goes to scratch memory, as far as there is one.
            answered := call(gas(), to, 0, add(data, 32), mload(data), 0, 32)
            yes := and(answered, and(gt(returndatasize(), 95), eq(mload(0), 1)))
        }
    }

    /// @dev Static call to `to`, keeping at most `limit` bytes of what it returns.
    function staticCall(address to, bytes memory data, uint256 limit)
        internal
        view
        returns (bool success, bytes memory result)
    {
        assembly ("memory-safe") {
            success := staticcall(gas(), to, add(data, 32), mload(data), 0, 0)
        }
        result = returned(limit);
    }

    /// @dev At most `limit` bytes of what the last call returned.
    function returned(uint256 limit) internal pure returns (bytes memory result) {
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, limit) { size := limit }
            result := mload(0x40)
            mstore(result, size)
            returndatacopy(add(result, 32), 0, size)
            // Kept a multiple of 32, and the last word's tail cleared.
            mstore(add(add(result, 32), size), 0)
            mstore(0x40, add(result, and(add(size, 95), not(31))))
        }
    }
}
