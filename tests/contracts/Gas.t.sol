// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Feed, Permission, Tracked} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

/// @title What one executed decision costs over the bare call, calldata included.
/// @notice Every call is a transaction of its own (`isolate`), as on a chain: storage is cold and
///         calldata is paid for. Second executions are measured; the first one's fresh slots cost
///         a mandate once.
contract GasTest is GateFixture {
    address private constant SOMEONE = address(0x50E0E);

    /// @dev A recorded HOLD: mandates that list calls must track an asset (ADR 7). There is no bare
    ///      call; an empty transaction stands for it.
    /// forge-config: default.isolate = true
    /// forge-config: long.isolate = true
    function test_gas_holdWithoutTrackedAssets() public {
        Submission memory s = _draft(_mandate());
        s.mandate.recordHolds = true;
        s.mandate.tracked = new Tracked[](0);
        s.mandate.feeds = new Feed[](0);
        s.mandate.allowList = new Permission[](0);
        s.calls = new Call[](0);
        s.bounds = new int256[](0);
        _regrant(s);
        uint256 sworn = _second("hold, nothing tracked", s);
        vm.snapshotValue("execute", "hold, nothing tracked: overhead", sworn - 21_000);
    }

    /// @dev A call that moves nothing tracked: no balance of a token and no feed is read. Something
    ///      must be tracked all the same (ADR 7); the native currency costs the least.
    /// forge-config: default.isolate = true
    /// forge-config: long.isolate = true
    function test_gas_callThatMovesNothingTracked() public {
        Submission memory s = _draft(_mandate());
        s.mandate.tracked = new Tracked[](1);
        s.mandate.tracked[0] = Tracked(address(0), 0, 18, false);
        Feed memory feed = s.mandate.feeds[0];
        s.mandate.feeds = new Feed[](1);
        s.mandate.feeds[0] = feed;
        s.mandate.allowList = new Permission[](1);
        s.mandate.allowList[0] = Permission(address(venue), Venue.note.selector);
        s.calls[0] = _plain(abi.encodeCall(Venue.note, (7)));
        s.bounds = new int256[](1);
        _regrant(s);
        _measure("call, nothing tracked moves", s);
    }

    /// forge-config: default.isolate = true
    /// forge-config: long.isolate = true
    function test_gas_transferWithOneTrackedAsset() public {
        Submission memory s = _draft(_mandate());
        Tracked memory first = s.mandate.tracked[0];
        s.mandate.tracked = new Tracked[](1);
        s.mandate.tracked[0] = first;
        Feed memory feed = s.mandate.feeds[0];
        s.mandate.feeds = new Feed[](1);
        s.mandate.feeds[0] = feed;
        s.mandate.maxLoss = 2000 * DOLLAR;
        s.mandate.allowList = new Permission[](1);
        s.mandate.allowList[0] = Permission(address(weth), TestToken.transfer.selector);
        bytes memory data = abi.encodeCall(TestToken.transfer, (SOMEONE, 1e18));
        s.calls[0] = Call(address(weth), 0, data, address(0), 0);
        s.bounds = new int256[](1);
        s.bounds[0] = -1e18;
        _regrant(s);
        _measure("transfer, one tracked", s);
    }

    /// forge-config: default.isolate = true
    /// forge-config: long.isolate = true
    function test_gas_tradeWithTwoTrackedAssets() public {
        Submission memory s = _draft(_mandate());
        Tracked[] memory tracked = s.mandate.tracked;
        s.mandate.tracked = new Tracked[](2);
        (s.mandate.tracked[0], s.mandate.tracked[1]) = (tracked[0], tracked[1]);
        s.mandate.allowList = new Permission[](1);
        s.mandate.allowList[0] = Permission(address(venue), Venue.trade.selector);
        s.bounds = new int256[](2);
        s.bounds[0] = -1e18;
        s.bounds[1] = 1990e6;
        _regrant(s);
        _measure("trade, two tracked", s);
    }

    /// @dev Gas of the second execution, of the same call sent bare by the owner of the money,
    ///      and the difference.
    function _measure(string memory name, Submission memory s) private {
        weth.mint(SOMEONE, 1);
        uint256 sworn = _second(name, s);

        weth.mint(owner, 100e18);
        usdc.mint(owner, 1);
        vm.prank(owner);
        weth.approve(address(venue), type(uint256).max);
        // The second time, as the gate's.
        vm.prank(owner);
        (bool success,) = s.calls[0].target.call(s.calls[0].data);
        vm.assertTrue(success, "bare call");
        vm.prank(owner);
        (success,) = s.calls[0].target.call(s.calls[0].data);
        uint256 bare = vm.snapshotGasLastCall("execute", string.concat(name, ": bare"));
        vm.assertTrue(success, "bare call");
        vm.snapshotValue("execute", string.concat(name, ": overhead"), sworn - bare);
    }

    function _second(string memory name, Submission memory s) private returns (uint256) {
        s.decision.previous = _execute(s);
        _nextSlot(s, 1);
        // As an agent submits it: what the gate knows is left out.
        s.decision.program = 0;
        s.decision.anchorHash = 0;
        s.decision.previous = 0;
        s.decision.calls = 0;
        s.decision.bounds = 0;
        vm.prank(operator);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        return vm.snapshotGasLastCall("execute", name);
    }
}
