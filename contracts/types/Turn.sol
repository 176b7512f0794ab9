// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What every execution reads and writes of a mandate, in one storage word that is kept as it
///         lies: a struct of the same fields is taken apart and put together again, for 400 gas an
///         execution. `Turn.t.sol` holds the two against each other.
/// @dev From the least significant bit on; values and numbers are far from what these widths hold:
///      10^16 dollars, 10^12 slots, the year 36 000.
///
///          outflow 80   audited 80   nextSlot 40   notBefore 40   queued 1, of 8   banned 1, of 8
///
///      `notBefore` is the latest of the mandate's times, so that executions need not read them.
///      `queued`: the head waits. `banned`: some key is banned.
type Turn is uint256;

using {
    outflow,
    audited,
    nextSlot,
    notBefore,
    queued,
    banned,
    withOutflow,
    withAudited,
    withNextSlot,
    withNotBefore,
    withQueued,
    withBanned
} for Turn global;

uint256 constant AUDITED_AT = 80;
uint256 constant NEXT_SLOT_AT = 160;
uint256 constant NOT_BEFORE_AT = 200;
uint256 constant QUEUED_AT = 240;
uint256 constant BANNED_AT = 248;

/// @dev All bits of a value, of a number or time, and of a flag.
uint256 constant VALUE = type(uint80).max;
uint256 constant NUMBER = type(uint40).max;
uint256 constant FLAG = 0xff;

/// @dev The turn of a mandate that was granted just now.
function firstTurn(uint40 slot, uint40 liveFrom) pure returns (Turn) {
    return Turn.wrap(0).withNextSlot(slot).withNotBefore(liveFrom);
}

function outflow(Turn turn) pure returns (uint256) {
    return Turn.unwrap(turn) & VALUE;
}

function audited(Turn turn) pure returns (uint256) {
    return Turn.unwrap(turn) >> AUDITED_AT & VALUE;
}

function nextSlot(Turn turn) pure returns (uint256) {
    return Turn.unwrap(turn) >> NEXT_SLOT_AT & NUMBER;
}

function notBefore(Turn turn) pure returns (uint256) {
    return Turn.unwrap(turn) >> NOT_BEFORE_AT & NUMBER;
}

function queued(Turn turn) pure returns (bool) {
    return Turn.unwrap(turn) >> QUEUED_AT & FLAG != 0;
}

function banned(Turn turn) pure returns (bool) {
    return Turn.unwrap(turn) >> BANNED_AT != 0;
}

function withOutflow(Turn turn, uint80 value) pure returns (Turn) {
    return Turn.wrap(Turn.unwrap(turn) & ~VALUE | value);
}

function withAudited(Turn turn, uint80 value) pure returns (Turn) {
    return Turn.wrap(Turn.unwrap(turn) & ~(VALUE << AUDITED_AT) | uint256(value) << AUDITED_AT);
}

function withNextSlot(Turn turn, uint40 slot) pure returns (Turn) {
    uint256 bits = uint256(slot) << NEXT_SLOT_AT;
    return Turn.wrap(Turn.unwrap(turn) & ~(NUMBER << NEXT_SLOT_AT) | bits);
}

function withNotBefore(Turn turn, uint40 time) pure returns (Turn) {
    uint256 bits = uint256(time) << NOT_BEFORE_AT;
    return Turn.wrap(Turn.unwrap(turn) & ~(NUMBER << NOT_BEFORE_AT) | bits);
}

function withQueued(Turn turn, bool value) pure returns (Turn) {
    uint256 bit = value ? 1 : 0;
    return Turn.wrap(Turn.unwrap(turn) & ~(FLAG << QUEUED_AT) | bit << QUEUED_AT);
}

function withBanned(Turn turn, bool value) pure returns (Turn) {
    uint256 bit = value ? 1 : 0;
    return Turn.wrap(Turn.unwrap(turn) & ~(FLAG << BANNED_AT) | bit << BANNED_AT);
}
