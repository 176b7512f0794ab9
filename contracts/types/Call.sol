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

/// @dev The commitment that a decision carries.
function hashCalls(Call[] calldata calls) pure returns (bytes32) {
    return keccak256(abi.encode(calls));
}
