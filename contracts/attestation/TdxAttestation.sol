// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {BlockHashes} from "../BlockHashes.sol";
import {Signatures} from "../Signatures.sol";
import {IAttestation} from "./IAttestation.sol";
import {ITdxAttestation} from "./ITdxAttestation.sol";
import {ITdxVerifier, TdVersions, Verdict} from "./ITdxVerifier.sol";
import {NodeBinding, hashNodeBinding, reportDataOf} from "./types/NodeBinding.sol";
import {TcbStatus} from "./types/TcbStatus.sol";
import {TdxWorkload, hashTdxWorkload} from "./types/TdxWorkload.sol";

/// @title TdxAttestation
contract TdxAttestation is ITdxAttestation {
    /* TYPES */

    /// @dev What is kept of an attestation; 32 bits of seconds last until 2106.
    /// @param machine Id of the PCK certificate.
    /// @param launched, ppid What `standing` and guards ask for.
    /// @param validFrom, notAfter Unix seconds: registration, and the binding's end.
    /// @param checkedUntil, epoch Until when the last verdict holds if nothing changes, and the epoch
    ///        of the verifier by which that is told.
    /// @param gpuUntil Until when endorsers vouch; 0: they do not.
    /// @param blockNumber Of the binding.
    /// @param qeSvn, qeGeneration As in `TdVersions`.
    /// @param statuses, evaluationFloor As in `TdxWorkload`.
    /// @param updated Whether the TD runs on other versions than it was launched on: `current`.
    struct Record {
        bytes32 machine;
        bytes16 launched;
        bytes16 ppid;
        uint32 validFrom;
        uint32 notAfter;
        uint32 checkedUntil;
        uint32 gpuUntil;
        uint32 epoch;
        uint32 blockNumber;
        uint16 qeSvn;
        uint16 statuses;
        uint16 evaluationFloor;
        uint8 qeGeneration;
        bool updated;
    }

    bytes32 private constant GPU_ENDORSEMENT_TYPEHASH = keccak256(
        "GpuEndorsement(address key,bytes32 workload,bytes32 gpuEvidence,uint64 validUntil)"
    );

    uint8 private constant HARDWARE_TIER = 2;
    uint8 private constant GPU_TIER = 3;

    /// @dev Bytes of a signature: r ‖ s ‖ v.
    uint256 private constant SIGNATURE = 65;

    /// @inheritdoc ITdxAttestation
    uint256 public constant MAX_VALIDITY = 7 days;

    /* IMMUTABLES */

    /// @inheritdoc ITdxAttestation
    address public immutable verifier;

    /// @dev The verifier's tier, which never changes: 2 under Intel's root.
    uint8 private immutable _tier;

    /* STORAGE */

    mapping(address key => mapping(bytes32 workloadId => Record)) private _records;
    /// @dev Versions that a TD runs on, where they are not those of its launch.
    mapping(address key => mapping(bytes32 workloadId => bytes16)) private _current;
    mapping(address key => mapping(bytes32 workloadId => bytes32)) private _gpuEvidence;

    /// @inheritdoc ITdxAttestation
    mapping(bytes32 workloadId => mapping(bytes16 ppid => uint64)) public refusedAt;

    /* CONSTRUCTOR */

    /// @param verifier_ An `ITdxVerifier`.
    constructor(address verifier_) {
        verifier = verifier_;
        _tier = ITdxVerifier(verifier_).tier();
    }

    /* EXTERNAL */

    /// @inheritdoc ITdxAttestation
    function register(
        bytes calldata quote,
        bytes calldata signatures,
        bytes32 machine,
        NodeBinding calldata binding,
        bytes calldata signature,
        TdxWorkload calldata workload
    ) external {
        bytes32 workloadId = hashTdxWorkload(workload);
        _checkWorkload(workload);
        _checkBinding(binding, workload, workloadId);
        bytes32 digest = digestOf(binding);
        _checkKey(binding.key, digest, signature);
        Record memory earlier = _records[binding.key][workloadId];
        if (binding.blockNumber < earlier.blockNumber) {
            revert BindingOlder(binding.blockNumber, earlier.blockNumber);
        }
        Verdict memory verdict = ITdxVerifier(verifier).verify(quote, signatures, machine);
        _checkReportData(binding.key, digest, verdict);
        bytes32 measured = workload.allRegisters ? verdict.allMeasurements : verdict.measurements;
        if (measured != workload.measurements) {
            revert MeasurementsMismatch(measured, workload.measurements);
        }
        _checkStatus(
            verdict.status, verdict.evaluationNumber, workload.statuses, workload.evaluationFloor
        );
        bytes16 ppid = ITdxVerifier(verifier).ppidOf(machine);
        _checkHardware(workloadId, ppid);

        uint32 validFrom = _keep(workloadId, machine, ppid, binding, workload, verdict, earlier);

        emit NodeAttested(
            binding.key,
            workloadId,
            machine,
            verdict.status,
            validFrom,
            _least(binding.validUntil, verdict.validUntil),
            binding,
            signature,
            quote,
            signatures,
            workload
        );
    }

    /// @inheritdoc ITdxAttestation
    function recheck(address key, bytes32 workloadId) external {
        Record storage record = _records[key][workloadId];
        Record memory known = _known(key, workloadId);
        (TcbStatus status, uint64 until) = _standing(key, workloadId, known);
        (uint64 epoch,) = ITdxVerifier(verifier).pulse(known.machine);

        record.checkedUntil = _uint32(until);
        record.epoch = uint32(epoch);

        emit NodeRechecked(key, workloadId, status, _least(known.notAfter, until));
    }

    /// @inheritdoc ITdxAttestation
    function endorseGpu(
        address key,
        TdxWorkload calldata workload,
        uint64 validUntil,
        bytes calldata signatures
    ) external {
        bytes32 workloadId = hashTdxWorkload(workload);
        Record memory known = _known(key, workloadId);
        bytes32 gpuEvidence = _gpuEvidence[key][workloadId];
        if (gpuEvidence == 0) revert GpuEvidenceMissing(key);
        if (validUntil <= block.timestamp) {
            revert GpuEndorsementOver(validUntil, block.timestamp);
        }
        if (validUntil <= known.gpuUntil) {
            revert GpuEndorsementOlder(validUntil, known.gpuUntil);
        }
        bytes32 digest = Signatures.digest(
            domainSeparator(),
            keccak256(
                abi.encode(GPU_ENDORSEMENT_TYPEHASH, key, workloadId, gpuEvidence, validUntil)
            )
        );
        _checkEndorsers(digest, signatures, workload.endorsers, workload.quorum);

        _records[key][workloadId].gpuUntil = _uint32(validUntil);

        emit GpuEndorsed(key, workloadId, gpuEvidence, validUntil, signatures);
    }

    /// @inheritdoc ITdxAttestation
    function refuseHardware(TdxWorkload calldata workload, bytes16 ppid) external {
        if (!_contains(workload.guards, msg.sender)) revert NotGuard(msg.sender);
        bytes32 workloadId = hashTdxWorkload(workload);
        // The first refusal's time stands.
        if (refusedAt[workloadId][ppid] != 0) return;

        refusedAt[workloadId][ppid] = uint64(block.timestamp);

        emit HardwareRefused(workloadId, ppid, msg.sender, uint64(block.timestamp));
    }

    /* EXTERNAL: ASKING */

    /// @inheritdoc IAttestation
    /// @dev Where nothing has changed since the last verdict, two words of the verifier tell so;
    ///      otherwise the TD is judged anew, in full.
    function attestationOf(address key, bytes32 workloadId)
        external
        view
        returns (uint8 tier, uint64 validFrom, uint64 validUntil, uint64 revokedAt)
    {
        Record memory record = _records[key][workloadId];
        if (record.validFrom == 0) return (0, 0, 0, 0);
        (uint64 epoch, uint64 machineRevokedAt) = ITdxVerifier(verifier).pulse(record.machine);
        revokedAt = refusedAt[workloadId][record.ppid];
        if (revokedAt == 0) revokedAt = machineRevokedAt;
        validUntil = record.checkedUntil;
        if (uint32(epoch) != record.epoch || block.timestamp >= validUntil) {
            validUntil = _standingUntil(key, workloadId, record);
        }
        return (_tierOf(record), record.validFrom, _least(record.notAfter, validUntil), revokedAt);
    }

    /// @inheritdoc ITdxAttestation
    function requireAttested(address key, bytes32 workloadId)
        external
        view
        returns (uint8 tier, uint64 validFrom, uint64 validUntil)
    {
        Record memory record = _known(key, workloadId);
        _checkHardware(workloadId, record.ppid);
        _checkTime(record.notAfter);
        (, uint64 until) = _standing(key, workloadId, record);
        return (_tierOf(record), record.validFrom, _least(record.notAfter, until));
    }

    /* INTERNAL: CHECKS */

    function _checkWorkload(TdxWorkload calldata workload) private pure {
        address[] calldata endorsers = workload.endorsers;
        bool wellFormed = workload.engines.length != 0 && workload.statuses != 0
            && workload.quorum <= endorsers.length
            && (workload.quorum == 0) == (endorsers.length == 0);
        for (uint256 i = 1; i < endorsers.length; i++) {
            wellFormed = wellFormed && endorsers[i - 1] < endorsers[i];
        }
        if (!wellFormed) {
            revert WorkloadMalformed(
                workload.engines.length, workload.statuses, endorsers.length, workload.quorum
            );
        }
    }

    /// @dev What the binding says, against the workload and this chain.
    function _checkBinding(
        NodeBinding calldata binding,
        TdxWorkload calldata workload,
        bytes32 workloadId
    ) private view {
        if (binding.program == 0 && binding.workload == 0) {
            revert BindingUnnamed();
        }
        if (binding.workload != 0 && binding.workload != workloadId) {
            revert WorkloadForeign(binding.workload, workloadId);
        }
        if (workload.program != 0 && binding.program != workload.program) {
            revert ProgramNotPermitted(binding.program, workload.program);
        }
        if (workload.model != 0 && binding.model != workload.model) {
            revert ModelNotPermitted(binding.model, workload.model);
        }
        bool permitted = false;
        for (uint256 i = 0; i < workload.engines.length; i++) {
            permitted = permitted || workload.engines[i] == binding.engine;
        }
        if (!permitted) revert EngineNotPermitted(binding.engine);
        _checkTime(binding.validUntil);
        if (binding.validUntil > block.timestamp + MAX_VALIDITY) {
            revert BindingTooLong(binding.validUntil, block.timestamp + MAX_VALIDITY);
        }
        bytes32 expected = BlockHashes.at(binding.blockNumber);
        if (expected == 0 || binding.blockHash != expected) {
            revert BindingBlock(binding.blockNumber, binding.blockHash, expected);
        }
    }

    function _checkTime(uint64 validUntil) private view {
        if (block.timestamp >= validUntil) revert BindingOver(validUntil, block.timestamp);
    }

    function _checkKey(address key, bytes32 digest, bytes calldata signature) private pure {
        (bool wellFormed, address signer) = Signatures.recover(digest, signature);
        if (!wellFormed) revert BindingSignatureMalformed(signature.length);
        if (signer == address(0) || signer != key) revert BindingSignatureInvalid(key, signer);
    }

    function _checkReportData(address key, bytes32 digest, Verdict memory verdict) private pure {
        (bytes32 high, bytes32 low) = reportDataOf(key, digest);
        if (verdict.reportDataHigh != high || verdict.reportDataLow != low) {
            revert ReportDataMismatch(verdict.reportDataHigh, verdict.reportDataLow, high, low);
        }
    }

    function _checkStatus(TcbStatus status, uint16 number, uint16 statuses, uint16 floor)
        private
        pure
    {
        if ((statuses >> uint8(status)) & 1 == 0) {
            revert StatusNotPermitted(status, statuses);
        }
        if (number < floor) revert EvaluationTooOld(number, floor);
    }

    function _checkHardware(bytes32 workloadId, bytes16 ppid) private view {
        uint64 revokedAt = refusedAt[workloadId][ppid];
        if (revokedAt != 0) revert HardwareRevoked(ppid, revokedAt);
    }

    function _checkEndorsers(
        bytes32 digest,
        bytes calldata signatures,
        address[] calldata endorsers,
        uint8 quorum
    ) private pure {
        uint256 count = signatures.length / SIGNATURE;
        if (count == 0 || count < quorum || quorum == 0) {
            revert GpuEndorsementsMissing(count, quorum);
        }
        address previous = address(0);
        for (uint256 i = 0; i < count; i++) {
            address endorser = _endorser(digest, signatures, i);
            if (endorser <= previous) revert GpuEndorsersUnordered(endorser, previous);
            if (!_contains(endorsers, endorser)) revert GpuEndorserUnknown(endorser);
            previous = endorser;
        }
    }

    function _endorser(bytes32 digest, bytes calldata signatures, uint256 index)
        private
        pure
        returns (address endorser)
    {
        uint256 start = index * SIGNATURE;
        bool wellFormed;
        (wellFormed, endorser) = Signatures.recover(digest, signatures[start:start + SIGNATURE]);
        if (!wellFormed || signatures.length % SIGNATURE != 0) {
            revert GpuSignatureMalformed(signatures.length);
        }
    }

    /* INTERNAL: KEEPING AND JUDGING */

    /// @dev Keep what was registered, over the `record` from before, field by field: as one literal
    ///      it holds more live values than coverage's compiler has room for.
    function _keep(
        bytes32 workloadId,
        bytes32 machine,
        bytes16 ppid,
        NodeBinding calldata binding,
        TdxWorkload calldata workload,
        Verdict memory verdict,
        Record memory record
    ) private returns (uint32 validFrom) {
        TdVersions memory versions = verdict.versions;
        bool updated = versions.current != versions.launched;
        if (updated) _current[binding.key][workloadId] = versions.current;
        bytes32 gpuEvidence = _gpuEvidence[binding.key][workloadId];
        if (binding.gpuEvidence != gpuEvidence) {
            _gpuEvidence[binding.key][workloadId] = binding.gpuEvidence;
            // Endorsers vouched for certain GPUs.
            record.gpuUntil = 0;
        }
        // While an earlier one lasts, it goes on: whoever renews in time leaves no gap.
        if (block.timestamp >= record.notAfter) record.validFrom = _uint32(block.timestamp);
        record.machine = machine;
        record.launched = versions.launched;
        record.ppid = ppid;
        record.notAfter = _uint32(binding.validUntil);
        record.checkedUntil = _uint32(verdict.validUntil);
        record.epoch = uint32(verdict.epoch);
        record.blockNumber = _uint32(binding.blockNumber);
        record.qeSvn = versions.qeSvn;
        record.statuses = workload.statuses;
        record.evaluationFloor = workload.evaluationFloor;
        record.qeGeneration = versions.qeGeneration;
        record.updated = updated;
        _records[binding.key][workloadId] = record;
        return record.validFrom;
    }

    function _known(address key, bytes32 workloadId) private view returns (Record memory record) {
        record = _records[key][workloadId];
        if (record.validFrom == 0) revert NotAttested(key, workloadId);
    }

    /// @dev What the verifier says of the TD now, if the workload accepts it.
    function _standing(address key, bytes32 workloadId, Record memory record)
        private
        view
        returns (TcbStatus status, uint64 until)
    {
        uint16 number;
        (status, until, number) =
            ITdxVerifier(verifier).standing(record.machine, _versions(key, workloadId, record));
        _checkStatus(status, number, record.statuses, record.evaluationFloor);
    }

    /// @dev The same without a revert: what is not accepted is over by now.
    function _standingUntil(address key, bytes32 workloadId, Record memory record)
        private
        view
        returns (uint64)
    {
        try ITdxVerifier(verifier)
            .standing(record.machine, _versions(key, workloadId, record)) returns (
            TcbStatus status, uint64 until, uint16 number
        ) {
            bool accepted =
                (record.statuses >> uint8(status)) & 1 != 0 && number >= record.evaluationFloor;
            if (accepted) return until;
        } catch {}
        return uint64(block.timestamp);
    }

    function _versions(address key, bytes32 workloadId, Record memory record)
        private
        view
        returns (TdVersions memory)
    {
        return TdVersions({
            launched: record.launched,
            current: record.updated ? _current[key][workloadId] : record.launched,
            qeSvn: record.qeSvn,
            qeGeneration: record.qeGeneration
        });
    }

    function _tierOf(Record memory record) private view returns (uint8) {
        return _tier == HARDWARE_TIER && block.timestamp < record.gpuUntil ? GPU_TIER : _tier;
    }

    function _contains(address[] calldata list, address entry) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] == entry) return true;
        }
        return false;
    }

    function _least(uint64 left, uint64 right) private pure returns (uint64) {
        return left < right ? left : right;
    }

    /// @dev At most what fits; later and larger is only ever refused sooner.
    function _uint32(uint256 value) private pure returns (uint32) {
        return value < type(uint32).max ? uint32(value) : type(uint32).max;
    }

    /* VIEWS */

    /// @inheritdoc ITdxAttestation
    function machineOf(address key, bytes32 workloadId)
        external
        view
        returns (bytes32 machine, bytes16 ppid, bytes32 gpuEvidence)
    {
        Record storage record = _records[key][workloadId];
        return (record.machine, record.ppid, _gpuEvidence[key][workloadId]);
    }

    /// @inheritdoc ITdxAttestation
    function digestOf(NodeBinding calldata binding) public view returns (bytes32) {
        return Signatures.digest(domainSeparator(), hashNodeBinding(binding));
    }

    /// @inheritdoc ITdxAttestation
    function domainSeparator() public view returns (bytes32) {
        return Signatures.domainSeparator();
    }
}
