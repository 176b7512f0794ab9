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

    /// @dev Bytes before the bytes in an encoded (bool, bytes).
    uint256 private constant ANSWER_HEAD = 96;

    /// @dev Make one call, granting its allowance before and taking back what is left after.
    function make(address account, uint256 index, Call calldata item) internal {
        uint256 allowance = item.allowance;
        address target = item.target;
        if (allowance != 0) _approve(account, item.token, target, allowance);

        (bool answered, bool success) =
            BoundedCall.callForYes(account, encodeRequest(target, item.value, item.data));
        if (!success) revert IDecisionGate.CallFailed(index, _reason(_answer(answered)));

        if (allowance != 0) _takeBack(account, item.token, target);
    }

    /// @dev abi.encodeCall(IModuleHost.execTransactionFromModuleReturnData, (to, value, data, 0)),
    ///      copied in one piece; `Hashes.t.sol` holds the plain twin.
    function encodeRequest(address to, uint256 value, bytes calldata data)
        internal
        pure
        returns (bytes memory request)
    {
        bytes32 selector = IModuleHost.execTransactionFromModuleReturnData.selector;
        assembly ("memory-safe") {
            request := mload(0x40)
            let end := add(add(request, 196), and(add(data.length, 31), not(31)))
            mstore(request, sub(sub(end, request), 32))
            mstore(add(request, 32), selector)
            mstore(add(request, 36), to)
            mstore(add(request, 68), value)
            mstore(add(request, 100), 128)
            mstore(add(request, 132), 0)
            // The last word is zeros before the length and the data go over it.
            mstore(sub(end, 32), 0)
            mstore(add(request, 164), data.length)
            calldatacopy(add(request, 196), data.offset, data.length)
            mstore(0x40, and(add(end, 31), not(31)))
        }
    }

    function _takeBack(address account, address token, address spender) private {
        if (_allowance(account, token, spender) == 0) return;
        _approve(account, token, spender, 0);
        // The token's word is not enough: some ignore what they are told.
        uint256 left = _allowance(account, token, spender);
        if (left != 0) revert IDecisionGate.AllowanceLeft(token, spender, left);
    }

    function _approve(address account, address token, address spender, uint256 amount) private {
        bytes memory approval = abi.encodeWithSignature("approve(address,uint256)", spender, amount);
        (bool answered, bool success) = BoundedCall.callForYes(
            account,
            abi.encodeCall(IModuleHost.execTransactionFromModuleReturnData, (token, 0, approval, 0))
        );
        bytes memory answer = _answer(answered);
        // Nothing returned is as good as true (old tokens); that the token has code was seen at
        // grant, when it told its decimals. Anything but true is a refusal.
        if (!success || !_isEmptyOrTrue(answer)) {
            revert IDecisionGate.ApprovalFailed(token, spender, _reason(answer));
        }
    }

    /// @dev What the account answered just now: an encoded (bool, bytes), cut off after the limit. An
    ///      account that reverted, or did not answer in that form, counts as a failed call; it is then
    ///      what it reverted with, in that form.
    function _answer(bool answered) private pure returns (bytes memory answer) {
        answer = BoundedCall.returned(ANSWER_HEAD + MAX_REASON_BYTES);
        if (!answered) return abi.encode(false, answer);
        if (answer.length < ANSWER_HEAD) return abi.encode(false, "");
    }

    function _isEmptyOrTrue(bytes memory answer) private pure returns (bool) {
        (,, uint256 length) = abi.decode(answer, (uint256, uint256, uint256));
        if (length == 0) return true;
        if (length < 32 || answer.length < ANSWER_HEAD + 32) return false;
        (,,, uint256 first) = abi.decode(answer, (uint256, uint256, uint256, uint256));
        return first == 1;
    }

    /// @dev The bytes of an encoded (bool, bytes), as far as they were kept. Only read on the way
    ///      to a revert.
    function _reason(bytes memory answer) private pure returns (bytes memory reason) {
        (,, uint256 length) = abi.decode(answer, (uint256, uint256, uint256));
        uint256 available = answer.length - ANSWER_HEAD;
        if (length > available) length = available;
        if (length > MAX_REASON_BYTES) length = MAX_REASON_BYTES;
        reason = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            reason[i] = answer[ANSWER_HEAD + i];
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
        return uint256(bytes32(result));
    }
}
