// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title An account that makes no calls and answers as it likes.
contract OddAccount {
    bytes public answer;
    bool public reverts;

    function set(bytes calldata answer_, bool reverts_) external {
        answer = answer_;
        reverts = reverts_;
    }

    /// @notice Lets a test speak in the account's name.
    function speak(address target, bytes calldata data) external {
        (bool success, bytes memory result) = target.call(data);
        require(success, string(result));
    }

    fallback() external payable {
        bytes memory data = answer;
        bool failing = reverts;
        assembly {
            if failing { revert(add(data, 32), mload(data)) }
            return(add(data, 32), mload(data))
        }
    }

    receive() external payable {}
}

/// @title A feed that answers as it likes.
contract OddFeed {
    uint8 public constant decimals = 8;
    bytes public answer;

    function set(bytes calldata answer_) external {
        answer = answer_;
    }

    function latestRoundData() external view {
        bytes memory data = answer;
        require(data.length != 0, "no data");
        assembly {
            return(add(data, 32), mload(data))
        }
    }
}
