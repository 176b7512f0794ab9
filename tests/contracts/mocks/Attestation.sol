// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Json} from "../../../contracts/attestation/Json.sol";
import {P256} from "../../../contracts/attestation/P256.sol";
import {TcbComponents} from "../../../contracts/attestation/TcbComponents.sol";
import {UnixTime} from "../../../contracts/attestation/UnixTime.sol";
import {Words} from "../../../contracts/attestation/Words.sol";

/// @title The attestation contracts' internal functions, one by one.
contract AttestationParts {
    function verifyP256(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y)
        external
        view
        returns (bool)
    {
        return P256.verify(digest, r, s, x, y);
    }

    function load(bytes calldata data, uint256 at) external pure returns (bytes32, bytes32) {
        return (Words.load(data, at), Words.loadPlainly(data, at));
    }

    function reach(bytes32 have, bytes32 need) external pure returns (bool) {
        return TcbComponents.reach(have, need);
    }

    function fromCalendar(uint256 day, uint256 time) external pure returns (bool, uint64) {
        return UnixTime.fromCalendar(day, time);
    }

    function skipString(bytes calldata text, uint256 at) external pure returns (uint256) {
        return Json.skipString(text, at);
    }

    function skipDate(bytes calldata text, uint256 at) external pure returns (uint256) {
        return Json.skipDate(text, at);
    }

    function number(bytes calldata text, uint256 at, uint256 limit)
        external
        pure
        returns (uint256, uint256)
    {
        return Json.number(text, at, limit);
    }
}
