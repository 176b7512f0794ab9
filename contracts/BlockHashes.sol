// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";

/// @title Hashes of past blocks, as far back as the chain tells them.
library BlockHashes {
    /// @dev Serves the hashes of the last 8191 blocks, on chains with EIP-2935.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev Hash of the block `number`; zero where the chain does not tell.
    function at(uint256 number) internal view returns (bytes32 hash) {
        hash = blockhash(number);
        // Zero is what BLOCKHASH says of the current block and of those over 256 blocks ago. The
        // history contract reverts outside its window, and an account without code says nothing.
        if (hash == bytes32(0) && number < block.number) {
            (bool success, bytes memory result) =
                BoundedCall.staticCall(HISTORY, abi.encode(number), 32);
            if (success && result.length == 32) hash = bytes32(result);
        }
    }
}
