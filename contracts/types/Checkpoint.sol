// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What endorsers sign once every decision up to a head is audited.
/// @param mandate The mandate's id.
/// @param head The mandate's head after the block `anchor`.
/// @param outflow Value: all that the mandate's decisions put at risk since its grant, up to and
///        including `head`, as the gate stored it after the block `anchor`.
/// @param anchor Number of the block whose state was read.
/// @param anchorHash That block's hash: on a fork, or after a reorganisation, it is another.
struct Checkpoint {
    bytes32 mandate;
    bytes32 head;
    uint256 outflow;
    uint64 anchor;
    bytes32 anchorHash;
}

/// @dev EIP-712 type of the checkpoint.
bytes32 constant CHECKPOINT_TYPEHASH = keccak256(
    "Checkpoint(bytes32 mandate,bytes32 head,uint256 outflow,uint64 anchor,bytes32 anchorHash)"
);

/// @dev hashStruct(checkpoint): every member is one word.
function hashCheckpoint(Checkpoint calldata checkpoint) pure returns (bytes32) {
    return keccak256(abi.encode(CHECKPOINT_TYPEHASH, checkpoint));
}
