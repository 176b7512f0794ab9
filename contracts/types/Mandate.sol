// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice A node key permitted by name.
/// @param key Address of the node's signing key.
/// @param tier 0 dev, 1 named by the owner; a name never gives more.
struct NodePermit {
    address key;
    uint8 tier;
}

/// @notice A measured program whose keys are permitted, and who is believed about the measurement.
/// @param attestation Contract that implements `IAttestation`.
/// @param measurement Hash of what must be measured, as that contract defines it.
struct Workload {
    address attestation;
    bytes32 measurement;
}

/// @notice What proof a decision needs while the unaudited outflow is at most `limit`.
/// @param limit Value, inclusive: unaudited outflow plus the decision's own value at risk.
/// @param tier Least tier of the node's key.
/// @param endorsements Distinct endorsers needed.
/// @param delay Seconds between queueing and execution.
struct Rung {
    uint256 limit;
    uint8 tier;
    uint8 endorsements;
    uint32 delay;
}

/// @notice One (target, selector) that calls may use.
/// @param target Contract.
/// @param selector First four bytes of the calldata.
struct Permission {
    address target;
    bytes4 selector;
}

/// @notice A Chainlink-shaped price feed.
/// @param aggregator Contract with `decimals()` and `latestRoundData()`.
/// @param decimals Decimals of its answers; compared with the feed's own at grant.
/// @param maxAge Seconds after `updatedAt` at which an answer is stale (exclusive).
struct Feed {
    address aggregator;
    uint8 decimals;
    uint32 maxAge;
}

/// @notice A token whose balance is measured before and after.
/// @param token ERC-20 address, or the zero address for the native currency.
/// @param feed Index into the mandate's feeds.
/// @param decimals Decimals of the token; compared with the token's own at grant.
/// @param debt True for a debt token: its rise is a loss.
struct Tracked {
    address token;
    uint8 feed;
    uint8 decimals;
    bool debt;
}

/// @notice An optional extra check before and after the calls.
/// @param target Contract that implements `IRule`.
/// @param data The rule's terms, as it defines them.
struct Rule {
    address target;
    bytes data;
}

/// @notice An account owner's grant. The gate keeps it in full and knows it by its id; nothing in it
///         ever changes in place. A *value* is an amount of the feeds' quote currency with 8
///         decimals.
/// @param account The account whose money it is; offers the Safe's module interface.
/// @param operator Only this address may submit; zero: anyone may.
/// @param guardian May stop the mandate for a time and cancel queued decisions; zero: nobody.
/// @param program Hash of the program manifest.
/// @param model Root of the model commitment.
/// @param engine Hash of the engine manifest.
/// @param cadence Blocks per slot.
/// @param expiry Unix seconds, exclusive: from this second on nothing executes.
/// @param maxLoss Value: most that one decision may lose at feed prices.
/// @param recordHolds True: a decision without calls may be recorded on chain.
/// @param quorum How many endorsers a checkpoint or a verdict takes; 0 where there are none.
/// @param salt Makes two otherwise equal grants different.
/// @param nodes Keys permitted by name.
/// @param workloads Measured programs whose keys are permitted.
/// @param endorsers Who may endorse, audit and cancel; ascending.
/// @param ladder Rungs of proof, by unaudited outflow.
/// @param allowList The only (target, selector) pairs that calls may use.
/// @param feeds Price feeds, all in one quote currency.
/// @param tracked Assets and debts measured around every execution.
/// @param rules Extra checks, asked in this order.
struct Mandate {
    address account;
    address operator;
    address guardian;
    bytes32 program;
    bytes32 model;
    bytes32 engine;
    uint32 cadence;
    uint64 expiry;
    uint256 maxLoss;
    bool recordHolds;
    uint8 quorum;
    bytes32 salt;
    NodePermit[] nodes;
    Workload[] workloads;
    address[] endorsers;
    Rung[] ladder;
    Permission[] allowList;
    Feed[] feeds;
    Tracked[] tracked;
    Rule[] rules;
}

/// @dev What the mandate's bytes are preceded by where they become a contract's code: copy all that
///      follows these eleven bytes, and return it.
bytes11 constant MANDATE_PREFIX = hex"600b380380600b5f395ff3";

/// @dev The mandate's id: hash of the init code that keeps it, so that its place follows from it.
function hashMandate(Mandate memory mandate) pure returns (bytes32) {
    return keccak256(bytes.concat(MANDATE_PREFIX, abi.encode(mandate)));
}
