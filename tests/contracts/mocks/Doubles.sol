// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

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
