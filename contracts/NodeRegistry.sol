// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IDecisionGate} from "./IDecisionGate.sol";
import {INodeRegistry} from "./INodeRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title NodeRegistry
contract NodeRegistry is INodeRegistry {
    /* TYPES */

    bytes32 private constant ANNOUNCEMENT_TYPEHASH = keccak256(
        "Announcement(address key,bytes32 model,bytes32 engine,uint64 validUntil,uint256 nonce)"
    );
    bytes32 private constant REVOCATION_TYPEHASH = keccak256("Revocation(address key)");

    /// @inheritdoc INodeRegistry
    uint256 public constant MAX_SERVICES = 16;

    /* IMMUTABLES */

    /// @inheritdoc INodeRegistry
    address public immutable gate;

    /* STORAGE */

    mapping(address key => mapping(bytes32 service => Period)) private _latest;
    mapping(address key => mapping(bytes32 service => mapping(uint256 index => Period))) private
        _earlier;
    mapping(address key => bytes32[]) private _services;

    /// @inheritdoc INodeRegistry
    mapping(address key => uint64) public revokedAt;

    /// @inheritdoc INodeRegistry
    mapping(address key => uint256) public nonceOf;

    /* CONSTRUCTOR */

    /// @dev The gate creates its registry.
    constructor() {
        gate = msg.sender;
    }

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
        if (validUntil <= block.timestamp) revert AnnouncementOver(validUntil, block.timestamp);
        if (revokedAt[key] != 0) revert KeyRevoked(key, revokedAt[key]);
        bytes32 service = keccak256(abi.encode(model, engine));
        Period memory period = _latest[key][service];
        bool first = period.validFrom == 0;
        bool over = !first && block.timestamp >= period.validUntil;
        if (first && _services[key].length == MAX_SERVICES) {
            revert TooManyServices(key, MAX_SERVICES);
        }

        // The key's own announcement uses up a nonce as well: a signed one that was superseded
        // must not come back.
        nonceOf[key]++;
        if (first) _services[key].push(service);
        if (over) {
            _earlier[key][service][period.index] = period;
            period.index++;
        }
        if (first || over) period.validFrom = uint64(block.timestamp);
        period.validUntil = validUntil;
        _latest[key][service] = period;

        emit NodeAnnounced(key, model, engine, period.validFrom, validUntil);
        IDecisionGate(gate).noteNode(key, service, validUntil, 0);
    }

    function _revoke(address key) private {
        // The first revocation's time stands.
        if (revokedAt[key] != 0) return;

        uint64 time = uint64(block.timestamp);
        revokedAt[key] = time;
        bytes32[] storage services = _services[key];
        for (uint256 i = 0; i < services.length; i++) {
            _latest[key][services[i]].revokedAt = time;
        }

        emit NodeKeyRevoked(key, time);
        for (uint256 i = 0; i < services.length; i++) {
            IDecisionGate(gate)
                .noteNode(key, services[i], _latest[key][services[i]].validUntil, time);
        }
    }

    function _checkSigned(address key, bytes32 structHash, bytes calldata signature) private view {
        (bool wellFormed, address signer) =
            Signatures.recover(Signatures.digest(domainSeparator(), structHash), signature);
        if (!wellFormed) revert KeySignatureMalformed(signature.length);
        if (signer == address(0) || signer != key) revert KeySignatureInvalid(key, signer);
    }

    /* VIEWS */

    /// @inheritdoc INodeRegistry
    function periodOf(address key, bytes32 service) external view returns (Period memory) {
        return _latest[key][service];
    }

    /// @inheritdoc INodeRegistry
    function periodAt(address key, bytes32 service, uint256 index)
        public
        view
        returns (Period memory)
    {
        Period memory latest = _latest[key][service];
        return index == latest.index ? latest : _earlier[key][service][index];
    }

    /// @inheritdoc INodeRegistry
    function servedAt(address key, bytes32 service, uint64 time) external view returns (bool) {
        uint64 revoked = revokedAt[key];
        if (revoked != 0 && time >= revoked) return false;
        for (uint256 left = _latest[key][service].index + 1; left != 0; left--) {
            Period memory period = periodAt(key, service, left - 1);
            if (time >= period.validFrom) {
                return period.validFrom != 0 && time < period.validUntil;
            }
        }
        return false;
    }

    /// @inheritdoc INodeRegistry
    function domainSeparator() public view returns (bytes32) {
        return Signatures.domainSeparator();
    }
}
