// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title What the gate needs from an account: the Safe's module interface.
interface IModuleHost {
    /// @notice Make a call in the account's name; only an enabled module may.
    /// @param to Target.
    /// @param value Wei sent along.
    /// @param data Calldata.
    /// @param operation 0 call; the gate never asks for anything else.
    /// @return success Whether the call succeeded.
    /// @return returnData What it returned or reverted with.
    function execTransactionFromModuleReturnData(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation
    ) external returns (bool success, bytes memory returnData);
}
