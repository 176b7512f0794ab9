// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {INodeRegistry} from "./INodeRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title NodeRegistry
contract NodeRegistry is INodeRegistry {
    /* TYPES */

    struct Node {
        uint64 validFrom;
        uint64 validUntil;
        uint64 revokedAt;
        uint8 tier;
        bytes32 service;
    }

    bytes32 private constant ANNOUNCEMENT_TYPEHASH = keccak256(
        "Announcement(address key,bytes32 model,bytes32 engine,uint64 validUntil,uint256 nonce)"
    );
    bytes32 private constant REVOCATION_TYPEHASH = keccak256("Revocation(address key)");

    /* STORAGE */

    mapping(address key => Node) private _nodes;

    /// @inheritdoc INodeRegistry
    mapping(address key => uint256) public nonceOf;

    /* EXTERNAL */

    /// @inheritdoc INodeRegistry
    function announce(bytes32 model, bytes32 engine, uint64 validUntil) external {
        _announce(msg.sender, model, engine, validUntil);
    }

    /// @inheritdoc INodeRegistry
    function announceFor(
        address key,
        bytes32 model,
        bytes32 engine,
        uint64 validUntil,
        bytes calldata signature
    ) external {
        _checkSigned(
            key,
            keccak256(
                abi.encode(ANNOUNCEMENT_TYPEHASH, key, model, engine, validUntil, nonceOf[key])
            ),
            signature
        );
        _announce(key, model, engine, validUntil);
    }

    /// @inheritdoc INodeRegistry
    function revoke() external {
        _revoke(msg.sender);
    }

    /// @inheritdoc INodeRegistry
    function revokeFor(address key, bytes calldata signature) external {
        _checkSigned(key, keccak256(abi.encode(REVOCATION_TYPEHASH, key)), signature);
        _revoke(key);
    }

    /* INTERNAL */

    function _announce(address key, bytes32 model, bytes32 engine, uint64 validUntil) private {
        Node storage node = _nodes[key];
        if (validUntil <= block.timestamp) revert AnnouncementOver(validUntil, block.timestamp);
        if (node.revokedAt != 0) revert KeyRevoked(key, node.revokedAt);

        // The key's own announcement uses up a nonce as well: a signed one that was superseded
        // must not come back.
        nonceOf[key]++;
        node.validFrom = uint64(block.timestamp);
        node.validUntil = validUntil;
        node.service = keccak256(abi.encode(model, engine));

        emit NodeAnnounced(key, model, engine, uint64(block.timestamp), validUntil);
    }

    function _revoke(address key) private {
        Node storage node = _nodes[key];
        // The first revocation's time stands.
        if (node.revokedAt != 0) return;
        node.revokedAt = uint64(block.timestamp);
        emit NodeKeyRevoked(key, uint64(block.timestamp));
    }

    function _checkSigned(address key, bytes32 structHash, bytes calldata signature) private view {
        (bool wellFormed, address signer) =
            Signatures.recover(Signatures.digest(domainSeparator(), structHash), signature);
        if (!wellFormed) revert KeySignatureMalformed(signature.length);
        if (signer == address(0) || signer != key) revert KeySignatureInvalid(key, signer);
    }

    /* VIEWS */

    /// @inheritdoc INodeRegistry
    function nodeOf(address key)
        external
        view
        returns (uint64 validFrom, uint64 validUntil, uint64 revokedAt, uint8 tier, bytes32 service)
    {
        Node storage node = _nodes[key];
        return (node.validFrom, node.validUntil, node.revokedAt, node.tier, node.service);
    }

    /// @inheritdoc INodeRegistry
    function domainSeparator() public view returns (bytes32) {
        return Signatures.domainSeparator();
    }
}
