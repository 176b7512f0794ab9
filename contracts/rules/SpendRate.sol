// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRule} from "./IRule.sol";

/// @title SpendRate
/// @notice At most so much value at risk at once, and so much per day after that: a bucket of
///         `capacity` that empties by `perDay`. In any span of a day, decisions put at most
///         `capacity + perDay` at risk, and so lose at most that much.
///
///         Terms: `abi.encode(Terms)`.
contract SpendRate is IRule {
    /* TYPES */

    /// @param capacity Value: how much may be at risk at once; not zero.
    /// @param perDay Value: how much of it is free again after a day.
    struct Terms {
        uint256 capacity;
        uint256 perDay;
    }

    /// @dev How full the bucket was, and when. Widths hold 10^16 dollars and the year 36 000.
    struct Level {
        uint128 value;
        uint64 time;
    }

    /// @notice The capacity is zero, or more than this rule counts.
    /// @dev Choose one that means something.
    error CapacityOutOfRange(uint256 capacity, uint256 most);
    /// @notice The decision would put more at risk than has been freed since the last ones.
    /// @dev Wait, or decide smaller.
    error SpendTooFast(uint256 level, uint256 capacity);

    /* STORAGE */

    mapping(address gate => mapping(bytes32 entry => Level)) private _levels;

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address, bytes calldata data) external pure returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        if (terms.capacity == 0 || terms.capacity > type(uint128).max) {
            revert CapacityOutOfRange(terms.capacity, type(uint128).max);
        }
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata act, bytes calldata data) external returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        bytes32 entry = _entryOf(act.mandate, data);
        uint256 level = _drained(_levels[msg.sender][entry], terms.perDay) + act.valueAtRisk;
        if (level > terms.capacity) revert SpendTooFast(level, terms.capacity);
        _levels[msg.sender][entry] = Level(uint128(level), uint64(block.timestamp));
        return this.beforeCalls.selector;
    }

    /// @inheritdoc IRule
    function afterCalls(Act calldata, bytes calldata, int256[] calldata, int256)
        external
        pure
        returns (bytes4)
    {
        return this.afterCalls.selector;
    }

    /* VIEWS */

    /// @notice How full a mandate's bucket for the terms `data` is now: a value.
    function levelOf(address gate, bytes32 mandate, bytes calldata data)
        external
        view
        returns (uint256)
    {
        Terms memory terms = abi.decode(data, (Terms));
        return _drained(_levels[gate][_entryOf(mandate, data)], terms.perDay);
    }

    /* INTERNAL */

    /// @dev Every entry has a bucket of its own, which empties by its own terms.
    function _entryOf(bytes32 mandate, bytes calldata data) private pure returns (bytes32) {
        return keccak256(abi.encode(mandate, data));
    }

    function _drained(Level memory last, uint256 perDay) private view returns (uint256) {
        uint256 elapsed = block.timestamp - last.time;
        // So that the product fits: whatever was in it has run out.
        if (perDay != 0 && elapsed > uint256(last.value) * 1 days / perDay) return 0;
        return last.value - perDay * elapsed / 1 days;
    }
}
