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
        result = _returned(limit);
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
        result = _returned(limit);
    }

    function _returned(uint256 limit) private pure returns (bytes memory result) {
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
