// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Mandate, Rung} from "../../contracts/types/Mandate.sol";

/// @title The bound that is printed to an owner, as `onchain/worst_case.py` computes it.
/// @notice `Adversaries.t.sol` holds it equal to Python's, over shared vectors.
library WorstCase {
    /// @param decisions Most decisions executed in any span of a day.
    /// @param perDecision Value that one of them can lose.
    /// @param unendorsed Value: all that can ever be lost while no endorser signs.
    /// @param daily Value: the printed bound.
    struct Bound {
        uint256 decisions;
        uint256 perDecision;
        uint256 unendorsed;
        uint256 daily;
    }

    /// @param blockSeconds Seconds between blocks.
    /// @param ruleDaily Value that the mandate's rules let it lose in a day.
    function bounding(Mandate memory mandate, uint256 blockSeconds, uint256 ruleDaily)
        internal
        pure
        returns (Bound memory bound)
    {
        uint256 slot = mandate.cadence * blockSeconds;
        bound.decisions = (1 days + slot - 1) / slot + 1;
        uint256 last;
        bool queued;
        for (uint256 i = 0; i < mandate.ladder.length; i++) {
            Rung memory rung = mandate.ladder[i];
            last = rung.limit;
            queued = queued || rung.delay != 0;
            if (rung.endorsements == 0 && rung.tier <= _tier(mandate)) {
                bound.unendorsed = rung.limit;
            }
        }
        if (queued) bound.decisions++;
        bound.perDecision = _least(mandate.maxLoss, last);
        bound.daily = bound.decisions * bound.perDecision;
        if (mandate.endorsers.length == 0) bound.daily = _least(bound.daily, bound.unendorsed);
        bound.daily = _least(bound.daily, ruleDaily);
    }

    function _tier(Mandate memory mandate) private pure returns (uint256 most) {
        if (mandate.workloads.length != 0) return 3;
        for (uint256 i = 0; i < mandate.nodes.length; i++) {
            if (mandate.nodes[i].tier > most) most = mandate.nodes[i].tier;
        }
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
