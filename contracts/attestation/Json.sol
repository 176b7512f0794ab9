// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICollateralReader} from "./ICollateralReader.sol";
import {UnixTime} from "./UnixTime.sol";
import {Words} from "./Words.sol";

/// @title Follows a JSON template, up to 32 characters at a time.
/// @notice Every function takes the place where something is expected, and returns the place behind
///         it. What is beyond the end of the text reads as zeros, which nothing expects.
library Json {
    uint256 private constant DATE_LENGTH = 20;
    bytes32 private constant DATE_MARKS =
        "\x00\x00\x00\x00-\x00\x00-\x00\x00T\x00\x00:\x00\x00:\x00\x00Z";
    bytes32 private constant AT_DATE_MARKS =
        0x00000000ff0000ff0000ff0000ff0000ff0000ff000000000000000000000000;

    /// @dev One in every byte, and the bits of every byte without its highest.
    uint256 private constant ONES =
        0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant LOW_BITS =
        0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;

    /// @dev Behind the `length` characters `expected`.
    function literal(bytes calldata text, uint256 at, bytes32 expected, uint256 length)
        internal
        pure
        returns (uint256)
    {
        bytes32 got = _cut(Words.load(text, at), length);
        if (got != expected) revert ICollateralReader.JsonMismatch(at, got, expected);
        unchecked {
            return at + length;
        }
    }

    /// @dev Whether the `length` characters `expected` are next.
    function follows(bytes calldata text, uint256 at, bytes32 expected, uint256 length)
        internal
        pure
        returns (bool)
    {
        return _cut(Words.load(text, at), length) == expected;
    }

    /// @dev Behind `count` zeros.
    function zeros(bytes calldata text, uint256 at, uint256 count) internal pure returns (uint256) {
        for (; count > 32; count -= 32) {
            at = literal(text, at, bytes32(0x30 * ONES), 32);
        }
        return literal(text, at, _cut(bytes32(0x30 * ONES), count), count);
    }

    /// @dev The character at `at`; zero behind the end.
    function peek(bytes calldata text, uint256 at) internal pure returns (bytes1) {
        return at < text.length ? text[at] : bytes1(0);
    }

    /// @dev A whole number up to `limit`, of at most 31 digits, in its shortest form.
    function number(bytes calldata text, uint256 at, uint256 limit)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        uint256 rest = uint256(Words.load(text, at));
        bool padded = bytes32(rest)[0] == "0";
        unchecked {
            // Behind 32 characters nothing is left, and zero is no digit.
            for (next = at;; next++) {
                uint256 digit = (rest >> 248) - 0x30;
                if (digit > 9) break;
                value = value * 10 + digit;
                rest <<= 8;
            }
            // No digit at all makes the length of the rest wrap around.
            uint256 further = next - at - 1;
            if (value > limit || further > 30 || (padded && further != 0)) {
                revert ICollateralReader.JsonNumber(at, limit);
            }
        }
    }

    /// @dev `count` bytes, at most 32, in hexadecimal digits of either case, left-aligned.
    function hexadecimal(bytes calldata text, uint256 at, uint256 count)
        internal
        pure
        returns (bytes32 value, uint256 next)
    {
        unchecked {
            uint256 digits = 0;
            bytes32 word;
            for (uint256 i = 0; i < 2 * count; i++) {
                if (i % 32 == 0) word = Words.load(text, at + i);
                uint256 character = uint8(word[i % 32]);
                uint256 decimal = character - 0x30;
                // Upper and lower case differ in one bit.
                uint256 letter = (character | 0x20) - 0x61;
                if (decimal > 9 && letter > 5) revert ICollateralReader.JsonHex(at, 2 * count);
                digits = (digits << 4) | (decimal > 9 ? letter + 10 : decimal);
            }
            return (bytes32(digits << (8 * (32 - count))), at + 2 * count);
        }
    }

    /// @dev Unix seconds of `YYYY-MM-DDThh:mm:ssZ`.
    function date(bytes calldata text, uint256 at)
        internal
        pure
        returns (uint64 timestamp, uint256 next)
    {
        bytes32 word = Words.load(text, at);
        bytes32 plain = bytes32(
            abi.encodePacked(
                bytes4(word),
                bytes2(word << 40),
                bytes2(word << 64),
                bytes2(word << 88),
                bytes2(word << 112),
                bytes2(word << 136)
            )
        );
        (bool valid, uint256 digits) = UnixTime.digits(plain, 14);
        if (valid) {
            (valid, timestamp) = UnixTime.fromCalendar(digits / 1_000_000, digits % 1_000_000);
        }
        _requireDate(valid, word, at);
        return (timestamp, at + DATE_LENGTH);
    }

    /// @dev Behind `YYYY-MM-DDThh:mm:ssZ`, in whichever digits.
    function skipDate(bytes calldata text, uint256 at) internal pure returns (uint256) {
        uint256 word = uint256(Words.load(text, at));
        unchecked {
            // A digit is 0x30 to 0x39: what is above them leaves its four low bits when six is added.
            uint256 digits = uint256(~AT_DATE_MARKS) & ~(type(uint256).max >> (8 * DATE_LENGTH));
            bool valid = (word & (0xf0 * ONES) & digits) == ((0x30 * ONES) & digits)
                && ((((word & (0x0f * ONES)) + 6 * ONES) & (0x10 * ONES)) & digits) == 0;
            _requireDate(valid, bytes32(word), at);
            return at + DATE_LENGTH;
        }
    }

    /// @dev Behind the quotation mark that ends the string whose first character is at `at`.
    function skipString(bytes calldata text, uint256 at) internal pure returns (uint256 next) {
        unchecked {
            uint256 word;
            uint256 marks = 0;
            // Behind the end of the text are zeros, which are marked.
            for (next = at; marks == 0; next += 32) {
                word = uint256(Words.load(text, next));
                marks = _equal(word, 0x22) | _unplain(word);
            }
            uint256 index = _first(marks);
            next = next - 32 + index;
            // An escape could hide a quotation mark; what is not plain ASCII has several spellings.
            if (bytes32(word)[index] != '"') revert ICollateralReader.JsonText(next);
            return next + 1;
        }
    }

    /// @dev Refuse text behind the end.
    function close(bytes calldata text, uint256 at) internal pure {
        if (at != text.length) revert ICollateralReader.JsonTrailing(at, text.length);
    }

    function _requireDate(bool digits, bytes32 word, uint256 at) private pure {
        if (!digits || word & AT_DATE_MARKS != DATE_MARKS) revert ICollateralReader.JsonDate(at);
    }

    /// @dev The first `length` bytes, and zeros.
    function _cut(bytes32 word, uint256 length) private pure returns (bytes32) {
        unchecked {
            return bytes32(uint256(word) & ~(type(uint256).max >> (8 * length)));
        }
    }

    /// @dev The highest bit of every byte that is `value`. No byte carries into the next.
    function _equal(uint256 word, uint256 value) private pure returns (uint256) {
        unchecked {
            uint256 difference = word ^ (value * ONES);
            return ~(((difference & LOW_BITS) + LOW_BITS) | difference | LOW_BITS);
        }
    }

    /// @dev The highest bit of every byte that is a control character, a backslash, or no ASCII.
    function _unplain(uint256 word) private pure returns (uint256) {
        unchecked {
            uint256 control = _equal(word & (0xe0 * ONES), 0);
            return control | _equal(word, 0x5c) | _equal(word, 0x7f) | (word & (0x80 * ONES));
        }
    }

    /// @dev Index of the first byte that is not zero; there is one.
    function _first(uint256 marks) private pure returns (uint256 index) {
        unchecked {
            if (marks >> 128 == 0) (index, marks) = (16, marks << 128);
            if (marks >> 192 == 0) (index, marks) = (index + 8, marks << 64);
            if (marks >> 224 == 0) (index, marks) = (index + 4, marks << 32);
            if (marks >> 240 == 0) (index, marks) = (index + 2, marks << 16);
            if (marks >> 248 == 0) index++;
        }
    }
}
