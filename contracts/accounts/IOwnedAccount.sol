// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModuleHost} from "../IModuleHost.sol";

/// @title A minimal account: one owner, one gate.
/// @notice The owner can do everything, alone, at any time: owner exit needs no proof, no node, no
///         registry and no gate. The gate can make calls, and only calls (no delegatecall), in
///         the account's name; what it lets through is the mandates' business. Neither can be
///         changed.
/// Warning: there is no ERC-1271: the account signs nothing, so no signature of the owner's can
///          spend its money. There is no recovery either: let the owner be a multisig.
interface IOwnedAccount is IModuleHost {
    /// @notice One call by the owner.
    /// @param target Whom to call.
    /// @param value Wei sent along.
    /// @param data Calldata; empty for a plain transfer.
    struct OwnerCall {
        address target;
        uint256 value;
        bytes data;
    }

    /// @notice Owner and gate must not be the zero address.
    /// @dev Deploy again with both.
    error PartyZero();
    /// @notice Only the owner may.
    /// @dev Send from the owner's address.
    error NotOwner(address caller, address owner);
    /// @notice Only the gate may.
    /// @dev Act through a mandate, or as the owner.
    error NotGate(address caller, address gate);
    /// @notice The gate may only call.
    /// @dev Use operation 0.
    error OperationUnsupported(uint8 operation);
    /// @notice One of the owner's calls failed; nothing of the batch happened.
    /// @dev Read `reason`, the first bytes of what the target reverted with.
    error OwnerCallFailed(uint256 index, bytes reason);

    /// @notice Make one call as the owner.
    /// @return returnData The first 1024 bytes of what the call returned.
    function execute(address target, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory returnData);

    /// @notice Make several calls as the owner, all or none.
    function executeBatch(OwnerCall[] calldata calls) external payable;

    /// @notice ERC-721 tokens (Uniswap positions are) may be sent safely.
    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4);

    /// @notice Who owns the account.
    function owner() external view returns (address);

    /// @notice The gate that may act under the owner's mandates.
    function gate() external view returns (address);
}
