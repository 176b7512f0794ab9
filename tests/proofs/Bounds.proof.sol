// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Call} from "../../contracts/types/Call.sol";
import {Feed, Mandate, Permission, Tracked} from "../../contracts/types/Mandate.sol";
import {GateProof} from "./GateProof.sol";
import {CheapFeed, OpenToken} from "./Proof.sol";

/// @title What executed is never worse than sworn, for an asset and a debt.
/// @notice Two calls do to both balances whatever they like: any two balances before, any two after,
///         any two bounds. Prices are one unit, so that values are amounts.
contract BoundsProof is GateProof {
    OpenToken private asset;
    OpenToken private debt;

    /// @dev Found to be false: decisions that lose what they may lose execute.
    function reach_aLossWithinItsBounds_executes(
        uint128[2] memory earlier,
        uint128[2] memory later,
        int128[2] memory bounds,
        Signature memory sig
    ) public {
        vm.assume(later[0] < earlier[0] && later[1] > earlier[1]);
        assert(_moved(earlier, later, bounds, sig) != EXECUTED);
    }

    /// @dev An asset never falls below its bound and a debt never rises above it; where the bound is
    ///      zero, nothing is lost at all.
    function check_whatExecutes_isNeverWorseThanSworn(
        uint128[2] memory earlier,
        uint128[2] memory later,
        int128[2] memory bounds,
        Signature memory sig
    ) public {
        vm.assume(_moved(earlier, later, bounds, sig) == EXECUTED);
        int256 gained = int256(uint256(later[0])) - int256(uint256(earlier[0]));
        int256 repaid = int256(uint256(earlier[1])) - int256(uint256(later[1]));
        assert(gained >= bounds[0]);
        assert(repaid >= bounds[1]);
    }

    function _moved(
        uint128[2] memory earlier,
        uint128[2] memory later,
        int128[2] memory bounds,
        Signature memory sig
    ) private returns (bytes4) {
        asset.set(address(account), earlier[0]);
        debt.set(address(account), earlier[1]);
        Call[] memory calls = new Call[](2);
        calls[0] = _set(asset, later[0]);
        calls[1] = _set(debt, later[1]);
        return _outcome(_decision(0), calls, _bounds(bounds[0], bounds[1]), _packed(sig));
    }

    function _set(OpenToken which, uint256 balance) private view returns (Call memory) {
        bytes memory data = abi.encodeCall(OpenToken.set, (address(account), balance));
        return Call(address(which), 0, data, address(0), 0);
    }

    function _mandate() internal override returns (Mandate memory mandate) {
        mandate = super._mandate();
        (asset, debt) = (new OpenToken(), new OpenToken());
        mandate.allowList = new Permission[](2);
        mandate.allowList[0] = Permission(address(asset), OpenToken.set.selector);
        mandate.allowList[1] = Permission(address(debt), OpenToken.set.selector);
        mandate.feeds[0] = Feed(address(new CheapFeed()), 8, 1 hours);
        mandate.tracked[0] = Tracked(address(asset), 0, 0, false);
        mandate.tracked[1] = Tracked(address(debt), 0, 0, true);
        mandate.maxLoss = type(uint256).max;
        mandate.ladder[0].limit = type(uint80).max;
    }
}
