// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Call} from "../types/Call.sol";
import {IRule} from "./IRule.sol";

/// @title RecipientIsListed
/// @notice Certain arguments of certain functions are among the recipients that the owner lists: who
///         tokens are transferred to, who a payment is made out to. A call that is too short to have
///         the argument is refused. Functions without an entry are the allow-list's business alone;
///         an account that may also be paid itself is listed like everybody else.
///
///         Terms: `abi.encode(Place[], address[])`. A place is the word's number after the selector,
///         from 0, in the calldata as it is: arguments of static tuples are words of their own.
contract RecipientIsListed is IRule {
    /* TYPES */

    /// @param target Contract called.
    /// @param selector Its function.
    /// @param word Number of the word that must be a listed recipient.
    struct Place {
        address target;
        bytes4 selector;
        uint16 word;
    }

    /// @notice Terms without a place would check nothing, terms without a recipient let nothing pass.
    /// @dev Name at least one of each.
    error NothingListed(uint256 places, uint256 recipients);
    /// @notice Nobody owns the zero address; what is sent there is gone.
    /// @dev List accounts that somebody owns.
    error RecipientZero(uint256 index);
    /// @notice The argument is nobody on the list.
    /// @dev Pay a listed recipient, or grant a mandate that lists this one.
    error RecipientNotListed(uint256 call, uint16 word, bytes32 got);
    /// @notice The call has no such argument.
    /// @dev Check the place, or the call.
    error RecipientMissing(uint256 call, uint16 word, uint256 length);

    /* EXTERNAL */

    /// @inheritdoc IRule
    function checkTerms(address, bytes calldata data) external pure returns (bytes4) {
        (Place[] memory places, address[] memory recipients) =
            abi.decode(data, (Place[], address[]));
        if (places.length == 0 || recipients.length == 0) {
            revert NothingListed(places.length, recipients.length);
        }
        for (uint256 i = 0; i < recipients.length; i++) {
            if (recipients[i] == address(0)) revert RecipientZero(i);
        }
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata act, bytes calldata data) external pure returns (bytes4) {
        (Place[] memory places, address[] memory recipients) =
            abi.decode(data, (Place[], address[]));
        for (uint256 i = 0; i < act.calls.length; i++) {
            Call calldata item = act.calls[i];
            for (uint256 j = 0; j < places.length; j++) {
                if (places[j].target == item.target && places[j].selector == bytes4(item.data)) {
                    _check(i, item.data, places[j].word, recipients);
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

    function _check(uint256 index, bytes calldata data, uint16 word, address[] memory recipients)
        private
        pure
    {
        uint256 start = 4 + uint256(word) * 32;
        if (data.length < start + 32) revert RecipientMissing(index, word, data.length);
        bytes32 got = bytes32(data[start:start + 32]);
        for (uint256 i = 0; i < recipients.length; i++) {
            // The whole word: upper bytes that a careless target would cut off count as well.
            if (got == bytes32(uint256(uint160(recipients[i])))) return;
        }
        revert RecipientNotListed(index, word, got);
    }
}
