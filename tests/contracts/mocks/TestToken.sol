// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A plain ERC-20 that anyone may mint; the base of the hostile ones.
contract TestToken {
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
    }

    function burn(address from, uint256 amount) external {
        totalSupply -= amount;
        balanceOf[from] -= amount;
    }

    function approve(address spender, uint256 amount) external virtual returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount)
        external
        virtual
        returns (bool)
    {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @title Answers false to `approve`, and sets nothing.
contract FalseReturnToken is TestToken(18) {
    function approve(address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// @title Answers one byte to `approve`: neither nothing nor true.
contract ShortReturnToken is TestToken(18) {
    function approve(address spender, uint256 amount) external override returns (bool) {
        allowance[msg.sender][spender] = amount;
        assembly {
            mstore8(0, 1)
            return(0, 1)
        }
    }
}

/// @title Keeps a hundredth of every transfer.
contract FeeOnTransferToken is TestToken(18) {
    function _move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// @title Calls back whoever it is told to, whenever it moves.
contract CallbackToken is TestToken(18) {
    address public listener;
    bytes public message;
    bytes public answer;

    function listen(address listener_, bytes calldata message_) external {
        listener = listener_;
        message = message_;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (listener != address(0)) {
            (, answer) = listener.call(message);
        }
        super._move(from, to, amount);
    }
}

/// @title Tells an allowance only until it is used.
contract ForgetfulToken is TestToken(18) {
    function transferFrom(address, address, uint256) external pure override returns (bool) {
        return true;
    }
}

/// @title Like USDT: returns nothing, and takes a new allowance only over zero.
contract MissingReturnToken {
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        require(amount == 0 || allowance[msg.sender][spender] == 0, "zero it first");
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
