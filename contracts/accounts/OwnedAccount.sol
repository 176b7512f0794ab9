// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {BoundedCall} from "../BoundedCall.sol";
import {IModuleHost} from "../IModuleHost.sol";
import {IOwnedAccount} from "./IOwnedAccount.sol";

/// @title OwnedAccount
contract OwnedAccount is IOwnedAccount {
    /* TYPES */

    /// @dev Most bytes kept of a failing call, and of a call made for the gate. The gate keeps
    ///      fewer.
    uint256 private constant MAX_RETURN_BYTES = 1024;

    /* IMMUTABLES */

    /// @inheritdoc IOwnedAccount
    address public immutable owner;

    /// @inheritdoc IOwnedAccount
    address public immutable gate;

    /* CONSTRUCTOR */

    /// @param owner_ Who may do everything.
    /// @param gate_ The gate that may act under the owner's mandates.
    constructor(address owner_, address gate_) {
        if (owner_ == address(0) || gate_ == address(0)) revert PartyZero();
        owner = owner_;
        gate = gate_;
    }

    /// @notice Native currency is welcome.
    receive() external payable {}

    /* EXTERNAL */

    /// @inheritdoc IOwnedAccount
    function execute(address target, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory returnData)
    {
        _checkOwner();
        return _ownerCall(0, target, value, data);
    }

    /// @inheritdoc IOwnedAccount
    function executeBatch(OwnerCall[] calldata calls) external payable {
        _checkOwner();
        for (uint256 i = 0; i < calls.length; i++) {
            _ownerCall(i, calls[i].target, calls[i].value, calls[i].data);
        }
    }

    /// @inheritdoc IModuleHost
    function execTransactionFromModuleReturnData(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation
    ) external returns (bool success, bytes memory) {
        if (msg.sender != gate) revert NotGate(msg.sender, gate);
        if (operation != 0) revert OperationUnsupported(operation);
        // `BoundedCall.call`, and the answer encoded where it lies: every call of every decision
        // comes through here, and pays 500 gas less.
        uint256 most = MAX_RETURN_BYTES;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, data.offset, data.length)
            success := call(gas(), to, value, start, data.length, 0, 0)
            let size := returndatasize()
            if gt(size, most) { size := most }
            mstore(start, success)
            mstore(add(start, 32), 64)
            mstore(add(start, 64), size)
            // The last word's tail is zeros.
            mstore(add(add(start, 96), size), 0)
            returndatacopy(add(start, 96), 0, size)
            return(start, add(96, and(add(size, 31), not(31))))
        }
    }

    /// @inheritdoc IOwnedAccount
    function onERC721Received(address, address, uint256, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return this.onERC721Received.selector;
    }

    /* INTERNAL */

    function _checkOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
    }

    function _ownerCall(uint256 index, address target, uint256 value, bytes calldata data)
        private
        returns (bytes memory returnData)
    {
        bool success;
        (success, returnData) = BoundedCall.call(target, value, data, MAX_RETURN_BYTES);
        if (!success) revert OwnerCallFailed(index, returnData);
    }
}
