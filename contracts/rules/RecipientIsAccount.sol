// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Call} from "../types/Call.sol";
import {IRule} from "./IRule.sol";

/// @title RecipientIsAccount
/// @notice Certain arguments of certain functions are the account itself: the recipient of a swap, the
///         owner of a deposit, the borrower of a loan. A call that is too short to have the argument
///         is refused. Functions without an entry are the allow-list's business alone.
///
///         Terms: `abi.encode(Place[])`. A place is the word's number after the selector, from 0, in
///         the calldata as it is: arguments of static tuples are words of their own.
contract RecipientIsAccount is IRule {
    /* TYPES */

    /// @param target Contract called.
    /// @param selector Its function.
    /// @param word Number of the word that must be the account.
    struct Place {
        address target;
        bytes4 selector;
        uint16 word;
    }

    /// @notice Terms without a place would check nothing.
    /// @dev Name at least one.
    error NoPlace();
    /// @notice The argument is somebody else.
    /// @dev Let the proceeds come to the account.
    error RecipientNotAccount(uint256 call, uint16 word, bytes32 got, address account);
    /// @notice The call has no such argument.
    /// @dev Check the place, or the call.
    error ArgumentMissing(uint256 call, uint16 word, uint256 length);

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address, bytes calldata data) external pure returns (bytes4) {
        if (abi.decode(data, (Place[])).length == 0) revert NoPlace();
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata act, bytes calldata data) external pure returns (bytes4) {
        Place[] memory places = abi.decode(data, (Place[]));
        for (uint256 i = 0; i < act.calls.length; i++) {
            Call calldata item = act.calls[i];
            for (uint256 j = 0; j < places.length; j++) {
                if (places[j].target == item.target && places[j].selector == bytes4(item.data)) {
                    _check(i, item.data, places[j].word, act.account);
                }
            }
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

    /* INTERNAL */

    function _check(uint256 index, bytes calldata data, uint16 word, address account) private pure {
        uint256 start = 4 + uint256(word) * 32;
        if (data.length < start + 32) revert ArgumentMissing(index, word, data.length);
        bytes32 got = bytes32(data[start:start + 32]);
        if (got != bytes32(uint256(uint160(account)))) {
            revert RecipientNotAccount(index, word, got, account);
        }
    }
}
