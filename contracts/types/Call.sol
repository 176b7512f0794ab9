// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice One call that the account makes, and the allowance that belongs to it alone.
/// @param target Contract called; (target, selector) must be in the mandate's allow-list.
/// @param value Native currency sent along, in wei.
/// @param data Calldata, selector first; at least 4 bytes.
/// @param token ERC-20 that `target` may pull during this call; zero where `allowance` is 0.
/// @param allowance Base units of `token` granted to `target` for this call, zeroed after it.
struct Call {
    address target;
    uint256 value;
    bytes data;
    address token;
    uint256 allowance;
}

/// @dev The commitment that a decision carries: keccak256(abi.encode(calls)), for 1 000 gas per call
///      less than written so. `next` is the argument that follows `calls`: between the two lies, in
///      the compiler's own encoding of the arguments, exactly the encoding of `calls`. Any other
///      layout gives another hash; and where a hash was sworn by an honest node, the bytes are that
///      encoding, in which no call reaches beyond them. `Hashes.t.sol` holds the plain twin.
function hashCalls(Call[] calldata calls, int256[] calldata next) pure returns (bytes32 hash) {
    assembly ("memory-safe") {
        let start := mload(0x40)
        let size := mul(sub(next.offset, calls.offset), gt(next.offset, calls.offset))
        mstore(start, 32)
        calldatacopy(add(start, 32), sub(calls.offset, 32), size)
        hash := keccak256(start, add(size, 32))
    }
}
