// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../contracts/IMandateChecks.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    hashMandate
} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {DecimalFeed} from "./mocks/Doubles.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract DecisionGateGrantTest is GateFixture {
    function test_grant_storesAndEmits() public {
        Mandate memory mandate = _mandate();
        bytes32 id = hashMandate(mandate);
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.MandateGranted(id, address(account), uint64(START_TIME), mandate);
        _grant(mandate);
        IDecisionGate.MandateState memory state = gate.stateOf(id);
        vm.assertEq(state.head, id, "head");
        vm.assertEq(state.outflow, 0, "outflow");
        vm.assertEq(state.liveFrom, START_TIME, "live from");
        vm.assertEq(state.nextSlot, SLOT, "next slot");
        vm.assertEq(state.stoppedUntil, 0, "stopped until");
        vm.assertFalse(state.revoked, "revoked");
        vm.assertEq(state.account, address(account), "account");
    }

    function test_mandateOf_tellsWhatWasGranted() public {
        Mandate memory mandate = _mandate();
        _grant(mandate);
        vm.assertEq(
            keccak256(abi.encode(gate.mandateOf(hashMandate(mandate)))),
            keccak256(abi.encode(mandate)),
            "mandate"
        );
    }

    function test_mandateOf_reverts_whenUnknown() public {
        vm.expectRevert(_error(IDecisionGate.MandateUnknown.selector, keccak256("unknown")));
        gate.mandateOf(keccak256("unknown"));
    }

    function test_grant_reverts_whenNotAccount() public {
        Mandate memory mandate = _mandate();
        vm.expectRevert(
            abi.encodeWithSelector(
                IDecisionGate.NotAccount.selector, address(this), address(account)
            )
        );
        gate.grant(mandate);
    }

    function test_grant_reverts_whenItExists_alsoAfterRevocation() public {
        Mandate memory mandate = _mandate();
        bytes32 id = hashMandate(mandate);
        _grant(mandate);
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.MandateExists.selector, id));
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (id)));
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.MandateExists.selector, id));
    }

    function test_grant_reverts_whenExpired() public {
        Mandate memory mandate = _mandate();
        mandate.expiry = uint64(START_TIME);
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(
                IMandateChecks.GrantExpired.selector, uint64(START_TIME), START_TIME
            )
        );
    }

    function test_grant_reverts_whenCadenceOutOfRange() public {
        uint32[4] memory cadences = [uint32(0), 1, 257, type(uint32).max];
        for (uint256 i = 0; i < cadences.length; i++) {
            _refuseCadence(cadences[i], 256);
        }
        // With the history contract, the chain tells hashes for longer.
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"00");
        _refuseCadence(8192, 8191);
        Mandate memory mandate = _mandate();
        mandate.cadence = 8191;
        _grant(mandate);
    }

    function _refuseCadence(uint32 cadence, uint256 most) private {
        Mandate memory mandate = _mandate();
        mandate.cadence = cadence;
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(IMandateChecks.CadenceOutOfRange.selector, cadence, 2, most)
        );
    }

    function test_grant_acceptsTheExtremes() public {
        Mandate memory mandate = _mandate();
        mandate.cadence = 2;
        mandate.expiry = uint64(START_TIME + 1);
        mandate.ladder[0] = Rung(2 ** 80 - 1, 0, 0, 0);
        mandate.tracked[0] = Tracked(address(new TestToken(36)), 0, 36, false);
        _grant(mandate);
        mandate.cadence = 256;
        mandate.allowList = new Permission[](0);
        mandate.feeds = new Feed[](0);
        mandate.tracked = new Tracked[](0);
        _grant(mandate);
    }

    function test_grant_reverts_whenNoNode() public {
        Mandate memory mandate = _mandate();
        mandate.nodes = new NodePermit[](0);
        _refuseGrant(mandate, abi.encodeWithSelector(IMandateChecks.NoNode.selector));
    }

    function test_grant_reverts_whenNodeKeyInvalid() public {
        Mandate memory mandate = _mandate();
        mandate.nodes[0].key = address(0);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.NodeKeyInvalid.selector, address(0))
        );
        mandate.nodes = new NodePermit[](2);
        mandate.nodes[0] = NodePermit(node, 0);
        mandate.nodes[1] = NodePermit(node, 1);
        _refuseGrant(mandate, abi.encodeWithSelector(IMandateChecks.NodeKeyInvalid.selector, node));
    }

    function test_grant_reverts_whenNodeTierTooHigh() public {
        Mandate memory mandate = _mandate();
        mandate.nodes[0].tier = 2;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.NodeTierTooHigh.selector, node, 2, 1)
        );
    }

    function test_grant_reverts_whenRungLimitTooLarge() public {
        Mandate memory mandate = _mandate();
        mandate.ladder[0].limit = 2 ** 80;
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(
                IMandateChecks.RungLimitTooLarge.selector, 2 ** 80, type(uint80).max
            )
        );
    }

    function test_grant_reverts_whenTargetForbidden() public {
        address[5] memory targets =
            [address(gate), address(account), address(registry), address(models), address(0)];
        for (uint256 i = 0; i < targets.length; i++) {
            Mandate memory mandate = _mandate();
            mandate.allowList[1].target = targets[i];
            _refuseGrant(
                mandate, abi.encodeWithSelector(IMandateChecks.TargetForbidden.selector, targets[i])
            );
        }
    }

    function test_grant_reverts_whenTargetHasNoCode() public {
        Mandate memory mandate = _mandate();
        mandate.allowList[1].target = owner;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.TargetWithoutCode.selector, owner)
        );
    }

    /// @dev All of them, as literals, so that a slip in a signature shows; `test_selectors.py`
    ///      keeps this list and the library's the same.
    function test_grant_reverts_whenSelectorForbidden() public {
        bytes4[85] memory selectors = [
            bytes4(0x095ea7b3), // approve(address,uint256)
            0x39509351, // increaseAllowance(address,uint256)
            0xd73dd623, // increaseApproval(address,uint256)
            0x3177029f, // approveAndCall(address,uint256)
            0xcae9ca51, // approveAndCall(address,uint256,bytes)
            0x426a8493, // approve(address,uint256,uint256)
            0x87517c45, // approve(address,address,uint160,uint48)
            0xa22cb465, // setApprovalForAll(address,bool)
            0x558a7297, // setOperator(address,bool)
            0x959b8c3f, // authorizeOperator(address)
            0xdaea85c5, // approve(address)
            0x1d2747d4, // set_approve_deposit(address,bool)
            0xd505accf, // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)
            0x8fcbaf0c, // permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
            0x7ac2ff7b, // permit(address,uint256,uint256,uint8,bytes32,bytes32)
            0x9fd5a6cf, // permit(address,address,uint256,uint256,bytes)
            0x0f5730f1, // permit(address,uint256,uint256,uint256,bytes)
            0x3aea60f0, // permitForAll(address,address,bool,uint256,uint256,bytes)
            0x2b67b570, // permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)
            0x2a2d80d1, // permit(address,((address,uint160,uint48,uint48)[],address,uint256),bytes)
            0xf3995c67, // selfPermit(address,uint256,uint256,uint8,bytes32,bytes32)
            0x4659a494, // selfPermitAllowed(address,uint256,uint256,uint8,bytes32,bytes32)
            0xc2e3140a, // selfPermitIfNecessary(address,uint256,uint256,uint8,bytes32,bytes32)
            0xa4a78f0c, // selfPermitAllowedIfNecessary(address,uint256,uint256,uint8,bytes32,bytes32)
            0x5c19a95c, // delegate(address)
            0xc3cda520, // delegateBySig(address,uint256,uint256,uint8,bytes32,bytes32)
            0xc04a8a10, // approveDelegation(address,uint256)
            0x0b52d558, // delegationWithSig(address,address,uint256,uint256,uint8,bytes32,bytes32)
            0x110496e5, // allow(address,bool)
            0xbb24d994, // allowBySig(address,address,bool,uint256,uint256,uint8,bytes32,bytes32)
            0xeecea000, // setAuthorization(address,bool)
            0x8069218f, // setAuthorizationWithSig((address,address,bool,uint256,uint256),(uint8,bytes32,bytes32))
            0xa3b22fc4, // hope(address)
            0xfa6e671d, // setRelayerApproval(address,address,bool)
            0xec6cb13f, // setPreSignature(bytes,bool)
            0xc0a47c93, // setMasterContractApproval(address,address,bool,uint8,bytes32,bytes32)
            0x9f5c462a, // setAccountOperator(address,address,bool)
            0xc14c11bf, // setOperator(bytes19,address,uint256)
            0xb8caa7c5, // approvePositionManager(address,bool)
            0x8874e104, // setUserPositionManager(address,bool)
            0xf2fde38b, // transferOwnership(address)
            0x715018a6, // renounceOwnership()
            0x13af4035, // setOwner(address)
            0xc42069ec, // setPendingOwner(address)
            0x704b6c02, // setAdmin(address)
            0x4dd18bf5, // setPendingAdmin(address)
            0x8f283970, // changeAdmin(address)
            0x7a9e5e4b, // setAuthority(address)
            0x2f2ff15d, // grantRole(bytes32,address)
            0x634e93da, // beginDefaultAdminTransfer(address)
            0x3659cfe6, // upgradeTo(address)
            0x4f1ef286, // upgradeToAndCall(address,bytes)
            0x1f931c1c, // diamondCut((address,uint8,bytes4[])[],address,bytes)
            0x0d582f13, // addOwnerWithThreshold(address,uint256)
            0xf8dc5dd9, // removeOwner(address,address,uint256)
            0xe318b52b, // swapOwner(address,address,address)
            0x694e80c3, // changeThreshold(uint256)
            0x610b5925, // enableModule(address)
            0xe009cfde, // disableModule(address,address)
            0xe19a9dd9, // setGuard(address)
            0xe068df37, // setModuleGuard(address)
            0xf08a0323, // setFallbackHandler(address)
            0xd4d9bdcd, // approveHash(bytes32)
            0x6a761202, // execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)
            0x468721a7, // execTransactionFromModule(address,uint256,bytes,uint8)
            0x5229073f, // execTransactionFromModuleReturnData(address,uint256,bytes,uint8)
            0x9517e29f, // installModule(uint256,address,bytes)
            0xa71763a8, // uninstallModule(uint256,address,bytes)
            0xe71bdf41, // addDelegate(address)
            0xbeaeb388, // setAllowance(address,address,uint96,uint16,uint32)
            0xac9650d8, // multicall(bytes[])
            0x5ae401dc, // multicall(uint256,bytes[])
            0x1f0464d1, // multicall(bytes32,bytes[])
            0xd2423b51, // batch(bytes[],bool)
            0x63fb0b96, // multicall(address[],bytes[])
            0xc16ae7a4, // batch((address,address,uint256,bytes)[])
            0xb61d27f6, // execute(address,uint256,bytes)
            0x34fcd5be, // executeBatch((address,uint256,bytes)[])
            0x47e1da2a, // executeBatch(address[],uint256[],bytes[])
            0x18dfb3c7, // executeBatch(address[],bytes[])
            0xe9ae5c53, // execute(bytes32,bytes)
            0xd691c964, // executeFromExecutor(bytes32,bytes)
            IDecisionGate.grant.selector,
            0xfa7a2962, // resume(bytes32)
            0xc31ae063 // setGrantDelay(uint32)
        ];
        Mandate memory mandate = _mandate();
        for (uint256 i = 0; i < selectors.length; i++) {
            mandate.allowList[0].selector = selectors[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(
                    IMandateChecks.SelectorForbidden.selector, address(venue), selectors[i]
                )
            );
        }
    }

    /// @dev Neither of an untracked token nor of a debt, which would be measured by its rise only.
    function test_grant_reverts_whenATransferIsUntracked() public {
        bytes4[13] memory selectors = [
            bytes4(0xa9059cbb), // transfer(address,uint256)
            0x23b872dd, // transferFrom(address,address,uint256)
            0x42842e0e, // safeTransferFrom(address,address,uint256)
            0xb88d4fde, // safeTransferFrom(address,address,uint256,bytes)
            0xf242432a, // safeTransferFrom(address,address,uint256,uint256,bytes)
            0x2eb2c2d6, // safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)
            0x9bd9bbc6, // send(address,uint256,bytes)
            0x095bcdb6, // transfer(address,uint256,uint256)
            0xfe99049a, // transferFrom(address,address,uint256,uint256)
            0x1296ee62, // transferAndCall(address,uint256)
            0x4000aea0, // transferAndCall(address,uint256,bytes)
            0xd8fbe994, // transferFromAndCall(address,address,uint256)
            0xc1d34b89 // transferFromAndCall(address,address,uint256,bytes)
        ];
        Mandate memory mandate = _mandate();
        address[3] memory targets = [address(new TestToken(18)), address(venue), address(debt)];
        for (uint256 i = 0; i < selectors.length; i++) {
            for (uint256 j = 0; j < targets.length; j++) {
                mandate.allowList[0] = Permission(targets[j], selectors[i]);
                _refuseGrant(
                    mandate,
                    abi.encodeWithSelector(
                        IMandateChecks.TransferUntracked.selector, targets[j], selectors[i]
                    )
                );
            }
            mandate.allowList[0] = Permission(address(weth), selectors[i]);
            _grant(mandate);
        }
    }

    function test_grant_reverts_whenNoAssetIsTracked() public {
        Mandate memory mandate = _mandate();
        mandate.tracked = new Tracked[](0);
        bytes memory reason = abi.encodeWithSelector(IMandateChecks.NoAssetTracked.selector, 8);
        _refuseGrant(mandate, reason);
        // Not even where no loss is permitted: nothing would see one.
        mandate.maxLoss = 0;
        mandate.ladder[0].limit = 0;
        _refuseGrant(mandate, reason);
        // A debt alone measures nothing that is held.
        mandate.tracked = new Tracked[](1);
        mandate.tracked[0] = Tracked(address(debt), 1, 6, true);
        _refuseGrant(mandate, reason);
        // The native currency is an asset; and what lists no calls need not be measured.
        mandate.tracked[0] = Tracked(address(0), 0, 18, false);
        _grant(mandate);
        mandate.tracked = new Tracked[](0);
        mandate.allowList = new Permission[](0);
        _grant(mandate);
    }

    /// @dev The code of an account that delegates (EIP-7702) is its key's to exchange.
    function test_grant_reverts_whenTargetOnlyDelegates() public {
        Mandate memory mandate = _mandate();
        vm.etch(owner, abi.encodePacked(hex"ef0100", address(venue)));
        mandate.allowList[1].target = owner;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.TargetWithoutCode.selector, owner)
        );
        // A contract of the same length is a contract.
        vm.etch(owner, abi.encodePacked(hex"600100", address(venue)));
        _grant(mandate);
    }

    function test_grant_reverts_whenOverBeforeItIsLive() public {
        Mandate memory mandate = _mandate();
        mandate.expiry = uint64(START_TIME + 1 days);
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (1 days)));
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(
                IMandateChecks.GrantExpired.selector, mandate.expiry, START_TIME + 1 days
            )
        );
        mandate.expiry += 1;
        _grant(mandate);
    }

    function test_isSelectorForbidden_leavesWorkingSelectorsAlone() public view {
        bytes4[7] memory selectors = [
            bytes4(0xa9059cbb), // transfer, where tracked
            0x04e45aaf, // exactInputSingle, Uniswap SwapRouter02
            0x414bf389, // exactInputSingle, Uniswap v3
            0x617ba037, // supply, Aave v3
            0x69328dec, // withdraw, Aave v3
            0x5a3b74b9, // setUserUseReserveAsCollateral, Aave v3
            0xd0e30db0 // deposit, WETH
        ];
        for (uint256 i = 0; i < selectors.length; i++) {
            vm.assertFalse(checks.isSelectorForbidden(selectors[i]), "forbidden");
        }
    }

    function test_grant_reverts_whenFeedAgeZero() public {
        Mandate memory mandate = _mandate();
        mandate.feeds[1].maxAge = 0;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.FeedAgeZero.selector, address(usdcFeed))
        );
    }

    function test_grant_reverts_whenFeedIndexOutOfRange() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[3].feed = 2;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.FeedIndexOutOfRange.selector, 2, 2)
        );
    }

    function test_grant_reverts_whenTrackedTwice() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[2] = Tracked(address(weth), 0, 18, true);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.TrackedTwice.selector, address(weth))
        );
    }

    function test_grant_reverts_whenNativeIsADebt() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[3].debt = true;
        _refuseGrant(mandate, abi.encodeWithSelector(IMandateChecks.NativeDebt.selector));
    }

    function test_grant_reverts_whenDecimalsMismatch() public {
        Mandate memory mandate = _mandate();
        mandate.feeds[0].decimals = 18;
        _refuseGrant(mandate, _decimals(address(wethFeed), 18, 8));
        mandate = _mandate();
        mandate.tracked[1].decimals = 18;
        _refuseGrant(mandate, _decimals(address(usdc), 18, 6));
        mandate = _mandate();
        mandate.tracked[3].decimals = 8;
        _refuseGrant(mandate, _decimals(address(0), 8, 18));
        mandate = _mandate();
        mandate.tracked[0] = Tracked(address(new TestToken(37)), 0, 37, false);
        _refuseGrant(mandate, _decimals(mandate.tracked[0].token, 37, 37));
        mandate = _mandate();
        mandate.feeds[0] = Feed(address(new DecimalFeed(19, 1)), 19, 1 hours);
        _refuseGrant(mandate, _decimals(mandate.feeds[0].aggregator, 19, 19));
    }

    function test_grant_reverts_whenDecimalsUnreadable() public {
        Mandate memory mandate = _mandate();
        mandate.feeds[0] = Feed(address(gate), 8, 1);
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(IMandateChecks.DecimalsUnreadable.selector, address(gate))
        );
        mandate = _mandate();
        mandate.tracked[0].token = owner;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IMandateChecks.DecimalsUnreadable.selector, owner)
        );
    }

    function _decimals(address source, uint8 stated, uint256 actual)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            IMandateChecks.DecimalsMismatch.selector, source, stated, actual
        );
    }

    /// @dev The gate refuses the grant with exactly `reason`; the mandate's state is as before.
    function _refuseGrant(Mandate memory mandate, bytes memory reason) private {
        bytes32 id = hashMandate(mandate);
        bytes32 before = keccak256(abi.encode(gate.stateOf(id)));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.OwnerCallFailed.selector, 0, reason));
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
        vm.assertEq(keccak256(abi.encode(gate.stateOf(id))), before, "state");
    }
}
