// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice A node's sworn statement about one inference.
/// @param model Root of the model commitment.
/// @param engine Hash of the engine manifest; names the profile.
/// @param request keccak256 of the canonical JSON of the request.
/// @param prompt keccak256 of the prompt's token ids as big-endian uint32.
/// @param output keccak256 of the output's token ids as big-endian uint32.
/// @param trace Merkle root over one leaf per output token.
struct InferenceReceipt {
    bytes32 model;
    bytes32 engine;
    bytes32 request;
    bytes32 prompt;
    bytes32 output;
    bytes32 trace;
}

/// @dev The commitment that a decision carries.
function hashReceipts(InferenceReceipt[] calldata receipts) pure returns (bytes32) {
    return keccak256(abi.encode(receipts));
}
