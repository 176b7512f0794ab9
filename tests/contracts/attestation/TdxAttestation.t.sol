// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITdxAttestation} from "../../../contracts/attestation/ITdxAttestation.sol";
import {TdVersions, Verdict} from "../../../contracts/attestation/ITdxVerifier.sol";
import {NodeBinding, reportDataOf} from "../../../contracts/attestation/types/NodeBinding.sol";
import {TcbStatus} from "../../../contracts/attestation/types/TcbStatus.sol";
import {TdxWorkload} from "../../../contracts/attestation/types/TdxWorkload.sol";
import {Test} from "../Test.sol";
import {ScriptedVerifier} from "../mocks/ScriptedVerifier.sol";

/// @title What an attestation contract makes of a verdict: every refusal, and every end.
/// @notice The verifier says what it is told to; `test_registration.py` does it with real quotes.
contract TdxAttestationTest is Test {
    struct Given {
        NodeBinding binding;
        TdxWorkload workload;
        Verdict verdict;
        bytes signature;
    }

    uint256 private constant SECRET = uint256(keccak256("a node"));
    uint64 private constant NOW = 1_800_000_000;
    uint256 private constant BLOCK = 1003;
    bytes32 private constant BLOCK_HASH = keccak256("a block");
    bytes32 private constant MACHINE = keccak256("a machine");
    address private constant GUARD = address(0x6A12D);
    bytes32 private constant GPUS = keccak256("GPUs");

    ScriptedVerifier private verifier;
    ITdxAttestation private attestation;
    address private key;
    uint256[3] private secrets;

    function setUp() public {
        vm.roll(BLOCK);
        vm.warp(NOW);
        vm.setBlockhash(BLOCK - 1, BLOCK_HASH);
        key = vm.addr(SECRET);
        secrets = [uint256(11), 12, 13];
        // Ascending by address, as workloads name them.
        for (uint256 i = 0; i < 3; i++) {
            for (uint256 j = i + 1; j < 3; j++) {
                if (vm.addr(secrets[j]) < vm.addr(secrets[i])) {
                    (secrets[i], secrets[j]) = (secrets[j], secrets[i]);
                }
            }
        }
        _start(2);
    }

    /* REGISTERING: WHAT IS REFUSED */

    function test_register_reverts_whenTheWorkloadIsMalformed() public {
        for (uint256 part = 0; part < 6; part++) {
            Given memory given = _given();
            TdxWorkload memory workload = given.workload;
            if (part == 0) workload.engines = new bytes32[](0);
            if (part == 1) workload.statuses = 0;
            if (part == 2) workload.quorum = 4;
            if (part == 3) workload.quorum = 0;
            if (part == 4) workload.endorsers = new address[](0);
            if (part == 5) workload.endorsers[1] = workload.endorsers[0];
            _refused(
                given,
                abi.encodeWithSelector(
                    ITdxAttestation.WorkloadMalformed.selector,
                    workload.engines.length,
                    workload.statuses,
                    workload.endorsers.length,
                    workload.quorum
                )
            );
        }
    }

    function test_register_reverts_whenTheBindingNamesNothing() public {
        Given memory given = _given();
        given.binding.program = 0;
        _refused(given, abi.encodeWithSelector(ITdxAttestation.BindingUnnamed.selector));
    }

    function test_register_reverts_whenTheBindingIsForAnotherWorkload() public {
        Given memory given = _given();
        given.binding.workload = "another";
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.WorkloadForeign.selector,
                bytes32("another"),
                keccak256(abi.encode(given.workload))
            )
        );
        given.binding.workload = keccak256(abi.encode(given.workload));
        given.binding.program = 0;
        _register(given);
    }

    function test_register_reverts_whenProgramModelOrEngineAreOthers() public {
        Given memory given = _given();
        (given.workload.program, given.workload.model) = ("program", "model");
        given.binding.program = "other";
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.ProgramNotPermitted.selector, bytes32("other"), bytes32("program")
            )
        );
        given.binding.program = "program";
        given.binding.model = "other";
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.ModelNotPermitted.selector, bytes32("other"), bytes32("model")
            )
        );
        given.binding.model = "model";
        given.binding.engine = "other";
        _refused(
            given,
            abi.encodeWithSelector(ITdxAttestation.EngineNotPermitted.selector, bytes32("other"))
        );
        given.binding.engine = "engine 2";
        _register(given);
    }

    function test_register_reverts_whenTheBindingIsOverOrTooLong() public {
        Given memory given = _given();
        given.binding.validUntil = NOW;
        _refused(given, abi.encodeWithSelector(ITdxAttestation.BindingOver.selector, NOW, NOW));
        given.binding.validUntil = NOW + 7 days + 1;
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.BindingTooLong.selector, NOW + 7 days + 1, NOW + 7 days
            )
        );
        given.binding.validUntil = NOW + 7 days;
        _register(given);
    }

    function test_register_reverts_whenTheBlockIsNotTheChains() public {
        Given memory given = _given();
        given.binding.blockHash = "another";
        _refused(given, _wrongBlock(given, BLOCK_HASH));
        given.binding.blockNumber = uint64(BLOCK);
        _refused(given, _wrongBlock(given, 0));
        // Zero is what nobody knows, and not a hash.
        given.binding.blockHash = 0;
        _refused(given, _wrongBlock(given, 0));
    }

    function test_register_reverts_whenTheKeyDidNotSign() public {
        Given memory given = _given();
        given.signature = _sign(17, attestation.digestOf(given.binding));
        _say(given);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITdxAttestation.BindingSignatureInvalid.selector, key, vm.addr(17)
            )
        );
        _send(given);
        given.signature = new bytes(64);
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.BindingSignatureMalformed.selector, 64)
        );
        _send(given);
        // No point of the curve fits: that is nobody, and the zero key is nobody's.
        given.binding.key = address(0);
        given.signature = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        vm.expectRevert(
            abi.encodeWithSelector(
                ITdxAttestation.BindingSignatureInvalid.selector, address(0), address(0)
            )
        );
        _send(given);
    }

    function test_register_reverts_whenANewerBindingIsKnown() public {
        Given memory given = _given();
        _register(given);
        vm.setBlockhash(BLOCK - 2, "older");
        given.binding.blockNumber = uint64(BLOCK - 2);
        given.binding.blockHash = "older";
        _refused(
            given,
            abi.encodeWithSelector(ITdxAttestation.BindingOlder.selector, BLOCK - 2, BLOCK - 1)
        );
    }

    function test_register_reverts_whenTheReportIsAboutSomethingElse() public {
        for (uint256 part = 0; part < 2; part++) {
            Given memory given = _given();
            _seal(given);
            (bytes32 high, bytes32 low) =
                (given.verdict.reportDataHigh, given.verdict.reportDataLow);
            if (part == 0) given.verdict.reportDataHigh = "another";
            if (part == 1) given.verdict.reportDataLow = "another";
            verifier.say(given.verdict);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ITdxAttestation.ReportDataMismatch.selector,
                    given.verdict.reportDataHigh,
                    given.verdict.reportDataLow,
                    high,
                    low
                )
            );
            _send(given);
        }
    }

    function test_register_reverts_whenOtherCodeWasMeasured() public {
        Given memory given = _given();
        given.workload.measurements = "other";
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.MeasurementsMismatch.selector, bytes32("measured"), bytes32("other")
            )
        );
        given.workload.allRegisters = true;
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.MeasurementsMismatch.selector,
                bytes32("all measured"),
                bytes32("other")
            )
        );
        given.workload.measurements = "all measured";
        _register(given);
    }

    function test_register_reverts_whenTheMachineIsNotPatchedAsAsked() public {
        Given memory given = _given();
        given.verdict.status = TcbStatus.OutOfDate;
        _refused(
            given,
            abi.encodeWithSelector(
                ITdxAttestation.StatusNotPermitted.selector, TcbStatus.OutOfDate, 2
            )
        );
        given = _given();
        given.verdict.evaluationNumber = 16;
        _refused(given, abi.encodeWithSelector(ITdxAttestation.EvaluationTooOld.selector, 16, 17));
    }

    function test_register_reverts_whenAGuardHasRefusedTheMachine() public {
        Given memory given = _given();
        bytes16 ppid = verifier.ppid();
        vm.prank(GUARD);
        attestation.refuseHardware(given.workload, ppid);
        _refused(
            given,
            abi.encodeWithSelector(ITdxAttestation.HardwareRevoked.selector, verifier.ppid(), NOW)
        );
    }

    function test_register_reverts_whereTheVerifierDoes() public {
        Given memory given = _given();
        verifier.refuse(true);
        _refused(given, abi.encodeWithSelector(ScriptedVerifier.Refused.selector));
    }

    /* REGISTERING: WHAT IS KEPT */

    function testFuzz_attestationOf_endsWithWhateverEndsFirst(uint64 binding, uint64 verdict)
        public
    {
        Given memory given = _given();
        binding = uint64(_fold(binding, NOW + 1, NOW + 7 days));
        verdict = uint64(_fold(verdict, NOW + 1, type(uint64).max));
        given.binding.validUntil = binding;
        given.verdict.validUntil = verdict;
        bytes32 id = _register(given);
        // What is kept has 32 bits, and so ends at most sooner.
        uint64 kept = verdict < type(uint32).max ? verdict : type(uint32).max;
        _assertAnswer(id, 2, NOW, binding < kept ? binding : kept, 0);
        (bytes32 machine, bytes16 ppid, bytes32 gpus) = attestation.machineOf(key, id);
        vm.assertEq(machine, MACHINE, "machine");
        vm.assertEq(bytes32(ppid), bytes32(verifier.ppid()), "ppid");
        vm.assertEq(gpus, GPUS, "GPUs");
    }

    function test_renewing_leavesNoGap_andStartsAnewAfterOne() public {
        Given memory given = _given();
        bytes32 id = _register(given);
        vm.warp(NOW + 1 hours);
        given.binding.validUntil = NOW + 2 days;
        _register(given);
        _assertAnswer(id, 2, NOW, NOW + 2 days, 0);
        vm.warp(NOW + 3 days);
        given.binding.validUntil = NOW + 4 days;
        _register(given);
        _assertAnswer(id, 2, NOW + 3 days, NOW + 4 days, 0);
    }

    /// @dev A TD 1.5 that was updated since its launch is judged by both versions.
    function test_theVersionsOfNow_areKeptWhereTheyAreOthers() public {
        Given memory given = _given();
        given.verdict.versions.current = "now";
        bytes32 id = _register(given);
        verifier.learn(TcbStatus.UpToDate, NOW + 2 days, 18);
        _assertAnswer(id, 2, NOW, NOW + 1 days, 0);
        attestation.recheck(key, id);
        _assertAnswer(id, 2, NOW, NOW + 1 days, 0);
    }

    /* WHEN IT ENDS */

    function test_attestationOf_isNothingForAKeyThatNobodyAttested() public {
        bytes32 id = keccak256(abi.encode(_given().workload));
        _assertAnswer(id, 0, 0, 0, 0);
        bytes memory unknown = abi.encodeWithSelector(ITdxAttestation.NotAttested.selector, key, id);
        vm.expectRevert(unknown);
        attestation.requireAttested(key, id);
        vm.expectRevert(unknown);
        attestation.recheck(key, id);
    }

    /// @dev What is no longer accepted is over by now; whatever the reason.
    function test_attestationOf_endsByWhatIsLearnt() public {
        bytes32 id = _register(_given());
        verifier.learn(TcbStatus.OutOfDate, NOW + 1 days, 17);
        _assertOver(
            id,
            abi.encodeWithSelector(
                ITdxAttestation.StatusNotPermitted.selector, TcbStatus.OutOfDate, 2
            )
        );
        verifier.learn(TcbStatus.UpToDate, NOW + 1 days, 16);
        _assertOver(id, abi.encodeWithSelector(ITdxAttestation.EvaluationTooOld.selector, 16, 17));
        verifier.refuse(true);
        _assertOver(id, abi.encodeWithSelector(ScriptedVerifier.Refused.selector));
        verifier.refuse(false);
        verifier.learn(TcbStatus.UpToDate, NOW + 3 hours, 17);
        _assertAnswer(id, 2, NOW, NOW + 3 hours, 0);
        (uint8 tier,, uint64 until) = attestation.requireAttested(key, id);
        vm.assertEq(uint256(tier), 2, "tier");
        vm.assertEq(uint256(until), NOW + 3 hours, "until");
    }

    function test_attestationOf_asksAgainOnceTheVerdictIsOver() public {
        Given memory given = _given();
        given.verdict.validUntil = NOW + 1 hours;
        bytes32 id = _register(given);
        vm.warp(NOW + 1 hours);
        _assertAnswer(id, 2, NOW, NOW + 1 hours, 0);
        given.verdict.validUntil = NOW + 5 hours;
        verifier.say(given.verdict);
        _assertAnswer(id, 2, NOW, NOW + 5 hours, 0);
        vm.warp(NOW + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.BindingOver.selector, NOW + 1 days, NOW + 1 days)
        );
        attestation.requireAttested(key, id);
    }

    function test_recheck_remembersWhatIsLearnt() public {
        bytes32 id = _register(_given());
        verifier.learn(TcbStatus.UpToDate, NOW + 2 hours, 18);
        attestation.recheck(key, id);
        _assertAnswer(id, 2, NOW, NOW + 2 hours, 0);
        verifier.learn(TcbStatus.OutOfDate, NOW + 9 hours, 18);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITdxAttestation.StatusNotPermitted.selector, TcbStatus.OutOfDate, 2
            )
        );
        attestation.recheck(key, id);
    }

    function test_attestationOf_tellsWhenTheMachineWasRevoked() public {
        Given memory given = _given();
        bytes32 id = _register(given);
        verifier.revoke(NOW - 5);
        _assertAnswer(id, 2, NOW, NOW + 1 days, NOW - 5);
        bytes16 ppid = verifier.ppid();
        vm.prank(GUARD);
        attestation.refuseHardware(given.workload, ppid);
        _assertAnswer(id, 2, NOW, NOW + 1 days, NOW);
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.HardwareRevoked.selector, verifier.ppid(), NOW)
        );
        attestation.requireAttested(key, id);
    }

    /* GUARDS */

    function test_refuseHardware_reverts_whenTheCallerIsNoGuard() public {
        TdxWorkload memory workload = _given().workload;
        vm.expectRevert(abi.encodeWithSelector(ITdxAttestation.NotGuard.selector, address(this)));
        attestation.refuseHardware(workload, "ppid");
    }

    /// @dev The first refusal's time stands.
    function test_refuseHardware_isForGood() public {
        TdxWorkload memory workload = _given().workload;
        vm.prank(GUARD);
        attestation.refuseHardware(workload, "ppid");
        vm.warp(NOW + 1 days);
        vm.prank(GUARD);
        attestation.refuseHardware(workload, "ppid");
        bytes32 id = keccak256(abi.encode(workload));
        vm.assertEq(uint256(attestation.refusedAt(id, "ppid")), NOW, "refused at");
    }

    /* GPUS */

    function test_endorseGpu_reverts_whereNothingIsToBeEndorsed() public {
        Given memory given = _given();
        bytes32 id = keccak256(abi.encode(given.workload));
        vm.expectRevert(abi.encodeWithSelector(ITdxAttestation.NotAttested.selector, key, id));
        attestation.endorseGpu(key, given.workload, NOW + 1, "");
        given.binding.gpuEvidence = 0;
        _register(given);
        vm.expectRevert(abi.encodeWithSelector(ITdxAttestation.GpuEvidenceMissing.selector, key));
        attestation.endorseGpu(key, given.workload, NOW + 1, "");
    }

    function test_endorseGpu_reverts_whenItsTimeIsWrong() public {
        TdxWorkload memory workload = _given().workload;
        _register(_given());
        bytes memory signatures = _endorsed(NOW, 0, 1);
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.GpuEndorsementOver.selector, NOW, NOW)
        );
        attestation.endorseGpu(key, workload, NOW, signatures);
        attestation.endorseGpu(key, workload, NOW + 9, _endorsed(NOW + 9, 0, 1));
        signatures = _endorsed(NOW + 9, 0, 1);
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.GpuEndorsementOlder.selector, NOW + 9, NOW + 9)
        );
        attestation.endorseGpu(key, workload, NOW + 9, signatures);
    }

    function test_endorseGpu_reverts_whenSignaturesAreNotTheEndorsers() public {
        TdxWorkload memory workload = _given().workload;
        _register(_given());
        uint64 until = NOW + 1 hours;
        bytes32 digest = _endorsement(until);
        bytes[] memory wrong = new bytes[](7);
        bytes[] memory reasons = new bytes[](7);
        wrong[0] = "";
        reasons[0] = abi.encodeWithSelector(ITdxAttestation.GpuEndorsementsMissing.selector, 0, 2);
        wrong[1] = _sign(secrets[0], digest);
        reasons[1] = abi.encodeWithSelector(ITdxAttestation.GpuEndorsementsMissing.selector, 1, 2);
        wrong[2] = _endorsed(until, 1, 0);
        reasons[2] = abi.encodeWithSelector(
            ITdxAttestation.GpuEndorsersUnordered.selector, vm.addr(secrets[0]), vm.addr(secrets[1])
        );
        wrong[3] = _endorsed(until, 0, 0);
        reasons[3] = abi.encodeWithSelector(
            ITdxAttestation.GpuEndorsersUnordered.selector, vm.addr(secrets[0]), vm.addr(secrets[0])
        );
        wrong[4] = bytes.concat(_endorsed(until, 0, 1), "1");
        reasons[4] = abi.encodeWithSelector(ITdxAttestation.GpuSignatureMalformed.selector, 131);
        wrong[5] = new bytes(130);
        reasons[5] = abi.encodeWithSelector(ITdxAttestation.GpuSignatureMalformed.selector, 130);
        // Somebody else's: of what was signed for another time.
        wrong[6] = bytes.concat(_sign(17, digest), _sign(17, digest));
        reasons[6] =
            abi.encodeWithSelector(ITdxAttestation.GpuEndorserUnknown.selector, vm.addr(17));
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(reasons[i]);
            attestation.endorseGpu(key, workload, until, wrong[i]);
        }
    }

    function test_endorseGpu_raisesTheTier_forATime_andForTheseGpus() public {
        Given memory given = _given();
        bytes32 id = _register(given);
        attestation.endorseGpu(key, given.workload, NOW + 1 hours, _endorsed(NOW + 1 hours, 0, 2));
        _assertAnswer(id, 3, NOW, NOW + 1 days, 0);
        vm.warp(NOW + 1 hours);
        _assertAnswer(id, 2, NOW, NOW + 1 days, 0);
        vm.warp(NOW);
        _register(given);
        _assertAnswer(id, 3, NOW, NOW + 1 days, 0);
        given.binding.gpuEvidence = "others";
        _register(given);
        _assertAnswer(id, 2, NOW, NOW + 1 days, 0);
    }

    /// @dev Under a development root nobody raises anything.
    function test_endorseGpu_raisesNothingUnderADevelopmentRoot() public {
        _start(0);
        Given memory given = _given();
        bytes32 id = _register(given);
        attestation.endorseGpu(key, given.workload, NOW + 1 hours, _endorsed(NOW + 1 hours, 0, 2));
        _assertAnswer(id, 0, NOW, NOW + 1 days, 0);
    }

    /// @dev A workload without endorsers takes none.
    function test_endorseGpu_reverts_whereTheWorkloadNamesNobody() public {
        Given memory given = _given();
        given.workload.endorsers = new address[](0);
        given.workload.quorum = 0;
        _register(given);
        bytes memory signature = _sign(secrets[0], "anything");
        vm.expectRevert(
            abi.encodeWithSelector(ITdxAttestation.GpuEndorsementsMissing.selector, 1, 0)
        );
        attestation.endorseGpu(key, given.workload, NOW + 1, signature);
    }

    /* SHAPES */

    function _start(uint8 tier) private {
        verifier = new ScriptedVerifier(tier);
        attestation = ITdxAttestation(_deploy("TdxAttestation", abi.encode(address(verifier))));
    }

    function _given() private view returns (Given memory given) {
        given.binding = NodeBinding({
            key: key,
            program: "program",
            workload: 0,
            model: "model",
            engine: "engine",
            configuration: 0,
            gpuEvidence: GPUS,
            tlsKey: 0,
            operator: address(0),
            blockNumber: uint64(BLOCK - 1),
            blockHash: BLOCK_HASH,
            validUntil: NOW + 1 days
        });
        TdxWorkload memory workload = given.workload;
        workload.measurements = "measured";
        workload.engines = new bytes32[](2);
        (workload.engines[0], workload.engines[1]) = ("engine", "engine 2");
        // Bit 1: up to date.
        workload.statuses = 2;
        workload.evaluationFloor = 17;
        workload.endorsers = new address[](3);
        for (uint256 i = 0; i < 3; i++) {
            workload.endorsers[i] = vm.addr(secrets[i]);
        }
        workload.quorum = 2;
        workload.guards = new address[](1);
        workload.guards[0] = GUARD;
        given.verdict = Verdict({
            status: TcbStatus.UpToDate,
            validUntil: NOW + 20 days,
            evaluationNumber: 17,
            epoch: verifier.epoch(),
            versions: TdVersions("launched", "launched", 4, 1),
            measurements: "measured",
            allMeasurements: "all measured",
            reportDataHigh: 0,
            reportDataLow: 0
        });
    }

    /// @dev Sign the binding as it is, and let the report carry it.
    function _seal(Given memory given) private view {
        bytes32 digest = attestation.digestOf(given.binding);
        given.signature = _sign(SECRET, digest);
        (given.verdict.reportDataHigh, given.verdict.reportDataLow) =
            reportDataOf(given.binding.key, digest);
    }

    function _say(Given memory given) private {
        verifier.say(given.verdict);
    }

    function _send(Given memory given) private {
        attestation.register(
            "quote", "signatures", MACHINE, given.binding, given.signature, given.workload
        );
    }

    function _register(Given memory given) private returns (bytes32 id) {
        given.verdict.epoch = verifier.epoch();
        _seal(given);
        _say(given);
        _send(given);
        return keccak256(abi.encode(given.workload));
    }

    function _refused(Given memory given, bytes memory reason) private {
        _seal(given);
        _say(given);
        vm.expectRevert(reason);
        _send(given);
    }

    function _wrongBlock(Given memory given, bytes32 expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            ITdxAttestation.BindingBlock.selector,
            given.binding.blockNumber,
            given.binding.blockHash,
            expected
        );
    }

    function _assertAnswer(
        bytes32 id,
        uint256 tier,
        uint256 validFrom,
        uint256 validUntil,
        uint256 revokedAt
    ) private view {
        (uint8 tier_, uint64 from, uint64 until, uint64 revoked) =
            attestation.attestationOf(key, id);
        vm.assertEq(uint256(tier_), tier, "tier");
        vm.assertEq(uint256(from), validFrom, "from");
        vm.assertEq(uint256(until), validUntil, "until");
        vm.assertEq(uint256(revoked), revokedAt, "revoked");
    }

    function _assertOver(bytes32 id, bytes memory reason) private {
        _assertAnswer(id, 2, NOW, vm.getBlockTimestamp(), 0);
        vm.expectRevert(reason);
        attestation.requireAttested(key, id);
    }

    /// @dev What endorsers sign, as `ITdxAttestation.endorseGpu` says.
    function _endorsement(uint64 until) private view returns (bytes32) {
        bytes32 id = keccak256(abi.encode(_given().workload));
        bytes32 struct_ = keccak256(
            abi.encode(
                keccak256(
                    "GpuEndorsement(address key,bytes32 workload,bytes32 gpuEvidence,"
                    "uint64 validUntil)"
                ),
                key,
                id,
                GPUS,
                until
            )
        );
        return keccak256(abi.encodePacked(hex"1901", attestation.domainSeparator(), struct_));
    }

    function _endorsed(uint64 until, uint256 first, uint256 second)
        private
        view
        returns (bytes memory)
    {
        bytes32 digest = _endorsement(until);
        return bytes.concat(_sign(secrets[first], digest), _sign(secrets[second], digest));
    }

    function _sign(uint256 secret, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }
}
