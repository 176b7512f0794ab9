// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {GateHandler} from "./GateHandler.sol";
import {Test} from "./Test.sol";

/// @title What holds after any steps, in any order.
contract GateInvariants is Test {
    struct Selectors {
        address place;
        bytes4[] selectors;
    }

    GateHandler private handler;

    function setUp() public {
        handler = new GateHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        targets = new Selectors[](1);
        targets[0].place = address(handler);
        targets[0].selectors = new bytes4[](12);
        // Trades are what most of the others are about.
        targets[0].selectors[0] = GateHandler.trade.selector;
        targets[0].selectors[1] = GateHandler.trade.selector;
        targets[0].selectors[2] = GateHandler.trade.selector;
        targets[0].selectors[3] = GateHandler.queue.selector;
        targets[0].selectors[4] = GateHandler.serve.selector;
        targets[0].selectors[5] = GateHandler.cancel.selector;
        targets[0].selectors[6] = GateHandler.audit.selector;
        targets[0].selectors[7] = GateHandler.ban.selector;
        targets[0].selectors[8] = GateHandler.replay.selector;
        targets[0].selectors[9] = GateHandler.tamper.selector;
        targets[0].selectors[10] = GateHandler.pass.selector;
        targets[0].selectors[11] = GateHandler.ownerExit.selector;
    }

    /// @dev All in one, so that each run of the walk serves all: of two mandates, the head moves by
    ///      execution and queueing only; outflow and audits are what was executed and what a quorum
    ///      signed, and stay within the ladder, with the endorsements and the delay that it asks
    ///      for; banned keys are banned; balances never fall below the sworn bounds; no allowance
    ///      outlives its call; every rule holds, also where there are two of a kind.
    function invariant_headOutflowBoundsAndAllowance() public view {
        handler.check();
    }

    /* THE WALK REACHES BOTH OUTCOMES OF EVERY STEP, OR IT WOULD BE WORTH NOTHING */

    function test_handler_executesAndRefuses() public {
        handler.trade(0, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "executed");
        handler.replay(0);
        handler.trade(0, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "slot used");
        handler.trade(1, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 2, "the other mandate");
        handler.tamper(0, 0, 0);
        vm.assertEq(handler.tampered(), 0, "refused for another reason");
        handler.pass(6, 61);
        handler.trade(0, 0.3e18, 1e6, 0.3e18, 0);
        vm.assertEq(handler.executed(), 2, "too lossy");
        for (uint8 part = 0; part < 4; part++) {
            handler.tamper(0, 1e17, part);
        }
        vm.assertEq(handler.tampered(), 4, "tampered");
        vm.assertEq(handler.refused(), 7, "refused");
        handler.ownerExit(50e18, 1, true);
        handler.check();
    }

    /// @dev 8 is one endorsement, 16 two, and 6 the second key.
    function test_handler_climbsTheLadder_andIsAudited() public {
        // Each declares 0.35 WETH: 700 dollars.
        handler.trade(0, 0.3e18, 600e6, 0.3e18, 599e6);
        handler.pass(5, 61);
        handler.trade(0, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "no endorsement");
        handler.trade(8, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 2, "endorsed");
        handler.pass(5, 61);
        uint256 outflow = 1400 * 1e8;
        handler.audit(0, 1, 1);
        handler.audit(0, outflow, 1);
        handler.audit(0, 0, 1);
        vm.assertEq(handler.checkpoints(), 1, "ahead, old");
        handler.audit(0, outflow - 1, 0);
        vm.assertEq(handler.checkpoints(), 1, "one signature");
        handler.audit(0, outflow - 1, 1);
        vm.assertEq(handler.checkpoints(), 2, "all of it");
        handler.trade(0, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 3, "from the first rung again");
        handler.check();
    }

    function test_handler_bansTheSecondKey() public {
        handler.trade(6, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "not banned yet");
        for (uint256 how = 2; how < 8; how++) {
            handler.ban(0, how);
        }
        vm.assertEq(handler.bans(), 0, "by those who may not");
        handler.ban(0, 1);
        handler.pass(5, 61);
        handler.trade(6, 0.1e18, 200e6, 0.1e18, 199e6);
        vm.assertEq(handler.executed(), 1, "banned");
        handler.trade(7, 0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 2, "not by the other mandate");
        handler.ban(1, 0);
        vm.assertEq(handler.bans(), 2, "bans");
        handler.check();
    }

    function test_handler_queuesServesAndCancels() public {
        uint256 risky = 3e18 - 0.1e18;
        handler.queue(8, risky, 2 days);
        vm.assertEq(handler.queued(), 0, "one endorsement is too few");
        handler.queue(16, risky, 2 days);
        handler.queue(17, risky, 2 days);
        vm.assertEq(handler.queued(), 2, "queued");
        handler.check();
        handler.serve(1, false);
        handler.trade(17, 0.1e18, 200e6, 0.1e18, 199e6);
        vm.assertEq(handler.executed(), 0, "waits");
        handler.cancel(0, 3);
        vm.assertEq(handler.cancelled(), 0, "by the operator");
        handler.cancel(0, 2);
        handler.cancel(0, 2);
        vm.assertEq(handler.cancelled(), 1, "cancelled");
        handler.pass(1, 4);
        handler.serve(1, false);
        vm.assertEq(handler.served(), 0, "half a day");
        handler.serve(1, true);
        handler.serve(1, false);
        handler.serve(0, false);
        vm.assertEq(handler.served(), 1, "served");
        vm.assertEq(handler.executed(), 1, "executed");
        handler.check();
    }
}
