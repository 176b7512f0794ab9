// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {hashMandate} from "../../contracts/types/Mandate.sol";
import {LadderFixture} from "./LadderFixture.sol";

/// @title `tryExecute` given too little gas (the 63/64 rule).
contract TryExecuteGasTest is LadderFixture {
    /// @dev Given any gas, an honest decision executes or the transaction reverts; what would have
    ///      executed with more gas is never recorded as refused.
    function testFuzz_tryExecute_neverRecordsWantOfGas(uint256 gas) public {
        Submission memory s = _climb(500);
        gas = _fold(gas, 30_000, 500_000);
        bytes memory data =
            abi.encodeCall(IDecisionGate.tryExecute, (s.decision, s.calls, s.bounds, s.proof));
        vm.prank(operator);
        (bool success, bytes memory result) = address(gate).call{gas: gas}(data);
        bytes32 head = gate.headOf(s.decision.mandate);
        if (success) {
            (bool executed, bytes32 digest) = abi.decode(result, (bool, bytes32));
            vm.assertTrue(executed, "recorded as refused");
            vm.assertEq(head, digest, "head");
        } else {
            vm.assertEq(head, s.decision.mandate, "head");
        }
    }

    /// @dev Of every thousand gas, all three outcomes are met: too little to begin with, too little
    ///      to tell, enough.
    function test_tryExecute_reverts_whenGasIsShort() public {
        Submission memory s = _climb(500);
        bytes memory data =
            abi.encodeCall(IDecisionGate.tryExecute, (s.decision, s.calls, s.bounds, s.proof));
        uint256[3] memory met;
        for (uint256 gas = 30_000; gas <= 500_000; gas += 1000) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(operator);
            (bool success, bytes memory result) = address(gate).call{gas: gas}(data);
            if (success) {
                met[2]++;
            } else if (result.length == 0) {
                met[0]++;
            } else {
                vm.assertEq(bytes4(result), IDecisionGate.GasTooLow.selector, "reason");
                met[1]++;
            }
            vm.assertTrue(vm.revertToStateAndDelete(snapshot), "no snapshot");
        }
        vm.assertTrue(met[1] != 0 && met[2] != 0, "not all outcomes");
    }

    /// @dev The outflow's width is 2^80; checkpoints make room on the ladder, never in the width.
    function test_execute_reverts_whenTheOutflowOverflows() public {
        Submission memory s = _draft(_laddered());
        uint256 most = type(uint80).max;
        s.mandate.ladder[2].limit = most;
        s.mandate.ladder[2].delay = 0;
        s.mandate.maxLoss = type(uint128).max;
        _grant(s.mandate);
        s.bounds = new int256[](4);
        // USDC: a base unit is a hundred value units.
        s.bounds[1] = -int256(most / 100);
        s.decision.mandate = hashMandate(s.mandate);
        s.decision.previous = s.decision.mandate;
        s.decision.validUntil = uint64(START_TIME + 30 days);
        s.calls[0] = _sale(0, 0);
        s.calls[0].token = address(weth);
        _seal(s);
        _endorse(s, 2);
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        _refuseHere(s);

        // Audited, so that the ladder has room: the width has not.
        bytes32 id = s.decision.mandate;
        uint256 outflow = gate.stateOf(id).outflow;
        gate.checkpoint(_checkpoint(id), _signatures(_digest(_checkpoint(id)), _secrets(2)));
        _nextSlot(s, 2);
        _endorse(s, 2);
        _refuse(
            s,
            _error(IDecisionGate.OutflowTooLarge.selector, outflow * 2, uint256(type(uint80).max))
        );
    }

    function _refuseHere(Submission memory s) private {
        _endorse(s, 2);
        uint256 outflow = gate.stateOf(s.decision.mandate).outflow;
        _refuse(
            s, _error(IDecisionGate.RungExceeded.selector, outflow * 2, uint256(type(uint80).max))
        );
    }
}
