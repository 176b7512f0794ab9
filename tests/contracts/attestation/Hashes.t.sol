// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxAttestation} from "../../../contracts/attestation/ITdxAttestation.sol";
import {NodeBinding, reportDataOf} from "../../../contracts/attestation/types/NodeBinding.sol";
import {TdxWorkload, hashTdxWorkload} from "../../../contracts/attestation/types/TdxWorkload.sol";
import {Test} from "../Test.sol";

/// @title Bindings and workloads hash as Python hashes them: tests/vectors/attestation.json.
contract AttestationHashesTest is Test {
    function test_workloadIds() public view {
        string memory json = vm.readFile("tests/vectors/attestation.json");
        string[2] memory names = ["bare", "full"];
        for (uint256 i = 0; i < names.length; i++) {
            string memory place = string.concat(".workloads.", names[i]);
            bytes memory encoded = vm.parseJsonBytes(json, string.concat(place, ".encoded"));
            TdxWorkload memory workload = abi.decode(encoded, (TdxWorkload));
            vm.assertEq(abi.encode(workload), encoded, "encoding");
            vm.assertEq(
                this.idOf(workload), vm.parseJsonBytes32(json, string.concat(place, ".id")), "id"
            );
        }
    }

    function test_bindingDigestsAndReportData() public {
        string memory json = vm.readFile("tests/vectors/attestation.json");
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        address place = vm.parseJsonAddress(json, ".contract");
        vm.etch(place, _attestation().code);
        string[2] memory names = ["bare", "full"];
        for (uint256 i = 0; i < names.length; i++) {
            string memory at = string.concat(".bindings.", names[i]);
            bytes memory encoded = vm.parseJsonBytes(json, string.concat(at, ".encoded"));
            NodeBinding memory binding = abi.decode(encoded, (NodeBinding));
            vm.assertEq(abi.encode(binding), encoded, "encoding");
            bytes32 digest = ITdxAttestation(place).digestOf(binding);
            vm.assertEq(digest, vm.parseJsonBytes32(json, string.concat(at, ".digest")), "digest");
            (bytes32 high, bytes32 low) = reportDataOf(binding.key, digest);
            vm.assertEq(
                abi.encode(high, low),
                vm.parseJsonBytes(json, string.concat(at, ".reportData")),
                "report data"
            );
        }
    }

    function idOf(TdxWorkload calldata workload) external pure returns (bytes32) {
        return hashTdxWorkload(workload);
    }

    function _attestation() private returns (address) {
        bytes32 intel = 0x89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473;
        return _deploy("TdxAttestation", abi.encode(_deploy("TdxVerifier", abi.encode(intel))));
    }
}
