// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Selectors that no mandate can list.
/// @notice They give somebody else authority over the account's money (so that the theft comes
///         later, outside of any measurement), change who controls a contract, or wrap other
///         calls, so that the allow-list would see the wrapper only.
/// Warning: a protocol may invent new ones. The list is a net under the owner, who still reads what
///          is listed.
library ForbiddenSelectors {
    /// @dev Whether `selector` is one of them.
    function contains(bytes4 selector) internal pure returns (bool) {
        return _approves(selector) || _permits(selector) || _delegates(selector)
            || _controls(selector) || _safe(selector) || _wraps(selector);
    }

    /// @dev ERC-20, 721, 1155, 777, 6909, 1363 and Permit2 approvals.
    function _approves(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("approve(address,uint256)"))
            || s == bytes4(keccak256("increaseAllowance(address,uint256)"))
            || s == bytes4(keccak256("increaseApproval(address,uint256)"))
            || s == bytes4(keccak256("approveAndCall(address,uint256)"))
            || s == bytes4(keccak256("approveAndCall(address,uint256,bytes)"))
            || s == bytes4(keccak256("approve(address,uint256,uint256)"))
            || s == bytes4(keccak256("approve(address,address,uint160,uint48)"))
            || s == bytes4(keccak256("setApprovalForAll(address,bool)"))
            || s == bytes4(keccak256("setOperator(address,bool)"))
            || s == bytes4(keccak256("authorizeOperator(address)"));
    }

    /// @dev Approvals by signature: ERC-2612, DAI, ERC-721, USDC, Permit2, Uniswap.
    function _permits(bytes4 s) private pure returns (bool) {
        return s
                == bytes4(
                keccak256("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")
            )
            || s
                == bytes4(
                keccak256("permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)")
            ) || s == bytes4(keccak256("permit(address,uint256,uint256,uint8,bytes32,bytes32)"))
            || s == bytes4(keccak256("permit(address,address,uint256,uint256,bytes)"))
            || s == bytes4(keccak256("permit(address,uint256,uint256,uint256,bytes)"))
            || s == bytes4(keccak256("permitForAll(address,address,bool,uint256,uint256,bytes)"))
            || s
                == bytes4(
                keccak256("permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)")
            )
            || s
                == bytes4(
                keccak256(
                "permit(address,((address,uint160,uint48,uint48)[],address,uint256),bytes)"
            )
            ) || s == bytes4(keccak256("selfPermit(address,uint256,uint256,uint8,bytes32,bytes32)"))
            || s
                == bytes4(
                keccak256("selfPermitAllowed(address,uint256,uint256,uint8,bytes32,bytes32)")
            );
    }

    /// @dev Votes, credit and operators: ERC-5805, Aave, Compound, Morpho, Maker.
    function _delegates(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("delegate(address)"))
            || s
                == bytes4(keccak256("delegateBySig(address,uint256,uint256,uint8,bytes32,bytes32)"))
            || s == bytes4(keccak256("approveDelegation(address,uint256)"))
            || s
                == bytes4(
                keccak256(
                "delegationWithSig(address,address,uint256,uint256,uint8,bytes32,bytes32)"
            )
            ) || s == bytes4(keccak256("allow(address,bool)"))
            || s
                == bytes4(
                keccak256("allowBySig(address,address,bool,uint256,uint256,uint8,bytes32,bytes32)")
            ) || s == bytes4(keccak256("setAuthorization(address,bool)"))
            || s
                == bytes4(
                keccak256(
                "setAuthorizationWithSig((address,address,bool,uint256,uint256),(uint8,bytes32,bytes32))"
            )
            ) || s == bytes4(keccak256("hope(address)"));
    }

    /// @dev Owners, roles, upgrades.
    function _controls(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("transferOwnership(address)"))
            || s == bytes4(keccak256("renounceOwnership()"))
            || s == bytes4(keccak256("setOwner(address)"))
            || s == bytes4(keccak256("setPendingOwner(address)"))
            || s == bytes4(keccak256("setAdmin(address)"))
            || s == bytes4(keccak256("setPendingAdmin(address)"))
            || s == bytes4(keccak256("changeAdmin(address)"))
            || s == bytes4(keccak256("setAuthority(address)"))
            || s == bytes4(keccak256("grantRole(bytes32,address)"))
            || s == bytes4(keccak256("beginDefaultAdminTransfer(address)"))
            || s == bytes4(keccak256("upgradeTo(address)"))
            || s == bytes4(keccak256("upgradeToAndCall(address,bytes)"))
            || s == bytes4(keccak256("diamondCut((address,uint8,bytes4[])[],address,bytes)"));
    }

    /// @dev Safe (owners, modules, guards, fallback, execution) and ERC-7579 modules.
    function _safe(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("addOwnerWithThreshold(address,uint256)"))
            || s == bytes4(keccak256("removeOwner(address,address,uint256)"))
            || s == bytes4(keccak256("swapOwner(address,address,address)"))
            || s == bytes4(keccak256("changeThreshold(uint256)"))
            || s == bytes4(keccak256("enableModule(address)"))
            || s == bytes4(keccak256("disableModule(address,address)"))
            || s == bytes4(keccak256("setGuard(address)"))
            || s == bytes4(keccak256("setModuleGuard(address)"))
            || s == bytes4(keccak256("setFallbackHandler(address)"))
            || s == bytes4(keccak256("approveHash(bytes32)"))
            || s
                == bytes4(
                keccak256(
                "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
            )
            ) || s == bytes4(keccak256("execTransactionFromModule(address,uint256,bytes,uint8)"))
            || s
                == bytes4(
                keccak256("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)")
            ) || s == bytes4(keccak256("installModule(uint256,address,bytes)"))
            || s == bytes4(keccak256("uninstallModule(uint256,address,bytes)"));
    }

    /// @dev Contracts calling themselves in the caller's name: an approval may hide inside.
    function _wraps(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("multicall(bytes[])"))
            || s == bytes4(keccak256("multicall(uint256,bytes[])"))
            || s == bytes4(keccak256("multicall(bytes32,bytes[])"))
            || s == bytes4(keccak256("batch(bytes[],bool)"));
    }
}
