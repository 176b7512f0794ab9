// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {GateFixture} from "./GateFixture.sol";
import {TestToken} from "./mocks/TestToken.sol";

/// @title Honest and hostile steps in any order, and what was right to happen.
/// @notice The handler is the whole world: it never reverts; the gate's refusals are caught and
///         counted. What executes is booked twice, here and by the gate.
contract GateHandler is GateFixture {
    bytes32 public head;
    uint256 public unaudited;
    uint256 public wethFloor;
    uint256 public usdcFloor;
    uint256 public executed;
    uint256 public refused;
    uint256 public tampered;
    bytes32 public mandateId;
    bytes32 private _lastDigest;
    bytes private _lastSubmission;

    constructor() {
        setUp();
        Submission memory s = _honest();
        mandateId = s.decision.mandate;
        head = mandateId;
        _floorAtBalances();
    }

    /// @dev Some 500 dollars at risk: the rung of 10 000 lasts for twenty. Most keep what they
    ///      swear; the venue may always take more than it does.
    function trade(uint256 amountIn, uint256 amountOut, uint256 declared, uint256 promised)
        external
    {
        amountIn = _fold(amountIn, 0, 0.4e18);
        amountOut = _fold(amountOut, 0, 1600e6);
        Submission memory s = _next();
        s.calls[0] = _sale(amountIn, amountOut);
        s.calls[0].allowance += _fold(declared, 1, 1e18);
        s.bounds[0] = -int256(_fold(declared, amountIn * 3 / 4, 0.4e18));
        s.bounds[1] = int256(_fold(promised, 0, amountOut * 5 / 4));
        _seal(s);
        _submit(s);
    }

    function replay() external {
        if (_lastSubmission.length == 0) return;
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_lastSubmission);
        vm.assertFalse(success, "replayed");
        vm.assertEq(bytes4(reason), IDecisionGate.HeadMismatch.selector, "another reason");
        refused++;
    }

    function tamper(uint256 amountIn, uint8 part) external {
        Submission memory s = _next();
        s.calls[0] = _sale(0.1e18, 200e6);
        s.bounds[0] = -0.1e18;
        s.bounds[1] = 199e6;
        _seal(s);
        if (!_wouldPass(s)) return;

        part = part % 4;
        if (part == 0) s.calls[0] = _sale(_fold(amountIn, 0, 0.09e18), 0);
        if (part == 1) s.bounds[0] -= 1;
        if (part == 2) s.decision.receipts = keccak256("forged");
        if (part == 3) _sign(s, uint256(keccak256("thief")));
        bytes4[4] memory reasons = [
            IDecisionGate.CallsMismatch.selector,
            IDecisionGate.BoundsMismatch.selector,
            IDecisionGate.NodeNotPermitted.selector,
            IDecisionGate.NodeNotPermitted.selector
        ];
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "tampered");
        vm.assertEq(bytes4(reason), reasons[part], "another reason");
        refused++;
        tampered++;
    }

    function pass(uint8 blocks, uint16 time) external {
        vm.roll(vm.getBlockNumber() + blocks % 20);
        vm.warp(vm.getBlockTimestamp() + time % 600);
        wethFeed.set(2000e8, uint64(vm.getBlockTimestamp()));
        usdcFeed.set(1e8, uint64(vm.getBlockTimestamp()));
    }

    /// @dev The owner leaves with a part, whatever state the mandate is in, and returns it.
    function ownerExit(uint256 amount, bool stopped) external {
        amount = _fold(amount, 0, weth.balanceOf(address(account)));
        if (stopped) {
            _byOwner(
                abi.encodeCall(IDecisionGate.stop, (mandateId, uint64(vm.getBlockTimestamp() + 60)))
            );
        }
        uint256 before = weth.balanceOf(owner);
        vm.prank(owner);
        account.execute(address(weth), 0, abi.encodeCall(TestToken.transfer, (owner, amount)));
        vm.assertEq(weth.balanceOf(owner), before + amount, "exit");
        vm.prank(owner);
        weth.transfer(address(account), amount);
        _byOwner(abi.encodeCall(IDecisionGate.resume, (mandateId)));
    }

    function state() external view returns (IDecisionGate.MandateState memory) {
        return gate.stateOf(mandateId);
    }

    function balances() external view returns (uint256, uint256, uint256) {
        return (
            weth.balanceOf(address(account)),
            usdc.balanceOf(address(account)),
            weth.allowance(address(account), address(venue))
        );
    }

    function limit() external view returns (uint256) {
        return _mandate().ladder[0].limit;
    }

    function _next() private view returns (Submission memory s) {
        s = _draft(_mandate());
        s.decision.previous = head;
        s.decision.slot = uint64(vm.getBlockNumber() / CADENCE);
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * CADENCE);
        s.decision.validUntil = uint64(vm.getBlockTimestamp());
    }

    /// @dev Whether it would execute as it is; it does not stay executed.
    function _wouldPass(Submission memory s) private returns (bool success) {
        uint256 snapshot = vm.snapshotState();
        vm.prank(operator);
        (success,) = address(gate).call(_calldata(s));
        vm.assertTrue(vm.revertToState(snapshot), "no snapshot");
    }

    function _submit(Submission memory s) private {
        uint256 wethBefore = weth.balanceOf(address(account));
        uint256 usdcBefore = usdc.balanceOf(address(account));
        bytes memory data = _calldata(s);
        vm.prank(operator);
        (bool success, bytes memory result) = address(gate).call(data);
        if (!success) {
            _assertHonestReason(bytes4(result));
            refused++;
            return;
        }
        executed++;
        head = abi.decode(result, (bytes32));
        unaudited += (uint256(-s.bounds[0]) * 2000 + 1e10 - 1) / 1e10;
        wethFloor = uint256(int256(wethBefore) + s.bounds[0]);
        usdcFloor = uint256(int256(usdcBefore) + s.bounds[1]);
        _lastSubmission = data;
    }

    /// @dev What an honest operator meets: wrong moment, broken promise or a limit.
    function _assertHonestReason(bytes4 reason) private pure {
        bytes4[6] memory reasons = [
            IDecisionGate.SlotUsed.selector,
            IDecisionGate.AnchorUnavailable.selector,
            IDecisionGate.RungExceeded.selector,
            IDecisionGate.BoundMissed.selector,
            IDecisionGate.UndeclaredLoss.selector,
            IDecisionGate.LossExceeded.selector
        ];
        bool known;
        for (uint256 i = 0; i < reasons.length; i++) {
            known = known || reasons[i] == reason;
        }
        vm.assertTrue(known, "another reason");
    }

    function _floorAtBalances() private {
        wethFloor = weth.balanceOf(address(account));
        usdcFloor = usdc.balanceOf(address(account));
    }
}

contract GateInvariants is GateFixture {
    GateHandler private handler;

    function setUp() public override {
        handler = new GateHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        targets = new Selectors[](1);
        targets[0].place = address(handler);
        targets[0].selectors = new bytes4[](5);
        targets[0].selectors[0] = GateHandler.trade.selector;
        targets[0].selectors[1] = GateHandler.replay.selector;
        targets[0].selectors[2] = GateHandler.tamper.selector;
        targets[0].selectors[3] = GateHandler.pass.selector;
        targets[0].selectors[4] = GateHandler.ownerExit.selector;
    }

    struct Selectors {
        address place;
        bytes4[] selectors;
    }

    /// @dev The walk above is worth nothing where everything is refused, or nothing.
    function test_handler_reachesBothOutcomes() public {
        handler.trade(0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "executed");
        handler.replay();
        handler.trade(0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 1, "slot used");
        handler.tamper(0, 0);
        vm.assertEq(handler.tampered(), 0, "refused for another reason");
        handler.pass(6, 60);
        handler.trade(0.3e18, 600e6, 0.3e18, 599e6);
        vm.assertEq(handler.executed(), 2, "executed again");
        handler.pass(5, 60);
        handler.trade(0.3e18, 1e6, 0.3e18, 0);
        for (uint8 part = 0; part < 4; part++) {
            handler.tamper(1e17, part);
        }
        vm.assertEq(handler.tampered(), 4, "tampered");
        vm.assertEq(handler.refused(), 7, "refused");
        handler.ownerExit(50e18, true);
    }

    /// @dev All in one, so that each run of the walk serves all four: the head moves by execution
    ///      only; the outflow is what was executed and never exceeds the rung; balances never fall
    ///      below the sworn bounds; no allowance outlives its call.
    function invariant_headOutflowBoundsAndAllowance() public view {
        vm.assertEq(handler.state().head, handler.head(), "head");
        vm.assertEq(handler.state().outflow, handler.unaudited(), "outflow");
        vm.assertLe(handler.unaudited(), handler.limit(), "limit");
        (uint256 weth_, uint256 usdc_, uint256 allowance) = handler.balances();
        vm.assertGe(weth_, handler.wethFloor(), "WETH");
        vm.assertGe(usdc_, handler.usdcFloor(), "USDC");
        vm.assertEq(allowance, 0, "allowance");
    }
}
