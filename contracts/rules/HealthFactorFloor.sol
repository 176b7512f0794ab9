// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRule} from "./IRule.sol";

/// @title As much of Aave v3's pool as the rule asks.
interface IAavePool {
    /// @notice What an account has and owes; the health factor has 18 decimals, and is the largest
    ///         number there is without a debt.
    function getUserAccountData(address user)
        external
        view
        returns (
            uint256 totalCollateralBase,
            uint256 totalDebtBase,
            uint256 availableBorrowsBase,
            uint256 currentLiquidationThreshold,
            uint256 ltv,
            uint256 healthFactor
        );
}

/// @title HealthFactorFloor
/// @notice After every decision, the account's health factor on Aave v3 is at least `floor`; where it
///         was below before, because the market moved, it may not be lower than it was, so that a
///         decision can still repay.
///
///         Terms: `abi.encode(Terms)`.
/// Warning: between decisions the market moves it alone. Leave room above 1.
contract HealthFactorFloor is IRule {
    /* TYPES */

    /// @param pool Aave v3 pool.
    /// @param floor Least health factor, 18 decimals, at least 1.
    struct Terms {
        address pool;
        uint256 floor;
    }

    uint256 private constant ONE = 1e18;

    /// @notice Below 1 an account is liquidated.
    /// @dev Choose a floor above it.
    error FloorTooLow(uint256 floor, uint256 least);
    /// @notice The decision would leave the health factor below the floor and below what it was.
    /// @dev Borrow less, repay, or supply more.
    error HealthTooLow(uint256 health, uint256 earlier, uint256 floor);

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address account, bytes calldata data) external view returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        if (terms.floor < ONE) revert FloorTooLow(terms.floor, ONE);
        _health(terms.pool, account);
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata act, bytes calldata data) external returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        uint256 health = _health(terms.pool, act.account);
        bytes32 slot = _slot(act.mandate, data);
        assembly ("memory-safe") {
            tstore(slot, health)
        }
        return this.beforeCalls.selector;
    }

    /// @inheritdoc IRule
    function afterCalls(Act calldata act, bytes calldata data, int256[] calldata, int256)
        external
        view
        returns (bytes4)
    {
        Terms memory terms = abi.decode(data, (Terms));
        uint256 health = _health(terms.pool, act.account);
        bytes32 slot = _slot(act.mandate, data);
        uint256 earlier;
        assembly ("memory-safe") {
            earlier := tload(slot)
        }
        if (health < terms.floor && health < earlier) {
            revert HealthTooLow(health, earlier, terms.floor);
        }
        return this.afterCalls.selector;
    }

    /* INTERNAL */

    function _health(address pool, address account) private view returns (uint256 health) {
        (,,,,, health) = IAavePool(pool).getUserAccountData(account);
    }

    /// @dev Of the caller's own, and of these terms: whoever else is called in between cannot lower
    ///      what was, nor does another pool's health count.
    function _slot(bytes32 mandate, bytes calldata data) private view returns (bytes32) {
        return keccak256(abi.encode(msg.sender, mandate, data));
    }
}
