// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxVerifier} from "../../../contracts/attestation/ITdxVerifier.sol";
import {Test} from "../Test.sol";

/// @title Where a verifier may be deployed, and what it says of itself.
contract TdxVerifierDeployTest is Test {
    bytes32 private constant INTEL =
        0x89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473;
    bytes32 private constant DEVELOPMENT = keccak256("another root's key");

    function test_constructor_reverts_whenADevelopmentRootIsWhereMoneyIs() public {
        uint256[7] memory chains = [uint256(1), 10, 137, 8453, 42161, 59144, 534352];
        bytes memory code =
            abi.encodePacked(vm.getCode("TdxVerifier.sol:TdxVerifier"), abi.encode(DEVELOPMENT));
        for (uint256 i = 0; i < chains.length; i++) {
            vm.chainId(chains[i]);
            (bool created, bytes memory reason) = _create(code);
            vm.assertFalse(created, "created");
            vm.assertEq(
                reason,
                abi.encodeWithSelector(ITdxVerifier.RootNotForProduction.selector, chains[i]),
                "reason"
            );
        }
    }

    function test_constructor_takesIntelsRootEverywhere() public {
        vm.chainId(1);
        ITdxVerifier verifier = ITdxVerifier(_deploy("TdxVerifier", abi.encode(INTEL)));
        vm.assertEq(uint256(verifier.tier()), 2, "tier");
        vm.assertEq(verifier.rootKeyHash(), INTEL, "root");
        vm.assertEq(verifier.description(), "Intel SGX Root CA", "words");
    }

    function testFuzz_constructor_givesEveryOtherRootTierZero(bytes32 rootKeyHash) public {
        vm.assume(rootKeyHash != INTEL);
        vm.chainId(31337);
        ITdxVerifier verifier = ITdxVerifier(_deploy("TdxVerifier", abi.encode(rootKeyHash)));
        vm.assertEq(uint256(verifier.tier()), 0, "tier");
        vm.assertEq(verifier.description(), "DEV ROOT, NO HARDWARE PROTECTION", "words");
    }

    function test_contractsFitTheSizeLimit() public {
        ITdxVerifier verifier = ITdxVerifier(_deploy("TdxVerifier", abi.encode(INTEL)));
        vm.assertLe(address(verifier).code.length, 24_576, "verifier");
    }

    /// @dev Deploy from a contract of its own, so that a revert's reason is had.
    function _create(bytes memory code) private returns (bool created, bytes memory reason) {
        try this.create(code) {
            return (true, "");
        } catch (bytes memory data) {
            return (false, data);
        }
    }

    function create(bytes memory code) external {
        assembly ("memory-safe") {
            let made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }
}
