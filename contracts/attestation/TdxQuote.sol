// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxVerifier} from "./ITdxVerifier.sol";

/// @title Where things are in a TDX quote, and what must hold of them whatever machine it is from.
/// @notice Formats: Intel TDX DCAP Quoting Library API, appendix 3 (versions 4 and 5), and Intel TDX
///         Module ABI, `TDREPORT_STRUCT`. Integers are little-endian.
///
///         The *quote* here is its signed part: header (48 bytes), in version 5 a descriptor (6), and
///         the TD's report. *Signatures* are 608 bytes: by the attestation key r ‖ s (64), that key
///         x ‖ y (64), the quoting enclave's report (384), by the PCK key r ‖ s (64), authentication
///         data (32). Certificates come apart, and nothing else of what a quote file holds is signed.
library TdxQuote {
    uint256 private constant HEADER = 48;
    uint256 private constant DESCRIPTOR = 6;
    uint256 private constant REPORT_10 = 584;
    uint256 private constant REPORT_15 = 648;
    uint256 private constant REPORT_15_EX = 885;
    uint256 internal constant SIGNATURES = 608;

    /// @dev Behind the version: key type 2 (ECDSA on P-256), TEE type 0x81 (TDX).
    bytes6 private constant KIND = 0x020081000000;
    bytes16 private constant INTEL_QE_VENDOR = 0x939a7233f79c4ca9940a0db3957f0607;

    /// @dev TD attributes that may be set, in the order of the report's bytes. All others must be
    ///      zero: debugging and profiling (0, 4 to 6), a bound service TD (17), migration (29), and
    ///      what is reserved.
    ///      Bits: 16, 18 to 22, 27, 28, 30, 31, 62, 63.
    bytes8 private constant PERMITTED_ATTRIBUTES = 0x00007dd8000000c0;
    bytes8 private constant DEBUG = 0x0100000000000000;
    /// @dev Bit 28: the host cannot make the TD see a fault where it expects memory.
    bytes8 private constant SEPT_VE_DISABLE = 0x0000001000000000;

    /// @dev The TD's report, whose format and attributes are checked.
    /// @return report 584 bytes of TD 1.0; 648 of TD 1.5, or 885 with its extension.
    function check(bytes calldata quote) internal pure returns (bytes calldata report) {
        report = _report(quote);
        // Signer and attributes of the TDX module: zero is Intel's own.
        bytes32 signer = bytes32(report[64:96]) | bytes32(report[88:120]);
        if (signer != 0) revert ITdxVerifier.ModuleForeign(signer);
        bytes8 attributes = bytes8(report[120:128]);
        if (attributes & DEBUG != 0) revert ITdxVerifier.Debuggable(attributes);
        if (attributes & ~PERMITTED_ATTRIBUTES != 0) {
            revert ITdxVerifier.AttributesForbidden(attributes, PERMITTED_ATTRIBUTES);
        }
        if (attributes & SEPT_VE_DISABLE == 0) revert ITdxVerifier.SeptVeEnabled(attributes);
        if (report.length > REPORT_10) {
            bytes32 service = bytes32(report[600:632]) | bytes32(report[616:648]);
            if (service != 0) revert ITdxVerifier.ServiceBound(service);
        }
    }

    /// @dev Versions of the TCB that the TD was launched on, and those that it runs on.
    function versions(bytes calldata report)
        internal
        pure
        returns (bytes16 launched, bytes16 current)
    {
        launched = bytes16(report[0:16]);
        current = report.length > REPORT_10 ? bytes16(report[584:600]) : launched;
    }

    /// @dev What the TD's code put into the report.
    function reportData(bytes calldata report) internal pure returns (bytes32 high, bytes32 low) {
        return (bytes32(report[520:552]), bytes32(report[552:584]));
    }

    /// @dev TD attributes, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG and RTMR0 to RTMR2, as
    ///      they lie in the report; with `whole`, RTMR3 as well.
    function measurements(bytes calldata report, bool whole)
        internal
        pure
        returns (bytes calldata)
    {
        return report[120:whole ? 520 : 472];
    }

    function _report(bytes calldata quote) private pure returns (bytes calldata) {
        if (quote.length < HEADER + DESCRIPTOR) {
            revert ITdxVerifier.QuoteTooShort(quote.length, HEADER + DESCRIPTOR);
        }
        if (bytes6(quote[2:8]) != KIND || bytes16(quote[12:28]) != INTEL_QE_VENDOR) {
            revert ITdxVerifier.QuoteKind(bytes6(quote[2:8]), bytes16(quote[12:28]));
        }
        bytes2 version = bytes2(quote[0:2]);
        uint256 start = HEADER;
        uint256 length = version == 0x0400 ? REPORT_10 : 0;
        if (version == 0x0500) {
            start = HEADER + DESCRIPTOR;
            length = _described(bytes6(quote[HEADER:start]));
        }
        if (length == 0) {
            revert ITdxVerifier.QuoteVersion(version, bytes6(quote[HEADER:HEADER + DESCRIPTOR]));
        }
        if (quote.length != start + length) {
            revert ITdxVerifier.QuoteLength(quote.length, start + length);
        }
        return quote[start:];
    }

    /// @dev Length of the report that a descriptor (type, then size) announces; 0: unknown.
    function _described(bytes6 descriptor) private pure returns (uint256) {
        if (descriptor == 0x020048020000) return REPORT_10;
        if (descriptor == 0x030088020000) return REPORT_15;
        if (descriptor == 0x040075030000) return REPORT_15_EX;
        return 0;
    }
}
