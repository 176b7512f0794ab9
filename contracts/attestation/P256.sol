// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title ECDSA over P-256, by the chain's precompile (EIP-7951; RIP-7212 has the same address).
/// @notice Where a chain has no precompile, every signature is refused: a call to an address without
///         code succeeds and returns nothing, and nothing is not one.
library P256 {
    address private constant PRECOMPILE = address(0x100);

    /// @dev Whether (r, s) signs `digest` under the key (x, y). Both (r, s) and (r, n − s) are
    ///      accepted, as Intel's signatures are not low-s: a signature is never an identity.
    /// @param digest SHA-256 of what was signed.
    function verify(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y)
        internal
        view
        returns (bool)
    {
        (bool success, bytes memory result) = PRECOMPILE.staticcall(abi.encode(digest, r, s, x, y));
        return success && result.length == 32 && bytes32(result) == bytes32(uint256(1));
    }
}
