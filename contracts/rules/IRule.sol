// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Call} from "../types/Call.sol";

/// @title A rule: an extra check that a mandate asks for, before and after the calls.
/// @notice A rule is one contract in one file; `docs/rules.md` is the template. The owner names it in
///         the mandate, with its terms. It can only refuse: by reverting, or by answering anything
///         but the asked function's own selector. No code, no answer, a short answer and a bare
///         fallback refuse as well, so that a check that must not be skipped cannot be.
///
///         The gate calls it in the order of the mandate: all `beforeCalls`, then the decision's
///         calls, then all `afterCalls`, in one transaction, after head and outflow have moved. A
///         rule that keeps a state keeps it **by gate, mandate and terms**: `msg.sender` is the
///         gate, `act.mandate` is what the gate vouches for, and a mandate may list one rule several
///         times, with other terms, which must not share a state: `keccak256(abi.encode(act.mandate,
///         data))` is an entry's. Whoever else calls it writes into a corner of his own. What a
///         refused decision wrote is undone.
/// Warning: a rule is code that the owner trusts to be there and to let honest decisions pass: one
///          that refuses everything stops the mandate (never the owner's exit).
interface IRule {
    /// @notice What is about to be done, or was done just now.
    /// @param mandate The mandate's id.
    /// @param digest The decision's digest.
    /// @param account Whose money it is.
    /// @param slot The decision's slot.
    /// @param valueAtRisk Value that the decision puts at risk.
    /// @param calls Its calls.
    /// @param bounds Its bounds, one per tracked entry.
    struct Act {
        bytes32 mandate;
        bytes32 digest;
        address account;
        uint64 slot;
        uint256 valueAtRisk;
        Call[] calls;
        int256[] bounds;
    }

    /// @notice Asked once, by `grant`: are these terms that the rule can keep for this account?
    /// @param account Whose money it is.
    /// @param data The terms.
    /// @return This function's selector.
    function checkTerms(address account, bytes calldata data) external view returns (bytes4);

    /// @notice Asked before the calls.
    /// @param act What is about to be done.
    /// @param data The terms.
    /// @return This function's selector.
    function beforeCalls(Act calldata act, bytes calldata data) external returns (bytes4);

    /// @notice Asked after the calls, once bounds and loss limit were found to hold.
    /// @param act What was done.
    /// @param data The terms.
    /// @param changes Measured change per tracked entry, in base units; debts count negatively.
    /// @param valueChange Value: what the declared changes come to at feed prices, losses rounded up
    ///        and gains down; 0 where nothing was declared to fall.
    /// @return This function's selector.
    function afterCalls(
        Act calldata act,
        bytes calldata data,
        int256[] calldata changes,
        int256 valueChange
    ) external returns (bytes4);
}
