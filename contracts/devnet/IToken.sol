// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title As much of ERC-20 as the hostile target uses.
interface IToken {
    /// @notice Move tokens within an allowance.
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}
