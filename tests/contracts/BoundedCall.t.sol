// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "../../contracts/BoundedCall.sol";
import {Test} from "./Test.sol";

/// @title Answers with what it was sent, or reverts with it.
contract Echo {
    fallback(bytes calldata data) external payable returns (bytes memory) {
        if (data.length == 0 || data[0] != 0xff) return data;
        bytes memory reason = data;
        assembly {
            revert(add(reason, 32), mload(reason))
        }
    }

    receive() external payable {}
}

/// @title The assembly and its plain twin do the same, up to the limit.
contract BoundedCallTest is Test {
    Echo private echo = new Echo();

    function testFuzz_call_equalsThePlainTwinUpToTheLimit(
        bytes memory data,
        uint16 limit,
        uint96 value
    ) public {
        vm.deal(address(this), value);
        (bool success, bytes memory result) = BoundedCall.call(address(echo), value, data, limit);
        vm.assertEq(address(echo).balance, success ? value : 0, "value");
        vm.deal(address(this), value);
        (bool twinSuccess, bytes memory twin) = address(echo).call{value: value}(data);
        vm.assertEq(success, twinSuccess, "success");
        vm.assertEq(result, _cut(twin, limit), "result");
    }

    function testFuzz_staticCall_equalsThePlainTwinUpToTheLimit(bytes memory data, uint16 limit)
        public
        view
    {
        (bool success, bytes memory result) = BoundedCall.staticCall(address(echo), data, limit);
        (bool twinSuccess, bytes memory twin) = address(echo).staticcall(data);
        vm.assertEq(success, twinSuccess, "success");
        vm.assertEq(result, _cut(twin, limit), "result");
    }

    /// @dev The first word decides, in an answer of three words or more that is no revert; what was
    ///      answered is copied afterwards.
    function testFuzz_callForYes_equalsThePlainTwin(bytes memory data, uint16 limit, uint8 first)
        public
    {
        // As it comes, and with a first word of 0, 1 or 2.
        if (data.length >= 32 && first < 200) {
            assembly ("memory-safe") {
                mstore(add(data, 32), mod(first, 3))
            }
        }
        (bool answered, bool yes) = BoundedCall.callForYes(address(echo), data);
        bytes memory result = BoundedCall.returned(limit);
        (bool twinAnswered, bytes memory twin) = address(echo).call(data);
        vm.assertEq(answered, twinAnswered, "answered");
        vm.assertEq(yes, twinAnswered && twin.length >= 96 && uint256(bytes32(twin)) == 1, "yes");
        vm.assertEq(result, _cut(twin, limit), "result");
    }

    /// @dev What lies in scratch memory is no answer.
    function test_callForYes_isNoWhereNothingIsAnswered() public {
        bytes[4] memory said = [bytes(""), abi.encode(1), abi.encode(1, 64), new bytes(95)];
        said[3][31] = 0x01;
        for (uint256 i = 0; i < 4; i++) {
            assembly ("memory-safe") {
                mstore(0, 1)
            }
            (bool answered, bool yes) = BoundedCall.callForYes(address(echo), said[i]);
            vm.assertTrue(answered, "answered");
            vm.assertFalse(yes, "yes");
        }
        (, bool three) = BoundedCall.callForYes(address(echo), abi.encode(1, 64, 0));
        vm.assertTrue(three, "three words");
        (bool there, bool nobody) = BoundedCall.callForYes(address(0xdead), abi.encode(1, 64, 0));
        vm.assertTrue(there && !nobody, "no code");
    }

    /// @dev What comes after in memory is not disturbed, whatever lay there before.
    function testFuzz_call_leavesMemoryInOrder(bytes memory data, uint8 limit) public {
        bytes memory dirt = new bytes(512);
        for (uint256 i = 0; i < dirt.length; i++) {
            dirt[i] = 0xaa;
        }
        (, bytes memory result) = BoundedCall.call(address(echo), 0, data, limit);
        bytes32 before = keccak256(result);
        bytes memory fresh = new bytes(100);
        vm.assertEq(keccak256(fresh), keccak256(new bytes(100)), "fresh memory is zero");
        fresh[0] = 0x01;
        vm.assertEq(keccak256(result), before, "result untouched");
        vm.assertEq(bytes32(uint256(uint8(dirt[511]))), bytes32(uint256(0xaa)), "old untouched");
    }

    function _cut(bytes memory whole, uint256 limit) private pure returns (bytes memory part) {
        part = new bytes(whole.length < limit ? whole.length : limit);
        for (uint256 i = 0; i < part.length; i++) {
            part[i] = whole[i];
        }
    }
}
