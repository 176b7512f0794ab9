// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxVerifier} from "./ITdxVerifier.sol";
import {P256} from "./P256.sol";
import {Certificate, RevocationList, Role} from "./types/Certificate.sol";

/// @title Certificates that were verified once, and which of them were revoked since.
/// @notice The tree has three levels, as Intel's has: the root, whose key is pinned; two authorities
///         and the signer of collateral under it; machines (PCK certificates) under an authority.
library CertificateStore {
    /* TYPES */

    /// @notice The root, an authority or a signer.
    /// @param keyX, keyY Its key.
    /// @param subject keccak256 of its name.
    /// @param role What it is for.
    /// @param validUntil Unix seconds, exclusive; never later than the root's.
    /// @param listIssuedAt Unix seconds of its newest revocation list; 0: none yet.
    /// @param listValidUntil Unix seconds, exclusive, of that list.
    /// @param listCount Serial numbers in that list.
    /// @param keyId Its key id.
    /// @param listContent Hash of those serial numbers, one after the other.
    struct Authority {
        bytes32 keyX;
        bytes32 keyY;
        bytes32 subject;
        Role role;
        uint64 validUntil;
        uint64 listIssuedAt;
        uint64 listValidUntil;
        uint16 listCount;
        bytes20 keyId;
        bytes32 listContent;
    }

    /// @notice A machine, by one of its PCK certificates.
    /// @param keyX, keyY The certificate's key.
    /// @param cpuSvn, fmspc, pceSvn, pceId As in `PckFacts`.
    /// @param validUntil Unix seconds, exclusive; 32 bits last until 2106. 0: unknown.
    /// @param authority Number of the authority that issued it.
    /// @param revoked Whether it was revoked.
    struct Machine {
        bytes32 keyX;
        bytes32 keyY;
        bytes16 cpuSvn;
        bytes6 fmspc;
        uint16 pceSvn;
        bytes2 pceId;
        uint32 validUntil;
        uint8 authority;
        bool revoked;
    }

    /// @notice What no verdict asks for of a machine.
    /// @param ppid As in `PckFacts`.
    /// @param revokedAt Unix seconds at which its revocation became known here; 0: not revoked.
    struct Hardware {
        bytes16 ppid;
        uint64 revokedAt;
    }

    /// @notice What every machine depends on, in one word.
    /// @param rootListValidUntil Unix seconds, exclusive, of the root's revocation list.
    /// @param epoch Counts changes after which an earlier verdict may no longer hold.
    /// @param revoked Bit n: authority n is revoked.
    struct Trust {
        uint64 rootListValidUntil;
        uint64 epoch;
        uint128 revoked;
    }

    struct Store {
        Trust trust;
        uint8 count;
        mapping(uint256 number => Authority) authorities;
        mapping(bytes32 id => uint8) numberOf;
        mapping(bytes32 id => Machine) machines;
        mapping(bytes32 id => Hardware) hardware;
        /// @dev By issuer and serial number, which is what a revocation list tells.
        mapping(bytes32 serialId => uint64) revokedAt;
        mapping(bytes32 serialId => bytes32) machineBySerial;
        mapping(bytes32 serialId => uint8) authorityBySerial;
    }

    /// @dev The root is number 1; 0 is none.
    uint8 internal constant ROOT = 1;
    /// @dev As many as `Trust.revoked` has bits for. Intel's root has issued three.
    uint8 private constant MOST_AUTHORITIES = 127;

    /* ADDING */

    /// @dev Add the root, whose key must hash to `rootKeyHash`.
    function addRoot(Store storage store, Certificate memory root, bytes32 rootKeyHash) internal {
        if (store.count != 0) revert ITdxVerifier.RootKnown();
        bytes32 keyHash = keccak256(abi.encode(root.keyX, root.keyY));
        if (keyHash != rootKeyHash) revert ITdxVerifier.RootForeign(keyHash, rootKeyHash);
        _requireRole(root.role, root.role == Role.Root);
        _requireName(root.issuer, root.subject);
        _requireSignature(root.digest, root.r, root.s, root.keyX, root.keyY);
        _requireValid(root.validFrom, root.validUntil);
        _add(store, root, root.validUntil);
    }

    /// @dev Add an authority or a signer of collateral, issued by the root.
    function addAuthority(Store storage store, Certificate memory certificate) internal {
        Role role = certificate.role;
        _requireRole(
            role, role == Role.PlatformCa || role == Role.ProcessorCa || role == Role.TcbSigner
        );
        uint64 rootUntil = _checkIssued(store, certificate, ROOT);
        _add(
            store,
            certificate,
            certificate.validUntil < rootUntil ? certificate.validUntil : rootUntil
        );
    }

    /// @dev Add a machine, issued by the authority `number`.
    function addMachine(Store storage store, Certificate memory certificate, uint8 number)
        internal
    {
        Role issuer = store.authorities[number].role;
        _requireRole(certificate.role, certificate.role == Role.Pck);
        _requireRole(issuer, issuer == Role.PlatformCa || issuer == Role.ProcessorCa);
        _checkIssued(store, certificate, number);
        bytes32 serialId = _serialId(certificate.issuer, certificate.serial);
        bytes32 other = store.machineBySerial[serialId];
        if (other != 0) revert ITdxVerifier.SerialTaken(other, certificate.serial);

        store.machines[certificate.id] = Machine({
            keyX: certificate.keyX,
            keyY: certificate.keyY,
            cpuSvn: certificate.facts.cpuSvn,
            fmspc: certificate.facts.fmspc,
            pceSvn: certificate.facts.pceSvn,
            pceId: certificate.facts.pceId,
            validUntil: certificate.validUntil > type(uint32).max
                ? type(uint32).max
                : uint32(certificate.validUntil),
            authority: number,
            revoked: store.revokedAt[serialId] != 0
        });
        store.hardware[certificate.id] =
            Hardware({ppid: certificate.facts.ppid, revokedAt: store.revokedAt[serialId]});
        store.machineBySerial[serialId] = certificate.id;
    }

    /// @dev Take in a revocation list of the authority `number`: from now on its certificates are
    ///      known to be revoked, for good, and all others are known not to be until the list is over.
    function addRevocationList(Store storage store, RevocationList memory list, uint8 number)
        internal
    {
        Authority storage authority = store.authorities[number];
        _requireRole(
            authority.role, authority.role != Role.None && authority.role != Role.TcbSigner
        );
        _requireName(list.issuer, authority.subject);
        _requireKeyId(list.issuerKeyId, authority.keyId);
        _requireSignature(list.digest, list.r, list.s, authority.keyX, authority.keyY);
        if (block.timestamp >= list.validUntil) {
            revert ITdxVerifier.RevocationListOver(list.validUntil, block.timestamp);
        }
        if (list.issuedAt < authority.listIssuedAt) {
            revert ITdxVerifier.RevocationListOlder(list.issuedAt, authority.listIssuedAt);
        }

        authority.listIssuedAt = list.issuedAt;
        authority.listValidUntil = list.validUntil;
        if (number == ROOT) store.trust.rootListValidUntil = list.validUntil;
        for (uint256 i = _renewContent(authority, list.serials); i < list.serials.length; i++) {
            _revoke(store, _serialId(list.issuer, list.serials[i]));
        }
    }

    /* USING */

    /// @dev A machine that is known and not revoked.
    function machineOf(Store storage store, bytes32 id)
        internal
        view
        returns (Machine memory machine)
    {
        machine = store.machines[id];
        if (machine.validUntil == 0) revert ITdxVerifier.MachineUnknown(id);
        if (machine.revoked) {
            revert ITdxVerifier.MachineDistrusted(id, store.hardware[id].revokedAt);
        }
    }

    /// @dev Until when the machine's chain holds, if it holds now.
    function chainUntil(Store storage store, Machine memory machine, Trust memory trust)
        internal
        view
        returns (uint64 until)
    {
        requireTrusted(trust, machine.authority);
        Authority storage authority = store.authorities[machine.authority];
        (uint64 validUntil, uint64 listValidUntil) =
            (authority.validUntil, authority.listValidUntil);
        until = machine.validUntil < validUntil ? machine.validUntil : validUntil;
        _requireLater(until);
        if (trust.rootListValidUntil < until) until = trust.rootListValidUntil;
        if (listValidUntil < until) until = listValidUntil;
        _requireFresh(until);
    }

    /// @dev The key of the signer `number`, and until when what it signs may be used.
    function signer(Store storage store, uint8 number)
        internal
        view
        returns (bytes32 keyX, bytes32 keyY, uint64 until)
    {
        Authority storage authority = store.authorities[number];
        _requireRole(authority.role, authority.role == Role.TcbSigner);
        Trust memory trust = store.trust;
        requireTrusted(trust, number);
        until = authority.validUntil;
        _requireLater(until);
        _requireFresh(trust.rootListValidUntil);
        return (authority.keyX, authority.keyY, until);
    }

    /// @dev Refuse what the authority or signer `number` signed, if it or the root is revoked.
    function requireTrusted(Trust memory trust, uint8 number) internal pure {
        if ((trust.revoked >> ROOT) & 1 != 0 || (trust.revoked >> number) & 1 != 0) {
            revert ITdxVerifier.AuthorityRevoked(number, trust.revoked);
        }
    }

    /* INTERNAL */

    /// @dev What must hold of every certificate but the root's; returns until when its issuer is
    ///      valid.
    function _checkIssued(Store storage store, Certificate memory certificate, uint8 number)
        private
        view
        returns (uint64 issuerUntil)
    {
        Authority storage issuer = store.authorities[number];
        _requireName(certificate.issuer, issuer.subject);
        _requireKeyId(certificate.issuerKeyId, issuer.keyId);
        _requireSignature(
            certificate.digest, certificate.r, certificate.s, issuer.keyX, issuer.keyY
        );
        _requireValid(certificate.validFrom, certificate.validUntil);
        return issuer.validUntil;
    }

    function _add(Store storage store, Certificate memory certificate, uint64 until) private {
        uint8 number = store.count + 1;
        if (number > MOST_AUTHORITIES) revert ITdxVerifier.AuthoritiesFull(MOST_AUTHORITIES);
        bytes32 serialId = _serialId(certificate.issuer, certificate.serial);

        store.count = number;
        store.numberOf[certificate.id] = number;
        store.authorityBySerial[serialId] = number;
        store.authorities[number] = Authority({
            keyX: certificate.keyX,
            keyY: certificate.keyY,
            subject: certificate.subject,
            role: certificate.role,
            validUntil: until,
            listIssuedAt: 0,
            listValidUntil: 0,
            listCount: 0,
            keyId: certificate.keyId,
            listContent: 0
        });
        if (store.revokedAt[serialId] != 0) store.trust.revoked |= uint128(1) << number;
    }

    /// @dev Remember which serial numbers are listed. Lists grow at their end: where this one begins
    ///      with all that the one before had, those are revoked already, for good.
    /// @return known How many those are.
    function _renewContent(Authority storage authority, uint256[] memory serials)
        private
        returns (uint256 known)
    {
        (uint256 count, bytes32 content) = (authority.listCount, authority.listContent);
        bytes32 rolling = 0;
        for (uint256 i = 0; i < serials.length; i++) {
            if (i == count && rolling == content) known = count;
            rolling = keccak256(abi.encode(rolling, serials[i]));
        }
        if (serials.length == count && rolling == content) return count;
        // A list too long to be counted is read in full again.
        bool counted = serials.length <= type(uint16).max;
        authority.listCount = counted ? uint16(serials.length) : 0;
        authority.listContent = counted ? rolling : bytes32(0);
    }

    /// @dev Remember a revocation, unless it is known.
    function _revoke(Store storage store, bytes32 serialId) private {
        if (store.revokedAt[serialId] != 0) return;
        store.revokedAt[serialId] = uint64(block.timestamp);
        bytes32 id = store.machineBySerial[serialId];
        if (id != 0) {
            store.machines[id].revoked = true;
            store.hardware[id].revokedAt = uint64(block.timestamp);
            emit ITdxVerifier.MachineRevoked(id, uint64(block.timestamp));
        }
        uint8 number = store.authorityBySerial[serialId];
        if (number != 0) {
            store.trust.revoked |= uint128(1) << number;
            store.trust.epoch++;
        }
    }

    function _serialId(bytes32 issuer, uint256 serial) private pure returns (bytes32) {
        return keccak256(abi.encode(issuer, serial));
    }

    function _requireRole(Role role, bool fits) private pure {
        if (!fits) revert ITdxVerifier.CertificateRole(role);
    }

    function _requireName(bytes32 got, bytes32 expected) private pure {
        if (got != expected) revert ITdxVerifier.CertificateIssuer(got, expected);
    }

    function _requireKeyId(bytes20 got, bytes20 expected) private pure {
        if (got != expected) revert ITdxVerifier.CertificateKeyId(got, expected);
    }

    function _requireSignature(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y)
        private
        view
    {
        if (!P256.verify(digest, r, s, x, y)) {
            revert ITdxVerifier.CertificateSignature(digest);
        }
    }

    function _requireValid(uint64 from, uint64 until) private view {
        if (block.timestamp < from) revert ITdxVerifier.CertificateEarly(from, block.timestamp);
        _requireLater(until);
    }

    function _requireLater(uint64 until) private view {
        if (block.timestamp >= until) {
            revert ITdxVerifier.CertificateOver(until, block.timestamp);
        }
    }

    function _requireFresh(uint64 until) private view {
        if (block.timestamp >= until) {
            revert ITdxVerifier.RevocationsUnknown(until, block.timestamp);
        }
    }
}
