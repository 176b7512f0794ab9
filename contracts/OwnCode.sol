// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Contracts, told from accounts of keys.
library OwnCode {
    /// @dev What the code of an account begins with that delegates to another's (EIP-7702), and
    ///      how long it is: a key's owner changes it at will.
    bytes3 private constant DELEGATION = 0xef0100;
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @dev Whether `place` has code that no key can exchange.
    function at(address place) internal view returns (bool) {
        uint256 length = place.code.length;
        if (length == DELEGATION_LENGTH) return bytes3(place.code) != DELEGATION;
        return length != 0;
    }
}
