// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    ALLOW_LIST,
    ENDORSERS,
    FEEDS,
    KeptMandate,
    LADDER,
    ListOf,
    NODES,
    RULES,
    TRACKED,
    WORKLOADS,
    encodeMandate,
    keepMandate,
    loadMandate,
    placeOf
} from "../../contracts/types/KeptMandate.sol";
import {Mandate, hashMandate} from "../../contracts/types/Mandate.sol";
import {Test} from "./Test.sol";

/// @title A kept mandate, read where it lies, and the same decoded by the compiler.
contract KeptMandateTest is Test {
    function testFuzz_keeping_equalsThePlainTwin(Mandate calldata mandate) public {
        (bytes32 id, bytes memory initCode) = encodeMandate(mandate);
        vm.assertEq(id, keccak256(initCode), "id");
        vm.assertEq(id, hashMandate(mandate), "twin id");
        address place = placeOf(id, address(this));
        vm.assertEq(place.code.length, 0, "empty");
        (bool found,) = loadMandate(place);
        vm.assertFalse(found, "found before");

        vm.assertTrue(keepMandate(initCode), "kept");
        vm.assertEq(place.code, abi.encode(mandate), "code");
        vm.assertFalse(keepMandate(initCode), "kept twice");

        (bool kept, KeptMandate read) = loadMandate(place);
        vm.assertTrue(kept, "found");
        _assertFields(read, mandate);
        _assertLists(read, mandate);
        // Whoever calls it gets nothing, and changes nothing.
        (bool success, bytes memory answer) = place.call{value: 0}(abi.encode(mandate));
        vm.assertTrue(success && answer.length == 0, "inert");
        vm.assertEq(place.code, abi.encode(mandate), "code afterwards");
    }

    function _assertFields(KeptMandate read, Mandate calldata mandate) private pure {
        vm.assertEq(read.account(), mandate.account, "account");
        vm.assertEq(read.operator(), mandate.operator, "operator");
        vm.assertEq(read.guardian(), mandate.guardian, "guardian");
        vm.assertEq(read.program(), mandate.program, "program");
        vm.assertEq(read.service(), keccak256(abi.encode(mandate.model, mandate.engine)), "service");
        vm.assertEq(read.cadence(), mandate.cadence, "cadence");
        vm.assertEq(read.expiry(), mandate.expiry, "expiry");
        vm.assertEq(read.maxLoss(), mandate.maxLoss, "maxLoss");
        vm.assertEq(read.recordHolds(), mandate.recordHolds, "recordHolds");
        vm.assertEq(read.quorum(), mandate.quorum, "quorum");
    }

    /// @dev Entries of lists of fixed size are the compiler's encoding of the list, word for word.
    function _assertLists(KeptMandate read, Mandate calldata mandate) private pure {
        _assertList(read, NODES, abi.encode(mandate.nodes), 2);
        _assertList(read, WORKLOADS, abi.encode(mandate.workloads), 2);
        _assertList(read, ENDORSERS, abi.encode(mandate.endorsers), 1);
        _assertList(read, LADDER, abi.encode(mandate.ladder), 4);
        _assertList(read, ALLOW_LIST, abi.encode(mandate.allowList), 2);
        _assertList(read, FEEDS, abi.encode(mandate.feeds), 3);
        _assertList(read, TRACKED, abi.encode(mandate.tracked), 4);
        vm.assertEq(read.count(RULES), mandate.rules.length, "rules");
        for (uint256 i = 0; i < mandate.rules.length; i++) {
            vm.assertEq(read.ruleTarget(i), mandate.rules[i].target, "rule");
            vm.assertEq(read.ruleData(i), mandate.rules[i].data, "terms");
        }
    }

    function _assertList(KeptMandate read, ListOf list, bytes memory plain, uint256 width)
        private
        pure
    {
        uint256 count = _wordAt(plain, 1);
        vm.assertEq(read.count(list), count, "count");
        for (uint256 i = 0; i < count; i++) {
            for (uint256 field = 0; field < width; field++) {
                vm.assertEq(
                    read.word(list, i, field), _wordAt(plain, 2 + i * width + field), "word"
                );
            }
        }
    }

    function _wordAt(bytes memory data, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(data, add(32, mul(index, 32))))
        }
    }
}
