// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What endorsers sign when a key swore falsely: it shall swear nothing more under this
///         mandate.
/// @param mandate The mandate's id.
/// @param key The node's key.
/// @param decision Digest of the decision that was found false.
struct Verdict {
    bytes32 mandate;
    address key;
    bytes32 decision;
}

/// @dev EIP-712 type of the verdict.
bytes32 constant VERDICT_TYPEHASH =
    keccak256("Verdict(bytes32 mandate,address key,bytes32 decision)");

/// @dev hashStruct(verdict): every member is one word.
function hashVerdict(Verdict calldata verdict) pure returns (bytes32) {
    return keccak256(abi.encode(VERDICT_TYPEHASH, verdict));
}
