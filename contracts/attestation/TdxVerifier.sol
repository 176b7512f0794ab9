// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CertificateReader} from "./CertificateReader.sol";
import {CertificateStore} from "./CertificateStore.sol";
import {CollateralReader} from "./CollateralReader.sol";
import {CollateralStore} from "./CollateralStore.sol";
import {ICertificateReader} from "./ICertificateReader.sol";
import {ICollateralReader} from "./ICollateralReader.sol";
import {ITdxVerifier, TdVersions, Verdict} from "./ITdxVerifier.sol";
import {P256} from "./P256.sol";
import {ProductionChains} from "./ProductionChains.sol";
import {TdxQuote} from "./TdxQuote.sol";
import {Certificate, RevocationList} from "./types/Certificate.sol";
import {Issue} from "./types/Collateral.sol";
import {TcbStatus} from "./types/TcbStatus.sol";

/// @title TdxVerifier
contract TdxVerifier is ITdxVerifier {
    using CertificateStore for CertificateStore.Store;
    using CollateralStore for CollateralStore.Store;

    /// @dev keccak256 of the key of "Intel SGX Root CA", valid until the end of 2049.
    bytes32 private constant INTEL_ROOT =
        0x89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473;

    uint8 private constant HARDWARE_TIER = 2;

    /* IMMUTABLES */

    /// @inheritdoc ITdxVerifier
    bytes32 public immutable rootKeyHash;

    /// @inheritdoc ITdxVerifier
    uint8 public immutable tier;

    /// @notice Reads certificates; deployed by this contract, so that nobody else chooses it.
    ICertificateReader public immutable certificateReader;

    /// @notice Reads collateral; deployed by this contract.
    ICollateralReader public immutable collateralReader;

    /* STORAGE */

    CertificateStore.Store private _certificates;
    CollateralStore.Store private _collateral;

    /* CONSTRUCTOR */

    /// @param rootKeyHash_ keccak256 of the root's key x ‖ y. Any but Intel's is a development root:
    ///        tier 0, and refused on chains where money is.
    constructor(bytes32 rootKeyHash_) {
        bool intel = rootKeyHash_ == INTEL_ROOT;
        if (!intel && ProductionChains.contains(block.chainid)) {
            revert RootNotForProduction(block.chainid);
        }
        rootKeyHash = rootKeyHash_;
        tier = intel ? HARDWARE_TIER : 0;
        certificateReader = new CertificateReader();
        collateralReader = new CollateralReader();
    }

    /* EXTERNAL: ADDING */

    /// @inheritdoc ITdxVerifier
    function addRoot(bytes calldata der) external {
        Certificate memory root = certificateReader.readCertificate(der);
        _certificates.addRoot(root, rootKeyHash);
        emit CertificateAdded(root.id, root.role, der);
    }

    /// @inheritdoc ITdxVerifier
    function addAuthority(bytes calldata der) external returns (bytes32 id) {
        Certificate memory certificate = certificateReader.readCertificate(der);
        id = certificate.id;
        if (_certificates.numberOf[id] != 0) return id;
        _certificates.addAuthority(certificate);
        emit CertificateAdded(id, certificate.role, der);
    }

    /// @inheritdoc ITdxVerifier
    function addMachine(bytes calldata der, bytes32 authority) external returns (bytes32 id) {
        Certificate memory certificate = certificateReader.readCertificate(der);
        id = certificate.id;
        if (_certificates.machines[id].validUntil != 0) return id;
        _certificates.addMachine(certificate, _certificates.numberOf[authority]);
        emit CertificateAdded(id, certificate.role, der);
    }

    /// @inheritdoc ITdxVerifier
    function addRevocationList(bytes calldata der, bytes32 authority) external {
        RevocationList memory list = certificateReader.readRevocationList(der);
        _certificates.addRevocationList(list, _certificates.numberOf[authority]);
        emit RevocationListAdded(authority, list.issuedAt, list.validUntil, der);
    }

    /// @inheritdoc ITdxVerifier
    /// @dev What differs from what counts in its dates alone, as in most months, is not read again.
    function addTcbInfo(bytes calldata text, bytes calldata signature, bytes32 signer) external {
        (uint8 number, uint64 until) = _checkSigned(text, signature, signer);
        (Issue memory issue, bytes6 fmspc) = collateralReader.readTcbInfoIssue(text);
        if (_collateral.tcbs[fmspc].content != issue.content) {
            _collateral.keepTcb(issue.content, collateralReader.readTcbInfo(text));
            _certificates.trust.epoch++;
        }
        (uint64 validUntil, uint16 evaluationNumber) =
            _collateral.renewTcb(fmspc, issue, number, until);
        emit TcbInfoAdded(
            fmspc, signer, issue.issuedAt, validUntil, evaluationNumber, text, signature
        );
    }

    /// @inheritdoc ITdxVerifier
    /// @dev What differs from what counts in its dates alone is not read again.
    function addQeIdentity(bytes calldata text, bytes calldata signature, bytes32 signer) external {
        (uint8 number, uint64 until) = _checkSigned(text, signature, signer);
        Issue memory issue = collateralReader.readQeIdentityIssue(text);
        if (_collateral.enclave.content != issue.content) {
            _collateral.keepEnclave(issue.content, collateralReader.readQeIdentity(text));
            _certificates.trust.epoch++;
        }
        (uint64 validUntil, uint16 evaluationNumber) =
            _collateral.renewEnclave(issue, number, until);
        emit QeIdentityAdded(signer, issue.issuedAt, validUntil, evaluationNumber, text, signature);
    }

    /* EXTERNAL: VERIFYING */

    /// @inheritdoc ITdxVerifier
    /// @dev 1. format and attributes of the TD's report; 2. the attestation key signed it; 3. the
    ///      quoting enclave vouches for that key; 4. the machine's key signed the enclave's report;
    ///      5. the enclave is Intel's; 6. the machine's chain holds; 7. its TCB status.
    function verify(bytes calldata quote, bytes calldata signatures, bytes32 machine)
        external
        view
        returns (Verdict memory verdict)
    {
        // 1.
        bytes calldata report = TdxQuote.check(quote);
        if (signatures.length != TdxQuote.SIGNATURES) {
            revert SignaturesLength(signatures.length, TdxQuote.SIGNATURES);
        }
        // 2. and 3.
        _checkAttestationKey(quote, signatures);
        // 4.
        CertificateStore.Machine memory known = _certificates.machineOf(machine);
        _checkEnclaveReport(signatures, known);
        // 5.
        (verdict.versions.qeSvn, verdict.versions.qeGeneration) =
            _collateral.checkEnclave(signatures[128:512]);
        (verdict.versions.launched, verdict.versions.current) = TdxQuote.versions(report);
        // 6. and 7.
        CertificateStore.Trust memory trust = _certificates.trust;
        verdict.epoch = trust.epoch;
        (verdict.status, verdict.validUntil, verdict.evaluationNumber) =
            _standing(known, trust, verdict.versions);
        verdict.measurements = keccak256(TdxQuote.measurements(report, false));
        verdict.allMeasurements = keccak256(TdxQuote.measurements(report, true));
        (verdict.reportDataHigh, verdict.reportDataLow) = TdxQuote.reportData(report);
    }

    /// @inheritdoc ITdxVerifier
    function standing(bytes32 machine, TdVersions calldata versions)
        external
        view
        returns (TcbStatus status, uint64 validUntil, uint16 evaluationNumber)
    {
        return _standing(_certificates.machineOf(machine), _certificates.trust, versions);
    }

    /// @inheritdoc ITdxVerifier
    function pulse(bytes32 machine) external view returns (uint64 epoch, uint64 revokedAt) {
        revokedAt =
            _certificates.machines[machine].revoked ? _certificates.hardware[machine].revokedAt : 0;
        return (_certificates.trust.epoch, revokedAt);
    }

    /* INTERNAL */

    function _checkSigned(bytes calldata text, bytes calldata signature, bytes32 signer)
        private
        view
        returns (uint8 number, uint64 until)
    {
        if (signature.length != 64) revert CollateralSignatureLength(signature.length);
        number = _certificates.numberOf[signer];
        bytes32 x;
        bytes32 y;
        (x, y, until) = _certificates.signer(number);
        bytes32 digest = sha256(text);
        (bytes32 r, bytes32 s) = _pair(signature);
        if (!P256.verify(digest, r, s, x, y)) revert CollateralSignature(digest);
    }

    function _checkAttestationKey(bytes calldata quote, bytes calldata signatures) private view {
        bytes32 digest = sha256(quote);
        (bytes32 r, bytes32 s) = _pair(signatures[0:64]);
        (bytes32 x, bytes32 y) = _pair(signatures[64:128]);
        if (!P256.verify(digest, r, s, x, y)) revert QuoteSignature(digest);
        // The enclave's report ends with what it says: SHA-256 of key and data, then zeros.
        bytes32 bound = sha256(abi.encode(x, y, bytes32(signatures[576:608])));
        bytes32 said = bytes32(signatures[448:480]);
        if (said != bound || bytes32(signatures[480:512]) != 0) {
            revert AttestationKeyUnbound(said, bound);
        }
    }

    function _checkEnclaveReport(bytes calldata signatures, CertificateStore.Machine memory machine)
        private
        view
    {
        bytes32 digest = sha256(signatures[128:512]);
        (bytes32 r, bytes32 s) = _pair(signatures[512:576]);
        if (!P256.verify(digest, r, s, machine.keyX, machine.keyY)) revert QeSignature(digest);
    }

    /// @dev The two words of 64 bytes.
    function _pair(bytes calldata words) private pure returns (bytes32, bytes32) {
        return (bytes32(words[0:32]), bytes32(words[32:64]));
    }

    function _standing(
        CertificateStore.Machine memory machine,
        CertificateStore.Trust memory trust,
        TdVersions memory versions
    ) private view returns (TcbStatus status, uint64 validUntil, uint16 evaluationNumber) {
        uint64 chainUntil = _certificates.chainUntil(machine, trust);
        (status, validUntil, evaluationNumber) = _collateral.evaluate(machine, trust, versions);
        if (chainUntil < validUntil) validUntil = chainUntil;
    }

    /* VIEWS */

    /// @inheritdoc ITdxVerifier
    function isKnown(bytes32 id) external view returns (bool) {
        return _certificates.numberOf[id] != 0 || _certificates.machines[id].validUntil != 0;
    }

    /// @inheritdoc ITdxVerifier
    function ppidOf(bytes32 machine) external view returns (bytes16) {
        return _certificates.hardware[machine].ppid;
    }

    /// @inheritdoc ITdxVerifier
    function revocationListOf(bytes32 authority)
        external
        view
        returns (uint64 issuedAt, uint64 validUntil)
    {
        CertificateStore.Authority storage known =
            _certificates.authorities[_certificates.numberOf[authority]];
        return (known.listIssuedAt, known.listValidUntil);
    }

    /// @inheritdoc ITdxVerifier
    function tcbInfoOf(bytes6 fmspc)
        external
        view
        returns (uint64 issuedAt, uint64 validUntil, uint16 evaluationNumber)
    {
        CollateralStore.Tcb storage tcb = _collateral.tcbs[fmspc];
        return (tcb.issuedAt, tcb.validUntil, tcb.evaluationNumber);
    }

    /// @inheritdoc ITdxVerifier
    function qeIdentity()
        external
        view
        returns (uint64 issuedAt, uint64 validUntil, uint16 evaluationNumber)
    {
        CollateralStore.Enclave storage enclave = _collateral.enclave;
        return (enclave.issuedAt, enclave.validUntil, enclave.evaluationNumber);
    }

    /// @inheritdoc ITdxVerifier
    function description() external view returns (string memory) {
        return tier == HARDWARE_TIER ? "Intel SGX Root CA" : "DEV ROOT, NO HARDWARE PROTECTION";
    }
}
