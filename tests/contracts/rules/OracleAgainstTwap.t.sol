// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SettableFeed} from "../../../contracts/devnet/SettableFeed.sol";
import {IRule} from "../../../contracts/rules/IRule.sol";
import {OracleAgainstTwap} from "../../../contracts/rules/OracleAgainstTwap.sol";
import {RuleFixture} from "./RuleFixture.sol";

/// @title A pool that remembers one average tick.
contract ObserverDouble {
    address public token0;
    address public token1;
    int56 private _tick;
    int56 private _rest;

    constructor(address token0_, address token1_) {
        (token0, token1) = (token0_, token1_);
    }

    /// @dev `rest` seconds' worth of ticks more than a whole number of them.
    function set(int56 tick, int56 rest) external {
        (_tick, _rest) = (tick, rest);
    }

    function observe(uint32[] calldata ago)
        external
        view
        returns (int56[] memory sums, uint160[] memory)
    {
        require(ago.length == 2 && ago[1] == 0, "moments");
        require(ago[0] <= 1 days, "OLD");
        sums = new int56[](2);
        sums[0] = 1000;
        sums[1] = 1000 + _tick * int56(uint56(ago[0])) + _rest;
        return (sums, new uint160[](2));
    }
}

contract OracleAgainstTwapTest is RuleFixture {
    /// @dev WETH (18 decimals) at 2 000 USDC (6): 2·10^-9 base units of USDC for one of WETH.
    int56 private constant FAIR = -200_312;

    OracleAgainstTwap private rule;
    ObserverDouble private pool;

    function setUp() public override {
        super.setUp();
        rule = new OracleAgainstTwap();
        pool = new ObserverDouble(address(weth), address(usdc));
        pool.set(FAIR, 0);
    }

    /* ATTACKS FIRST */

    function test_execute_reverts_whenTheFeedIsOff() public {
        Submission memory s = _under(address(rule), _terms(100));
        _execute(s);
        s = _another(100);
        int256[2] memory answers = [int256(1970 * DOLLAR), int256(2030 * DOLLAR)];
        for (uint256 i = 0; i < 2; i++) {
            wethFeed.set(answers[i], uint64(START_TIME));
            _refusesPrices(s);
        }
        wethFeed.set(int256(1985 * DOLLAR), uint64(START_TIME));
        _execute(s);
    }

    function test_execute_reverts_whenThePoolIsOff() public {
        Submission memory s = _under(address(rule), _terms(100));
        // One tick is one basis point.
        int56[2] memory ticks = [FAIR - 110, FAIR + 110];
        for (uint256 i = 0; i < 2; i++) {
            pool.set(ticks[i], 0);
            _refusesPrices(s);
        }
        pool.set(FAIR + 90, 0);
        _execute(s);
    }

    function test_execute_reverts_whenAFeedIsStaleOrSilent_alsoOneTheGateDoesNotAsk() public {
        Submission memory s = _under(address(rule), _terms(100));
        s.calls[0] = _sale(1e18, 0);
        s.bounds[1] = 0;
        _seal(s);
        usdcFeed.set(int256(DOLLAR), uint64(START_TIME - 2 hours));
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(
                OracleAgainstTwap.AnswerUnusable.selector,
                address(usdcFeed),
                int256(DOLLAR),
                START_TIME - 2 hours
            )
        );
        int256[3] memory answers = [int256(0), -1, type(int256).max];
        for (uint256 i = 0; i < 3; i++) {
            usdcFeed.set(answers[i], uint64(START_TIME));
            _ruleRefuses(
                s,
                address(rule),
                abi.encodeWithSelector(
                    OracleAgainstTwap.AnswerUnusable.selector,
                    address(usdcFeed),
                    answers[i],
                    START_TIME
                )
            );
        }
        vm.etch(address(usdcFeed), "");
        _ruleRefuses(s, address(rule), "");
    }

    function test_execute_reverts_whenThePoolIsSilent() public {
        Submission memory s = _under(address(rule), _terms(100));
        vm.etch(address(pool), "");
        _ruleRefuses(s, address(rule), "");
    }

    /* TERMS */

    function test_checkTerms_refusesNonsense() public {
        OracleAgainstTwap.Terms memory good = _fields(100);
        _termsRefused(address(rule), _with(good, 1799, 100, 14, 26), _invalid(1799, 100));
        _termsRefused(address(rule), _with(good, 1800, 0, 14, 26), _invalid(1800, 0));
        _termsRefused(address(rule), _with(good, 1800, 5001, 14, 26), _invalid(1800, 5001));
        _termsRefused(address(rule), _with(good, 1800, 100, 15, 26), _invalid(1800, 100));
        _termsRefused(address(rule), _with(good, 1800, 100, 14, 25), _invalid(1800, 100));
        // A pool that does not remember for so long refuses with its own words.
        _termsRefused(
            address(rule),
            _with(good, 1 days + 1, 100, 14, 26),
            abi.encodeWithSignature("Error(string)", "OLD")
        );
    }

    /* ARITHMETIC */

    function test_priceAt_isThatOfTheVectors() public view {
        string memory json = vm.readFile("tests/vectors/ticks.json");
        for (uint256 i = 0; i < 17; i++) {
            string memory at = string.concat("[", vm.toString(i), "]");
            int256 tick = vm.parseJsonInt(json, string.concat(at, ".tick"));
            uint256 exact = vm.parseJsonUint(json, string.concat(at, ".price"));
            uint256 price = rule.priceAt(tick);
            uint256 apart = price > exact ? price - exact : exact - price;
            vm.assertLe(apart, exact / 1e15, "price");
        }
    }

    function testFuzz_priceAt_risesByATenThousandthEach(int256 tick) public view {
        tick = int256(_fold(uint256(tick), 0, 887_270)) - 443_635;
        uint256 price = rule.priceAt(tick);
        uint256 next = rule.priceAt(tick + 1);
        vm.assertLe(price * 10_000_999 / 10_000_000, next, "too flat");
        vm.assertLe(next, price * 10_001_001 / 10_000_000, "too steep");
    }

    /// @dev By more than 2^96, which the digits of a ratio do not hold.
    function test_beforeCalls_reverts_whenTheFeedsAreTooFarApart() public {
        OracleAgainstTwap.Terms memory terms = abi.decode(_terms(100), (OracleAgainstTwap.Terms));
        (terms.up, terms.down) = (36, 0);
        IRule.Act memory act;
        vm.expectRevert(
            abi.encodeWithSelector(OracleAgainstTwap.PriceOutOfRange.selector, int256(443_636))
        );
        rule.beforeCalls(act, abi.encode(terms));
    }

    function test_priceAt_reverts_whereThereAreTooFewDigits() public {
        int256[3] memory ticks = [int256(443_637), -443_637, 887_272];
        for (uint256 i = 0; i < 3; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(OracleAgainstTwap.PriceOutOfRange.selector, ticks[i])
            );
            rule.priceAt(ticks[i]);
        }
    }

    /// @dev As the pool does: an average between two ticks is the lower one, below zero as well.
    function test_averageOf_roundsDown() public {
        pool.set(-5, -1);
        vm.assertEq(rule.averageOf(address(pool), 1800), rule.priceAt(-6), "below");
        pool.set(-5, 0);
        vm.assertEq(rule.averageOf(address(pool), 1800), rule.priceAt(-5), "even");
        pool.set(5, 1);
        vm.assertEq(rule.averageOf(address(pool), 1800), rule.priceAt(5), "above");
        pool.set(0, -1799);
        vm.assertEq(rule.averageOf(address(pool), 1800), rule.priceAt(-1), "just below");
    }

    /// @dev Feeds whose price has too few digits here are refused, not rounded.
    function test_beforeCalls_reverts_whenThePriceHasTooFewDigits() public {
        SettableFeed dear = new SettableFeed(18, "dear", int256(uint256(type(uint96).max)));
        SettableFeed cheap = new SettableFeed(0, "cheap", 1);
        OracleAgainstTwap.Terms memory terms = _fields(100);
        (terms.feed0, terms.feed1) = (address(dear), address(cheap));
        (terms.up, terms.down) = (6, 36);
        Submission memory s = _under(address(rule), abi.encode(terms));
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success,) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        _assertUnchanged(s, before);
    }

    /* SHAPES */

    function _refusesPrices(Submission memory s) private {
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        bytes memory whole = abi.encodePacked(reason);
        bytes4 inner;
        assembly {
            inner := mload(add(whole, 132))
        }
        vm.assertEq(inner, OracleAgainstTwap.PricesDisagree.selector, "reason");
        _assertUnchanged(s, before);
    }

    function _another(uint16 deviation) private returns (Submission memory s) {
        s = _draft(_ruled(address(rule), _terms(deviation)));
        s.mandate.salt = keccak256("another");
        _regrant(s);
    }

    function _fields(uint16 deviation) private view returns (OracleAgainstTwap.Terms memory) {
        return OracleAgainstTwap.Terms({
            pool: address(pool),
            feed0: address(wethFeed),
            feed1: address(usdcFeed),
            window: 1800,
            maxAge: 1 hours,
            maxDeviation: deviation,
            up: 14,
            down: 26
        });
    }

    function _terms(uint16 deviation) private view returns (bytes memory) {
        return abi.encode(_fields(deviation));
    }

    function _with(
        OracleAgainstTwap.Terms memory good,
        uint32 window,
        uint16 deviation,
        uint8 up,
        uint8 down
    ) private pure returns (bytes memory) {
        (good.window, good.maxDeviation, good.up, good.down) = (window, deviation, up, down);
        return abi.encode(good);
    }

    function _invalid(uint256 window, uint256 deviation) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                OracleAgainstTwap.TermsInvalid.selector, window, deviation, 14, 26
            );
    }
}
