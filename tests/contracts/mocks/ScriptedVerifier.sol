// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TdVersions, Verdict} from "../../../contracts/attestation/ITdxVerifier.sol";
import {TcbStatus} from "../../../contracts/attestation/types/TcbStatus.sol";

/// @title A verifier that says what it is told to: only what asks it is under test.
contract ScriptedVerifier {
    error Refused();

    uint8 public tier;
    bytes16 public ppid = "a machine's ppid";
    uint64 public epoch = 1;
    uint64 public revokedAt;
    bool public refuses;

    Verdict private _verdict;

    constructor(uint8 tier_) {
        tier = tier_;
    }

    function say(Verdict calldata verdict) external {
        _verdict = verdict;
    }

    /// @dev What is known changes: from now on records are judged anew.
    function learn(TcbStatus status, uint64 validUntil, uint16 evaluationNumber) external {
        epoch++;
        _verdict.status = status;
        _verdict.validUntil = validUntil;
        _verdict.evaluationNumber = evaluationNumber;
    }

    function refuse(bool refuses_) external {
        epoch++;
        refuses = refuses_;
    }

    function revoke(uint64 at) external {
        revokedAt = at;
    }

    function verify(bytes calldata, bytes calldata, bytes32)
        external
        view
        returns (Verdict memory)
    {
        if (refuses) revert Refused();
        return _verdict;
    }

    function standing(bytes32, TdVersions calldata versions)
        external
        view
        returns (TcbStatus, uint64, uint16)
    {
        if (refuses) revert Refused();
        // What is asked about is what was verified.
        if (keccak256(abi.encode(versions)) != keccak256(abi.encode(_verdict.versions))) {
            revert Refused();
        }
        return (_verdict.status, _verdict.validUntil, _verdict.evaluationNumber);
    }

    function pulse(bytes32) external view returns (uint64, uint64) {
        return (epoch, revokedAt);
    }

    function ppidOf(bytes32) external view returns (bytes16) {
        return ppid;
    }
}
