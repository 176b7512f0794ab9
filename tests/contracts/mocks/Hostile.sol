// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {TestToken} from "./TestToken.sol";

/// @title Anyone may halve anyone's balance.
contract RebasingToken is TestToken(18) {
    function rebase(address holder) external {
        balanceOf[holder] /= 2;
    }
}

/// @title A feed whose price anybody sets at any moment, as one that reads a pool's spot price.
contract SpotFeed {
    uint8 public constant decimals = 8;
    int256 private _answer;

    constructor(int256 answer) {
        _answer = answer;
    }

    function push(int256 answer) external {
        _answer = answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer, block.timestamp, block.timestamp, 1);
    }
}

/// @title An operator who lends the account money while it is measured, and wants it back after.
contract LendingOperator {
    IDecisionGate private immutable _gate;

    constructor(IDecisionGate gate) {
        _gate = gate;
    }

    function run(bytes calldata submission, address token, address from, uint256 amount) external {
        (bool success, bytes memory reason) = address(_gate).call(submission);
        require(success, string(reason));
        TestToken(token).transferFrom(from, address(this), amount);
    }
}
