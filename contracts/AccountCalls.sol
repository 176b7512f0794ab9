// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {IModuleHost} from "./IModuleHost.sol";
import {Call} from "./types/Call.sol";

/// @title Calls in an account's name, with allowances that live for one call.
library AccountCalls {
    /// @dev Most bytes kept of what a call returned or reverted with.
    uint256 private constant MAX_REASON_BYTES = 256;

    /// @dev Words before the bytes in an encoded (bool, bytes).
    uint256 private constant RESULT_HEAD = 96;

    /// @dev Make one call, granting its allowance before and taking back what is left after.
    function make(address account, uint256 index, Call calldata item) internal {
        if (item.allowance != 0) _approve(account, item.token, item.target, item.allowance);

        (bool success, bytes memory result) =
            _viaAccount(account, item.target, item.value, item.data);
        if (!success) revert IDecisionGate.CallFailed(index, result);

        if (item.allowance != 0) _takeBack(account, item.token, item.target);
    }

    function _takeBack(address account, address token, address spender) private {
        if (_allowance(account, token, spender) == 0) return;
        _approve(account, token, spender, 0);
        // The token's word is not enough: some ignore what they are told.
        uint256 left = _allowance(account, token, spender);
        if (left != 0) revert IDecisionGate.AllowanceLeft(token, spender, left);
    }

    function _approve(address account, address token, address spender, uint256 amount) private {
        (bool success, bytes memory result) = _viaAccount(
            account, token, 0, abi.encodeWithSignature("approve(address,uint256)", spender, amount)
        );
        // Nothing returned is as good as true (old tokens); that the token has code was seen at
        // grant, when it told its decimals. Anything but true is a refusal.
        bool accepted =
            result.length == 0 || (result.length >= 32 && abi.decode(result, (uint256)) == 1);
        if (!success || !accepted) revert IDecisionGate.ApprovalFailed(token, spender, result);
    }

    /// @dev Call through the account's module interface. An account that reverts, or does not
    ///      answer (bool, bytes), counts as a failed call.
    function _viaAccount(address account, address to, uint256 value, bytes memory data)
        private
        returns (bool success, bytes memory result)
    {
        (success, result) = BoundedCall.call(
            account,
            0,
            abi.encodeCall(IModuleHost.execTransactionFromModuleReturnData, (to, value, data, 0)),
            RESULT_HEAD + MAX_REASON_BYTES
        );
        if (!success) return (false, _slice(result, 0, MAX_REASON_BYTES));
        if (result.length < RESULT_HEAD) return (false, "");
        (uint256 flag,, uint256 length) = abi.decode(result, (uint256, uint256, uint256));
        return (flag == 1, _slice(result, RESULT_HEAD, length));
    }

    /// @dev At most `length` bytes of `data` from `start`, copied.
    function _slice(bytes memory data, uint256 start, uint256 length)
        private
        pure
        returns (bytes memory part)
    {
        uint256 available = data.length - start;
        part = new bytes(length < available ? length : available);
        for (uint256 i = 0; i < part.length; i++) {
            part[i] = data[start + i];
        }
    }

    function _allowance(address account, address token, address spender)
        private
        view
        returns (uint256)
    {
        (bool success, bytes memory result) = BoundedCall.staticCall(
            token, abi.encodeWithSignature("allowance(address,address)", account, spender), 32
        );
        if (!success || result.length < 32) revert IDecisionGate.AllowanceUnreadable(token);
        return abi.decode(result, (uint256));
    }
}
