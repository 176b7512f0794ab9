// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A hostile token: it ignores being told that an allowance is zero.
/// @notice Devnet and tests only. Everything else is a plain ERC-20. The gate reads allowances back
///         instead of believing `approve`, and refuses.
contract StickyToken {
    /* STORAGE */

    /// @notice Name of the token.
    string public constant name = "Sticky";
    /// @notice Symbol of the token.
    string public constant symbol = "STICKY";
    /// @notice Decimals of the token.
    uint8 public constant decimals = 18;

    /// @notice Base units in existence.
    uint256 public immutable totalSupply;
    /// @notice Base units held.
    mapping(address holder => uint256) public balanceOf;
    /// @notice Base units that `spender` may take from `holder`.
    mapping(address holder => mapping(address spender => uint256)) public allowance;

    /* EVENTS */

    /// @notice Tokens moved.
    event Transfer(address indexed from, address indexed to, uint256 amount);
    /// @notice An allowance was set.
    event Approval(address indexed holder, address indexed spender, uint256 amount);

    /* CONSTRUCTOR */

    /// @param supply Base units, all to the deployer.
    constructor(uint256 supply) {
        totalSupply = supply;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    /* EXTERNAL */

    /// @notice Set an allowance, unless it is zero: then lie.
    function approve(address spender, uint256 amount) external returns (bool) {
        if (amount == 0) return true;
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    /// @notice Move the caller's tokens.
    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @notice Move tokens within an allowance.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    /* INTERNAL */

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
