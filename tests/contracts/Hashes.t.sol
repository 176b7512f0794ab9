// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AccountCalls} from "../../contracts/AccountCalls.sol";
import {IModuleHost} from "../../contracts/IModuleHost.sol";
import {Signatures} from "../../contracts/Signatures.sol";
import {Call, hashCalls} from "../../contracts/types/Call.sol";
import {
    DECISION_TYPEHASH,
    Decision,
    copyDecision,
    hashBounds,
    hashDecision
} from "../../contracts/types/Decision.sol";
import {Test} from "./Test.sol";

/// @title What is hashed or encoded by assembly, and what plain Solidity makes of the same.
contract HashesTest is Test {
    function testFuzz_hashDecision_equalsThePlainTwin(Decision calldata decision) public pure {
        bytes32 plain = keccak256(abi.encode(DECISION_TYPEHASH, decision));
        Decision memory copy = copyDecision(decision);
        vm.assertEq(hashDecision(copy), plain, "hash");
        // What lay before it in memory lies there still, and so does the copy.
        bytes memory before = abi.encode(bytes32(uint256(1)));
        Decision memory second = copyDecision(decision);
        vm.assertEq(hashDecision(second), plain, "second");
        vm.assertEq(before, abi.encode(bytes32(uint256(1))), "before");
        vm.assertEq(keccak256(abi.encode(copy)), keccak256(abi.encode(decision)), "copy");
    }

    /// @dev As the compiler's own copy would.
    function testFuzz_copyDecision_refusesWordsThatDoNotFit(
        Decision calldata decision,
        uint64 dirt,
        bool inValidUntil
    ) public {
        vm.assume(dirt != 0);
        bytes memory data = abi.encodeCall(this.copied, (decision));
        uint256 place = inValidUntil ? 4 + 10 * 32 : 4 + 2 * 32;
        for (uint256 i = 0; i < 8; i++) {
            data[place + i] = bytes1(uint8(dirt >> (8 * i)));
        }
        (bool success,) = address(this).call(data);
        vm.assertFalse(success, "copied");
    }

    function copied(Decision calldata decision) external pure returns (Decision memory) {
        return copyDecision(decision);
    }

    function testFuzz_hashBounds_equalsThePlainTwin(int256[] calldata bounds) public pure {
        vm.assertEq(hashBounds(bounds), keccak256(abi.encode(bounds)), "hash");
    }

    function testFuzz_hashCalls_equalsThePlainTwin(
        Decision calldata,
        Call[] calldata calls,
        int256[] calldata bounds,
        bytes calldata
    ) public pure {
        vm.assertEq(hashCalls(calls, bounds), keccak256(abi.encode(calls)), "hash");
    }

    /// @dev Arguments in another order than the compiler's own, or bytes in between, are legal
    ///      encodings of the same arguments, and give other hashes: never that of other calls.
    function test_hashCalls_ofAnotherLayout_isAnotherHash() public view {
        Call[] memory calls = new Call[](1);
        calls[0] = Call(address(1), 2, hex"03", address(4), 5);
        int256[] memory bounds = new int256[](1);
        bytes memory calls_ = abi.encode(calls);
        bytes memory bounds_ = abi.encode(bounds);
        bytes32 sworn = keccak256(calls_);
        // Both encodings begin with an offset, which the arguments' own replace.
        bytes memory tail = _tail(calls_);
        bytes memory other = _tail(bounds_);
        bytes4 selector = this.hashOf.selector;
        (, bytes memory usual) = address(this)
            .staticcall(bytes.concat(selector, abi.encode(64, 64 + tail.length), tail, other));
        vm.assertEq(bytes32(usual), sworn, "usual");
        (, bytes memory swapped) = address(this)
            .staticcall(bytes.concat(selector, abi.encode(64 + other.length, 64), other, tail));
        vm.assertTrue(bytes32(swapped) != sworn, "swapped");
        (, bytes memory spaced) = address(this)
            .staticcall(
                bytes.concat(selector, abi.encode(64, 96 + tail.length), tail, bytes32(0), other)
            );
        vm.assertTrue(bytes32(spaced) != sworn, "spaced");
    }

    function hashOf(Call[] calldata calls, int256[] calldata bounds)
        external
        pure
        returns (bytes32)
    {
        return hashCalls(calls, bounds);
    }

    function testFuzz_digest_equalsThePlainTwin(bytes32 separator, bytes32 structHash) public pure {
        vm.assertEq(
            Signatures.digest(separator, structHash),
            keccak256(abi.encodePacked(hex"1901", separator, structHash)),
            "digest"
        );
    }

    function testFuzz_encodeRequest_equalsThePlainTwin(
        address to,
        uint256 value,
        bytes calldata data
    ) public pure {
        bytes memory request = AccountCalls.encodeRequest(to, value, data);
        // What is allocated next must not lie inside of it, and old memory must not show.
        bytes memory next = new bytes(64);
        bytes memory twin =
            abi.encodeCall(IModuleHost.execTransactionFromModuleReturnData, (to, value, data, 0));
        vm.assertEq(request, twin, "request");
        vm.assertEq(next, new bytes(64), "next");
        _dirty();
        vm.assertEq(AccountCalls.encodeRequest(to, value, data), twin, "over dirt");
    }

    function _dirty() private pure {
        assembly ("memory-safe") {
            let start := mload(0x40)
            for { let i := 0 } lt(i, 4096) { i := add(i, 32) } {
                mstore(add(start, i), not(0))
            }
        }
    }

    function _tail(bytes memory encoded) private pure returns (bytes memory tail) {
        tail = new bytes(encoded.length - 32);
        for (uint256 i = 0; i < tail.length; i++) {
            tail[i] = encoded[i + 32];
        }
    }
}
