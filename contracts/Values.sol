// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {Entry, FEEDS, KeptMandate, TRACKED} from "./types/KeptMandate.sol";

/// @title Prices, values and balances.
/// @notice A value is an amount of the feeds' quote currency with 8 decimals. Rounding is always
///         against the decision: risk and losses up, gains down.
///
///         A feed is asked only where its price decides something, and before any call is made: for
///         the entries whose bounds are not zero, where at least one of them may fall. Where
///         nothing may fall, nothing can be lost, whatever prices are; a gain that was not sworn to
///         counts nothing. (ADR 23)
library Values {
    uint256 private constant VALUE_DECIMALS = 8;

    /// @dev Largest amount of base units and largest feed answer: their product, times 10^8, fits a
    ///      word, and no real token or price comes near.
    uint256 private constant MAX_AMOUNT = type(uint128).max;
    uint256 private constant MAX_PRICE = type(uint96).max;

    /// @dev Σ value of what the bounds permit to fall, and the prices that measure it.
    /// @return value The sum.
    /// @return answers Answer per feed; 0 where it was not asked. Empty where nothing may fall.
    function atRisk(KeptMandate mandate, int256[] calldata bounds)
        internal
        view
        returns (uint256 value, uint256[] memory answers)
    {
        if (!_anyFalls(bounds)) return (0, answers);
        answers = new uint256[](mandate.count(FEEDS));
        for (uint256 i = 0; i < bounds.length; i++) {
            int256 bound = bounds[i];
            if (bound == 0) continue;
            uint256 feed = mandate.word(TRACKED, i, 1);
            uint256 answer = answers[feed];
            if (answer == 0) {
                Entry asked = mandate.entry(FEEDS, feed);
                answer = _price(address(uint160(asked.field(0))), asked.field(2));
                answers[feed] = answer;
            }
            // Gains promise nothing: only what may be lost counts.
            if (bound < 0) value += uint256(-ofChange(mandate, i, bound, answer));
        }
    }

    /// @dev Value of one measured change: a loss rounded up, a gain down.
    function ofChange(KeptMandate mandate, uint256 index, int256 change, uint256 answer)
        internal
        pure
        returns (int256)
    {
        // Two's complement negation, which is right for the least integer as well.
        uint256 amount = uint256(change);
        unchecked {
            if (change < 0) amount = 0 - amount;
        }
        if (amount > MAX_AMOUNT) revert IDecisionGate.AmountTooLarge(amount, MAX_AMOUNT);
        Entry tracked = mandate.entry(TRACKED, index);
        uint256 decimals = tracked.field(2) + mandate.word(FEEDS, tracked.field(1), 1);
        uint256 product = amount * answer;
        uint256 value;
        if (decimals <= VALUE_DECIMALS) {
            value = product * 10 ** (VALUE_DECIMALS - decimals);
        } else {
            uint256 unit = 10 ** (decimals - VALUE_DECIMALS);
            value = product / unit;
            if (change < 0 && product % unit != 0) value++;
        }
        return change < 0 ? -int256(value) : int256(value);
    }

    /// @dev The account's balance of tracked entry number `index`, in base units; what it owes, for
    ///      a debt, as a negative number: so a fall is a loss for either.
    function balance(KeptMandate mandate, uint256 index, address account)
        internal
        view
        returns (int256 amount)
    {
        Entry tracked = mandate.entry(TRACKED, index);
        address token = address(uint160(tracked.field(0)));
        if (token == address(0)) return int256(account.balance);
        (bool success, bytes memory result) = BoundedCall.staticCall(
            token, abi.encodeWithSignature("balanceOf(address)", account), 32
        );
        amount = int256(uint256(bytes32(result)));
        // Positive, so that differences of balances are exact signed integers.
        if (!success || result.length != 32 || amount < 0) {
            revert IDecisionGate.BalanceUnreadable(token);
        }
        if (tracked.field(3) != 0) amount = -amount;
    }

    function _anyFalls(int256[] calldata bounds) private pure returns (bool) {
        for (uint256 i = 0; i < bounds.length; i++) {
            if (bounds[i] < 0) return true;
        }
        return false;
    }

    function _price(address feed, uint256 maxAge) private view returns (uint256) {
        // latestRoundData() returns (roundId, answer, startedAt, updatedAt, answeredInRound).
        (bool success, bytes memory result) =
            BoundedCall.staticCall(feed, abi.encodeWithSignature("latestRoundData()"), 160);
        if (!success || result.length < 160) revert IDecisionGate.PriceInvalid(feed, 0, 0);
        (, int256 answer,, uint256 updatedAt,) =
            abi.decode(result, (uint256, int256, uint256, uint256, uint256));
        if (answer <= 0 || uint256(answer) > MAX_PRICE || updatedAt > block.timestamp) {
            revert IDecisionGate.PriceInvalid(feed, answer, updatedAt);
        }
        if (block.timestamp - updatedAt >= maxAge) {
            revert IDecisionGate.PriceStale(feed, updatedAt, updatedAt + maxAge);
        }
        return uint256(answer);
    }
}
