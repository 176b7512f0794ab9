// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Node keys, announced by themselves, kept by time.
/// @notice No admin, and nobody speaks for a key but the key. Announcing permits nothing: a
///         mandate names the keys that it trusts, or a workload that they run. The registry says
///         which service (model and engine) a key serves, from when until when, and whether it was
///         revoked; what it said about a past moment it says for ever (`servedAt`).
///
///         A key may serve several services at once. Announcing a service anew before it is over
///         goes on with the same period (its end moves, also nearer); after it is over a new
///         period begins. So a key rotates without a gap: the new one announces itself while the
///         old one is still valid, and both swear until the old one ends or is revoked.
/// Warning: an announcement proves that the key exists and nothing else (tier 0).
interface INodeRegistry {
    /// @notice A stretch of time for which a key announced a service.
    /// @param validFrom Unix seconds, inclusive; 0: never announced.
    /// @param validUntil Unix seconds, exclusive.
    /// @param revokedAt Unix seconds of the key's revocation; 0: not revoked.
    /// @param index How many earlier periods there are.
    struct Period {
        uint64 validFrom;
        uint64 validUntil;
        uint64 revokedAt;
        uint64 index;
    }

    /// @notice A key announced itself.
    /// @param key The key's address.
    /// @param model Root of the model commitment that it serves.
    /// @param engine Hash of the engine manifest.
    /// @param validFrom Unix seconds, inclusive: beginning of the period that this goes on with.
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
    /// @notice The key has announced more services than a revocation could end at once.
    /// @dev Make a key per few services.
    error TooManyServices(address key, uint256 limit);
    /// @notice The signature is not 65 bytes r ‖ s ‖ v with low s and v 27 or 28.
    /// @dev Sign again with a signer that normalises s.
    error KeySignatureMalformed(uint256 length);
    /// @notice Somebody else than the key signed.
    /// @dev Check the key, the nonce (`nonceOf`) and the domain (chain and registry).
    error KeySignatureInvalid(address key, address recovered);

    /// @notice The key announces itself, with a transaction of its own.
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

    /// @notice The calling key revokes itself, for every service, at once and for good; also before
    ///         it ever announced itself.
    function revoke() external;

    /// @notice The same, sent by anyone, signed by the key: `Revocation(address key)`. There is no
    ///         nonce, so that a revocation may be signed in advance and kept for an emergency.
    /// @param key The key's address.
    /// @param signature 65 bytes by `key`.
    function revokeFor(address key, bytes calldata signature) external;

    /// @notice The latest period for which a key announced a service.
    /// @param key The key's address.
    /// @param service keccak256(abi.encode(model, engine)).
    function periodOf(address key, bytes32 service) external view returns (Period memory);

    /// @notice A period by number, from 0; all zero where there is none.
    function periodAt(address key, bytes32 service, uint256 index)
        external
        view
        returns (Period memory);

    /// @notice Whether a key served a service at a moment, as far as this block knows: announced,
    ///         not over, and not revoked by then.
    /// @param time Unix seconds.
    function servedAt(address key, bytes32 service, uint64 time) external view returns (bool);

    /// @notice When the key revoked itself, unix seconds; 0: not revoked.
    function revokedAt(address key) external view returns (uint64);

    /// @notice Nonce that the key's next signed announcement carries; every announcement uses one.
    function nonceOf(address key) external view returns (uint256);

    /// @notice Most services that one key can announce.
    function MAX_SERVICES() external view returns (uint256);

    /// @notice The gate whose registry this is: it is told of every announcement and revocation.
    function gate() external view returns (address);

    /// @notice EIP-712 domain separator of the registry.
    function domainSeparator() external view returns (bytes32);
}
