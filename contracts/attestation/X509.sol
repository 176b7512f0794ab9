// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {ICertificateReader} from "./ICertificateReader.sol";
import {UnixTime} from "./UnixTime.sol";
import {Words} from "./Words.sol";

/// @title The parts that certificates and revocation lists share (RFC 5280).
library X509 {
    /// @notice An extension: where it is, and where its object identifier and content are.
    struct Extension {
        uint256 at;
        bool critical;
        uint256 idStart;
        uint256 idEnd;
        uint256 start;
        uint256 end;
    }

    /// @dev SEQUENCE { OID ecdsa-with-SHA256 }.
    bytes12 private constant ECDSA_WITH_SHA256 = hex"300a06082a8648ce3d040302";

    /// @dev The signed part, which is everything before algorithm and signature: from `start` to
    ///      `end`, its own header included, with its content from `inside` on; and the signature
    ///      (r, s) over it.
    function envelope(bytes calldata der)
        internal
        pure
        returns (uint256 start, uint256 inside, uint256 end, bytes32 r, bytes32 s)
    {
        uint256 limit;
        (start, limit) = Der.enter(der, 0, der.length, Der.SEQUENCE);
        Der.close(limit, der.length);
        (inside, end) = Der.enter(der, start, limit, Der.SEQUENCE);
        uint256 at = algorithm(der, end, limit);
        (uint256 bits, uint256 bitsEnd) = Der.enter(der, at, limit, Der.BIT_STRING);
        Der.close(bitsEnd, limit);
        // The first byte counts unused bits.
        Der.requireSize(at, Der.peek(der, bits, bitsEnd), 0);
        (r, s) = _signature(der, bits + 1, bitsEnd);
    }

    /// @dev The end of the algorithm identifier at `at`, which must be ECDSA with SHA-256.
    function algorithm(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (uint256 end)
    {
        (, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        if (!Der.equal(der, at, end, ECDSA_WITH_SHA256, 12)) {
            revert ICertificateReader.X509Algorithm(at);
        }
    }

    /// @dev keccak256 of the name at `at`, and where it ends.
    function name(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (bytes32 hash, uint256 end)
    {
        (, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        return (keccak256(der[at:end]), end);
    }

    /// @dev Unix seconds of the time at `at`.
    function time(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (uint64 timestamp, uint256 end)
    {
        bool short = Der.peek(der, at, limit) == Der.UTC_TIME;
        uint256 start;
        (start, end) = Der.enter(der, at, limit, short ? Der.UTC_TIME : Der.GENERALIZED_TIME);
        bytes32 text = Words.load(der, start);
        uint256 dayDigits = short ? 6 : 8;
        (bool validDay, uint256 day) = UnixTime.digits(text, dayDigits);
        (bool validTime, uint256 ofDay) = UnixTime.digits(text << (8 * dayDigits), 6);
        // Two digits of a year mean 1950 to 2049 (RFC 5280, 4.1.2.5.1).
        if (short) day += day < 500_000 ? 20_000_000 : 19_000_000;
        bool valid =
            validDay && validTime && end - start == dayDigits + 7 && text[dayDigits + 6] == "Z";
        if (valid) (valid, timestamp) = UnixTime.fromCalendar(day, ofDay);
        if (!valid) revert ICertificateReader.X509Time(at);
    }

    /// @dev The key id in an authority key identifier.
    function issuerKeyId(bytes calldata der, Extension memory extension)
        internal
        pure
        returns (bytes20)
    {
        // SEQUENCE { [0] 20 bytes } and no more.
        (uint256 start, uint256 end) = (extension.start, extension.end);
        bytes32 content = Words.load(der, start);
        requireExtension(end - start == 24 && bytes4(content) == 0x30168014, extension.at);
        return bytes20(content << 32);
    }

    /// @dev The extension at `at`, and where it ends.
    function readExtension(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (Extension memory extension, uint256 next)
    {
        uint256 inside;
        extension.at = at;
        (inside, next) = Der.enter(der, at, limit, Der.SEQUENCE);
        (extension.idStart, inside) = Der.enter(der, inside, next, Der.OBJECT_IDENTIFIER);
        extension.idEnd = inside;
        if (Der.peek(der, inside, next) == Der.BOOLEAN) {
            inside = boolean(der, inside, next);
            extension.critical = true;
        }
        (extension.start, extension.end) = Der.enter(der, inside, next, Der.OCTET_STRING);
        Der.close(extension.end, next);
    }

    /// @dev Whether an extension is the one with the object identifier `id`, of `length` bytes.
    function isKind(bytes calldata der, Extension memory extension, bytes32 id, uint256 length)
        internal
        pure
        returns (bool)
    {
        return Der.equal(der, extension.idStart, extension.idEnd, id, length);
    }

    /// @dev The end of the BOOLEAN at `at`, which must be true: false is left out in DER.
    function boolean(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (uint256 end)
    {
        uint256 start;
        (start, end) = Der.enter(der, at, limit, Der.BOOLEAN);
        requireExtension(Der.equal(der, start, end, bytes1(0xff), 1), at);
    }

    /// @dev Refuse an extension that is not as it must be.
    function requireExtension(bool fits, uint256 at) internal pure {
        if (!fits) revert ICertificateReader.X509Extension(at);
    }

    function _signature(bytes calldata der, uint256 at, uint256 limit)
        private
        pure
        returns (bytes32, bytes32)
    {
        (uint256 inside, uint256 end) = Der.enter(der, at, limit, Der.SEQUENCE);
        Der.close(end, limit);
        (uint256 r, uint256 next) = Der.unsigned(der, inside, end);
        (uint256 s, uint256 last) = Der.unsigned(der, next, end);
        Der.close(last, end);
        return (bytes32(r), bytes32(s));
    }
}
