// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModelRegistry} from "../../contracts/IModelRegistry.sol";
import {Test} from "./Test.sol";

contract ModelRegistryTest is Test {
    bytes32 private constant ROOT = keccak256("root");
    IModelRegistry private registry;

    function setUp() public {
        vm.warp(1_800_000_000);
        registry = IModelRegistry(_deploy("ModelRegistry", ""));
    }

    function test_publish_listsEveryPublisherOnce() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit IModelRegistry.ModelPublished(ROOT, address(this), "ipfs://one");
        registry.publish(ROOT, "ipfs://one");
        vm.prank(address(7));
        registry.publish(ROOT, "ipfs://two");
        vm.assertEq(registry.publisherCount(ROOT), 2, "count");
        vm.assertEq(registry.publisherAt(ROOT, 0), address(this), "first");
        vm.assertEq(registry.publisherAt(ROOT, 1), address(7), "second");
        (uint64 publishedAt, string memory uri) = registry.publicationOf(ROOT, address(7));
        vm.assertEq(publishedAt, 1_800_000_000, "time");
        vm.assertEq(uri, "ipfs://two", "uri");
    }

    function test_publish_reverts_whenAlreadyPublished() public {
        registry.publish(ROOT, "ipfs://one");
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.AlreadyPublished.selector, ROOT, address(this))
        );
        registry.publish(ROOT, "ipfs://two");
        (, string memory uri) = registry.publicationOf(ROOT, address(this));
        vm.assertEq(uri, "ipfs://one", "uri");
    }

    function test_publish_reverts_whenRootZero() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.RootZero.selector));
        registry.publish(0, "ipfs://one");
    }

    function test_publish_reverts_whenUriLength() public {
        uint256[2] memory lengths = [uint256(0), 2049];
        for (uint256 i = 0; i < 2; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(IModelRegistry.UriLength.selector, lengths[i], 2048)
            );
            registry.publish(ROOT, string(new bytes(lengths[i])));
        }
        registry.publish(ROOT, string(new bytes(2048)));
    }
}
