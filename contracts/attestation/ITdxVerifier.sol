// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Role} from "./types/Certificate.sol";
import {TcbStatus} from "./types/TcbStatus.sol";

/// @notice Versions that a verdict rests on, to judge the same TD again later without its quote.
/// @param launched TEE_TCB_SVN of the TD's report.
/// @param current TEE_TCB_SVN2 of TD 1.5; the same as `launched` of TD 1.0.
/// @param qeSvn Version of the quoting enclave.
/// @param qeGeneration How often Intel had changed what a quoting enclave must be, as known here.
struct TdVersions {
    bytes16 launched;
    bytes16 current;
    uint16 qeSvn;
    uint8 qeGeneration;
}

/// @notice What a quote, its machine and Intel's collateral together say.
/// @param status Converged TCB status; never `Revoked`.
/// @param validUntil Unix seconds, exclusive: the earliest of every expiry that it rests on.
/// @param evaluationNumber TCB recovery event that the collateral is up to.
/// @param epoch Of the verifier at that moment; see `pulse`.
/// @param versions What `standing` needs to judge the TD again.
/// @param measurements keccak256 of what was measured, without RTMR3: bytes 120 to 472 of the TD's
///        report.
/// @param allMeasurements The same with RTMR3: bytes 120 to 520.
/// @param reportDataHigh, reportDataLow The 64 bytes that the TD's code put into the report.
struct Verdict {
    TcbStatus status;
    uint64 validUntil;
    uint16 evaluationNumber;
    uint64 epoch;
    TdVersions versions;
    bytes32 measurements;
    bytes32 allMeasurements;
    bytes32 reportDataHigh;
    bytes32 reportDataLow;
}

/// @title Verifies Intel TDX quotes.
/// @notice Anybody adds certificates, revocation lists and collateral; each is believed because of who
///         signed it, up to a root whose key is fixed at deployment, and never because of who brought
///         it. There is no admin, nobody can remove anything, and nothing can be stopped. Every
///         certificate is verified once; a quote on a known machine costs two signatures.
///
///         A quote says which code ran on which hardware. Which code is permitted is the asker's
///         business: see `Verdict.measurements`.
///
///         Assumptions. The root signs only authorities and signers of collateral that keep to their
///         profile. The chain has a P-256 precompile at 0x100; without it every signature is refused.
///         Block timestamps are right within seconds.
///
/// Warning: a root other than Intel's proves nothing about hardware: `tier` is 0 then, for ever.
/// Warning: who extracts an attestation key from hardware (published for DDR4 and DDR5 memory) can
///          sign any quote of that machine. Limit what a single machine may do.
/// Warning: a newer TCB info counts at once for everybody, also one that Intel offers early; machines
///          that are not patched yet are out of date from then on.
interface ITdxVerifier {
    /* EVENTS */

    /// @notice A certificate was verified and is known from now on.
    /// @param id keccak256 of its signed part.
    /// @param role What it is for.
    /// @param der The certificate, so that the chain alone tells what was verified.
    event CertificateAdded(bytes32 indexed id, Role indexed role, bytes der);

    /// @notice A revocation list counts from now on.
    /// @param authority Id of the certificate of its issuer.
    event RevocationListAdded(
        bytes32 indexed authority, uint64 issuedAt, uint64 validUntil, bytes der
    );

    /// @notice A known machine's certificate was found revoked.
    event MachineRevoked(bytes32 indexed machine, uint64 revokedAt);

    /// @notice A TCB info counts from now on for its kind of machine.
    /// @param signer Id of its signer's certificate.
    /// @param text The JSON as signed.
    /// @param signature 64 bytes r ‖ s.
    event TcbInfoAdded(
        bytes6 indexed fmspc,
        bytes32 indexed signer,
        uint64 issuedAt,
        uint64 validUntil,
        uint16 evaluationNumber,
        bytes text,
        bytes signature
    );

    /// @notice An identity of the quoting enclave counts from now on.
    event QeIdentityAdded(
        bytes32 indexed signer,
        uint64 issuedAt,
        uint64 validUntil,
        uint16 evaluationNumber,
        bytes text,
        bytes signature
    );

    /* ERRORS: CERTIFICATES */

    /// @notice A root other than Intel's may not be deployed on a chain where money is.
    /// @dev Use a development chain.
    error RootNotForProduction(uint256 chainId);
    /// @notice The root is known already.
    /// @dev Nothing is left to do.
    error RootKnown();
    /// @notice The certificate's key is not the pinned root's.
    /// @dev Submit the root certificate that this contract was deployed for.
    error RootForeign(bytes32 keyHash, bytes32 expected);
    /// @notice A certificate is for something else than it is submitted as.
    /// @dev Check which certificate goes where.
    error CertificateRole(Role role);
    /// @notice The issuer's name is not that of the authority it was submitted under.
    /// @dev Submit the issuer's certificate first, and name it. Expected zero: it is not known.
    error CertificateIssuer(bytes32 got, bytes32 expected);
    /// @notice The issuer's key id is not that of the authority it was submitted under.
    /// @dev Submit the issuer's certificate first, and name it.
    error CertificateKeyId(bytes20 got, bytes20 expected);
    /// @notice The signature does not verify.
    /// @dev The certificate or list was changed, or another key signed it, or the chain has no P-256
    ///      precompile (`affiant attest doctor` tells).
    error CertificateSignature(bytes32 digest);
    /// @notice The certificate is not valid yet.
    /// @dev Wait, or check the chain's time.
    error CertificateEarly(uint64 validFrom, uint256 blockTime);
    /// @notice A certificate of the chain is over.
    /// @dev Submit its successor.
    error CertificateOver(uint64 validUntil, uint256 blockTime);
    /// @notice Another certificate has this serial number already.
    /// @dev Nothing; an authority must not issue two.
    error SerialTaken(bytes32 other, uint256 serial);
    /// @notice There is no room for another authority.
    /// @dev Nothing; Intel's root has issued three.
    error AuthoritiesFull(uint256 limit);
    /// @notice The root, an authority or a signer was revoked.
    /// @dev Nothing that it signed is believed any more.
    error AuthorityRevoked(uint8 number, uint128 revoked);
    /// @notice The revocation list is over.
    /// @dev Submit the newest.
    error RevocationListOver(uint64 validUntil, uint256 blockTime);
    /// @notice A newer revocation list is known.
    /// @dev Submit the newest.
    error RevocationListOlder(uint64 issuedAt, uint64 known);
    /// @notice Whether certificates are revoked is not known: a list is missing or over.
    /// @dev Refresh the revocation lists (`affiant attest refresh`). 0: there was never one.
    error RevocationsUnknown(uint64 validUntil, uint256 blockTime);
    /// @notice The machine's certificate was never added.
    /// @dev Add it (`addMachine`).
    error MachineUnknown(bytes32 machine);
    /// @notice The machine's certificate was revoked.
    /// @dev Nothing; use other hardware.
    error MachineDistrusted(bytes32 machine, uint64 revokedAt);

    /* ERRORS: COLLATERAL */

    /// @notice The collateral's signature does not verify.
    /// @dev It was changed, or another signer signed it.
    error CollateralSignature(bytes32 digest);
    /// @notice A signature is not 64 bytes r ‖ s.
    /// @dev Decode Intel's hexadecimal digits.
    error CollateralSignatureLength(uint256 got);
    /// @notice The collateral is not valid yet, or is over.
    /// @dev Submit what Intel offers now.
    error CollateralDates(uint64 issuedAt, uint64 validUntil, uint256 blockTime);
    /// @notice The collateral is from before a TCB recovery that is known here.
    /// @dev Submit what Intel offers now.
    error CollateralRollback(uint16 evaluationNumber, uint16 floor);
    /// @notice Newer collateral is known.
    /// @dev Submit what Intel offers now.
    error CollateralOlder(uint64 issuedAt, uint64 known);
    /// @notice No TCB info is known for this kind of machine.
    /// @dev Refresh the collateral (`affiant attest refresh`).
    error TcbInfoUnknown(bytes6 fmspc);
    /// @notice TCB info or identity of the quoting enclave is over, or was never added (0).
    /// @dev Refresh the collateral (`affiant attest refresh`).
    error CollateralOver(uint64 tcbInfoUntil, uint64 qeIdentityUntil, uint256 blockTime);
    /// @notice The machine has another provisioning enclave than the TCB info is for.
    /// @dev Nothing; Intel has one.
    error PceIdMismatch(bytes2 got, bytes2 expected);
    /// @notice The machine reaches no level of the TCB info.
    /// @dev Update its firmware.
    error TcbLevelNone(bytes32 components, uint16 pceSvn);
    /// @notice The TCB info does not know the TDX module's major version.
    /// @dev Refresh the collateral, or update the module.
    error ModuleUnknown(uint8 version);
    /// @notice The TDX module is older than any that the TCB info knows.
    /// @dev Update the module.
    error ModuleTooOld(uint8 version, uint8 svn);
    /// @notice The machine, its TDX module or its quoting enclave is revoked at these versions.
    /// @dev Update it.
    error TcbRevoked(bytes16 launched, bytes16 current, uint16 qeSvn);

    /* ERRORS: QUOTES */

    /// @notice Too few bytes for a quote.
    /// @dev Submit header and TD report as signed.
    error QuoteTooShort(uint256 length, uint256 least);
    /// @notice Neither version 4 nor version 5 with a TD report.
    /// @dev Quotes of SGX enclaves are not verified here.
    error QuoteVersion(bytes2 version, bytes6 descriptor);
    /// @notice Another key type, TEE or quoting enclave vendor.
    /// @dev Only TDX quotes of Intel's quoting enclave, signed on P-256, are verified here.
    error QuoteKind(bytes6 kind, bytes16 vendor);
    /// @notice The signed part has another length than its version has.
    /// @dev Cut the quote where its signature begins.
    error QuoteLength(uint256 got, uint256 expected);
    /// @notice The signatures are not 608 bytes.
    /// @dev Cut the quote as `TdxQuote` describes.
    error SignaturesLength(uint256 got, uint256 expected);
    /// @notice The attestation key did not sign the quote.
    /// @dev The quote was changed.
    error QuoteSignature(bytes32 digest);
    /// @notice The quoting enclave's report is not about this attestation key.
    /// @dev The quote was changed.
    error AttestationKeyUnbound(bytes32 got, bytes32 expected);
    /// @notice The machine's key did not sign the quoting enclave's report.
    /// @dev The quote was changed, or is from another machine.
    error QeSignature(bytes32 digest);
    /// @notice The quoting enclave is not Intel's, or debugs.
    /// @dev Nothing; such a quote proves nothing.
    error QeForeign(bytes32 got, bytes32 expected, bool debug);
    /// @notice The quoting enclave is older than any that its identity knows.
    /// @dev Update it.
    error QeTooOld(uint16 svn);
    /// @notice Intel has changed what a quoting enclave must be since the quote was verified.
    /// @dev Attest anew: the enclave's report has to be seen again.
    error QeReplaced(uint8 generation, uint8 expected);
    /// @notice The TDX module is not signed by Intel, or has attributes.
    /// @dev Nothing; such a module is not trusted.
    error ModuleForeign(bytes32 signer);
    /// @notice The TD can be debugged: the host reads its memory.
    /// @dev Launch it without DEBUG.
    error Debuggable(bytes8 attributes);
    /// @notice The TD has attributes that are reserved, or open it to others (profiling, migration,
    ///         service TDs).
    /// @dev Launch it without them.
    error AttributesForbidden(bytes8 attributes, bytes8 permitted);
    /// @notice The TD lets its host inject faults where it expects memory.
    /// @dev Launch it with SEPT_VE_DISABLE.
    error SeptVeEnabled(bytes8 attributes);
    /// @notice A service TD is bound to the TD.
    /// @dev Launch it without.
    error ServiceBound(bytes32 measurement);

    /* EXTERNAL: ADDING */

    /// @notice Add the root's certificate; its key must be the pinned one.
    /// @param der The certificate.
    function addRoot(bytes calldata der) external;

    /// @notice Add an authority for machines, or a signer of collateral, issued by the root.
    /// @param der The certificate.
    /// @return id keccak256 of its signed part; known ones are not verified again.
    function addAuthority(bytes calldata der) external returns (bytes32 id);

    /// @notice Add a machine by its PCK certificate.
    /// @param der The certificate.
    /// @param authority Id of its issuer's certificate.
    /// @return id keccak256 of its signed part; known ones are not verified again.
    function addMachine(bytes calldata der, bytes32 authority) external returns (bytes32 id);

    /// @notice Add a revocation list. What it lists is revoked from this block on, for good.
    /// @param der The list.
    /// @param authority Id of its issuer's certificate: the root's, or an authority's.
    function addRevocationList(bytes calldata der, bytes32 authority) external;

    /// @notice Add a TCB info for TDX.
    /// @param text The JSON as signed.
    /// @param signature 64 bytes r ‖ s.
    /// @param signer Id of its signer's certificate.
    function addTcbInfo(bytes calldata text, bytes calldata signature, bytes32 signer) external;

    /// @notice Add an identity of the quoting enclave for TDs.
    /// @param text The JSON as signed.
    /// @param signature 64 bytes r ‖ s.
    /// @param signer Id of its signer's certificate.
    function addQeIdentity(bytes calldata text, bytes calldata signature, bytes32 signer) external;

    /* EXTERNAL: VERIFYING */

    /// @notice Verify a quote, now.
    /// @param quote Its signed part; see `TdxQuote`.
    /// @param signatures 608 bytes; see `TdxQuote`.
    /// @param machine Id of the PCK certificate.
    function verify(bytes calldata quote, bytes calldata signatures, bytes32 machine)
        external
        view
        returns (Verdict memory);

    /// @notice Judge a TD again, now, whose quote was verified before.
    /// @param machine Id of the PCK certificate.
    /// @param versions From its verdict.
    /// @return status Converged TCB status; never `Revoked`.
    /// @return validUntil Unix seconds, exclusive.
    /// @return evaluationNumber TCB recovery event that the collateral is up to.
    function standing(bytes32 machine, TdVersions calldata versions)
        external
        view
        returns (TcbStatus status, uint64 validUntil, uint16 evaluationNumber);

    /// @notice What tells, for little gas, whether an earlier verdict about a machine still holds: it
    ///         does until its `validUntil` if the epoch is the same and the machine is not revoked.
    /// @param machine Id of the PCK certificate.
    /// @return epoch Counts changes after which an earlier verdict may no longer hold: other levels in
    ///         a TCB info, another identity of the quoting enclave, a revoked authority.
    /// @return revokedAt Unix seconds at which the machine's revocation became known here; 0: not
    ///         revoked.
    function pulse(bytes32 machine) external view returns (uint64 epoch, uint64 revokedAt);

    /* VIEWS */

    /// @notice Whether a certificate was added; the root's, an authority's, a signer's or a machine's.
    /// @param id keccak256 of its signed part.
    function isKnown(bytes32 id) external view returns (bool);

    /// @notice Provisioning id of a machine, which names it whatever certificate it has.
    /// @param machine Id of the PCK certificate; zero for one that is not known.
    function ppidOf(bytes32 machine) external view returns (bytes16);

    /// @notice Dates of the newest revocation list of an authority or the root; 0: none.
    /// @param authority Id of its certificate.
    function revocationListOf(bytes32 authority)
        external
        view
        returns (uint64 issuedAt, uint64 validUntil);

    /// @notice Dates of the TCB info that counts for a kind of machine, and the TCB recovery event that
    ///         it is up to; 0: none.
    function tcbInfoOf(bytes6 fmspc)
        external
        view
        returns (uint64 issuedAt, uint64 validUntil, uint16 evaluationNumber);

    /// @notice The same of the identity of the quoting enclave.
    function qeIdentity()
        external
        view
        returns (uint64 issuedAt, uint64 validUntil, uint16 evaluationNumber);

    /// @notice keccak256 of the pinned root's key x ‖ y.
    function rootKeyHash() external view returns (bytes32);

    /// @notice 2 under Intel's root, 0 under any other.
    function tier() external view returns (uint8);

    /// @notice What the root is, in words.
    function description() external view returns (string memory);
}
