// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRule} from "../../../contracts/rules/IRule.sol";

/// @title A block hash history that tells what it was given.
contract HistoryDouble {
    mapping(uint256 => bytes32) private _hashes;

    function set(uint256 number, bytes32 hash) external {
        _hashes[number] = hash;
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        bytes32 hash = _hashes[uint256(bytes32(data))];
        require(hash != 0);
        return abi.encode(hash);
    }
}

/// @title Tells decimals and balances until told not to; never an allowance.
contract MuteToken {
    uint8 public constant decimals = 18;
    bool private _hidden;

    function hide() external {
        _hidden = true;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function balanceOf(address) external view returns (uint256) {
        require(!_hidden);
        return 1e18;
    }
}

/// @title A feed of any decimals, always fresh.
contract DecimalFeed {
    uint8 public immutable decimals;
    int256 private immutable _answer;

    constructor(uint8 decimals_, int256 answer) {
        decimals = decimals_;
        _answer = answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer, block.timestamp, block.timestamp, 1);
    }
}

/// @title An attestation contract that attests what it is told to.
contract AttestationDouble {
    struct Attested {
        uint8 tier;
        uint64 validFrom;
        uint64 validUntil;
        uint64 revokedAt;
    }

    mapping(address => Attested) private _attested;

    function set(address key, uint8 tier, uint64 validFrom, uint64 validUntil, uint64 revokedAt)
        external
    {
        _attested[key] = Attested(tier, validFrom, validUntil, revokedAt);
    }

    function attestationOf(address key, bytes32 measurement)
        external
        view
        returns (uint8, uint64, uint64, uint64)
    {
        if (measurement != keccak256("measurement")) return (0, 0, 0, 0);
        Attested memory it = _attested[key];
        return (it.tier, it.validFrom, it.validUntil, it.revokedAt);
    }
}

/// @title A rule that says yes until told otherwise, and remembers what it was told.
contract RuleDouble is IRule {
    error Refused(string when);

    address public gate;
    bytes32 public mandate;
    bytes32 public digest;
    address public account;
    uint64 public slot;
    uint256 public valueAtRisk;
    bytes32 public calls;
    bytes32 public bounds;
    bytes public terms;
    bytes32 public changes;
    int256 public valueChange;
    uint256 public asked;
    bytes public answer;

    bool private _refusesBefore;
    bool private _refusesAfter;
    bool private _refusesTerms;
    address private _target;
    bytes private _message;

    function refuse(bool before, bool afterwards) external {
        (_refusesBefore, _refusesAfter) = (before, afterwards);
    }

    function refuseTerms(bool refused) external {
        _refusesTerms = refused;
    }

    /// @dev Call somebody when asked before.
    function call(address target, bytes calldata message) external {
        (_target, _message) = (target, message);
    }

    function checkTerms(address, bytes calldata) external view returns (bytes4) {
        if (_refusesTerms) revert Refused("terms");
        return this.checkTerms.selector;
    }

    function beforeCalls(Act calldata act, bytes calldata data) external returns (bytes4) {
        if (_refusesBefore) revert Refused("before");
        gate = msg.sender;
        mandate = act.mandate;
        digest = act.digest;
        account = act.account;
        slot = act.slot;
        valueAtRisk = act.valueAtRisk;
        calls = keccak256(abi.encode(act.calls));
        bounds = keccak256(abi.encode(act.bounds));
        terms = data;
        asked++;
        if (_target != address(0)) (, answer) = _target.call(_message);
        return this.beforeCalls.selector;
    }

    function afterCalls(
        Act calldata act,
        bytes calldata data,
        int256[] calldata changed,
        int256 value
    ) external returns (bytes4) {
        if (_refusesAfter) revert Refused("after");
        require(act.digest == digest && keccak256(data) == keccak256(terms), "another act");
        changes = keccak256(abi.encode(changed));
        valueChange = value;
        asked++;
        return this.afterCalls.selector;
    }
}
