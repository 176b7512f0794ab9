// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The cheatcodes of forge that the tests use.
interface Vm {
    /// @dev A log that was recorded.
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function deployCode(string calldata artifact) external returns (address);
    function deployCode(string calldata artifact, bytes calldata arguments)
        external
        returns (address);
    function getCode(string calldata artifact) external view returns (bytes memory);
    function envOr(string calldata name, string calldata otherwise)
        external
        view
        returns (string memory);
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function chainId(uint256 id) external;
    function deal(address account, uint256 amount) external;
    function etch(address account, bytes calldata code) external;
    function setBlockhash(uint256 number, bytes32 hash) external;
    function prank(address sender) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function signP256(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 s);
    function publicKeyP256(uint256 key) external pure returns (uint256 x, uint256 y);
    function mockCall(address target, bytes calldata data, bytes calldata answer) external;
    function mockCallRevert(address target, bytes calldata data, bytes calldata reason) external;
    function clearMockedCalls() external;
    function addr(uint256 key) external pure returns (address);
    function label(address account, string calldata name) external;

    function expectRevert(bytes calldata reason) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit(bool, bool, bool, bool, address emitter) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function assume(bool condition) external pure;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool success);
    function revertToStateAndDelete(uint256 id) external returns (bool success);

    function assertEq(uint256 got, uint256 expected, string calldata why) external pure;
    function assertEq(int256 got, int256 expected, string calldata why) external pure;
    function assertEq(bytes32 got, bytes32 expected, string calldata why) external pure;
    function assertEq(address got, address expected, string calldata why) external pure;
    function assertEq(bool got, bool expected, string calldata why) external pure;
    function assertEq(bytes calldata got, bytes calldata expected, string calldata why)
        external
        pure;
    function assertEq(string calldata got, string calldata expected, string calldata why)
        external
        pure;
    function assertTrue(bool got, string calldata why) external pure;
    function assertFalse(bool got, string calldata why) external pure;
    function assertLe(uint256 got, uint256 most, string calldata why) external pure;
    function assertGe(uint256 got, uint256 least, string calldata why) external pure;

    function readLine(string calldata path) external view returns (string memory line);
    function exists(string calldata path) external view returns (bool);
    function skip(bool skipped) external;
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonAddress(string calldata json, string calldata key)
        external
        pure
        returns (address);
    function parseJsonBytes(string calldata json, string calldata key)
        external
        pure
        returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key)
        external
        pure
        returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function parseJsonIntArray(string calldata json, string calldata key)
        external
        pure
        returns (int256[] memory);
    function parseJsonUint(string calldata json, string calldata key)
        external
        pure
        returns (uint256);
    function parseJsonInt(string calldata json, string calldata key) external pure returns (int256);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);

    function snapshotGasLastCall(string calldata group, string calldata name)
        external
        returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function toString(uint256 value) external pure returns (string memory);
    function writeLine(string calldata path, string calldata line) external;
}
