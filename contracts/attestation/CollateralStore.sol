// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CertificateStore} from "./CertificateStore.sol";
import {ITdxVerifier, TdVersions} from "./ITdxVerifier.sol";
import {TcbComponents} from "./TcbComponents.sol";
import {Issue, QeIdentity, TcbInfo, TcbLevel, TdxModuleLevel} from "./types/Collateral.sol";
import {TcbStatus, converge, relaunch} from "./types/TcbStatus.sol";

/// @title What Intel says of machines and of its quoting enclave, by kind of machine.
/// @notice Laid out so that a verdict reads as few words as can be: what is asked first lies beside
///         the dates.
library CollateralStore {
    /* TYPES */

    /// @notice The TCB info that counts for a kind of machine.
    /// @param issuedAt Unix seconds.
    /// @param validUntil Unix seconds, exclusive; never later than its signer's.
    /// @param evaluationNumber Number of the TCB recovery event that it is up to.
    /// @param pceId Id of the provisioning enclave.
    /// @param signer Number of its signer.
    /// @param ranks Of the first five levels, the first one lowest: PCESVN in 16 bits, status in 8.
    /// @param moreRanks Of further levels. Status 0 ends the list.
    /// @param modules Levels of TDX modules: major version, version, status, 8 bits each. 0 ends the
    ///        list.
    /// @param content keccak256 of everything but the two dates.
    /// @param components By level: 16 SGX component versions, 16 TDX component versions.
    struct Tcb {
        uint40 issuedAt;
        uint40 validUntil;
        uint16 evaluationNumber;
        bytes2 pceId;
        uint8 signer;
        uint120 ranks;
        uint24[10] moreRanks;
        uint24[20] modules;
        bytes32 content;
        mapping(uint256 level => bytes32) components;
    }

    /// @notice The identity of the quoting enclave that counts.
    /// @param expected keccak256 of what an enclave's report must be under the masks.
    /// @param attributesMask, miscselectMask The masks.
    /// @param validUntil Unix seconds, exclusive; never later than its signer's.
    /// @param evaluationNumber Number of the TCB recovery event that it is up to.
    /// @param signer Number of its signer.
    /// @param newest Of the first level: version in 16 bits, status in 8.
    /// @param generation Counts changes of what is expected; 0: never anything.
    /// @param older Of further levels. Status 0 ends the list.
    /// @param issuedAt Unix seconds.
    /// @param content keccak256 of everything but the two dates.
    struct Enclave {
        bytes32 expected;
        bytes16 attributesMask;
        bytes4 miscselectMask;
        uint40 validUntil;
        uint16 evaluationNumber;
        uint8 signer;
        uint24 newest;
        uint8 generation;
        uint24[10] older;
        uint40 issuedAt;
        bytes32 content;
    }

    struct Store {
        Enclave enclave;
        mapping(bytes6 fmspc => Tcb) tcbs;
    }

    /// @dev Levels whose ranks lie beside the dates.
    uint256 private constant NEAR = 5;

    /* ADDING */

    /// @dev Keep what a verified TCB info says, in place of what was kept.
    /// @param content keccak256 of everything but its dates.
    function keepTcb(Store storage store, bytes32 content, TcbInfo memory info) internal {
        Tcb storage tcb = store.tcbs[info.fmspc];
        _requireFloor(info.evaluationNumber, tcb.evaluationNumber);
        uint24[10] memory moreRanks;
        uint24[20] memory modules;
        uint120 ranks = 0;
        for (uint256 i = 0; i < info.levels.length; i++) {
            TcbLevel memory level = info.levels[i];
            uint24 rank = _rank(level.pceSvn, level.status);
            if (i < NEAR) ranks |= uint120(rank) << uint120(24 * i);
            else moreRanks[i - NEAR] = rank;
            tcb.components[i] = level.components;
        }
        for (uint256 i = 0; i < info.modules.length; i++) {
            TdxModuleLevel memory level = info.modules[i];
            modules[i] = (uint24(level.version) << 16) | _rank(level.svn, level.status);
        }
        tcb.evaluationNumber = info.evaluationNumber;
        tcb.pceId = info.pceId;
        tcb.ranks = ranks;
        tcb.moreRanks = moreRanks;
        tcb.modules = modules;
        tcb.content = content;
    }

    /// @dev Let the TCB info that is kept count from now on.
    function renewTcb(
        Store storage store,
        bytes6 fmspc,
        Issue memory issue,
        uint8 signer,
        uint64 signerUntil
    ) internal returns (uint64 validUntil, uint16 evaluationNumber) {
        Tcb storage tcb = store.tcbs[fmspc];
        _requireNewer(issue, tcb.issuedAt);
        validUntil = issue.validUntil < signerUntil ? issue.validUntil : signerUntil;
        evaluationNumber = tcb.evaluationNumber;
        tcb.issuedAt = uint40(issue.issuedAt);
        tcb.validUntil = uint40(validUntil);
        tcb.signer = signer;
    }

    /// @dev Keep what a verified identity of the quoting enclave says, in place of what was kept.
    /// @param content keccak256 of everything but its dates.
    function keepEnclave(Store storage store, bytes32 content, QeIdentity memory identity)
        internal
    {
        Enclave storage enclave = store.enclave;
        _requireFloor(identity.evaluationNumber, enclave.evaluationNumber);
        uint24[10] memory older;
        for (uint256 i = 1; i < identity.levels.length; i++) {
            older[i - 1] = _rank(identity.levels[i].svn, identity.levels[i].status);
        }
        bytes32 expected = _expected(
            identity.miscselect & identity.miscselectMask,
            identity.attributes & identity.attributesMask,
            identity.mrSigner,
            identity.productId
        );
        if (
            expected != enclave.expected || identity.attributesMask != enclave.attributesMask
                || identity.miscselectMask != enclave.miscselectMask
        ) enclave.generation++;
        enclave.expected = expected;
        enclave.attributesMask = identity.attributesMask;
        enclave.miscselectMask = identity.miscselectMask;
        enclave.evaluationNumber = identity.evaluationNumber;
        enclave.newest = _rank(identity.levels[0].svn, identity.levels[0].status);
        enclave.older = older;
        enclave.content = content;
    }

    /// @dev Let the identity of the quoting enclave that is kept count from now on.
    function renewEnclave(Store storage store, Issue memory issue, uint8 signer, uint64 signerUntil)
        internal
        returns (uint64 validUntil, uint16 evaluationNumber)
    {
        Enclave storage enclave = store.enclave;
        _requireNewer(issue, enclave.issuedAt);
        validUntil = issue.validUntil < signerUntil ? issue.validUntil : signerUntil;
        evaluationNumber = enclave.evaluationNumber;
        enclave.issuedAt = uint40(issue.issuedAt);
        enclave.validUntil = uint40(validUntil);
        enclave.signer = signer;
    }

    /* USING */

    /// @dev What a machine is that runs these versions, now.
    /// @param machine Its certificate's facts.
    /// @param trust Which authorities are revoked.
    /// @return status Never `Revoked`, which is refused.
    /// @return until Unix seconds, exclusive.
    /// @return evaluationNumber The lesser of the two that it rests on.
    function evaluate(
        Store storage store,
        CertificateStore.Machine memory machine,
        CertificateStore.Trust memory trust,
        TdVersions memory versions
    ) internal view returns (TcbStatus status, uint64 until, uint16 evaluationNumber) {
        Tcb storage tcb = store.tcbs[machine.fmspc];
        Enclave storage enclave = store.enclave;
        (uint64 tcbUntil, uint64 enclaveUntil) = (tcb.validUntil, enclave.validUntil);
        if (tcbUntil == 0) revert ITdxVerifier.TcbInfoUnknown(machine.fmspc);
        if (machine.pceId != tcb.pceId) {
            revert ITdxVerifier.PceIdMismatch(machine.pceId, tcb.pceId);
        }
        CertificateStore.requireTrusted(trust, tcb.signer);
        CertificateStore.requireTrusted(trust, enclave.signer);
        until = tcbUntil < enclaveUntil ? tcbUntil : enclaveUntil;
        if (block.timestamp >= until) {
            revert ITdxVerifier.CollateralOver(tcbUntil, enclaveUntil, block.timestamp);
        }
        status = _converged(tcb, enclave, machine, versions);
        (uint16 number, uint16 enclaveNumber) = (tcb.evaluationNumber, enclave.evaluationNumber);
        evaluationNumber = number < enclaveNumber ? number : enclaveNumber;
    }

    /// @dev Refuse a quoting enclave that is not Intel's.
    /// @param report Its report, 384 bytes.
    /// @return svn Its version.
    /// @return generation What it was compared with.
    function checkEnclave(Store storage store, bytes calldata report)
        internal
        view
        returns (uint16 svn, uint8 generation)
    {
        bytes32 got = _expected(
            bytes4(report[16:20]) & store.enclave.miscselectMask,
            bytes16(report[48:64]) & store.enclave.attributesMask,
            bytes32(report[128:160]),
            _littleEndian(bytes2(report[256:258]))
        );
        bytes32 expected = store.enclave.expected;
        // Bit 1 of the attributes is DEBUG, whatever the mask says.
        bool debug = uint8(report[48]) & 2 != 0;
        if (got != expected || debug) revert ITdxVerifier.QeForeign(got, expected, debug);
        return (_littleEndian(bytes2(report[258:260])), store.enclave.generation);
    }

    /* INTERNAL */

    /// @dev What levels of machine, module and enclave say together; of a TD 1.5, also at the
    ///      versions that it runs on now.
    function _converged(
        Tcb storage tcb,
        Enclave storage enclave,
        CertificateStore.Machine memory machine,
        TdVersions memory versions
    ) private view returns (TcbStatus status) {
        if (versions.qeGeneration != enclave.generation) {
            revert ITdxVerifier.QeReplaced(versions.qeGeneration, enclave.generation);
        }
        TcbStatus enclaveStatus = _enclaveStatus(enclave, versions.qeSvn);
        status = converge(_status(tcb, machine, versions.launched), enclaveStatus);
        if (versions.current != versions.launched) {
            TcbStatus present = converge(_status(tcb, machine, versions.current), enclaveStatus);
            status = present == TcbStatus.Revoked ? present : relaunch(status, present);
        }
        if (status == TcbStatus.Revoked) {
            revert ITdxVerifier.TcbRevoked(versions.launched, versions.current, versions.qeSvn);
        }
    }

    /// @dev What the levels of the machine and of its TDX module say together.
    /// @param versions The module's minor and major version, then 14 more.
    function _status(Tcb storage tcb, CertificateStore.Machine memory machine, bytes16 versions)
        private
        view
        returns (TcbStatus)
    {
        (uint8 minor, uint8 major) = (uint8(versions[0]), uint8(versions[1]));
        // From major version 1 on, the module is judged by its own levels.
        bytes16 tdx = major == 0 ? versions : versions | bytes16(bytes2(0xffff));
        TcbStatus status =
            _machineStatus(tcb, bytes32(bytes.concat(machine.cpuSvn, tdx)), machine.pceSvn);
        return major == 0 ? status : converge(status, _moduleStatus(tcb, major, minor));
    }

    function _machineStatus(Tcb storage tcb, bytes32 components, uint16 pceSvn)
        private
        view
        returns (TcbStatus)
    {
        uint120 ranks = tcb.ranks;
        for (uint256 i = 0; i < NEAR + tcb.moreRanks.length; i++) {
            uint24 rank = i < NEAR ? uint24(ranks >> uint120(24 * i)) : tcb.moreRanks[i - NEAR];
            if (rank == 0) break;
            if (pceSvn < rank >> 8) continue;
            if (TcbComponents.reach(components, tcb.components[i])) return TcbStatus(uint8(rank));
        }
        revert ITdxVerifier.TcbLevelNone(components, pceSvn);
    }

    function _moduleStatus(Tcb storage tcb, uint8 major, uint8 minor)
        private
        view
        returns (TcbStatus)
    {
        bool known = false;
        for (uint256 i = 0; i < tcb.modules.length; i++) {
            uint24 level = tcb.modules[i];
            if (level == 0) break;
            if (uint8(level >> 16) != major) continue;
            known = true;
            if (minor >= uint8(level >> 8)) return TcbStatus(uint8(level));
        }
        if (known) revert ITdxVerifier.ModuleTooOld(major, minor);
        revert ITdxVerifier.ModuleUnknown(major);
    }

    function _enclaveStatus(Enclave storage enclave, uint16 svn) private view returns (TcbStatus) {
        uint24 rank = enclave.newest;
        for (uint256 i = 0; rank != 0; i++) {
            if (svn >= rank >> 8) return TcbStatus(uint8(rank));
            rank = i < enclave.older.length ? enclave.older[i] : 0;
        }
        revert ITdxVerifier.QeTooOld(svn);
    }

    function _rank(uint16 svn, TcbStatus status) private pure returns (uint24) {
        return (uint24(svn) << 8) | uint24(uint8(status));
    }

    function _expected(bytes4 miscselect, bytes16 attributes, bytes32 mrSigner, uint16 productId)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(miscselect, attributes, mrSigner, productId));
    }

    function _littleEndian(bytes2 value) private pure returns (uint16) {
        return (uint16(uint8(value[1])) << 8) | uint8(value[0]);
    }

    /// @dev What was issued earlier never replaces what was issued later.
    function _requireNewer(Issue memory issue, uint64 issuedBefore) private view {
        if (block.timestamp < issue.issuedAt || block.timestamp >= issue.validUntil) {
            revert ITdxVerifier.CollateralDates(issue.issuedAt, issue.validUntil, block.timestamp);
        }
        if (issue.issuedAt < issuedBefore) {
            revert ITdxVerifier.CollateralOlder(issue.issuedAt, issuedBefore);
        }
    }

    /// @dev What is from before a TCB recovery never replaces what is from after it.
    function _requireFloor(uint16 evaluationNumber, uint16 floor) private pure {
        if (evaluationNumber < floor) {
            revert ITdxVerifier.CollateralRollback(evaluationNumber, floor);
        }
    }
}
