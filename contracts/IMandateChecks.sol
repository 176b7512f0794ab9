// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Mandate} from "./types/Mandate.sol";

/// @title What must hold of a mandate when it is granted, and cannot change afterwards.
/// @notice A contract of its own, without state and without powers, which the gate asks once per
///         grant: so the gate that holds the money stays small. Whatever the gate cannot enforce is
///         refused here by name, never ignored.
interface IMandateChecks {
    /// @notice The mandate would be over before it is live.
    /// @dev Choose an `expiry` after now and the account's grant delay.
    error GrantExpired(uint64 expiry, uint256 liveFrom);
    /// @notice The slot's length in blocks is out of range.
    /// @dev At least 2 (an anchor must be a past block), at most what the chain tells the hashes of:
    ///      256 blocks, or 8191 where it has the history contract of EIP-2935.
    error CadenceOutOfRange(uint32 cadence, uint256 least, uint256 most);
    /// @notice A list of the mandate has more entries than the gate goes through.
    /// @dev Shorten it, or split the work over two mandates.
    error ListTooLong(string list, uint256 length, uint256 most);
    /// @notice The mandate permits no key.
    /// @dev Name one, or a workload.
    error NoNode();
    /// @notice A permitted key is the zero address or listed twice.
    /// @dev Remove it.
    error NodeKeyInvalid(address key);
    /// @notice A name alone cannot give this tier.
    /// @dev Permit named keys at tier 0 or 1.
    error NodeTierTooHigh(address key, uint8 tier, uint8 most);
    /// @notice A workload's contract has no code of its own, or does not answer `attestationOf`.
    /// @dev Name a deployed attestation contract (ADR 21).
    error AttestationUnusable(address attestation);
    /// @notice Endorsers must be ascending, each once, and not zero.
    /// @dev Sort them.
    error EndorsersUnsorted(address endorser, address previous);
    /// @notice Whoever decides cannot endorse: the endorser is also a permitted node key.
    /// @dev Name another.
    error EndorserIsNode(address endorser);
    /// @notice Fewer endorsers could reset the outflow than a rung asks for, or more than there
    ///         are; or a quorum without endorsers.
    /// @dev At least the most endorsements of any rung and at least 1, at most the number of
    ///      endorsers; 0 where there are none.
    error QuorumOutOfRange(uint8 quorum, uint256 least, uint256 most);
    /// @notice An empty ladder permits nothing.
    /// @dev Give at least one rung.
    error NoRung();
    /// @notice A rung's limit is not above the one before, or asks for less proof.
    /// @dev Limits ascend; tier, endorsements and delay never fall.
    error LadderNotRising(uint256 rung);
    /// @notice The rung's limit does not fit.
    /// @dev Choose a limit that means something.
    error RungLimitTooLarge(uint256 limit, uint256 most);
    /// @notice No key of the mandate can reach the rung's tier.
    /// @dev Above 1 a workload is needed; tiers above 3 do not exist.
    error RungTierUnreachable(uint256 rung, uint8 tier, uint8 most);
    /// @notice The rung asks for more endorsements than there are endorsers.
    /// @dev Name more, or ask for fewer.
    error RungEndorsementsUnreachable(uint256 rung, uint8 endorsements, uint256 most);
    /// @notice The rung's delay is too short for anybody to act in, or absurdly long.
    /// @dev 0, or an hour to 30 days: whoever may cancel must get a transaction in, even where
    ///      somebody pays for full blocks to keep it out.
    error RungDelayOutOfRange(uint256 rung, uint32 delay, uint256 least, uint256 most);
    /// @notice Gate, account, registries, the mandate's own feeds, rules and attestation contracts
    ///         and the zero address can never be listed.
    /// @dev Remove the entry.
    error TargetForbidden(address target);
    /// @notice There is no contract at a listed target (calls to it would succeed silently), or
    ///         only a key's owner's, who may exchange it any time (EIP-7702).
    /// @dev Check the address and the chain.
    error TargetWithoutCode(address target);
    /// @notice The selector gives others authority over the account's money, or hides which
    ///         function is called.
    /// @dev Use an allowance of a call instead of approvals.
    error SelectorForbidden(address target, bytes4 selector);
    /// @notice Calls are listed and no asset is tracked: nothing would measure what they take.
    /// @dev Track what the account holds (the native currency at least), or list no calls.
    error NoAssetTracked(uint256 permissions);
    /// @notice The selector sends tokens away, and its target is not tracked as an asset.
    /// @dev Track the token, or do not list it. Tokens without `decimals()` cannot be tracked.
    error TransferUntracked(address target, bytes4 selector);
    /// @notice An answer of the feed would never be fresh.
    /// @dev Set `maxAge` to the feed's heartbeat plus a margin.
    error FeedAgeZero(address feed);
    /// @notice A tracked entry names a feed that the mandate does not have.
    /// @dev Mind that feeds are counted from 0.
    error FeedIndexOutOfRange(uint8 index, uint256 feeds);
    /// @notice A token is tracked twice.
    /// @dev Remove one entry.
    error TrackedTwice(address token);
    /// @notice The native currency cannot be a debt.
    /// @dev Clear `debt`.
    error NativeDebt();
    /// @notice The stated decimals are not the contract's own, or more than 36 (a feed's: 18).
    /// @dev State what `decimals()` returns; 18 for the native currency.
    error DecimalsMismatch(address source, uint8 stated, uint256 actual);
    /// @notice The contract does not tell its decimals.
    /// @dev Only tokens and feeds with `decimals()` can be used.
    error DecimalsUnreadable(address source);
    /// @notice A rule has no code of its own, or does not take its terms; `reason` is what it said.
    /// @dev Deploy the rule first; check its terms.
    error RuleUnusable(address rule, bytes reason);

    /// @notice Revert by name where the mandate is not one that the gate can enforce.
    /// @param mandate The mandate.
    /// @param liveFrom Unix seconds at which it would be live.
    /// @param gate The gate that would enforce it.
    /// @param nodeRegistry The gate's node registry.
    /// @param modelRegistry The gate's model registry.
    function check(
        Mandate calldata mandate,
        uint64 liveFrom,
        address gate,
        address nodeRegistry,
        address modelRegistry
    ) external view;

    /// @notice Whether no mandate can list this selector.
    function isSelectorForbidden(bytes4 selector) external pure returns (bool);
}
