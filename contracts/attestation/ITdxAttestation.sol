// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAttestation} from "./IAttestation.sol";
import {NodeBinding} from "./types/NodeBinding.sol";
import {TcbStatus} from "./types/TcbStatus.sol";
import {TdxWorkload} from "./types/TdxWorkload.sol";

/// @title Node keys that live in Intel TDX, and what is known of them now.
/// @notice A node's code makes a key inside its TD, binds it to what it serves, and has the binding's
///         digest put into the TD's report. Anybody may bring quote and binding here; what is
///         believed follows from signatures alone. A workload says what an owner asks; its hash is
///         what a mandate names. Tier 2 under Intel's root; tier 3 while endorsers whom the workload
///         names vouch for the GPUs; tier 0 under any other root, whatever anybody vouches for.
///
///         Every answer is for the moment of asking: it ends with the binding, the collateral, a
///         certificate or a revocation list, whichever is first, and as soon as a machine is revoked
///         or no longer patched enough.
///
///         Powers. The **key** binds itself. **Endorsers** of a workload vouch for GPU evidence, for a
///         time that they choose. **Guards** of a workload refuse machines for it, for good; they can
///         do nothing else, and nothing for other workloads. Nobody can change a workload, and nobody
///         else can do anything.
///
/// Warning: hardware proves which code started; that a key "serves" a model or engine is the word of
///          that code.
/// Warning: no hardware on the market binds a GPU to a TD: endorsers vouch for that it does.
interface ITdxAttestation is IAttestation {
    /* EVENTS */

    /// @notice A key was attested for a workload. Everything that was verified is in here, so that
    ///         whoever reads it can verify it again.
    /// @param key Address of the key.
    /// @param workloadId Hash of the workload.
    /// @param machine Id of the PCK certificate.
    /// @param status TCB status at that moment.
    /// @param validFrom Unix seconds, inclusive.
    /// @param validUntil Unix seconds, exclusive: the earliest expiry as known at that moment.
    /// @param binding What the key said.
    /// @param signature 65 bytes by the key over the binding.
    /// @param quote Signed part of the quote.
    /// @param signatures 608 bytes; see `TdxQuote`.
    /// @param workload The workload in full.
    event NodeAttested(
        address indexed key,
        bytes32 indexed workloadId,
        bytes32 indexed machine,
        TcbStatus status,
        uint64 validFrom,
        uint64 validUntil,
        NodeBinding binding,
        bytes signature,
        bytes quote,
        bytes signatures,
        TdxWorkload workload
    );

    /// @notice An attestation was judged anew, by newer collateral.
    event NodeRechecked(
        address indexed key, bytes32 indexed workloadId, TcbStatus status, uint64 validUntil
    );

    /// @notice Endorsers vouched for the GPU evidence of a key.
    /// @param signatures 65 bytes each, ascending by signer.
    event GpuEndorsed(
        address indexed key,
        bytes32 indexed workloadId,
        bytes32 gpuEvidence,
        uint64 validUntil,
        bytes signatures
    );

    /// @notice A guard refused a machine for a workload, for good.
    /// @param ppid Provisioning id of the machine, whatever certificate it has.
    event HardwareRefused(
        bytes32 indexed workloadId, bytes16 indexed ppid, address guard, uint64 revokedAt
    );

    /* ERRORS */

    /// @notice The binding is over.
    /// @dev Have the node bind its key anew.
    error BindingOver(uint64 validUntil, uint256 blockTime);
    /// @notice The binding is for longer than may be.
    /// @dev At most `MAX_VALIDITY` from now.
    error BindingTooLong(uint64 validUntil, uint256 latest);
    /// @notice The binding names neither a program nor a workload.
    /// @dev Bind to one of them.
    error BindingUnnamed();
    /// @notice The binding's block is not this chain's, or too old to tell (expected 0).
    /// @dev Bind to a recent block of this chain.
    error BindingBlock(uint64 number, bytes32 got, bytes32 expected);
    /// @notice A newer binding of the key is registered.
    /// @dev Bring the newest.
    error BindingOlder(uint64 blockNumber, uint64 known);
    /// @notice The signature over the binding is not 65 bytes r ‖ s ‖ v with low s and v 27 or 28.
    /// @dev Sign again with a signer that normalises s.
    error BindingSignatureMalformed(uint256 length);
    /// @notice Somebody else than the key signed the binding.
    /// @dev Check the key and the domain (chain and this contract).
    error BindingSignatureInvalid(address key, address recovered);
    /// @notice The TD's report carries something else than this binding: it was made for another
    ///         binding, chain, contract or purpose.
    /// @dev Quote anew, with key ‖ digest ‖ tag as report data.
    error ReportDataMismatch(bytes32 high, bytes32 low, bytes32 expectedHigh, bytes32 expectedLow);
    /// @notice The workload has no engine, accepts no status, or its endorsers are not ascending or
    ///         fewer than the quorum.
    /// @dev Correct it; its hash changes.
    error WorkloadMalformed(uint256 engines, uint16 statuses, uint256 endorsers, uint8 quorum);
    /// @notice The binding is for another workload.
    /// @dev Register it under the workload that it names.
    error WorkloadForeign(bytes32 named, bytes32 workloadId);
    /// @notice Other code was measured than the workload names.
    /// @dev Run the measured image, on the machine shape that it was measured on.
    error MeasurementsMismatch(bytes32 got, bytes32 expected);
    /// @notice The key is bound to an engine that the workload does not permit.
    /// @dev Serve one of the workload's.
    error EngineNotPermitted(bytes32 engine);
    /// @notice The key is bound to another program than the workload names.
    /// @dev Serve the workload's.
    error ProgramNotPermitted(bytes32 got, bytes32 expected);
    /// @notice The key is bound to another model than the workload names.
    /// @dev Serve the workload's.
    error ModelNotPermitted(bytes32 got, bytes32 expected);
    /// @notice The machine is not patched as the workload asks.
    /// @dev Update its firmware, or grant a workload that accepts this status.
    error StatusNotPermitted(TcbStatus status, uint16 permitted);
    /// @notice The collateral is older than the workload accepts.
    /// @dev Refresh it.
    error EvaluationTooOld(uint16 evaluationNumber, uint16 floor);
    /// @notice A guard of the workload has refused the machine.
    /// @dev Use other hardware.
    error HardwareRevoked(bytes16 ppid, uint64 revokedAt);
    /// @notice The caller is no guard of the workload.
    /// @dev Send it from one that the workload names.
    error NotGuard(address caller);
    /// @notice The key was never attested for the workload.
    /// @dev Register it.
    error NotAttested(address key, bytes32 workloadId);
    /// @notice The key is bound to no GPU evidence.
    /// @dev Bind it to some.
    error GpuEvidenceMissing(address key);
    /// @notice The endorsement would be over already.
    /// @dev Endorse for longer.
    error GpuEndorsementOver(uint64 validUntil, uint256 blockTime);
    /// @notice The endorsers have vouched for as long or longer already.
    /// @dev Nothing; what they signed holds until then, and nobody can shorten it by showing what they
    ///      signed before.
    error GpuEndorsementOlder(uint64 validUntil, uint64 known);
    /// @notice Fewer endorsers vouched than the workload asks, or it names none.
    /// @dev Collect more.
    error GpuEndorsementsMissing(uint256 got, uint8 quorum);
    /// @notice Signatures are not of 65 bytes each, with low s and v 27 or 28.
    /// @dev Sign again with a signer that normalises s.
    error GpuSignatureMalformed(uint256 length);
    /// @notice Signers are not ascending: one of them twice, or out of order.
    /// @dev Sort signatures by signer.
    error GpuEndorsersUnordered(address endorser, address previous);
    /// @notice Somebody vouched whom the workload does not name.
    /// @dev Leave it out; or something else was signed.
    error GpuEndorserUnknown(address endorser);

    /* EXTERNAL */

    /// @notice Attest a key for a workload. Anybody may bring it; a newer binding replaces an older.
    /// @param quote Signed part of the quote; see `TdxQuote`.
    /// @param signatures 608 bytes; see `TdxQuote`.
    /// @param machine Id of the PCK certificate, known to the verifier.
    /// @param binding What the key says of itself.
    /// @param signature 65 bytes by the key over `digestOf(binding)`.
    /// @param workload What it is attested for.
    function register(
        bytes calldata quote,
        bytes calldata signatures,
        bytes32 machine,
        NodeBinding calldata binding,
        bytes calldata signature,
        TdxWorkload calldata workload
    ) external;

    /// @notice Judge an attestation anew by the collateral of now, so that asking costs less again.
    ///         Answers are the same with and without.
    /// @param key Address of the key.
    /// @param workloadId Hash of the workload.
    function recheck(address key, bytes32 workloadId) external;

    /// @notice Vouch for the GPU evidence that a key is bound to, for longer than before. Each signs
    ///         `GpuEndorsement(address key,bytes32 workload,bytes32 gpuEvidence,uint64 validUntil)`
    ///         under the domain ("Affiant", "1", chain, this contract).
    /// @param key Address of the key.
    /// @param workload The workload in full; it names the endorsers.
    /// @param validUntil Unix seconds, exclusive.
    /// @param signatures 65 bytes each, ascending by signer.
    function endorseGpu(
        address key,
        TdxWorkload calldata workload,
        uint64 validUntil,
        bytes calldata signatures
    ) external;

    /// @notice A guard refuses a machine for a workload: every key on it, at once and for good.
    /// @param workload The workload in full; it names the guards.
    /// @param ppid Provisioning id of the machine.
    function refuseHardware(TdxWorkload calldata workload, bytes16 ppid) external;

    /* VIEWS */

    /// @notice Why a key is not attested now: reverts with the reason, or returns as `attestationOf`.
    function requireAttested(address key, bytes32 workloadId)
        external
        view
        returns (uint8 tier, uint64 validFrom, uint64 validUntil);

    /// @notice The machine on which a key was attested, by its PCK certificate and provisioning id, and
    ///         the GPU evidence that it is bound to.
    function machineOf(address key, bytes32 workloadId)
        external
        view
        returns (bytes32 machine, bytes16 ppid, bytes32 gpuEvidence);

    /// @notice When a guard refused a machine for a workload; 0: not refused.
    function refusedAt(bytes32 workloadId, bytes16 ppid) external view returns (uint64);

    /// @notice EIP-712 digest that a key signs, and that its TD's report carries.
    function digestOf(NodeBinding calldata binding) external view returns (bytes32);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice Verifies the quotes.
    function verifier() external view returns (address);

    /// @notice Longest that a binding may last, in seconds.
    function MAX_VALIDITY() external view returns (uint256);
}
