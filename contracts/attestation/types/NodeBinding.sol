// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a node's key says of itself from inside its TD: signed by the key, and its digest put
///         into the TD's report. Zero where it says nothing.
/// @param key Address of the key; made in the TD, and never leaves it.
/// @param program Hash of the program manifest that it serves; zero: any that its code permits.
/// @param workload The one workload that it may be registered under; zero: any that it satisfies.
/// @param model Root of the model commitment that it serves.
/// @param engine Hash of the engine manifest.
/// @param configuration Hash of whatever else decides its answers.
/// @param gpuEvidence SHA-256 of the evidence of its GPUs.
/// @param tlsKey SHA-256 of the public key (SubjectPublicKeyInfo) of its TLS certificate.
/// @param operator Who runs it.
/// @param blockNumber A recent block.
/// @param blockHash That block's hash: the binding is not older, and of this chain.
/// @param validUntil Unix seconds, exclusive.
struct NodeBinding {
    address key;
    bytes32 program;
    bytes32 workload;
    bytes32 model;
    bytes32 engine;
    bytes32 configuration;
    bytes32 gpuEvidence;
    bytes32 tlsKey;
    address operator;
    uint64 blockNumber;
    bytes32 blockHash;
    uint64 validUntil;
}

/// @dev EIP-712 type of the binding.
bytes32 constant NODE_BINDING_TYPEHASH = keccak256(
    "NodeBinding(address key,bytes32 program,bytes32 workload,bytes32 model,bytes32 engine,"
    "bytes32 configuration,bytes32 gpuEvidence,bytes32 tlsKey,address operator,"
    "uint64 blockNumber,bytes32 blockHash,uint64 validUntil)"
);

/// @dev Ends the report data, so that no quote made for something else is taken for a node's.
bytes12 constant REPORT_DATA_TAG = "affiant.tdx1";

/// @dev hashStruct(binding): every member is one word, so the struct encodes as itself.
function hashNodeBinding(NodeBinding calldata binding) pure returns (bytes32) {
    return keccak256(abi.encode(NODE_BINDING_TYPEHASH, binding));
}

/// @dev The 64 bytes of report data: key (20) ‖ digest of the binding (32) ‖ tag (12).
function reportDataOf(address key, bytes32 digest) pure returns (bytes32 high, bytes32 low) {
    high = bytes32(bytes20(key)) | (digest >> 160);
    low = (digest << 96) | (bytes32(REPORT_DATA_TAG) >> 160);
}
