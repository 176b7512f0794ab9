// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {INodeRegistry} from "../../contracts/INodeRegistry.sol";
import {Test} from "./Test.sol";

contract NodeRegistryTest is Test {
    uint256 private constant SECRET = uint256(keccak256("key"));
    uint256 private constant START_TIME = 1_800_000_000;
    uint64 private constant UNTIL = uint64(START_TIME + 1 days);
    bytes32 private constant MODEL = keccak256("model");
    bytes32 private constant ENGINE = keccak256("engine");

    INodeRegistry private registry;
    IDecisionGate private gate;
    address private key;

    function setUp() public {
        vm.warp(START_TIME);
        gate = IDecisionGate(_deploy("DecisionGate", abi.encode(address(1), address(2))));
        registry = INodeRegistry(gate.nodeRegistry());
        key = vm.addr(SECRET);
    }

    function test_itsGateIsTheOneThatCreatedIt() public view {
        vm.assertEq(registry.gate(), address(gate), "gate");
    }

    function test_noteNode_reverts_whenNotTheRegistry() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IDecisionGate.NotNodeRegistry.selector, address(this), address(registry)
            )
        );
        gate.noteNode(key, _service(), UNTIL, 0);
    }

    /* ANNOUNCE */

    function test_announce_recordsTheService() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit INodeRegistry.NodeAnnounced(key, MODEL, ENGINE, uint64(START_TIME), UNTIL);
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        _assertPeriod(_service(), START_TIME, UNTIL, 0, 0);
    }

    /// @dev Another service is another period: neither touches the other.
    function test_announce_ofAnotherService_leavesTheFirst() public {
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        vm.warp(START_TIME + 5);
        vm.prank(key);
        registry.announce(ENGINE, MODEL, UNTIL + 1);
        _assertPeriod(_service(), START_TIME, UNTIL, 0, 0);
        _assertPeriod(
            keccak256(abi.encode(ENGINE, MODEL)), START_TIME + 5, uint256(UNTIL) + 1, 0, 0
        );
    }

    /// @dev While a period lasts, announcing goes on with it; its end moves either way.
    function test_announce_goesOnWithThePeriod() public {
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        vm.warp(START_TIME + 5);
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL + 100);
        _assertPeriod(_service(), START_TIME, uint256(UNTIL) + 100, 0, 0);
        vm.prank(key);
        registry.announce(MODEL, ENGINE, uint64(START_TIME + 6));
        _assertPeriod(_service(), START_TIME, START_TIME + 6, 0, 0);
        vm.assertTrue(registry.servedAt(key, _service(), uint64(START_TIME + 5)), "served");
        vm.assertFalse(registry.servedAt(key, _service(), uint64(START_TIME + 6)), "over");
    }

    /// @dev After its end a new one begins, and the old one is kept.
    function test_announce_beginsANewPeriod_whenTheOldIsOver() public {
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL);
        vm.warp(UNTIL);
        vm.prank(key);
        registry.announce(MODEL, ENGINE, UNTIL + 100);
        _assertPeriod(_service(), UNTIL, uint256(UNTIL) + 100, 0, 1);
        INodeRegistry.Period memory first = registry.periodAt(key, _service(), 0);
        vm.assertEq(first.validFrom, START_TIME, "from");
        vm.assertEq(first.validUntil, UNTIL, "until");
        vm.assertEq(registry.periodAt(key, _service(), 1).validFrom, UNTIL, "second");
        vm.assertEq(registry.periodAt(key, _service(), 2).validFrom, 0, "none");
    }

    /// @dev Whatever is announced and whenever: what the registry said of a moment while it was the
    ///      present, it says for ever, and it is what the gate goes by.
    function testFuzz_servedAt_remembersEveryMoment(
        uint32[12] calldata waits,
        uint32[12] calldata lengths,
        uint8 revokedIn
    ) public {
        uint64[13] memory moments;
        bool[13] memory served;
        uint256 time = START_TIME;
        for (uint256 i = 0; i < 12; i++) {
            vm.prank(key);
            if (i == revokedIn) {
                registry.revoke();
            } else {
                try registry.announce(MODEL, ENGINE, uint64(time + _fold(lengths[i], 1, 1000))) {}
                catch {
                    vm.assertTrue(i > revokedIn, "announced");
                }
            }
            time += _fold(waits[i], 1, 1200);
            vm.warp(time);
            INodeRegistry.Period memory latest = registry.periodOf(key, _service());
            moments[i] = uint64(time);
            served[i] = latest.revokedAt == 0 && time < latest.validUntil;
            // What is announced in the same second is true of that second as well.
            vm.warp(++time);
        }
        for (uint256 i = 0; i < 12; i++) {
            vm.assertEq(registry.servedAt(key, _service(), moments[i]), served[i], "served");
        }
        vm.assertFalse(registry.servedAt(key, _service(), uint64(START_TIME - 1)), "before");
        vm.assertFalse(registry.servedAt(address(1), _service(), uint64(time)), "stranger");
    }

    function test_announce_reverts_whenTooManyServices() public {
        for (uint256 i = 0; i < registry.MAX_SERVICES(); i++) {
            vm.prank(key);
            registry.announce(bytes32(i), ENGINE, UNTIL);
        }
        vm.prank(key);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.TooManyServices.selector, key, 16));
        registry.announce(bytes32(uint256(16)), ENGINE, UNTIL);
        // One that it has already is no other.
        vm.prank(key);
        registry.announce(bytes32(uint256(15)), ENGINE, UNTIL + 1);
        // And all of them end with the key.
        vm.prank(key);
        registry.revoke();
        for (uint256 i = 0; i < registry.MAX_SERVICES(); i++) {
            bytes32 service = keccak256(abi.encode(bytes32(i), ENGINE));
            vm.assertEq(registry.periodOf(key, service).revokedAt, START_TIME, "revoked");
        }
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
        _assertPeriod(_service(), START_TIME, UNTIL, 0, 0);
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
        _assertPeriod(_service(), 0, 0, 0, 0);
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
        vm.assertEq(registry.revokedAt(key), START_TIME, "revoked");
    }

    function test_revokeFor_byAnyoneWithTheKeysSignature() public {
        registry.revokeFor(key, _revocation(SECRET));
        vm.assertEq(registry.revokedAt(key), START_TIME, "revoked");
    }

    function test_revokeFor_reverts_whenAnotherSigned() public {
        bytes memory signature = _revocation(7);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.KeySignatureInvalid.selector, key, vm.addr(7))
        );
        registry.revokeFor(key, signature);
        vm.assertEq(registry.revokedAt(key), 0, "revoked");
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

    function _service() private pure returns (bytes32) {
        return keccak256(abi.encode(MODEL, ENGINE));
    }

    function _assertPeriod(
        bytes32 service,
        uint256 from,
        uint256 until,
        uint256 revoked,
        uint256 index
    ) private view {
        INodeRegistry.Period memory period = registry.periodOf(key, service);
        vm.assertEq(period.validFrom, from, "from");
        vm.assertEq(period.validUntil, until, "until");
        vm.assertEq(period.revokedAt, revoked, "revoked");
        vm.assertEq(period.index, index, "index");
    }
}
