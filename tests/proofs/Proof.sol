// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The cheatcodes that halmos and forge share.
interface ProofVm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function deal(address account, uint256 amount) external;
    function roll(uint256 number) external;
    function warp(uint256 timestamp) external;
    function addr(uint256 key) external pure returns (address);
    function etch(address account, bytes calldata code) external;
    function getCode(string calldata file) external view returns (bytes memory);
    function envOr(string calldata name, string calldata other)
        external
        view
        returns (string memory);
    function setArbitraryStorage(address account) external;
}

/// @title What every proof needs. Functions that begin with `check` are proven for all arguments.
abstract contract Proof {
    ProofVm internal constant vm = ProofVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Deploy one of our contracts from the code that the package carries, or, where a proof is
    ///      to fail, from code that lacks a check. `prove.py` says where it lies.
    function _deploy(string memory name, bytes memory arguments) internal returns (address made) {
        string memory place = vm.envOr("AFFIANT_PROVED", string(""));
        bytes memory code =
            bytes.concat(vm.getCode(string.concat(place, "/", name, ".json")), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), name);
    }
}

/// @title A token that does what it is told, and nothing else. Its base unit is one token: values
///        are products then, and no solver has to divide.
contract PlainToken {
    uint8 public constant decimals = 0;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @title A feed of two dollars, always fresh.
contract PlainFeed {
    uint8 public constant decimals = 8;

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, 2e8, block.timestamp, block.timestamp, 1);
    }
}

/// @title A feed of one unit of value, always fresh.
contract CheapFeed {
    uint8 public constant decimals = 8;

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, 1, block.timestamp, block.timestamp, 1);
    }
}

/// @title A token whose balances anybody sets to anything.
contract OpenToken {
    uint8 public constant decimals = 0;
    mapping(address => uint256) public balanceOf;

    function set(address owner, uint256 balance) external {
        balanceOf[owner] = balance;
    }
}

/// @title A protocol that takes no allowance that it is given.
contract Idle {
    function idle() external {}
}
