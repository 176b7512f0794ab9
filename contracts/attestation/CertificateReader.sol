// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Der} from "./Der.sol";
import {ICertificateReader} from "./ICertificateReader.sol";
import {PckExtension} from "./PckExtension.sol";
import {Words} from "./Words.sol";
import {X509} from "./X509.sol";
import {Certificate, PckFacts, RevocationList, Role} from "./types/Certificate.sol";

/// @title CertificateReader
contract CertificateReader is ICertificateReader {
    /* TYPES */

    /// @dev What extensions told, until the role is judged.
    struct Extensions {
        uint256 seen;
        bool isAuthority;
        uint8 keyUsage;
        bytes20 issuerKeyId;
        bytes20 keyId;
        PckFacts facts;
    }

    /// @dev Algorithm id-ecPublicKey on prime256v1, then a BIT STRING of an uncompressed point.
    bytes27 private constant P256_KEY = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";

    bytes3 private constant COMMON_NAME = hex"550403";
    bytes3 private constant AUTHORITY_KEY_ID = hex"551d23";
    bytes3 private constant SUBJECT_KEY_ID = hex"551d0e";
    bytes3 private constant KEY_USAGE = hex"551d0f";
    bytes3 private constant BASIC_CONSTRAINTS = hex"551d13";
    bytes3 private constant CRL_NUMBER = hex"551d14";

    /// @dev One bit for each extension that is read.
    uint256 private constant SAW_AUTHORITY_KEY_ID = 1;
    uint256 private constant SAW_SUBJECT_KEY_ID = 2;
    uint256 private constant SAW_KEY_USAGE = 4;
    uint256 private constant SAW_BASIC_CONSTRAINTS = 8;
    uint256 private constant SAW_PCK = 16;
    uint256 private constant SAW_OF_ALL = 15;

    /// @dev Bits of a key usage's first byte (RFC 5280, 4.2.1.3).
    uint8 private constant DIGITAL_SIGNATURE = 0x80;
    uint8 private constant CERTIFICATE_SIGN = 0x04;
    uint8 private constant LIST_SIGN = 0x02;

    /// @dev An entry's extensions: the reason and nothing else, but for the reason itself.
    bytes13 private constant REASON = hex"300c300a0603551d1504030a01";

    /// @dev Bytes of a UTC time, and of the shortest entry: header, serial number of one byte, time.
    uint256 private constant TIME = 15;
    uint256 private constant LEAST_ENTRY = 20;

    /* EXTERNAL */

    /// @inheritdoc ICertificateReader
    function readCertificate(bytes calldata der)
        external
        pure
        returns (Certificate memory certificate)
    {
        uint256 start;
        uint256 at;
        uint256 end;
        (start, at, end, certificate.r, certificate.s) = X509.envelope(der);
        certificate.id = keccak256(der[start:end]);
        certificate.digest = sha256(der[start:end]);

        at = _version(der, at, end);
        (certificate.serial, at) = Der.unsigned(der, at, end);
        at = X509.algorithm(der, at, end);
        (certificate.issuer, at) = X509.name(der, at, end);
        (certificate.validFrom, certificate.validUntil, at) = _validity(der, at, end);
        certificate.role = _role(der, at, end);
        (certificate.subject, at) = X509.name(der, at, end);
        (certificate.keyX, certificate.keyY, at) = _key(der, at, end);
        (Extensions memory extensions, uint256 last) = _extensions(der, at, end);
        Der.close(last, end);

        _checkRole(certificate.role, extensions);
        certificate.issuerKeyId = extensions.issuerKeyId;
        certificate.keyId = extensions.keyId;
        certificate.facts = extensions.facts;
    }

    /// @inheritdoc ICertificateReader
    function readRevocationList(bytes calldata der)
        external
        pure
        returns (RevocationList memory list)
    {
        uint256 start;
        uint256 at;
        uint256 end;
        (start, at, end, list.r, list.s) = X509.envelope(der);
        list.digest = sha256(der[start:end]);

        uint256 version;
        (version, at) = Der.unsigned(der, at, end);
        _requireVersion(version, 1);
        at = X509.algorithm(der, at, end);
        (list.issuer, at) = X509.name(der, at, end);
        (list.issuedAt, at) = X509.time(der, at, end);
        (list.validUntil, at) = X509.time(der, at, end);
        if (Der.peek(der, at, end) == Der.SEQUENCE) {
            (list.serials, at) = _revoked(der, at, end);
        }
        (list.issuerKeyId, at) = _listExtensions(der, at, end);
        Der.close(at, end);
    }

    /* INTERNAL: CERTIFICATES */

    function _version(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (uint256 end)
    {
        uint256 version;
        (at, end) = Der.enter(der, at, limit, Der.CONTEXT_0);
        (version, at) = Der.unsigned(der, at, end);
        Der.close(at, end);
        _requireVersion(version, 2);
    }

    function _requireVersion(uint256 got, uint256 expected) private pure {
        if (got != expected) revert X509Version(got, expected);
    }

    function _validity(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (uint64 from, uint64 until, uint256 end)
    {
        (at, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        (from, at) = X509.time(der, at, end);
        (until, at) = X509.time(der, at, end);
        Der.close(at, end);
        until += 1;
    }

    /// @dev The role that the subject's common name ends with.
    function _role(bytes calldata der, uint256 at, uint256 limit) private pure returns (Role) {
        (uint256 start, uint256 end) = _commonName(der, at, limit);
        if (_endsWith(der, start, end, " PCK Certificate", 16)) return Role.Pck;
        if (_endsWith(der, start, end, " PCK Platform CA", 16)) return Role.PlatformCa;
        if (_endsWith(der, start, end, " PCK Processor CA", 17)) return Role.ProcessorCa;
        if (_endsWith(der, start, end, " TCB Signing", 12)) return Role.TcbSigner;
        if (_endsWith(der, start, end, " Root CA", 8)) return Role.Root;
        revert X509Name(at);
    }

    /// @dev The common name; an empty one where there is none. Its first occurrence counts.
    function _commonName(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (uint256 start, uint256 end)
    {
        (at, limit) = Der.enter(der, at, limit, Der.SEQUENCE);
        while (at < limit) {
            uint256 next;
            uint256 idStart;
            uint256 idEnd;
            (at, next) = Der.enter(der, at, limit, Der.SET);
            (at, end) = Der.enter(der, at, next, Der.SEQUENCE);
            Der.close(end, next);
            (idStart, idEnd) = Der.enter(der, at, end, Der.OBJECT_IDENTIFIER);
            if (Der.equal(der, idStart, idEnd, COMMON_NAME, 3)) {
                uint8 kind = Der.peek(der, idEnd, end);
                return Der.enter(der, idEnd, end, kind);
            }
            at = next;
        }
        return (0, 0);
    }

    function _endsWith(
        bytes calldata der,
        uint256 start,
        uint256 end,
        bytes32 ending,
        uint256 length
    ) private pure returns (bool) {
        return end - start >= length && Der.equal(der, end - length, end, ending, length);
    }

    function _key(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (bytes32 x, bytes32 y, uint256 end)
    {
        (, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        uint256 point = at + P256_KEY.length;
        if (end != point + 64 || !Der.equal(der, at, point, P256_KEY, P256_KEY.length)) {
            revert X509Key(at);
        }
        return (bytes32(der[point:point + 32]), bytes32(der[point + 32:end]), end);
    }

    /* INTERNAL: EXTENSIONS */

    function _extensions(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (Extensions memory extensions, uint256 end)
    {
        (at, end) = Der.enter(der, at, limit, Der.CONTEXT_3);
        uint256 last;
        (at, last) = Der.enter(der, at, end, Der.SEQUENCE);
        Der.close(last, end);
        while (at < end) {
            at = _extension(der, at, end, extensions);
        }
    }

    function _extension(bytes calldata der, uint256 at, uint256 limit, Extensions memory extensions)
        private
        pure
        returns (uint256 next)
    {
        X509.Extension memory extension;
        (extension, next) = X509.readExtension(der, at, limit);
        uint256 saw = 0;
        if (X509.isKind(der, extension, AUTHORITY_KEY_ID, 3)) {
            saw = SAW_AUTHORITY_KEY_ID;
            extensions.issuerKeyId = X509.issuerKeyId(der, extension);
        } else if (X509.isKind(der, extension, SUBJECT_KEY_ID, 3)) {
            saw = SAW_SUBJECT_KEY_ID;
            (bytes32 keyId, uint256 last) = Der.octets(der, extension.start, extension.end, 20);
            Der.close(last, extension.end);
            extensions.keyId = bytes20(keyId);
        } else if (X509.isKind(der, extension, KEY_USAGE, 3)) {
            saw = SAW_KEY_USAGE;
            extensions.keyUsage = _keyUsage(der, extension.start, extension.end);
        } else if (X509.isKind(der, extension, BASIC_CONSTRAINTS, 3)) {
            saw = SAW_BASIC_CONSTRAINTS;
            extensions.isAuthority = _isAuthority(der, extension.start, extension.end);
        } else if (X509.isKind(der, extension, PckExtension.OBJECT_IDENTIFIER, PckExtension.LENGTH))
        {
            saw = SAW_PCK;
            extensions.facts = PckExtension.read(der, extension.start, extension.end);
        }
        // What nobody read may be skipped only where the issuer does not insist.
        X509.requireExtension(saw != 0 || !extension.critical, at);
        X509.requireExtension(extensions.seen & saw == 0, at);
        extensions.seen |= saw;
    }

    /// @dev The first byte of the bits; all that matter here are in it.
    function _keyUsage(bytes calldata der, uint256 at, uint256 limit) private pure returns (uint8) {
        (uint256 start, uint256 end) = Der.enter(der, at, limit, Der.BIT_STRING);
        Der.close(end, limit);
        Der.requireSize(at, end - start, 2);
        return uint8(der[start + 1]);
    }

    /// @dev SEQUENCE { [BOOLEAN true, [INTEGER path length]] }.
    function _isAuthority(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (bool authority)
    {
        uint256 end;
        (at, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        Der.close(end, limit);
        authority = at < end;
        if (authority) at = X509.boolean(der, at, end);
        // How long a path may be is fixed here: root, authority, certificate.
        if (at < end) (, at) = Der.unsigned(der, at, end);
        Der.close(at, end);
    }

    function _checkRole(Role role, Extensions memory extensions) private pure {
        bool authority = role == Role.Root || role == Role.PlatformCa || role == Role.ProcessorCa;
        uint8 needed = authority ? CERTIFICATE_SIGN | LIST_SIGN : DIGITAL_SIGNATURE;
        uint8 forbidden = authority ? 0 : CERTIFICATE_SIGN | LIST_SIGN;
        if (
            extensions.seen != (role == Role.Pck ? SAW_OF_ALL | SAW_PCK : SAW_OF_ALL)
                || extensions.isAuthority != authority || extensions.keyUsage & needed != needed
                || extensions.keyUsage & forbidden != 0
        ) {
            revert X509Role(
                uint8(role), extensions.seen, extensions.keyUsage, extensions.isAuthority
            );
        }
    }

    /* INTERNAL: REVOCATION LISTS */

    function _revoked(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (uint256[] memory serials, uint256 end)
    {
        (at, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        // No entry is shorter than this; what is too long is cut off in place, for a tenth of the
        // gas of a copy.
        serials = new uint256[]((end - at) / LEAST_ENTRY);
        uint256 count = 0;
        for (; at < end; count++) {
            (serials[count], at) = _revokedEntry(der, at, end);
        }
        assembly ("memory-safe") {
            mstore(serials, count)
        }
    }

    /// @dev SEQUENCE { serial number, UTC time, [reason] }, read as the template that it is. The time
    ///      of revocation does not matter: what is listed is revoked.
    function _revokedEntry(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (uint256 serial, uint256 end)
    {
        bytes32 entry = Words.load(der, at);
        unchecked {
            // Tag, length, tag, length; a serial number of at most 28 bytes is in the same word.
            (uint256 length, uint256 serialLength) = (uint8(entry[1]), uint8(entry[3]));
            uint256 digits = uint256(entry << 32);
            serial = digits >> (8 * (32 - serialLength));
            uint256 leading = digits >> 247;
            bytes32 rest = Words.load(der, at + 4 + serialLength);
            end = at + 2 + length;
            // An indirect list would name other issuers behind the time.
            bool plain = length == 2 + serialLength + TIME
                || (length == 2 + serialLength + TIME + 14 && bytes13(rest << (8 * TIME)) == REASON);
            if (
                entry[0] != 0x30 || entry[2] != 0x02 || bytes2(rest) != 0x170d || !plain
                    || serialLength == 0 || serialLength > 28 || leading == 0 && serialLength > 1
                    || leading > 0xff || length > 0x7f || end > limit
            ) revert CrlEntry(at);
        }
    }

    /// @dev Number and issuer's key id. A critical extension would make the list a partial one.
    function _listExtensions(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (bytes20 issuerKeyId, uint256 end)
    {
        uint256 seen = 0;
        (at, end) = Der.enter(der, at, limit, Der.CONTEXT_0);
        uint256 last;
        (at, last) = Der.enter(der, at, end, Der.SEQUENCE);
        Der.close(last, end);
        while (at < end) {
            (X509.Extension memory extension, uint256 next) = X509.readExtension(der, at, end);
            uint256 saw = 0;
            if (X509.isKind(der, extension, AUTHORITY_KEY_ID, 3)) {
                saw = SAW_AUTHORITY_KEY_ID;
                issuerKeyId = X509.issuerKeyId(der, extension);
            }
            bool known = saw != 0 || X509.isKind(der, extension, CRL_NUMBER, 3);
            X509.requireExtension(known && !extension.critical && seen & saw == 0, at);
            seen |= saw;
            at = next;
        }
        X509.requireExtension(seen == SAW_AUTHORITY_KEY_ID, end);
    }
}
