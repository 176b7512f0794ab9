// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {Feed, Mandate, Tracked} from "./types/Mandate.sol";

/// @title Prices, values and balances.
/// @notice A value is an amount of the feeds' quote currency with 8 decimals. Rounding is always
///         against the decision: risk and losses up, gains down.
library Values {
    uint256 private constant VALUE_DECIMALS = 8;

    /// @dev Largest amount of base units and largest feed answer: their product, times 10^8, fits a
    ///      word, and no real token or price comes near.
    uint256 private constant MAX_AMOUNT = type(uint128).max;
    uint256 private constant MAX_PRICE = type(uint96).max;

    /// @dev Stands for a balance that the token does not tell.
    uint256 private constant UNREADABLE = type(uint256).max;

    /// @dev Fresh prices of all feeds, in the mandate's order.
    function prices(Feed[] calldata feeds) internal view returns (uint256[] memory answers) {
        answers = new uint256[](feeds.length);
        for (uint256 i = 0; i < feeds.length; i++) {
            answers[i] = _price(feeds[i]);
        }
    }

    /// @dev Σ value of what the bounds permit to fall.
    function atRisk(Mandate calldata mandate, int256[] calldata bounds, uint256[] memory answers)
        internal
        pure
        returns (uint256 value)
    {
        for (uint256 i = 0; i < bounds.length; i++) {
            // Gains promise nothing: only what may be lost counts.
            if (bounds[i] < 0) value += _loss(mandate, i, bounds[i], answers);
        }
    }

    /// @dev Σ value of measured changes, losses rounded up and gains down.
    function ofChanges(Mandate calldata mandate, int256[] memory changes, uint256[] memory answers)
        internal
        pure
        returns (int256 value)
    {
        for (uint256 i = 0; i < changes.length; i++) {
            if (changes[i] < 0) {
                value -= int256(_loss(mandate, i, changes[i], answers));
            } else if (changes[i] > 0) {
                (uint256 whole,) = _value(mandate, i, uint256(changes[i]), answers);
                value += int256(whole);
            }
        }
    }

    /// @dev The account's balance of every tracked entry, in base units.
    function balances(Tracked[] calldata tracked, address account)
        internal
        view
        returns (uint256[] memory amounts)
    {
        amounts = new uint256[](tracked.length);
        for (uint256 i = 0; i < tracked.length; i++) {
            amounts[i] = _balance(tracked[i].token, account);
        }
    }

    function _loss(Mandate calldata mandate, uint256 index, int256 change, uint256[] memory answers)
        private
        pure
        returns (uint256)
    {
        // Two's complement negation, which is right for the least integer as well.
        uint256 amount;
        unchecked {
            amount = uint256(-change);
        }
        (uint256 whole, bool remainder) = _value(mandate, index, amount, answers);
        return remainder ? whole + 1 : whole;
    }

    /// @dev amount · price in value units: the whole part, and whether anything is cut off.
    function _value(
        Mandate calldata mandate,
        uint256 index,
        uint256 amount,
        uint256[] memory answers
    ) private pure returns (uint256 whole, bool remainder) {
        if (amount > MAX_AMOUNT) {
            revert IDecisionGate.AmountTooLarge(amount, MAX_AMOUNT);
        }
        Tracked calldata entry = mandate.tracked[index];
        uint256 decimals = uint256(entry.decimals) + mandate.feeds[entry.feed].decimals;
        uint256 product = amount * answers[entry.feed];
        if (decimals <= VALUE_DECIMALS) {
            return (product * 10 ** (VALUE_DECIMALS - decimals), false);
        }
        uint256 unit = 10 ** (decimals - VALUE_DECIMALS);
        return (product / unit, product % unit != 0);
    }

    function _price(Feed calldata feed) private view returns (uint256) {
        // latestRoundData() returns (roundId, answer, startedAt, updatedAt, answeredInRound).
        (bool success, bytes memory result) = BoundedCall.staticCall(
            feed.aggregator, abi.encodeWithSignature("latestRoundData()"), 160
        );
        if (!success || result.length < 160) {
            revert IDecisionGate.PriceInvalid(feed.aggregator, 0, 0);
        }
        (, int256 answer,, uint256 updatedAt,) =
            abi.decode(result, (uint256, int256, uint256, uint256, uint256));
        if (answer <= 0 || uint256(answer) > MAX_PRICE || updatedAt > block.timestamp) {
            revert IDecisionGate.PriceInvalid(feed.aggregator, answer, updatedAt);
        }
        if (block.timestamp - updatedAt >= feed.maxAge) {
            revert IDecisionGate.PriceStale(feed.aggregator, updatedAt, updatedAt + feed.maxAge);
        }
        return uint256(answer);
    }

    function _balance(address token, address account) private view returns (uint256) {
        if (token == address(0)) return account.balance;
        (bool success, bytes memory result) = BoundedCall.staticCall(
            token, abi.encodeWithSignature("balanceOf(address)", account), 32
        );
        uint256 amount = success && result.length == 32 ? abi.decode(result, (uint256)) : UNREADABLE;
        // So that differences of balances are exact signed integers.
        if (amount > uint256(type(int256).max)) revert IDecisionGate.BalanceUnreadable(token);
        return amount;
    }
}
