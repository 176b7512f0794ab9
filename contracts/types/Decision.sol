// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a node swears; its EIP-712 digest becomes the mandate's head.
/// @param mandate Hash of the mandate it acts under.
/// @param program Hash of the program manifest.
/// @param slot Block number ÷ cadence; only the newest slot may act.
/// @param anchorHash Hash of the slot's first block, at which the observation was made.
/// @param previous The mandate's head when this was decided.
/// @param observation keccak256 of the recorded chain reads.
/// @param receipts keccak256(abi.encode(InferenceReceipt[])).
/// @param calls keccak256(abi.encode(Call[])).
/// @param bounds keccak256(abi.encode(int256[])).
/// @param evidence Root over the sections of the evidence.
/// @param validUntil Unix seconds, inclusive.
struct Decision {
    bytes32 mandate;
    bytes32 program;
    uint64 slot;
    bytes32 anchorHash;
    bytes32 previous;
    bytes32 observation;
    bytes32 receipts;
    bytes32 calls;
    bytes32 bounds;
    bytes32 evidence;
    uint64 validUntil;
}

/// @dev EIP-712 type of the decision.
bytes32 constant DECISION_TYPEHASH = keccak256(
    "Decision(bytes32 mandate,bytes32 program,uint64 slot,bytes32 anchorHash,"
    "bytes32 previous,bytes32 observation,bytes32 receipts,bytes32 calls,"
    "bytes32 bounds,bytes32 evidence,uint64 validUntil)"
);

/// @dev A copy in memory, in one piece. Reading `slot` and `validUntil` refuses words that do not fit
///      them, as a copy by the compiler would.
function copyDecision(Decision calldata source) pure returns (Decision memory decision) {
    (source.slot, source.validUntil);
    assembly ("memory-safe") {
        calldatacopy(decision, source, 352)
    }
}

/// @dev hashStruct(decision): every member is one word, so the struct encodes as itself, and is hashed
///      where it lies; the word before it makes room for the type, and is put back. 500 gas less
///      than its plain twin in `Hashes.t.sol`.
function hashDecision(Decision memory decision) pure returns (bytes32 hash) {
    bytes32 typeHash = DECISION_TYPEHASH;
    assembly ("memory-safe") {
        let start := sub(decision, 32)
        let before := mload(start)
        mstore(start, typeHash)
        hash := keccak256(start, 384)
        mstore(start, before)
    }
}

/// @dev The commitment to the bounds that a decision carries: keccak256(abi.encode(bounds)), copied
///      in one piece.
function hashBounds(int256[] calldata bounds) pure returns (bytes32 hash) {
    assembly ("memory-safe") {
        let start := mload(0x40)
        let size := mul(add(bounds.length, 1), 32)
        mstore(start, 32)
        calldatacopy(add(start, 32), sub(bounds.offset, 32), size)
        hash := keccak256(start, add(size, 32))
    }
}
