// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "./IDecisionGate.sol";

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
            || _controls(selector) || _safe(selector) || _wraps(selector) || _gate(selector);
    }

    /// @dev Whether `selector` sends tokens away: ERC-20, 721, 1155, 777, 6909 and 1363. Not
    ///      forbidden, but to be listed only where the target is measured.
    function moves(bytes4 s) internal pure returns (bool) {
        return s == bytes4(keccak256("transfer(address,uint256)"))
            || s == bytes4(keccak256("transferFrom(address,address,uint256)"))
            || s == bytes4(keccak256("safeTransferFrom(address,address,uint256)"))
            || s == bytes4(keccak256("safeTransferFrom(address,address,uint256,bytes)"))
            || s == bytes4(keccak256("safeTransferFrom(address,address,uint256,uint256,bytes)"))
            || s
                == bytes4(
                keccak256("safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)")
            ) || s == bytes4(keccak256("send(address,uint256,bytes)"))
            || s == bytes4(keccak256("transfer(address,uint256,uint256)"))
            || s == bytes4(keccak256("transferFrom(address,address,uint256,uint256)"))
            || s == bytes4(keccak256("transferAndCall(address,uint256)"))
            || s == bytes4(keccak256("transferAndCall(address,uint256,bytes)"))
            || s == bytes4(keccak256("transferFromAndCall(address,address,uint256)"))
            || s == bytes4(keccak256("transferFromAndCall(address,address,uint256,bytes)"));
    }

    /// @dev ERC-20, 721, 1155, 777, 6909, 1363, Permit2 and Curve approvals.
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
            || s == bytes4(keccak256("authorizeOperator(address)"))
            || s == bytes4(keccak256("approve(address)"))
            || s == bytes4(keccak256("set_approve_deposit(address,bool)"));
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
            )
            || s
                == bytes4(
                keccak256("selfPermitIfNecessary(address,uint256,uint256,uint8,bytes32,bytes32)")
            )
            || s
                == bytes4(
                keccak256(
                "selfPermitAllowedIfNecessary(address,uint256,uint256,uint8,bytes32,bytes32)"
            )
            );
    }

    /// @dev Votes, credit and operators: ERC-5805, Aave, Compound, Morpho, Maker, Balancer, CoW,
    ///      BentoBox, Euler.
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
            ) || s == bytes4(keccak256("hope(address)"))
            || s == bytes4(keccak256("setRelayerApproval(address,address,bool)"))
            || s == bytes4(keccak256("setPreSignature(bytes,bool)"))
            || s
                == bytes4(
                keccak256("setMasterContractApproval(address,address,bool,uint8,bytes32,bytes32)")
            ) || s == bytes4(keccak256("setAccountOperator(address,address,bool)"))
            || s == bytes4(keccak256("setOperator(bytes19,address,uint256)"))
            || s == bytes4(keccak256("approvePositionManager(address,bool)"))
            || s == bytes4(keccak256("setUserPositionManager(address,bool)"));
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

    /// @dev Safe (owners, modules, guards, fallback, execution, allowances) and ERC-7579 modules.
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
            || s == bytes4(keccak256("uninstallModule(uint256,address,bytes)"))
            || s == bytes4(keccak256("addDelegate(address)"))
            || s == bytes4(keccak256("setAllowance(address,address,uint96,uint16,uint32)"));
    }

    /// @dev Contracts calling themselves or others in the caller's name: an approval may hide
    ///      inside. Owned and smart accounts execute for their owner, which an account may be.
    function _wraps(bytes4 s) private pure returns (bool) {
        return s == bytes4(keccak256("multicall(bytes[])"))
            || s == bytes4(keccak256("multicall(uint256,bytes[])"))
            || s == bytes4(keccak256("multicall(bytes32,bytes[])"))
            || s == bytes4(keccak256("batch(bytes[],bool)"))
            || s == bytes4(keccak256("multicall(address[],bytes[])"))
            || s == bytes4(keccak256("batch((address,address,uint256,bytes)[])"))
            || s == bytes4(keccak256("execute(address,uint256,bytes)"))
            || s == bytes4(keccak256("executeBatch((address,uint256,bytes)[])"))
            || s == bytes4(keccak256("executeBatch(address[],uint256[],bytes[])"))
            || s == bytes4(keccak256("executeBatch(address[],bytes[])"))
            || s == bytes4(keccak256("execute(bytes32,bytes)"))
            || s == bytes4(keccak256("executeFromExecutor(bytes32,bytes)"));
    }

    /// @dev An account's powers over its mandates, on any other gate: this one is no target.
    function _gate(bytes4 s) private pure returns (bool) {
        return s == IDecisionGate.grant.selector || s == IDecisionGate.setGrantDelay.selector
            || s == IDecisionGate.resume.selector;
    }
}
