// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Tracked} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {DecimalFeed} from "./mocks/Doubles.sol";
import {OddFeed} from "./mocks/Hosts.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract ExecuteLimitsTest is GateFixture {
    /* 5. PRICES AND LIMITS */

    function test_execute_reverts_whenPriceIsStale() public {
        Submission memory s = _honest();
        wethFeed.set(int256(2000 * DOLLAR), uint64(START_TIME - 1 hours));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceStale.selector,
                address(wethFeed),
                START_TIME - 1 hours,
                START_TIME
            )
        );
        wethFeed.set(int256(2000 * DOLLAR), uint64(START_TIME - 1 hours + 1));
        _execute(s);
    }

    function test_execute_reverts_whenPriceIsNotPositive() public {
        Submission memory s = _honest();
        int256[2] memory answers = [int256(0), -1];
        for (uint256 i = 0; i < 2; i++) {
            usdcFeed.set(answers[i], uint64(START_TIME));
            _refuse(
                s,
                abi.encodeWithSelector(
                    IDecisionGate.PriceInvalid.selector, address(usdcFeed), answers[i], START_TIME
                )
            );
        }
    }

    function test_execute_reverts_whenPriceIsFromTheFuture() public {
        Submission memory s = _honest();
        usdcFeed.set(1e8, uint64(START_TIME + 1));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceInvalid.selector, address(usdcFeed), int256(1e8), START_TIME + 1
            )
        );
    }

    function test_execute_reverts_whenPriceIsAbsurd() public {
        Submission memory s = _honest();
        usdcFeed.set(type(int256).max, uint64(START_TIME));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceInvalid.selector, address(usdcFeed), type(int256).max, START_TIME
            )
        );
    }

    function test_execute_reverts_whenFeedAnswersNothingOrTooLittle() public {
        OddFeed feed = new OddFeed();
        Submission memory s = _draft(_mandate());
        s.mandate.feeds[1].aggregator = address(feed);
        _regrant(s);
        bytes[2] memory answers = [bytes(""), abi.encode(1, 1e8, 1, START_TIME)];
        for (uint256 i = 0; i < 2; i++) {
            feed.set(answers[i]);
            _refuse(
                s,
                abi.encodeWithSelector(
                    IDecisionGate.PriceInvalid.selector, address(feed), int256(0), 0
                )
            );
        }
    }

    function test_execute_reverts_whenAmountIsTooLarge() public {
        Submission memory s = _honest();
        s.bounds[0] = type(int256).min;
        _seal(s);
        _refuse(s, _error(IDecisionGate.AmountTooLarge.selector, 2 ** 255, type(uint128).max));
    }

    function test_execute_reverts_whenRungExceeded() public {
        Submission memory s = _honest();
        s.bounds[0] = -5e18;
        s.bounds[1] = -1;
        _seal(s);
        // A millionth of a dollar more than 10 000, in units of 10^-8.
        _refuse(
            s, _error(IDecisionGate.RungExceeded.selector, 10_000 * DOLLAR + 100, 10_000 * DOLLAR)
        );
        // Within the rung: what is left in between is refused for its own reason.
        s.bounds[1] = 1995e6;
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenManySmallOutflowsExceedTheRung() public {
        Submission memory s = _honest();
        for (uint64 i = 0; i < 5; i++) {
            s.decision.previous = _execute(s);
            vm.assertEq(_unaudited(s.decision.mandate), (i + 1) * 2000 * DOLLAR, "outflow");
            _nextSlot(s, i + 1);
        }
        _refuse(s, _error(IDecisionGate.RungExceeded.selector, 12_000 * DOLLAR, 10_000 * DOLLAR));
    }

    /// @dev Half a billion wei of WETH are worth exactly one millionth of a dollar, one base unit of
    ///      USDC; one wei less is worth less, however little.
    function test_execute_roundsGainsDown() public {
        Submission memory s = _draft(_mandate());
        s.mandate.maxLoss = 0;
        _regrant(s);
        s.bounds = new int256[](4);
        s.bounds[0] = 1;
        s.bounds[1] = -1;
        s.calls[0] = _purchase(1, 5e8 - 1);
        _seal(s);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.LossExceeded.selector, int256(-1), 0));
        s.calls[0] = _purchase(1, 5e8);
        _seal(s);
        _execute(s);
    }

    function test_execute_roundsRiskUp() public {
        Submission memory s = _honest();
        // One wei of WETH is worth 2·10^-7 units of value: at risk counts 1.
        s.calls[0] = _sale(1, 0);
        s.bounds[0] = -1;
        s.bounds[1] = 0;
        _seal(s);
        _execute(s);
        vm.assertEq(_unaudited(s.decision.mandate), 1, "outflow");
    }

    /// @dev What nobody swore to cannot make up for a loss.
    function test_execute_countsNoGainThatWasNotSworn() public {
        Submission memory s = _honest();
        s.bounds[1] = 0;
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.LossExceeded.selector, -int256(2000 * DOLLAR), 20 * DOLLAR
            )
        );
        s.bounds[1] = 1;
        _seal(s);
        _execute(s);
    }

    /// @dev Where nothing may fall, nothing can be lost, whatever prices are: no feed is asked.
    function test_execute_needsNoPrice_whereNothingMayFall() public {
        Submission memory s = _honest();
        wethFeed.set(0, uint64(START_TIME));
        usdcFeed.set(1e8, uint64(START_TIME - 2 days));
        s.calls[0] = _sale(0, 5e6);
        s.calls[0].token = address(0);
        s.bounds = new int256[](4);
        s.bounds[1] = 5e6;
        _seal(s);
        _execute(s);
        vm.assertEq(_unaudited(s.decision.mandate), 0, "outflow");
    }

    /// @dev Only the feeds of what was sworn to change are asked.
    function test_execute_needsNoPriceOfWhatDoesNotChange() public {
        Submission memory s = _honest();
        usdcFeed.set(0, uint64(START_TIME));
        s.mandate.maxLoss = 2000 * DOLLAR;
        s.calls[0] = _sale(1e18, 0);
        s.bounds[1] = 0;
        _regrant(s);
        _execute(s);
    }

    function _purchase(uint256 amountIn, uint256 amountOut) private view returns (Call memory) {
        bytes memory data =
            abi.encodeCall(Venue.trade, (address(usdc), amountIn, address(weth), amountOut));
        return Call(address(venue), 0, data, address(usdc), amountIn);
    }

    /* HAPPY PATHS */

    function test_execute_movesHeadAndEmits() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK + 3 * CADENCE);
        s.decision.slot = SLOT + 3;
        s.decision.anchorHash = blockhash(uint256(SLOT + 3) * CADENCE);
        s.calls[0].allowance = 1.5e18;
        _seal(s);
        bytes32 expected = gate.digestOf(s.decision);
        int256[] memory changes = new int256[](4);
        changes[0] = -1e18;
        changes[1] = 1995e6;
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.DecisionExecuted(
            s.decision.mandate,
            expected,
            node,
            SLOT + 3,
            3,
            s.decision.mandate,
            2000 * DOLLAR,
            changes
        );
        bytes32 digest = _execute(s);
        vm.assertEq(digest, expected, "digest");
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
        vm.assertEq(weth.balanceOf(address(account)), 99e18, "WETH");
        vm.assertEq(usdc.balanceOf(address(account)), 11_995e6, "USDC");
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
        vm.assertEq(gate.stateOf(s.decision.mandate).nextSlot, SLOT + 4, "next slot");
    }

    /// @dev Whatever is sworn and whatever happens: executed exactly where the bounds and the loss
    ///      limit hold, by arithmetic written down a second time.
    function testFuzz_execute_holdsBoundsAndLossLimit(
        uint256 amountIn,
        uint256 amountOut,
        uint256 spare,
        int256 wethBound,
        int256 usdcBound
    ) public {
        amountIn = _fold(amountIn, 0, 4e18);
        amountOut = _fold(amountOut, 0, 9000e6);
        wethBound = -int256(_fold(uint256(wethBound), 0, 4e18));
        usdcBound = int256(_fold(uint256(usdcBound), 0, 9000e6));
        Submission memory s = _honest();
        s.calls[0] = _sale(amountIn, amountOut);
        s.calls[0].allowance += _fold(spare, 1, 1e18);
        s.bounds[0] = wethBound;
        s.bounds[1] = usdcBound;
        _seal(s);
        Picture memory before = _picture(s);

        vm.prank(operator);
        (bool executed,) = address(gate).call(_calldata(s));

        bool bounded = -int256(amountIn) >= wethBound && int256(amountOut) >= usdcBound;
        uint256 lost = (amountIn * 2000 + 1e10 - 1) / 1e10;
        // A gain that was not sworn to counts nothing (ADR 23).
        uint256 gained = usdcBound == 0 ? 0 : amountOut * 100;
        bool affordable = lost <= gained + 20 * DOLLAR;
        vm.assertEq(executed, bounded && affordable, "executed");
        if (!executed) _assertUnchanged(s, before);
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
    }

    function testFuzz_execute_decimals(uint8 tokenDecimals, uint8 feedDecimals) public {
        tokenDecimals = uint8(_fold(tokenDecimals, 0, 20));
        feedDecimals = uint8(_fold(feedDecimals, 0, 18));
        TestToken token = new TestToken(tokenDecimals);
        token.mint(address(account), 10 * 10 ** tokenDecimals);
        DecimalFeed feed = new DecimalFeed(feedDecimals, int256(3 * 10 ** feedDecimals));
        Submission memory s = _draft(_mandate());
        s.mandate.feeds[0].aggregator = address(feed);
        s.mandate.feeds[0].decimals = feedDecimals;
        s.mandate.tracked[0] = Tracked(address(token), 0, tokenDecimals, false);
        uint256 amount = 2 * 10 ** tokenDecimals;
        s.calls[0] = Call(
            address(venue),
            0,
            abi.encodeCall(Venue.trade, (address(token), amount, address(usdc), 0)),
            address(token),
            amount
        );
        s.bounds = new int256[](4);
        s.bounds[0] = -int256(amount);
        _regrant(s);
        _execute(s);
        vm.assertEq(_unaudited(s.decision.mandate), 6 * DOLLAR, "outflow");
    }
}
