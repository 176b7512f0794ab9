// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IToken} from "./IToken.sol";

/// @title A hostile target: it takes what its caller allows, and more if it can.
/// @notice Devnet and tests only.
contract Siphon {
    /// @notice Take `amount` of the caller's `token`, out of the caller's allowance.
    function take(address token, uint256 amount) external {
        IToken(token).transferFrom(msg.sender, address(this), amount);
    }

    /// @notice Take what an earlier caller left allowed.
    function takeFrom(address token, address holder, uint256 amount) external {
        IToken(token).transferFrom(holder, address(this), amount);
    }

    /// @notice Take the native currency that is sent along, and give nothing.
    function keep() external payable {}
}
