// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What convinces the gate that a permitted node swore the decision.
/// @param node Address of the node's signing key.
/// @param signature 65 bytes r ‖ s ‖ v over the decision's digest; s in the lower half order,
///        v 27 or 28.
struct Proof {
    address node;
    bytes signature;
}
