// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INodeRegistry} from "../../contracts/INodeRegistry.sol";
import {Test} from "./Test.sol";

contract NodeRegistryTest is Test {
    uint256 private constant SECRET = uint256(keccak256("key"));
    uint256 private constant START_TIME = 1_800_000_000;
    uint64 private constant UNTIL = uint64(START_TIME + 1 days);
    bytes32 private constant MODEL = keccak256("model");
    bytes32 private constant ENGINE = keccak256("engine");

    INodeRegistry private registry;
    address private key;

    function setUp() public {
        vm.warp(START_TIME);
        registry = INodeRegistry(_deploy("NodeRegistry", ""));
        key = vm.addr(SECRET);
    }

    /* ANNOUNCE */

    function test_announce_recordsTheService() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit INodeRegistry.NodeAnnounced(key, MODEL, ENGINE, uint64(START_TIME), UNTIL);
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        _assertNode(uint64(START_TIME), UNTIL, 0, keccak256(abi.encode(MODEL, ENGINE)));
    }

    function test_announce_replacesFromThatBlockOn() public {
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        vm.warp(START_TIME + 5);
        vm.prank(key);
        registry.announce(ENGINE, MODEL, UNTIL + 1);
        _assertNode(uint64(START_TIME + 5), UNTIL + 1, 0, keccak256(abi.encode(ENGINE, MODEL)));
    }

    function test_announce_reverts_whenOver() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                INodeRegistry.AnnouncementOver.selector, uint64(START_TIME), START_TIME
            )
        );
        registry.announce(MODEL, ENGINE, uint64(START_TIME));
    }

    function test_announce_reverts_whenRevoked() public {
        vm.prank(key);
        registry.revoke();
        vm.prank(key);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.KeyRevoked.selector, key, uint64(START_TIME))
        );
        registry.announce(MODEL, ENGINE, UNTIL);
    }

    function test_announceFor_byAnyoneWithTheKeysSignature() public {
        registry.announceFor(key, MODEL, ENGINE, UNTIL, _announcement(0, SECRET));
        _assertNode(uint64(START_TIME), UNTIL, 0, keccak256(abi.encode(MODEL, ENGINE)));
        vm.assertEq(registry.nonceOf(key), 1, "nonce");
    }

    function test_announceFor_reverts_whenReplayed() public {
        bytes memory signature = _announcement(0, SECRET);
        registry.announceFor(key, MODEL, ENGINE, UNTIL, signature);
        vm.expectPartialRevert(INodeRegistry.KeySignatureInvalid.selector);
        registry.announceFor(key, MODEL, ENGINE, UNTIL, signature);
    }

    function test_announceFor_reverts_whenTheKeyAnnouncedItselfSince() public {
        bytes memory signature = _announcement(0, SECRET);
        vm.prank(key);
        registry.announce(ENGINE, MODEL, UNTIL);
        vm.expectPartialRevert(INodeRegistry.KeySignatureInvalid.selector);
        registry.announceFor(key, MODEL, ENGINE, UNTIL, signature);
    }

    function test_announceFor_reverts_whenAnotherSigned() public {
        bytes memory signature = _announcement(0, 7);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.KeySignatureInvalid.selector, key, vm.addr(7))
        );
        registry.announceFor(key, MODEL, ENGINE, UNTIL, signature);
        _assertNode(0, 0, 0, 0);
    }

    function test_announceFor_reverts_forTheZeroKey() public {
        bytes memory nobody = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        vm.expectRevert(
            abi.encodeWithSelector(
                INodeRegistry.KeySignatureInvalid.selector, address(0), address(0)
            )
        );
        registry.announceFor(address(0), MODEL, ENGINE, UNTIL, nobody);
    }

    function testFuzz_announceFor_reverts_whenMalformed(bytes calldata signature) public {
        vm.assume(signature.length != 65);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.KeySignatureMalformed.selector, signature.length)
        );
        registry.announceFor(key, MODEL, ENGINE, UNTIL, signature);
    }

    /* REVOKE */

    function test_revoke_alsoBeforeAnyAnnouncement_keepsTheFirstTime() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit INodeRegistry.NodeKeyRevoked(key, uint64(START_TIME));
        vm.prank(key);
        registry.revoke();
        vm.warp(START_TIME + 9);
        vm.prank(key);
        registry.revoke();
        _assertNode(0, 0, uint64(START_TIME), 0);
    }

    function test_revokeFor_byAnyoneWithTheKeysSignature() public {
        registry.revokeFor(key, _revocation(SECRET));
        _assertNode(0, 0, uint64(START_TIME), 0);
    }

    function test_revokeFor_reverts_whenAnotherSigned() public {
        bytes memory signature = _revocation(7);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.KeySignatureInvalid.selector, key, vm.addr(7))
        );
        registry.revokeFor(key, signature);
        _assertNode(0, 0, 0, 0);
    }

    function test_revokeFor_reverts_whenItIsAnAnnouncement() public {
        bytes memory signature = _announcement(0, SECRET);
        vm.expectPartialRevert(INodeRegistry.KeySignatureInvalid.selector);
        registry.revokeFor(key, signature);
    }

    /* SHAPES */

    function _announcement(uint256 nonce, uint256 secret) private view returns (bytes memory) {
        bytes32 kind = keccak256(
            "Announcement(address key,bytes32 model,bytes32 engine,uint64 validUntil,uint256 nonce)"
        );
        return _signed(keccak256(abi.encode(kind, key, MODEL, ENGINE, UNTIL, nonce)), secret);
    }

    function _revocation(uint256 secret) private view returns (bytes memory) {
        return _signed(keccak256(abi.encode(keccak256("Revocation(address key)"), key)), secret);
    }

    function _signed(bytes32 structHash, uint256 secret) private view returns (bytes memory) {
        bytes32 digest =
            keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    function _assertNode(uint64 from, uint64 until, uint64 revoked, bytes32 service) private view {
        (uint64 validFrom, uint64 validUntil, uint64 revokedAt, uint8 tier, bytes32 got) =
            registry.nodeOf(key);
        vm.assertEq(validFrom, from, "from");
        vm.assertEq(validUntil, until, "until");
        vm.assertEq(revokedAt, revoked, "revoked");
        vm.assertEq(tier, 0, "tier");
        vm.assertEq(got, service, "service");
    }
}
