// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRule} from "./IRule.sol";

/// @title EpochDrawdown
/// @notice Decisions lose at most so much per epoch at feed prices. Gains make up for nothing: what
///         is counted is every decision's own loss. Epochs are of equal length, counted from the
///         beginning of time, so a span as long as an epoch touches two of them.
///
///         Terms: `abi.encode(Terms)`.
contract EpochDrawdown is IRule {
    /* TYPES */

    /// @param limit Value: most that one epoch's decisions may lose together.
    /// @param length Seconds of an epoch, at least an hour.
    struct Terms {
        uint256 limit;
        uint64 length;
    }

    struct Loss {
        uint64 epoch;
        uint192 value;
    }

    /// @dev Shorter epochs would bound nothing that the mandate's own loss limit does not.
    uint64 private constant LEAST_LENGTH = 1 hours;

    /// @notice The epoch is too short.
    /// @dev At least an hour.
    error EpochTooShort(uint64 length, uint64 least);
    /// @notice With this decision, the epoch's losses would pass the limit.
    /// @dev Wait for the next epoch.
    error DrawdownExceeded(uint256 lost, uint256 limit);

    /* STORAGE */

    mapping(address gate => mapping(bytes32 entry => Loss)) private _losses;

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address, bytes calldata data) external pure returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        if (terms.length < LEAST_LENGTH) revert EpochTooShort(terms.length, LEAST_LENGTH);
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata, bytes calldata) external pure returns (bytes4) {
        return this.beforeCalls.selector;
    }

    /// @inheritdoc IRule
    function afterCalls(
        Act calldata act,
        bytes calldata data,
        int256[] calldata,
        int256 valueChange
    ) external returns (bytes4) {
        if (valueChange >= 0) return this.afterCalls.selector;
        Terms memory terms = abi.decode(data, (Terms));
        uint64 epoch = uint64(block.timestamp / terms.length);
        bytes32 entry = _entryOf(act.mandate, data);
        Loss memory loss = _losses[msg.sender][entry];
        uint256 lost = uint256(-valueChange) + (loss.epoch == epoch ? loss.value : 0);
        if (lost > terms.limit || lost > type(uint192).max) {
            revert DrawdownExceeded(lost, terms.limit);
        }
        _losses[msg.sender][entry] = Loss(epoch, uint192(lost));
        return this.afterCalls.selector;
    }

    /* VIEWS */

    /// @notice What a mandate's decisions have lost in the epoch that its latest loss was in, by the
    ///         terms `data`.
    function lossOf(address gate, bytes32 mandate, bytes calldata data)
        external
        view
        returns (uint64 epoch, uint256 value)
    {
        Loss memory loss = _losses[gate][_entryOf(mandate, data)];
        return (loss.epoch, loss.value);
    }

    /* INTERNAL */

    /// @dev Terms of another length count epochs of their own.
    function _entryOf(bytes32 mandate, bytes calldata data) private pure returns (bytes32) {
        return keccak256(abi.encode(mandate, data));
    }
}
