// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Node keys, announced by themselves.
/// @notice No admin, and nobody speaks for a key but the key. Announcing permits nothing: a
///         mandate names the keys that it trusts. The registry says which service (model and
///         engine) a key serves, from when until when, and whether it was revoked. The latest
///         announcement counts; older ones are read at older blocks.
/// Warning: tier 0 says that the key exists and nothing else. Nothing raises it yet.
interface INodeRegistry {
    /// @notice A key announced itself.
    /// @param key The key's address.
    /// @param model Root of the model commitment that it serves.
    /// @param engine Hash of the engine manifest.
    /// @param validFrom Unix seconds, inclusive.
    /// @param validUntil Unix seconds, exclusive.
    event NodeAnnounced(
        address indexed key, bytes32 model, bytes32 engine, uint64 validFrom, uint64 validUntil
    );

    /// @notice A key was revoked by itself, for good.
    /// @param key The key's address.
    /// @param revokedAt Unix seconds.
    event NodeKeyRevoked(address indexed key, uint64 revokedAt);

    /// @notice The announcement would already be over.
    /// @dev Announce with a `validUntil` in the future.
    error AnnouncementOver(uint64 validUntil, uint256 blockTime);
    /// @notice The key was revoked; a revoked key never returns.
    /// @dev Make a new key.
    error KeyRevoked(address key, uint64 revokedAt);
    /// @notice The signature is not 65 bytes r ‖ s ‖ v with low s and v 27 or 28.
    /// @dev Sign again with a signer that normalises s.
    error KeySignatureMalformed(uint256 length);
    /// @notice Somebody else than the key signed.
    /// @dev Check the key, the nonce (`nonceOf`) and the domain (chain and registry).
    error KeySignatureInvalid(address key, address recovered);

    /// @notice The key announces itself, with a transaction of its own. Replaces its earlier
    ///         announcement from this block on.
    /// @param model Root of the model commitment.
    /// @param engine Hash of the engine manifest.
    /// @param validUntil Unix seconds, exclusive.
    function announce(bytes32 model, bytes32 engine, uint64 validUntil) external;

    /// @notice The same, sent and paid for by anyone, signed by the key:
    ///         `Announcement(address key,bytes32 model,bytes32 engine,uint64 validUntil,uint256 nonce)`
    ///         under the domain ("Affiant", "1", chain, this contract).
    /// @param key The key's address.
    /// @param model Root of the model commitment.
    /// @param engine Hash of the engine manifest.
    /// @param validUntil Unix seconds, exclusive.
    /// @param signature 65 bytes by `key`.
    function announceFor(
        address key,
        bytes32 model,
        bytes32 engine,
        uint64 validUntil,
        bytes calldata signature
    ) external;

    /// @notice The calling key revokes itself, at once and for good; also before it ever
    ///         announced itself.
    function revoke() external;

    /// @notice The same, sent by anyone, signed by the key: `Revocation(address key)`. There is no
    ///         nonce, so that a revocation may be signed in advance and kept for an emergency.
    /// @param key The key's address.
    /// @param signature 65 bytes by `key`.
    function revokeFor(address key, bytes calldata signature) external;

    /// @notice What is known of a key. All zero: never announced.
    /// @param key The key's address.
    /// @return validFrom Unix seconds, inclusive.
    /// @return validUntil Unix seconds, exclusive.
    /// @return revokedAt Unix seconds; 0 where not revoked.
    /// @return tier Tier proved to the registry.
    /// @return service keccak256(abi.encode(model, engine)).
    function nodeOf(address key)
        external
        view
        returns (uint64 validFrom, uint64 validUntil, uint64 revokedAt, uint8 tier, bytes32 service);

    /// @notice Nonce that the key's next signed announcement carries; every announcement uses one.
    function nonceOf(address key) external view returns (uint256);

    /// @notice EIP-712 domain separator of the registry.
    function domainSeparator() external view returns (bytes32);
}
