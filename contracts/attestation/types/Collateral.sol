// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TcbStatus} from "./TcbStatus.sol";

/// @notice Least versions of a machine for a status. The first level counts that a machine reaches
///         in every component.
/// @param components 16 SGX component versions, then 16 TDX component versions.
/// @param pceSvn Version of the provisioning enclave.
/// @param status What a machine is that reaches them.
struct TcbLevel {
    bytes32 components;
    uint16 pceSvn;
    TcbStatus status;
}

/// @notice Least version of the quoting enclave for a status.
/// @param svn Version.
/// @param status What it is that reaches it.
struct SvnLevel {
    uint16 svn;
    TcbStatus status;
}

/// @notice Least version of a TDX module for a status.
/// @param version The module's major version: "TDX_03" is 3.
/// @param svn Its minor version.
/// @param status What it is that reaches it.
struct TdxModuleLevel {
    uint8 version;
    uint8 svn;
    TcbStatus status;
}

/// @notice When collateral was issued and for how long, and what it is else.
/// @param content keccak256 of everything but the two dates: equal where nothing else changed.
/// @param issuedAt Unix seconds.
/// @param validUntil Unix seconds, exclusive: the second after `nextUpdate`.
struct Issue {
    bytes32 content;
    uint64 issuedAt;
    uint64 validUntil;
}

/// @notice Intel's TCB info for one kind of machine, as read, without its dates. Not to be believed
///         before its signature was verified.
/// @param fmspc The kind of machine.
/// @param pceId Id of the provisioning enclave.
/// @param evaluationNumber Number of the TCB recovery event that it is up to.
/// @param levels Best first.
/// @param modules Levels of all TDX modules, of each the newest first.
struct TcbInfo {
    bytes6 fmspc;
    bytes2 pceId;
    uint16 evaluationNumber;
    TcbLevel[] levels;
    TdxModuleLevel[] modules;
}

/// @notice Intel's identity of its quoting enclave for TDs, as read, without its dates. Not to be
///         believed before its signature was verified.
/// @param evaluationNumber Number of the TCB recovery event that it is up to.
/// @param miscselect Expected under `miscselectMask`, as in an enclave report.
/// @param attributes Expected under `attributesMask`, as in an enclave report.
/// @param mrSigner Hash of the key that signs the enclave.
/// @param productId Its product id.
/// @param levels Newest first.
struct QeIdentity {
    uint16 evaluationNumber;
    bytes4 miscselect;
    bytes4 miscselectMask;
    bytes16 attributes;
    bytes16 attributesMask;
    bytes32 mrSigner;
    uint16 productId;
    SvnLevel[] levels;
}
