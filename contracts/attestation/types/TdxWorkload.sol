// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What an owner asks of hardware: which measured code, for what, on machines how far
///         patched, and who else has a say. Its hash is the `measurement` in a mandate's workload, so
///         that nothing in it ever changes for that mandate.
/// @param measurements keccak256 of what must be measured: bytes 120 to 472 of the TD's report (TD
///        attributes, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR2), or to 520.
/// @param allRegisters True: to 520, with RTMR3; images that extend it at every start cannot have it.
/// @param program Hash of the program manifest that the key must be bound to; zero: any.
/// @param model Root of the model commitment that the key must be bound to; zero: any.
/// @param engines Engine manifests of which the key must be bound to one; at least one.
/// @param statuses Accepted TCB statuses, bit n for number n of `TcbStatus`; at least one. Bit 1 alone
///        accepts machines that are up to date.
/// @param evaluationFloor Oldest TCB recovery event that collateral may be up to.
/// @param endorsers Who may endorse GPU evidence, ascending; none: tier 3 is never reached.
/// @param quorum How many of them it takes; 0 exactly where there are none.
/// @param guards Who may refuse a machine for this workload, at once and for good.
struct TdxWorkload {
    bytes32 measurements;
    bool allRegisters;
    bytes32 program;
    bytes32 model;
    bytes32[] engines;
    uint16 statuses;
    uint16 evaluationFloor;
    address[] endorsers;
    uint8 quorum;
    address[] guards;
}

/// @dev The workload's id.
function hashTdxWorkload(TdxWorkload calldata workload) pure returns (bytes32) {
    return keccak256(abi.encode(workload));
}
