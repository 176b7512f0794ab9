// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRule} from "./IRule.sol";

/// @title As much of a Safe (1.3.0 to 1.5.0) as the rule asks.
interface ISafeSettings {
    /// @notice A page of the enabled modules, newest first, and where the next page starts.
    function getModulesPaginated(address start, uint256 pageSize)
        external
        view
        returns (address[] memory modules, address next);

    /// @notice Words of the Safe's storage.
    function getStorageAt(uint256 offset, uint256 length) external view returns (bytes memory);
}

/// @title SafeSettings
/// @notice The account is a Safe whose only module is the gate, before and after every decision. A
///         second module acts without gate and mandates, and one that is called from within a
///         decision moves money while the gate measures.
///
///         Up to Safe 1.4.1 a transaction guard does not see what modules do: a mandate passes it
///         by. The rule refuses a Safe with a guard, unless its owner says in the terms that he
///         knows which guard it is that will not be asked.
///
///         Terms: `abi.encode(Terms)`.
/// Warning: owners and threshold are the owners' own business, and not looked at.
contract SafeSettings is IRule {
    /* TYPES */

    /// @param guard The guard that is known not to see decisions; zero: the Safe has none.
    struct Terms {
        address guard;
    }

    /// @dev Before the first and after the last of a Safe's modules.
    address private constant SENTINEL = address(1);

    /// @dev keccak256("guard_manager.guard.address"), where a Safe keeps its guard.
    uint256 private constant GUARD_SLOT =
        0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8;

    /// @notice A module other than the gate is enabled, or there is none.
    /// @dev Disable it (`disableModule`), by the Safe's owners.
    error ModuleUnexpected(address module, address gate);
    /// @notice The Safe has a guard that the terms do not name, and would not be asked.
    /// @dev Remove the guard, or name it in the terms: the mandate passes it by.
    error GuardUnexpected(address guard, address named);

    /* EXTERNAL */

    /// @inheritdoc IRule
    /// @dev Asked by a contract that checks for the gate, and maybe before the gate is enabled: a
    ///      Safe is known by answering, and modules are looked at when it is the gate that asks.
    function checkTerms(address account, bytes calldata data) external view returns (bytes4) {
        _checkGuard(account, data);
        ISafeSettings(account).getModulesPaginated(SENTINEL, 1);
        return this.checkTerms.selector;
    }

    /// @inheritdoc IRule
    function beforeCalls(Act calldata act, bytes calldata data) external view returns (bytes4) {
        _checkGuard(act.account, data);
        _checkModules(act.account);
        return this.beforeCalls.selector;
    }

    /// @inheritdoc IRule
    function afterCalls(Act calldata act, bytes calldata data, int256[] calldata, int256)
        external
        view
        returns (bytes4)
    {
        _checkGuard(act.account, data);
        _checkModules(act.account);
        return this.afterCalls.selector;
    }

    /* INTERNAL */

    function _checkGuard(address account, bytes calldata data) private view {
        Terms memory terms = abi.decode(data, (Terms));
        address guard = abi.decode(ISafeSettings(account).getStorageAt(GUARD_SLOT, 1), (address));
        if (guard != terms.guard) revert GuardUnexpected(guard, terms.guard);
    }

    function _checkModules(address account) private view {
        (address[] memory modules,) = ISafeSettings(account).getModulesPaginated(SENTINEL, 2);
        for (uint256 i = 0; i < modules.length; i++) {
            if (modules[i] != msg.sender) revert ModuleUnexpected(modules[i], msg.sender);
        }
        if (modules.length == 0) revert ModuleUnexpected(address(0), msg.sender);
    }
}
