// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICertificateReader} from "./ICertificateReader.sol";
import {Words} from "./Words.sol";

/// @title A strict reader of DER (ITU-T X.690): one spelling of every value, nothing left over.
/// @notice An element is known by where its content starts and ends. Every function is told the
///         limit that the element must stay within, which is the end of what encloses it.
library Der {
    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OBJECT_IDENTIFIER = 0x06;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant GENERALIZED_TIME = 0x18;
    uint8 internal constant SEQUENCE = 0x30;
    uint8 internal constant SET = 0x31;
    /// @dev Context-specific, constructed: [0] and [3].
    uint8 internal constant CONTEXT_0 = 0xa0;
    uint8 internal constant CONTEXT_3 = 0xa3;

    /// @dev The content of the element of kind `tag` at `at`; the next element begins at `end`.
    function enter(bytes calldata der, uint256 at, uint256 limit, uint8 tag)
        internal
        pure
        returns (uint256 start, uint256 end)
    {
        bytes32 header = Words.load(der, at);
        requireTag(at, uint8(header[0]), tag);
        // Places are below 2^64, like the length of calldata.
        unchecked {
            uint256 length = uint8(header[1]);
            start = at + 2;
            if (length > 0x7f) {
                // One or two bytes of length follow: never the indefinite form, never more bytes
                // than are needed. Nothing that is read here reaches 64 KiB.
                bool one = length == 0x81;
                bool two = length == 0x82;
                if (one) length = uint8(header[2]);
                if (two) length = uint16(bytes2(header << 16));
                if (!(one && length > 0x7f) && !(two && length > 0xff)) {
                    revert ICertificateReader.DerLength(at, length);
                }
                start += one ? 1 : 2;
            }
            end = start + length;
        }
        if (end > limit || limit > der.length) {
            revert ICertificateReader.DerTruncated(at, end, limit);
        }
    }

    /// @dev Refuse another kind of element than `expected`.
    function requireTag(uint256 at, uint8 got, uint8 expected) internal pure {
        if (got != expected) revert ICertificateReader.DerTag(at, got, expected);
    }

    /// @dev The tag at `at`; zero, which is none, at the limit.
    function peek(bytes calldata der, uint256 at, uint256 limit) internal pure returns (uint8) {
        return at < limit && at < der.length ? uint8(der[at]) : 0;
    }

    /// @dev Refuse content that goes on.
    function close(uint256 at, uint256 end) internal pure {
        if (at != end) revert ICertificateReader.DerTrailing(at, end);
    }

    /// @dev A non-negative INTEGER of at most 256 bits.
    function unsigned(bytes calldata der, uint256 at, uint256 limit)
        internal
        pure
        returns (uint256 value, uint256 end)
    {
        uint256 start;
        (start, end) = enter(der, at, limit, INTEGER);
        unchecked {
            uint256 length = end - start;
            bytes32 content = Words.load(der, start);
            bool padded = length > 1 && content[0] == 0;
            // Empty or negative; a zero before a byte that needs none; more than 256 bits.
            if (
                length == 0 || uint8(content[0]) > 0x7f || (padded && uint8(content[1]) < 0x80)
                    || length > (padded ? 33 : 32)
            ) revert ICertificateReader.DerInteger(at, length);
            if (length == 33) return (uint256(Words.load(der, start + 1)), end);
            return (uint256(content) >> (8 * (32 - length)), end);
        }
    }

    /// @dev The content of an OCTET STRING of exactly `length` bytes, at most 32, left-aligned.
    function octets(bytes calldata der, uint256 at, uint256 limit, uint256 length)
        internal
        pure
        returns (bytes32 value, uint256 end)
    {
        uint256 start;
        (start, end) = enter(der, at, limit, OCTET_STRING);
        requireSize(at, end - start, length);
        return (bytes32(der[start:end]), end);
    }

    /// @dev Refuse content of another size than its kind has.
    function requireSize(uint256 at, uint256 got, uint256 expected) internal pure {
        if (got != expected) revert ICertificateReader.DerSize(at, got, expected);
    }

    /// @dev Whether the bytes from `start` to `end`, within the file, are the first `length` of
    ///      `expected`.
    function equal(bytes calldata der, uint256 start, uint256 end, bytes32 expected, uint256 length)
        internal
        pure
        returns (bool)
    {
        return end - start == length && bytes32(der[start:end]) == expected;
    }
}
