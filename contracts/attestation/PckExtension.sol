// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Der} from "./Der.sol";
import {ICertificateReader} from "./ICertificateReader.sol";
import {Words} from "./Words.sol";
import {PckFacts} from "./types/Certificate.sol";

/// @title Intel's SGX extension of PCK certificates, object identifier 1.2.840.113741.1.13.1.
/// @notice Entries are SEQUENCE { object identifier, value }, in the order of their numbers:
///         1 PPID, 2 TCB { 1 to 16 components, 17 PCESVN, 18 CPUSVN }, 3 PCE-ID, 4 FMSPC, 5 SGX type,
///         and for platforms of several packages 6 instance id and 7 configuration.
library PckExtension {
    /// @dev Content of the object identifier 1.2.840.113741.1.13.1; an entry's has its number behind.
    bytes9 internal constant OBJECT_IDENTIFIER = hex"2a864886f84d010d01";
    /// @dev Tag, length and all but the last byte of an object identifier 1.2.840.113741.1.13.1.2.n.
    bytes12 private constant TCB_ENTRY = hex"060b2a864886f84d010d0102";
    uint256 internal constant LENGTH = 9;

    uint256 private constant LAST_NEEDED = 5;
    uint256 private constant LAST_KNOWN = 7;
    uint256 private constant COMPONENTS = 16;
    uint256 private constant PCE_SVN = 17;
    uint256 private constant CPU_SVN = 18;

    /// @dev Read the extension's content.
    function read(bytes calldata der, uint256 start, uint256 end)
        internal
        pure
        returns (PckFacts memory facts)
    {
        (uint256 at, uint256 limit) = Der.enter(der, start, end, Der.SEQUENCE);
        Der.close(limit, end);
        uint256 number = 0;
        while (at < limit) {
            uint256 value;
            (value, at) = _entry(der, at, limit, ++number);
            _read(der, value, at, number, facts);
        }
        _require(number >= LAST_NEEDED && number <= LAST_KNOWN, at, number, LAST_NEEDED);
    }

    function _read(
        bytes calldata der,
        uint256 at,
        uint256 limit,
        uint256 number,
        PckFacts memory facts
    ) private pure {
        uint256 end = limit;
        bytes32 value;
        if (number == 1) {
            (value, end) = Der.octets(der, at, limit, 16);
            facts.ppid = bytes16(value);
        } else if (number == 2) {
            end = _readTcb(der, at, limit, facts);
        } else if (number == 3) {
            (value, end) = Der.octets(der, at, limit, 2);
            facts.pceId = bytes2(value);
        } else if (number == 4) {
            (value, end) = Der.octets(der, at, limit, 6);
            facts.fmspc = bytes6(value);
        }
        // 5 to 7 say how the machine is built, which nothing here depends on.
        Der.close(end, limit);
    }

    function _readTcb(bytes calldata der, uint256 at, uint256 limit, PckFacts memory facts)
        private
        pure
        returns (uint256 end)
    {
        uint256 value;
        uint256 svn;
        uint256 components;
        (at, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        for (uint256 i = 1; i <= COMPONENTS; i++) {
            (svn, at) = _svn(der, at, end, i, type(uint8).max);
            components = (components << 8) | svn;
        }
        (svn, at) = _svn(der, at, end, PCE_SVN, type(uint16).max);
        facts.pceSvn = uint16(svn);
        (value, at) = _tcbEntry(der, at, end, CPU_SVN);
        bytes32 cpuSvn;
        (cpuSvn, value) = Der.octets(der, value, at, 16);
        Der.close(value, at);
        Der.close(at, end);
        facts.cpuSvn = bytes16(cpuSvn);
        // Verifiers differ in which of the two they compare with a TCB level. Whether they are the
        // same is what "TCB type 0" says of every TCB info that is accepted.
        _requireSvn(components == uint128(facts.cpuSvn), CPU_SVN, uint128(facts.cpuSvn), components);
    }

    /// @dev The version in the TCB's entry `number`, at most `most`.
    function _svn(bytes calldata der, uint256 at, uint256 limit, uint256 number, uint256 most)
        private
        pure
        returns (uint256 svn, uint256 end)
    {
        uint256 value;
        (value, end) = _tcbEntry(der, at, limit, number);
        (svn, value) = Der.unsigned(der, value, end);
        Der.close(value, end);
        _requireSvn(svn <= most, number, svn, most);
    }

    /// @dev As `_entry`, for the eighteen entries of a TCB, whose fifteen leading bytes fit a word.
    function _tcbEntry(bytes calldata der, uint256 at, uint256 limit, uint256 number)
        private
        pure
        returns (uint256 value, uint256 end)
    {
        bytes32 word = Words.load(der, at);
        uint256 length = uint8(word[1]);
        uint256 got = uint8(word[14]);
        (value, end) = (at + 15, at + 2 + length);
        bool fits = word[0] == 0x30 && bytes12(word << 16) == TCB_ENTRY && length < 0x80
            && got == number && end <= limit;
        _require(fits, at, got, number);
    }

    /// @dev Where the value of the entry at `at` begins, and where the entry ends; its object
    ///      identifier must be the extension's and `number`.
    function _entry(bytes calldata der, uint256 at, uint256 limit, uint256 number)
        private
        pure
        returns (uint256 value, uint256 end)
    {
        uint256 idStart;
        (idStart, end) = Der.enter(der, at, limit, Der.SEQUENCE);
        (idStart, value) = Der.enter(der, idStart, end, Der.OBJECT_IDENTIFIER);
        // The prefix, then one byte of number.
        uint256 got = value - idStart == LENGTH + 1 ? uint8(der[value - 1]) : 0;
        _require(
            got == number && Der.equal(der, idStart, value - 1, OBJECT_IDENTIFIER, LENGTH),
            at,
            got,
            number
        );
    }

    function _require(bool fits, uint256 at, uint256 got, uint256 expected) private pure {
        if (!fits) revert ICertificateReader.PckEntry(at, got, expected);
    }

    function _requireSvn(bool fits, uint256 component, uint256 got, uint256 expected) private pure {
        if (!fits) revert ICertificateReader.PckSvn(component, got, expected);
    }
}
