// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title What hardware proves of a node's key: the gate's only question to an attestation contract.
/// @notice A mandate permits a key by name (tier 1 at most), or by a **workload**: the address of a
///         contract that implements this interface, and the measurement of the program that the
///         key must be bound to. The contract is named by the account's owner, in the mandate, like
///         a token, a feed or a rule: there is no list of approved ones, nobody can add one to a
///         mandate that exists, and the gate's code knows none of them. (ADR 21)
///
///         The gate asks at every execution, once per workload of the mandate until one suffices,
///         and not at all where a named key suffices. It takes the key for `tier` exactly where
///         `validFrom <= now < validUntil` and `revokedAt == 0`. No code, a revert, or an answer
///         shorter than four words: not attested. The key must besides be announced in the node
///         registry for the mandate's model and engine, as every key.
///
///         Obligations. An implementation
///         - MUST answer for the moment of the call: what ends with time (collateral, the quote's
///           own age, a revoked platform or certificate) ends in the answer, by `validUntil` in the
///           past or `revokedAt`, without anybody having to send a transaction first;
///         - MUST bind the key to the measurement by evidence that it has verified itself;
///         - MUST keep what it was told by time, so that the answer at an old block can be had
///           again; a revocation is for good;
///         - MUST NOT give development roots more than tier 0;
///         - MUST NOT have an admin who can change an answer. A key's holder may revoke the key.
interface IAttestation {
    /// @notice What is proved now of `key` running the program `measurement`.
    /// @param key Address of the node's signing key.
    /// @param measurement Hash of what must be measured, as this contract defines it.
    /// @return tier 0 development root, 2 TDX, 3 TDX with endorsed GPU evidence; 1 is what an owner
    ///         gives by name, and no attestation.
    /// @return validFrom Unix seconds, inclusive; 0: nothing is known of this pair.
    /// @return validUntil Unix seconds, exclusive.
    /// @return revokedAt Unix seconds; 0: not revoked.
    function attestationOf(address key, bytes32 measurement)
        external
        view
        returns (uint8 tier, uint64 validFrom, uint64 validUntil, uint64 revokedAt);
}
