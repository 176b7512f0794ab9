// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Issue, QeIdentity, TcbInfo} from "./types/Collateral.sol";

/// @title Reads Intel's TCB info and quoting enclave identity.
/// @notice Pure: bytes in, values out, or a named error. Both are JSON, signed as text, and Intel
///         writes them in one way: the same keys in the same order, no spaces. So this is no JSON
///         parser: it follows that template and refuses whatever differs, and no text can mean one
///         thing here and another to a parser elsewhere. It verifies no signature and knows no time:
///         that is `ITdxVerifier`'s.
interface ICollateralReader {
    /// @notice The text is not what the template has here.
    /// @dev Submit the JSON as Intel signed it: the value of `tcbInfo` or `enclaveIdentity` alone,
    ///      byte for byte. Where Intel's template itself changed, a new reader is needed.
    error JsonMismatch(uint256 at, bytes32 got, bytes32 expected);
    /// @notice Not a whole number in its shortest form, or too large.
    /// @dev Submit the JSON as Intel signed it.
    error JsonNumber(uint256 at, uint256 limit);
    /// @notice Not as many hexadecimal digits.
    /// @dev Submit the JSON as Intel signed it.
    error JsonHex(uint256 at, uint256 digits);
    /// @notice Not a date in UTC with seconds, or one that no calendar has.
    /// @dev Submit the JSON as Intel signed it.
    error JsonDate(uint256 at);
    /// @notice A string with an escape, a control character or none but ASCII, or without an end.
    /// @dev Submit the JSON as Intel signed it.
    error JsonText(uint256 at);
    /// @notice Not a TCB status, or none that is used here.
    /// @dev Submit the JSON as Intel signed it.
    error JsonStatus(uint256 at, bytes32 got);
    /// @notice Something follows the end of the document.
    /// @dev Submit the JSON as Intel signed it, without a newline.
    error JsonTrailing(uint256 at, uint256 length);
    /// @notice A level does not come before the ones that it is better than, or a module comes twice.
    /// @dev Intel lists the best first. Submit the JSON as Intel signed it.
    error LevelOrder(uint256 at);
    /// @notice There are no levels at all, or more than can be kept.
    /// @dev Where Intel lists more, a new reader is needed.
    error LevelCount(uint256 at, uint256 limit);

    /// @notice Read the dates of a TCB info for TDX, version 3, and for which machines it is.
    /// @param text The JSON object, as signed.
    function readTcbInfoIssue(bytes calldata text)
        external
        pure
        returns (Issue memory issue, bytes6 fmspc);

    /// @notice Read the dates of the identity of the quoting enclave for TDs.
    /// @param text The JSON object, as signed.
    function readQeIdentityIssue(bytes calldata text) external pure returns (Issue memory);

    /// @notice Read a TCB info for TDX, version 3.
    /// @param text The JSON object, as signed.
    function readTcbInfo(bytes calldata text) external pure returns (TcbInfo memory);

    /// @notice Read the identity of the quoting enclave for TDs (TD_QE), version 2 or 3.
    /// @param text The JSON object, as signed.
    function readQeIdentity(bytes calldata text) external pure returns (QeIdentity memory);
}
