// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call, hashCalls} from "../../contracts/types/Call.sol";
import {Checkpoint, hashCheckpoint} from "../../contracts/types/Checkpoint.sol";
import {Decision} from "../../contracts/types/Decision.sol";
import {Mandate, hashMandate} from "../../contracts/types/Mandate.sol";
import {Verdict, hashVerdict} from "../../contracts/types/Verdict.sol";
import {Test} from "./Test.sol";

/// @title The vectors that Python reads as well.
contract VectorsTest is Test {
    IDecisionGate private gate;

    function setUp() public {
        gate = IDecisionGate(_deploy("DecisionGate", abi.encode(address(1), address(2))));
    }

    function test_mandateIds() public view {
        string[2] memory names = [".bare", ".full"];
        string memory json = vm.readFile("tests/vectors/mandate.json");
        for (uint256 i = 0; i < names.length; i++) {
            bytes memory encoded = vm.parseJsonBytes(json, _at(names[i], ".encoded"));
            Mandate memory mandate = abi.decode(encoded, (Mandate));
            vm.assertEq(abi.encode(mandate), encoded, "encoding");
            vm.assertEq(this.idOf(mandate), vm.parseJsonBytes32(json, _at(names[i], ".id")), "id");
            _assertFields(json, _at(names[i], ".mandate"), mandate);
        }
    }

    function test_decisionDigests() public {
        string[2] memory names = [".hold", ".trade"];
        string memory json = vm.readFile("tests/vectors/decision.json");
        for (uint256 i = 0; i < names.length; i++) {
            address place = vm.parseJsonAddress(json, _at(names[i], ".gate"));
            vm.etch(place, address(gate).code);
            IDecisionGate placed = IDecisionGate(place);
            vm.chainId(vm.parseJsonUint(json, _at(names[i], ".chainId")));
            vm.assertEq(
                placed.domainSeparator(),
                vm.parseJsonBytes32(json, _at(names[i], ".domainSeparator")),
                "domain"
            );
            bytes32 digest = placed.digestOf(_decision(json, _at(names[i], ".decision")));
            vm.assertEq(digest, vm.parseJsonBytes32(json, _at(names[i], ".digest")), "digest");
            bytes memory signature = vm.parseJsonBytes(json, _at(names[i], ".signature"));
            vm.assertEq(
                _recover(digest, signature),
                vm.parseJsonAddress(json, _at(names[i], ".node")),
                "node"
            );
        }
    }

    function test_callsAndBoundsHashes() public view {
        string[2] memory names = [".hold", ".trade"];
        string memory json = vm.readFile("tests/vectors/decision.json");
        for (uint256 i = 0; i < names.length; i++) {
            bytes memory encoded = vm.parseJsonBytes(json, _at(names[i], ".callsEncoded"));
            Call[] memory calls = abi.decode(encoded, (Call[]));
            vm.assertEq(abi.encode(calls), encoded, "encoding");
            vm.assertEq(
                this.callsHashOf(calls),
                vm.parseJsonBytes32(json, _at(names[i], ".decision.calls")),
                "calls"
            );
            for (uint256 j = 0; j < calls.length; j++) {
                string memory path = string.concat(names[i], ".calls[", vm.toString(j), "]");
                vm.assertEq(
                    calls[j].target, vm.parseJsonAddress(json, _at(path, ".target")), "target"
                );
                vm.assertEq(calls[j].token, vm.parseJsonAddress(json, _at(path, ".token")), "token");
                vm.assertEq(calls[j].data, vm.parseJsonBytes(json, _at(path, ".data")), "data");
            }
            int256[] memory bounds = vm.parseJsonIntArray(json, _at(names[i], ".bounds"));
            vm.assertEq(
                keccak256(abi.encode(bounds)),
                vm.parseJsonBytes32(json, _at(names[i], ".decision.bounds")),
                "bounds"
            );
        }
    }

    function test_checkpointAndVerdict() public {
        string memory json = vm.readFile("tests/vectors/checkpoint.json");
        address place = vm.parseJsonAddress(json, ".gate");
        vm.etch(place, address(gate).code);
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        bytes32 domain = IDecisionGate(place).domainSeparator();
        Checkpoint memory checkpoint = Checkpoint({
            mandate: vm.parseJsonBytes32(json, ".checkpoint.fields.mandate"),
            head: vm.parseJsonBytes32(json, ".checkpoint.fields.head"),
            outflow: vm.parseJsonUint(json, ".checkpoint.fields.outflow"),
            anchor: uint64(vm.parseJsonUint(json, ".checkpoint.fields.anchor")),
            anchorHash: vm.parseJsonBytes32(json, ".checkpoint.fields.anchorHash")
        });
        vm.assertEq(
            keccak256(abi.encodePacked(hex"1901", domain, this.checkpointHashOf(checkpoint))),
            vm.parseJsonBytes32(json, ".checkpoint.digest"),
            "checkpoint"
        );
        Verdict memory verdict = Verdict({
            mandate: vm.parseJsonBytes32(json, ".verdict.fields.mandate"),
            key: vm.parseJsonAddress(json, ".verdict.fields.key"),
            decision: vm.parseJsonBytes32(json, ".verdict.fields.decision")
        });
        vm.assertEq(
            keccak256(abi.encodePacked(hex"1901", domain, this.verdictHashOf(verdict))),
            vm.parseJsonBytes32(json, ".verdict.digest"),
            "verdict"
        );
    }

    function checkpointHashOf(Checkpoint calldata checkpoint) external pure returns (bytes32) {
        return hashCheckpoint(checkpoint);
    }

    function verdictHashOf(Verdict calldata verdict) external pure returns (bytes32) {
        return hashVerdict(verdict);
    }

    function idOf(Mandate calldata mandate) external pure returns (bytes32) {
        return hashMandate(mandate);
    }

    function callsHashOf(Call[] calldata calls) external pure returns (bytes32) {
        return hashCalls(calls);
    }

    /// @dev Fields of like types could be exchanged without a change of the hash: compare by name.
    function _assertFields(string memory json, string memory path, Mandate memory mandate)
        private
        pure
    {
        vm.assertEq(mandate.account, vm.parseJsonAddress(json, _at(path, ".account")), "account");
        vm.assertEq(mandate.operator, vm.parseJsonAddress(json, _at(path, ".operator")), "operator");
        vm.assertEq(mandate.guardian, vm.parseJsonAddress(json, _at(path, ".guardian")), "guardian");
        vm.assertEq(mandate.program, vm.parseJsonBytes32(json, _at(path, ".program")), "program");
        vm.assertEq(mandate.model, vm.parseJsonBytes32(json, _at(path, ".model")), "model");
        vm.assertEq(mandate.engine, vm.parseJsonBytes32(json, _at(path, ".engine")), "engine");
        vm.assertEq(mandate.salt, vm.parseJsonBytes32(json, _at(path, ".salt")), "salt");
        vm.assertEq(mandate.cadence, vm.parseJsonUint(json, _at(path, ".cadence")), "cadence");
        vm.assertEq(mandate.maxLoss, vm.parseJsonUint(json, _at(path, ".maxLoss")), "maxLoss");
        vm.assertEq(
            mandate.recordHolds, vm.parseJsonBool(json, _at(path, ".recordHolds")), "recordHolds"
        );
        if (mandate.tracked.length == 0) return;
        vm.assertEq(mandate.nodes[1].tier, 1, "tier");
        vm.assertEq(mandate.ladder[1].endorsements, 2, "endorsements");
        vm.assertEq(mandate.ladder[1].delay, 3600, "delay");
        vm.assertEq(mandate.feeds[1].decimals, 18, "feed decimals");
        vm.assertEq(mandate.feeds[1].maxAge, 86400, "max age");
        vm.assertEq(mandate.tracked[2].feed, 1, "feed");
        vm.assertEq(mandate.tracked[2].decimals, 6, "decimals");
        vm.assertEq(mandate.tracked[2].debt, true, "debt");
    }

    function _decision(string memory json, string memory path)
        private
        pure
        returns (Decision memory)
    {
        return Decision({
            mandate: vm.parseJsonBytes32(json, _at(path, ".mandate")),
            program: vm.parseJsonBytes32(json, _at(path, ".program")),
            slot: uint64(vm.parseJsonUint(json, _at(path, ".slot"))),
            anchorHash: vm.parseJsonBytes32(json, _at(path, ".anchorHash")),
            previous: vm.parseJsonBytes32(json, _at(path, ".previous")),
            observation: vm.parseJsonBytes32(json, _at(path, ".observation")),
            receipts: vm.parseJsonBytes32(json, _at(path, ".receipts")),
            calls: vm.parseJsonBytes32(json, _at(path, ".calls")),
            bounds: vm.parseJsonBytes32(json, _at(path, ".bounds")),
            evidence: vm.parseJsonBytes32(json, _at(path, ".evidence")),
            validUntil: uint64(vm.parseJsonUint(json, _at(path, ".validUntil")))
        });
    }

    function _recover(bytes32 digest, bytes memory signature) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        assembly {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        return ecrecover(digest, uint8(signature[64]), r, s);
    }

    function _at(string memory path, string memory field) private pure returns (string memory) {
        return string.concat(path, field);
    }
}
