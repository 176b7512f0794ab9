// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a certificate of Intel's provisioning PKI is for, told by the end of its subject's
///         common name.
enum Role {
    None,
    Root,
    PlatformCa,
    ProcessorCa,
    TcbSigner,
    Pck
}

/// @notice What the SGX extension of a PCK certificate says about a machine (Intel, "PCK Certificate
///         and Certificate Revocation List Profile Specification", 1.3.5).
/// @param ppid Provisioning id: names the machine, whatever certificate it has.
/// @param cpuSvn The 16 security versions of the CPU's TCB components.
/// @param pceSvn Security version of the provisioning enclave.
/// @param pceId Id of the provisioning enclave, as the certificate has it.
/// @param fmspc Family, model, stepping, platform and custom SKU: which TCB info applies.
struct PckFacts {
    bytes16 ppid;
    bytes16 cpuSvn;
    uint16 pceSvn;
    bytes2 pceId;
    bytes6 fmspc;
}

/// @notice A certificate as read. Nothing in it is to be believed before `signature` was verified.
/// @param id keccak256 of the signed part. The whole file is no identity: signatures have twins.
/// @param digest SHA-256 of the signed part.
/// @param r, s The signature.
/// @param role What it is for.
/// @param issuer keccak256 of the issuer's name (DER).
/// @param subject keccak256 of the subject's name (DER).
/// @param issuerKeyId Key id of the issuer (authority key identifier).
/// @param keyId Its own key id (subject key identifier).
/// @param serial Serial number, unique for the issuer.
/// @param validFrom Unix seconds, inclusive.
/// @param validUntil Unix seconds, exclusive: the second after `notAfter`.
/// @param keyX, keyY Its key, a point on P-256.
/// @param facts Of a PCK certificate; zero for all others.
struct Certificate {
    bytes32 id;
    bytes32 digest;
    bytes32 r;
    bytes32 s;
    Role role;
    bytes32 issuer;
    bytes32 subject;
    bytes20 issuerKeyId;
    bytes20 keyId;
    uint256 serial;
    uint64 validFrom;
    uint64 validUntil;
    bytes32 keyX;
    bytes32 keyY;
    PckFacts facts;
}

/// @notice A revocation list as read. Nothing in it is to be believed before `signature` was
///         verified.
/// @param digest SHA-256 of the signed part.
/// @param r, s The signature.
/// @param issuer keccak256 of the issuer's name (DER).
/// @param issuerKeyId Key id of the issuer.
/// @param issuedAt Unix seconds.
/// @param validUntil Unix seconds, exclusive: a list is over at its `nextUpdate`.
/// @param serials Serial numbers of the revoked certificates.
struct RevocationList {
    bytes32 digest;
    bytes32 r;
    bytes32 s;
    bytes32 issuer;
    bytes20 issuerKeyId;
    uint64 issuedAt;
    uint64 validUntil;
    uint256[] serials;
}
