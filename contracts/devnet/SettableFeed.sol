// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A price feed of Chainlink's shape whose answer its owner sets.
/// @notice For local chains and tests only. The owner may set any answer at any age, also zero,
/// negative and stale ones: attacks need them, and judging an answer is the reader's duty.
/// Only the latest round is kept. Nothing but the deployer's key can change an answer.
/// @dev Shape: `AggregatorV3Interface` of Chainlink, and `latestAnswer` of its older
/// `AggregatorInterface`, which Aave v3's oracle reads.
contract SettableFeed {
    /* EVENTS AND ERRORS */

    /// @notice A new answer was set.
    /// @param current The answer, `decimals` decimals.
    /// @param roundId The round it belongs to, rising by one each time.
    /// @param updatedAt Unix seconds, as the owner stated them.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    /// @notice Only the owner may set an answer.
    error NotOwner(address caller, address owner);

    /// @notice The round asked for is not kept; only `latest` is.
    error RoundNotKept(uint80 roundId, uint80 latest);

    /* STORAGE */

    /// @notice The only address that may set answers: the deployer.
    address public immutable owner;

    /// @notice Decimals of the answer.
    uint8 public immutable decimals;

    /// @notice Version of the aggregator's shape.
    uint256 public constant version = 1;

    /// @notice What the answer quotes, as "WETH / USD".
    string public description;

    uint80 private _round;
    uint64 private _updatedAt;
    int256 private _answer;

    /* CONSTRUCTOR */

    /// @param decimals_ Decimals of every answer.
    /// @param description_ What the answer quotes.
    /// @param answer First answer; its age counts from the deployment's block.
    constructor(uint8 decimals_, string memory description_, int256 answer) {
        owner = msg.sender;
        decimals = decimals_;
        description = description_;
        _store(answer, uint64(block.timestamp));
    }

    /* OWNER */

    /// @notice Sets the answer and the time at which it claims to have been updated.
    /// @param answer Any number, `decimals` decimals.
    /// @param updatedAt Unix seconds, in the past or not.
    function set(int256 answer, uint64 updatedAt) external {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        _store(answer, updatedAt);
    }

    /* VIEWS */

    /// @notice The latest round, as Chainlink returns it.
    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        return (_round, _answer, _updatedAt, _updatedAt, _round);
    }

    /// @notice The same for a round by number; only the latest is kept.
    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80)
    {
        if (roundId != _round) revert RoundNotKept(roundId, _round);
        return (_round, _answer, _updatedAt, _updatedAt, _round);
    }

    /// @notice The latest answer alone.
    function latestAnswer() external view returns (int256) {
        return _answer;
    }

    /* INTERNAL */

    function _store(int256 answer, uint64 updatedAt) internal {
        _round += 1;
        _answer = answer;
        _updatedAt = updatedAt;
        emit AnswerUpdated(answer, _round, updatedAt);
    }
}
