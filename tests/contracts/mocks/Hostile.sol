// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../../contracts/IDecisionGate.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {TestToken} from "./TestToken.sol";

/// @title Calls that fail where what they called fails.
library Insisting {
    function call(address target, bytes memory data) internal {
        (bool success, bytes memory reason) = target.call(data);
        if (success) return;
        assembly {
            revert(add(reason, 32), mload(reason))
        }
    }
}

/// @title Anyone may halve anyone's balance.
contract RebasingToken is TestToken(18) {
    function rebase(address holder) external {
        balanceOf[holder] /= 2;
    }
}

/// @title Calls whoever it is told to whenever it moves, and moves only where that succeeds.
contract InsistingToken is TestToken(18) {
    address private _listener;
    bytes private _message;

    function listen(address listener, bytes calldata message) external {
        (_listener, _message) = (listener, message);
    }

    function _move(address from, address to, uint256 amount) internal override {
        Insisting.call(_listener, _message);
        super._move(from, to, amount);
    }
}

/// @title A rule that calls somebody while it is asked, and refuses where that fails.
contract ReenteringRule is IRule {
    address private _target;
    bytes private _message;

    function call(address target, bytes calldata message) external {
        (_target, _message) = (target, message);
    }

    function checkTerms(address, bytes calldata) external pure returns (bytes4) {
        return this.checkTerms.selector;
    }

    function beforeCalls(Act calldata, bytes calldata) external returns (bytes4) {
        Insisting.call(_target, _message);
        return this.beforeCalls.selector;
    }

    function afterCalls(Act calldata, bytes calldata, int256[] calldata, int256)
        external
        pure
        returns (bytes4)
    {
        return this.afterCalls.selector;
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

/// @title A pool of shares that pays out between two of its own writes, as pools of native
///        currency did: while it pays, fewer shares own what is still counted as there.
contract SharePool {
    uint256 public assets = 1000;
    uint256 public shares = 1000;

    /// @notice What a share is worth, 8 decimals: true whenever nobody is being paid.
    function sharePrice() external view returns (uint256) {
        return assets * 1e8 / shares;
    }

    function withdraw(uint256 amount, bytes calldata data) external {
        uint256 paid = assets * amount / shares;
        shares -= amount;
        PoolOperator(msg.sender).onPaid(data);
        assets -= paid;
    }
}

/// @title A feed that tells a pool's price of a share at this very moment.
contract ShareFeed {
    uint8 public constant decimals = 8;
    SharePool private immutable _pool;

    constructor(SharePool pool) {
        _pool = pool;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, int256(_pool.sharePrice()), block.timestamp, block.timestamp, 1);
    }
}

/// @title An operator who submits from within a pool's payment (read-only reentrancy): nothing of
///        the pool is entered again, it is only read.
contract PoolOperator {
    IDecisionGate private immutable _gate;

    constructor(IDecisionGate gate) {
        _gate = gate;
    }

    function run(SharePool pool, uint256 amount, bytes calldata submission) external {
        pool.withdraw(amount, submission);
    }

    function onPaid(bytes calldata submission) external {
        Insisting.call(address(_gate), submission);
    }
}

/// @title An operator and venue who pays with money that he wants back after it was measured.
contract LendingOperator {
    IDecisionGate private immutable _gate;

    constructor(IDecisionGate gate) {
        _gate = gate;
    }

    /// @notice Take `amount` of the caller's `token`, pay `price` of `paidIn`.
    function buy(address token, uint256 amount, address paidIn, uint256 price) external {
        TestToken(token).transferFrom(msg.sender, address(this), amount);
        TestToken(paidIn).transfer(msg.sender, price);
    }

    /// @notice Take a fee of the caller's `token`.
    function charge(address token, uint256 fee) external {
        TestToken(token).transferFrom(msg.sender, address(this), fee);
    }

    function run(bytes calldata submission, address token, address from, uint256 amount) external {
        (bool success, bytes memory reason) = address(_gate).call(submission);
        require(success, string(reason));
        TestToken(token).transferFrom(from, address(this), amount);
    }
}
