// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MANDATE_PREFIX, Mandate} from "./Mandate.sol";

/// @notice A mandate as the gate keeps it: the compiler's own encoding, in memory, read where it lies.
/// @dev Points at the first of the struct's words. A word of a list entry is found by one sum;
///      decoding into `Mandate memory` costs 4 000 gas and more at every execution. What is kept
///      was encoded by the gate itself, so that nothing of it needs to be checked again;
///      `KeptMandate.t.sol` compares every accessor with the decoded struct.
///
///          word 0   account     4  model     8  maxLoss        12  nodes       16  allowList
///               1   operator    5  engine    9  recordHolds    13  workloads   17  feeds
///               2   guardian    6  cadence  10  quorum         14  endorsers   18  tracked
///               3   program     7  expiry   11  salt           15  ladder      19  rules
///
///      A list's word is its offset from the first word: there lies its length, then its entries,
///      of `WIDTH` words each. Rules have a size of their own: an offset each, from after the length.
type KeptMandate is uint256;

using {
    account,
    operator,
    guardian,
    program,
    service,
    cadence,
    expiry,
    maxLoss,
    recordHolds,
    quorum,
    count,
    entry,
    word,
    ruleTarget,
    ruleData
} for KeptMandate global;

/// @notice A list of a mandate: where its word lies in the struct, and how long an entry is.
/// @dev Both in bytes and in one number: 1024 · place + length.
type ListOf is uint256;

ListOf constant NODES = ListOf.wrap(12 * 32 * 1024 + 2 * 32);
ListOf constant WORKLOADS = ListOf.wrap(13 * 32 * 1024 + 2 * 32);
ListOf constant ENDORSERS = ListOf.wrap(14 * 32 * 1024 + 1 * 32);
ListOf constant LADDER = ListOf.wrap(15 * 32 * 1024 + 4 * 32);
ListOf constant ALLOW_LIST = ListOf.wrap(16 * 32 * 1024 + 2 * 32);
ListOf constant FEEDS = ListOf.wrap(17 * 32 * 1024 + 3 * 32);
ListOf constant TRACKED = ListOf.wrap(18 * 32 * 1024 + 4 * 32);
ListOf constant RULES = ListOf.wrap(19 * 32 * 1024 + 1 * 32);

/// @notice One entry of a list, by where its first word lies.
type Entry is uint256;

using {field} for Entry global;

/// @dev The init code that keeps `mandate`, and the mandate's id, which is the hash of it.
function encodeMandate(Mandate calldata mandate) pure returns (bytes32 id, bytes memory initCode) {
    initCode = bytes.concat(MANDATE_PREFIX, abi.encode(mandate));
    id = keccak256(initCode);
}

/// @dev Keep a mandate that is not kept yet, as the code of a contract of its own. It begins with a
///      zero byte, which stops whoever calls it: it can do nothing, and nobody can change it.
/// @return kept False where it does not fit a contract's code.
function keepMandate(bytes memory initCode) returns (bool kept) {
    assembly ("memory-safe") {
        kept := iszero(iszero(create2(0, add(initCode, 32), mload(initCode), 0)))
    }
}

/// @dev Where `keeper` keeps the mandate `id`.
///      EIP-1014: keccak256(0xff ‖ keeper ‖ salt 0 ‖ hash of the init code), its last 20 bytes.
function placeOf(bytes32 id, address keeper) pure returns (address place) {
    assembly ("memory-safe") {
        let start := mload(0x40)
        mstore(start, or(shl(248, 0xff), shl(88, keeper)))
        mstore(add(start, 21), 0)
        mstore(add(start, 53), id)
        place := and(keccak256(start, 85), sub(shl(160, 1), 1))
    }
}

/// @dev The mandate kept at `place`; `kept` is false where there is none.
function loadMandate(address place) view returns (bool kept, KeptMandate mandate) {
    assembly ("memory-safe") {
        let size := extcodesize(place)
        kept := iszero(iszero(size))
        let code := mload(0x40)
        extcodecopy(place, code, 0, size)
        mstore(0x40, add(code, size))
        // The first word is the struct's offset.
        mandate := add(code, 32)
    }
}

function account(KeptMandate mandate) pure returns (address value) {
    assembly ("memory-safe") {
        value := mload(mandate)
    }
}

function operator(KeptMandate mandate) pure returns (address value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 32))
    }
}

function guardian(KeptMandate mandate) pure returns (address value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 64))
    }
}

function program(KeptMandate mandate) pure returns (bytes32 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 96))
    }
}

/// @dev keccak256(abi.encode(model, engine)), which lie side by side.
function service(KeptMandate mandate) pure returns (bytes32 value) {
    assembly ("memory-safe") {
        value := keccak256(add(mandate, 128), 64)
    }
}

function cadence(KeptMandate mandate) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 192))
    }
}

function expiry(KeptMandate mandate) pure returns (uint64 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 224))
    }
}

function maxLoss(KeptMandate mandate) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 256))
    }
}

function recordHolds(KeptMandate mandate) pure returns (bool value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 288))
    }
}

function quorum(KeptMandate mandate) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, 320))
    }
}

/// @dev How many entries a list has.
function count(KeptMandate mandate, ListOf list) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(mandate, mload(add(mandate, shr(10, list)))))
    }
}

/// @dev Entry number `index` of a list; the caller stays below `count`.
function entry(KeptMandate mandate, ListOf list, uint256 index) pure returns (Entry place) {
    assembly ("memory-safe") {
        let length := add(mandate, mload(add(mandate, shr(10, list))))
        place := add(add(length, 32), mul(index, and(list, 1023)))
    }
}

/// @dev Word number `index` of an entry.
function field(Entry place, uint256 index) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(place, mul(index, 32)))
    }
}

/// @dev One word of one entry.
function word(KeptMandate mandate, ListOf list, uint256 index, uint256 fieldIndex)
    pure
    returns (uint256)
{
    return mandate.entry(list, index).field(fieldIndex);
}

/// @dev The contract of a rule.
function ruleTarget(KeptMandate mandate, uint256 index) pure returns (address value) {
    uint256 offset = word(mandate, RULES, index, 0);
    assembly ("memory-safe") {
        let entries := add(add(mandate, mload(add(mandate, 608))), 32)
        value := mload(add(entries, offset))
    }
}

/// @dev A rule's terms, where they lie.
function ruleData(KeptMandate mandate, uint256 index) pure returns (bytes memory value) {
    uint256 offset = word(mandate, RULES, index, 0);
    assembly ("memory-safe") {
        let rule := add(add(add(mandate, mload(add(mandate, 608))), 32), offset)
        value := add(rule, mload(add(rule, 32)))
    }
}
