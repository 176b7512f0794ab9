// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRule} from "./IRule.sol";

/// @title As much of a Uniswap v3 pool as the rule asks.
interface IPriceObserver {
    /// @notice First token, by address.
    function token0() external view returns (address);
    /// @notice Second token.
    function token1() external view returns (address);
    /// @notice Sums of ticks over time, as of so many seconds ago.
    function observe(uint32[] calldata secondsAgos)
        external
        view
        returns (int56[] memory tickCumulatives, uint160[] memory secondsPerLiquidity);
}

/// @title As much of a price feed and of a token as the rule asks.
interface IAnswer {
    /// @notice Decimals of answers, or of a token.
    function decimals() external view returns (uint8);
    /// @notice The latest answer.
    function latestRoundData()
        external
        view
        returns (uint80, int256 answer, uint256, uint256 updatedAt, uint80);
}

/// @title OracleAgainstTwap
/// @notice Before every decision, the price that two feeds give for a pool's tokens and the pool's own
///         average over the last while are within so many basis points of one another: a feed that
///         broke and a pool that somebody pushed both stop the mandate. The average moves by
///         1/window of a push for each second that it lasts.
///
///         Terms: `abi.encode(Terms)`.
/// Warning: the pool must remember as much as the window is long
///          (`increaseObservationCardinalityNext`); where it does not, the rule refuses.
contract OracleAgainstTwap is IRule {
    /* TYPES */

    /// @param pool Uniswap v3 pool.
    /// @param feed0 Feed of the pool's first token.
    /// @param feed1 Feed of the second, in the same quote currency.
    /// @param window Seconds that are averaged, at least half an hour.
    /// @param maxAge Seconds after which an answer of either feed is stale.
    /// @param maxDeviation Basis points of the feeds' price, 1 to 5 000.
    /// @param up Decimals of the second feed and the second token, added up.
    /// @param down Decimals of the first feed and the first token, added up.
    struct Terms {
        address pool;
        address feed0;
        address feed1;
        uint32 window;
        uint32 maxAge;
        uint16 maxDeviation;
        uint8 up;
        uint8 down;
    }

    uint32 private constant LEAST_WINDOW = 30 minutes;
    uint16 private constant MOST_DEVIATION = 5000;
    uint256 private constant BASIS = 10_000;

    /// @dev Ticks beyond which a price has too few digits here: 2^64 to one.
    uint256 private constant MOST_TICK = 443_636;

    /// @dev Largest answer: its product with 10^48 fits a word.
    uint256 private constant MOST_ANSWER = type(uint96).max;
    uint256 private constant MOST_DECIMALS = 48;

    /// @notice Window, deviation or decimals make no sense, or are not the contracts' own.
    /// @dev At least half an hour; 1 to 5 000 basis points; decimals as they are.
    error TermsInvalid(uint256 window, uint256 deviation, uint256 up, uint256 down);
    /// @notice A feed gives no usable price.
    /// @dev Wait for the feed.
    error AnswerUnusable(address feed, int256 answer, uint256 updatedAt);
    /// @notice The price is so high or low that it has too few digits.
    /// @dev Use a pool of tokens of comparable units.
    error PriceOutOfRange(int256 tick);
    /// @notice Feeds and pool disagree. Prices of the first token in the second's base units, times
    ///         2^128.
    /// @dev Wait until they agree; find out which of them is wrong.
    error PricesDisagree(uint256 oracle, uint256 average, uint256 maxDeviation);

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address, bytes calldata data) external view returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        IPriceObserver pool = IPriceObserver(terms.pool);
        uint256 up = uint256(IAnswer(terms.feed1).decimals()) + IAnswer(pool.token1()).decimals();
        uint256 down = uint256(IAnswer(terms.feed0).decimals()) + IAnswer(pool.token0()).decimals();
        if (
            terms.window < LEAST_WINDOW || terms.maxDeviation == 0
                || terms.maxDeviation > MOST_DEVIATION || terms.up != up || terms.down != down
                || up > MOST_DECIMALS || down > MOST_DECIMALS
        ) revert TermsInvalid(terms.window, terms.maxDeviation, up, down);
        averageOf(terms.pool, terms.window);
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata, bytes calldata data) external view returns (bytes4) {
        Terms memory terms = abi.decode(data, (Terms));
        uint256 oracle = _ratio(
            _answer(terms.feed0, terms.maxAge) * 10 ** terms.up,
            _answer(terms.feed1, terms.maxAge) * 10 ** terms.down
        );
        uint256 average = averageOf(terms.pool, terms.window);
        uint256 apart = average > oracle ? average - oracle : oracle - average;
        if (apart * BASIS > oracle * terms.maxDeviation) {
            revert PricesDisagree(oracle, average, terms.maxDeviation);
        }
        return this.beforeCalls.selector;
    }

    /// @inheritdoc IRule
    function afterCalls(Act calldata, bytes calldata, int256[] calldata, int256)
        external
        pure
        returns (bytes4)
    {
        return this.afterCalls.selector;
    }

    /* VIEWS */

    /// @notice A pool's average price over the last `window` seconds: base units of the second token
    ///         for one of the first, times 2^128.
    function averageOf(address pool, uint32 window) public view returns (uint256) {
        uint32[] memory moments = new uint32[](2);
        moments[0] = window;
        (int56[] memory sums,) = IPriceObserver(pool).observe(moments);
        int256 change = int256(sums[1]) - sums[0];
        int256 tick = change / int256(uint256(window));
        // Towards the lower tick, as the pool rounds.
        if (change < 0 && change % int256(uint256(window)) != 0) tick--;
        return priceAt(tick);
    }

    /// @notice 1.0001^tick, times 2^128.
    /// @dev By squaring: bit i of the tick multiplies by 1.0001^-(2^i). The constants are these
    ///      powers times 2^128, rounded; `tests/vectors/ticks.json` has prices of many ticks.
    function priceAt(int256 tick) public pure returns (uint256 price) {
        uint256 size = tick < 0 ? uint256(-tick) : uint256(tick);
        if (size > MOST_TICK) revert PriceOutOfRange(tick);
        uint128[19] memory powers = [
            0xfff97272373d413259a46990580e213a,
            0xfff2e50f5f656932ef12357cf3c7fdcc,
            0xffe5caca7e10e4e61c3624eaa0941cd0,
            0xffcb9843d60f6159c9db58835c926644,
            0xff973b41fa98c081472e6896dfb254c0,
            0xff2ea16466c96a3843ec78b326b52861,
            0xfe5dee046a99a2a811c461f1969c3053,
            0xfcbe86c7900a88aedcffc83b479aa3a4,
            0xf987a7253ac413176f2b074cf7815e54,
            0xf3392b0822b70005940c7a398e4b70f3,
            0xe7159475a2c29b7443b29c7fa6e889d9,
            0xd097f3bdfd2022b8845ad8f792aa5825,
            0xa9f746462d870fdf8a65dc1f90e061e5,
            0x70d869a156d2a1b890bb3df62baf32f7,
            0x31be135f97d08fd981231505542fcfa6,
            0x09aa508b5b7a84e1c677de54f3e99bc9,
            0x005d6af8dedb81196699c329225ee604,
            0x00002216e584f5fa1ea926041bedfe98,
            0x00000000048a170391f7dc42444e8fa2
        ];
        price = 1 << 128;
        for (uint256 i = 0; i < 19; i++) {
            if (size >> i & 1 == 1) price = price * powers[i] >> 128;
        }
        if (tick > 0) price = type(uint256).max / price;
    }

    /* INTERNAL */

    function _answer(address feed, uint32 maxAge) private view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = IAnswer(feed).latestRoundData();
        if (
            answer <= 0 || uint256(answer) > MOST_ANSWER || updatedAt > block.timestamp
                || block.timestamp - updatedAt >= maxAge
        ) revert AnswerUnusable(feed, answer, updatedAt);
        return uint256(answer);
    }

    /// @dev numerator · 2^128 / denominator; both are shortened to what fits.
    function _ratio(uint256 numerator, uint256 denominator) private pure returns (uint256) {
        uint256 shift = 0;
        while (numerator >> shift > type(uint120).max) shift += 8;
        denominator >>= shift;
        if (denominator >> 24 == 0) revert PriceOutOfRange(int256(MOST_TICK));
        return ((numerator >> shift) << 128) / denominator;
    }
}
