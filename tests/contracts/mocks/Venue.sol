// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TestToken} from "./TestToken.sol";

/// @title A protocol that does exactly what it is told, good or bad.
contract Venue {
    error Refused(uint256 why);

    mapping(address => uint256) public noted;

    receive() external payable {}

    /// @notice Take `amountIn` of the caller's `sell`, give `amountOut` of `buy`.
    function trade(address sell, uint256 amountIn, address buy, uint256 amountOut) external {
        if (amountIn != 0) {
            // Not through the interface: some tokens return nothing.
            (bool success,) = sell.call(_transferFrom(msg.sender, amountIn));
            require(success, "not paid");
        }
        if (amountOut != 0) TestToken(buy).mint(msg.sender, amountOut);
    }

    /// @notice Give `amount` of `asset` and mint as much `debt`.
    function borrow(address debt, address asset, uint256 amount) external {
        TestToken(debt).mint(msg.sender, amount);
        TestToken(asset).mint(msg.sender, amount);
    }

    /// @notice Mint debt for nothing.
    function indebt(address debt, uint256 amount) external {
        TestToken(debt).mint(msg.sender, amount);
    }

    /// @notice Take what is sent; give back `change`.
    function keep(uint256 change) external payable {
        (bool success,) = msg.sender.call{value: change}("");
        require(success);
    }

    /// @notice Take note of a number, as a vote would be.
    function note(uint256 number) external {
        noted[msg.sender] = number;
    }

    /// @notice Fail with an error of its own.
    function fail(uint256 why) external pure {
        revert Refused(why);
    }

    /// @notice Fail with `size` bytes of zeros.
    function bomb(uint256 size) external pure {
        assembly {
            mstore(64, 0)
            revert(0, size)
        }
    }

    /// @notice Succeed with `size` bytes of zeros.
    function flood(uint256 size) external pure {
        assembly {
            mstore(64, 0)
            return(0, size)
        }
    }

    /// @notice Call anyone, and fail where that fails.
    function poke(address target, bytes calldata data) external {
        (bool success, bytes memory result) = target.call(data);
        if (!success) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function _transferFrom(address from, uint256 amount) private view returns (bytes memory) {
        return abi.encodeCall(TestToken.transferFrom, (from, address(this), amount));
    }
}
