// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "./Vm.sol";

/// @title What every test contract needs.
abstract contract Test {
    /// @dev Where forge listens for cheatcodes.
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Deploy one of our contracts as it was built for deployment: by its file, because its
    ///      name may mean what the quick pipeline made of it, for a test that imports it. Coverage
    ///      has one pipeline, and counts what is deployed by name.
    function _deploy(string memory name, bytes memory arguments) internal returns (address) {
        string memory place = string.concat(".cache/forge/out/", name, ".sol/", name, ".json");
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("")))) == keccak256("coverage")) {
            place = string.concat(name, ".sol:", name);
        }
        return vm.deployCode(place, arguments);
    }

    /// @dev `value` folded into [least, most].
    function _fold(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}
