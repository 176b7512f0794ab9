// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Certificate, RevocationList} from "./types/Certificate.sol";

/// @title Reads certificates and revocation lists of Intel's provisioning PKI.
/// @notice Pure: bytes in, values out, or a named error. It reads the profile that Intel publishes
///         (X.509 v3, ECDSA with SHA-256 on P-256) and refuses everything else. It verifies no
///         signature and knows neither time nor issuer: that is `ITdxVerifier`'s.
interface ICertificateReader {
    /// @notice An element reaches beyond what encloses it.
    /// @dev Submit the certificate as whole DER, not as PEM.
    error DerTruncated(uint256 at, uint256 length, uint256 limit);
    /// @notice Another kind of element was expected here.
    /// @dev Submit DER of Intel's profile.
    error DerTag(uint256 at, uint8 got, uint8 expected);
    /// @notice A length is not in its shortest form, or has more than two bytes.
    /// @dev DER has one spelling of every length.
    error DerLength(uint256 at, uint256 got);
    /// @notice Something follows where nothing may.
    /// @dev Cut off what is not part of the certificate.
    error DerTrailing(uint256 at, uint256 end);
    /// @notice An integer is empty, negative, not in its shortest form or too large.
    /// @dev Serial numbers and signatures are positive, of at most 256 bits.
    error DerInteger(uint256 at, uint256 length);
    /// @notice A byte string has another length than its kind.
    /// @dev Submit a certificate of Intel's profile.
    error DerSize(uint256 at, uint256 got, uint256 expected);
    /// @notice Not version 3 of X.509, or version 2 of a revocation list.
    /// @dev Submit a certificate of Intel's profile.
    error X509Version(uint256 got, uint256 expected);
    /// @notice Not ECDSA with SHA-256, or not twice the same.
    /// @dev Submit a certificate of Intel's profile.
    error X509Algorithm(uint256 at);
    /// @notice Not an uncompressed key on P-256.
    /// @dev Submit a certificate of Intel's profile.
    error X509Key(uint256 at);
    /// @notice A date that no calendar has, or in another form than UTC with seconds.
    /// @dev Submit a certificate of Intel's profile.
    error X509Time(uint256 at);
    /// @notice The subject's common name is missing, or tells none of the known roles.
    /// @dev Only the five kinds of certificates of the provisioning PKI are read.
    error X509Name(uint256 at);
    /// @notice An extension is unknown and critical, comes twice or has another content.
    /// @dev Submit a certificate of Intel's profile.
    error X509Extension(uint256 at);
    /// @notice Extensions, authority or key usage do not fit the role that the name tells.
    /// @dev A certificate authority signs certificates and lists, all others do not.
    error X509Role(uint8 role, uint256 extensions, uint8 keyUsage, bool isAuthority);
    /// @notice The SGX extension of a PCK certificate lacks an entry or has an unknown one.
    /// @dev Submit a PCK certificate of Intel's profile.
    error PckEntry(uint256 at, uint256 got, uint256 expected);
    /// @notice A TCB component is not the CPU security version's byte that it stands for.
    /// @dev Nothing; such a certificate contradicts itself.
    error PckSvn(uint256 component, uint256 got, uint256 expected);
    /// @notice An entry of a revocation list is not a serial number, a time and a reason.
    /// @dev Indirect and partial lists are not read.
    error CrlEntry(uint256 at);

    /// @notice Read a certificate.
    /// @param der The whole certificate.
    function readCertificate(bytes calldata der) external pure returns (Certificate memory);

    /// @notice Read a revocation list.
    /// @param der The whole list.
    function readRevocationList(bytes calldata der) external pure returns (RevocationList memory);
}
