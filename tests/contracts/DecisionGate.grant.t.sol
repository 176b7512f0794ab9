// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked
} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract DecisionGateGrantTest is GateFixture {
    function test_grant_storesAndEmits() public {
        Mandate memory mandate = _mandate();
        bytes32 id = keccak256(abi.encode(mandate));
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.MandateGranted(id, address(account), uint64(START_TIME), mandate);
        _grant(mandate);
        IDecisionGate.MandateState memory state = gate.stateOf(id);
        vm.assertEq(state.head, id, "head");
        vm.assertEq(state.unaudited, 0, "outflow");
        vm.assertEq(state.liveFrom, START_TIME, "live from");
        vm.assertEq(state.nextSlot, SLOT, "next slot");
        vm.assertEq(state.stoppedUntil, 0, "stopped until");
        vm.assertFalse(state.revoked, "revoked");
        vm.assertEq(state.account, address(account), "account");
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
        bytes32 id = keccak256(abi.encode(mandate));
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
                IDecisionGate.GrantExpired.selector, uint64(START_TIME), START_TIME
            )
        );
    }

    function test_grant_reverts_whenCadenceOutOfRange() public {
        uint32[4] memory cadences = [uint32(0), 1, 8192, type(uint32).max];
        for (uint256 i = 0; i < cadences.length; i++) {
            Mandate memory mandate = _mandate();
            mandate.cadence = cadences[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(
                    IDecisionGate.CadenceOutOfRange.selector, cadences[i], 2, 8191
                )
            );
        }
    }

    function test_grant_acceptsTheExtremes() public {
        Mandate memory mandate = _mandate();
        mandate.cadence = 2;
        mandate.expiry = uint64(START_TIME + 1);
        mandate.ladder[0] = Rung(2 ** 104 - 1, 1, 0, 0);
        mandate.tracked[0] = Tracked(address(new TestToken(36)), 0, 36, false);
        _grant(mandate);
        mandate.cadence = 8191;
        mandate.allowList = new Permission[](0);
        mandate.feeds = new Feed[](0);
        mandate.tracked = new Tracked[](0);
        _grant(mandate);
    }

    function test_grant_reverts_whenNoNode() public {
        Mandate memory mandate = _mandate();
        mandate.nodes = new NodePermit[](0);
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.NoNode.selector));
    }

    function test_grant_reverts_whenNodeKeyInvalid() public {
        Mandate memory mandate = _mandate();
        mandate.nodes[0].key = address(0);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.NodeKeyInvalid.selector, address(0))
        );
        mandate.nodes = new NodePermit[](2);
        mandate.nodes[0] = NodePermit(node, 0);
        mandate.nodes[1] = NodePermit(node, 1);
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.NodeKeyInvalid.selector, node));
    }

    function test_grant_reverts_whenNodeTierTooHigh() public {
        Mandate memory mandate = _mandate();
        mandate.nodes[0].tier = 2;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.NodeTierTooHigh.selector, node, 2, 1)
        );
    }

    function test_grant_reverts_whenWorkloadsUnsupported() public {
        Mandate memory mandate = _mandate();
        mandate.workloads = new bytes32[](2);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.WorkloadsUnsupported.selector, 2)
        );
    }

    function test_grant_reverts_whenEndorsersUnsupported() public {
        Mandate memory mandate = _mandate();
        mandate.endorsers = new address[](1);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.EndorsersUnsupported.selector, 1)
        );
    }

    function test_grant_reverts_whenRulesUnsupported() public {
        Mandate memory mandate = _mandate();
        mandate.rules = new Rule[](1);
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.RulesUnsupported.selector, 1));
    }

    function test_grant_reverts_whenLadderUnsupported() public {
        Mandate memory mandate = _mandate();
        uint256[2] memory lengths = [uint256(0), 2];
        for (uint256 i = 0; i < lengths.length; i++) {
            mandate.ladder = new Rung[](lengths[i]);
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(IDecisionGate.LadderUnsupported.selector, lengths[i])
            );
        }
    }

    function test_grant_reverts_whenRungUnsupported() public {
        Mandate memory mandate = _mandate();
        Rung[3] memory rungs = [Rung(1, 2, 0, 0), Rung(1, 0, 1, 0), Rung(1, 0, 0, 1)];
        for (uint256 i = 0; i < rungs.length; i++) {
            mandate.ladder[0] = rungs[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(
                    IDecisionGate.RungUnsupported.selector,
                    rungs[i].tier,
                    rungs[i].endorsements,
                    rungs[i].delay
                )
            );
        }
    }

    function test_grant_reverts_whenRungLimitTooLarge() public {
        Mandate memory mandate = _mandate();
        mandate.ladder[0].limit = 2 ** 104;
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(
                IDecisionGate.RungLimitTooLarge.selector, 2 ** 104, type(uint104).max
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
                mandate, abi.encodeWithSelector(IDecisionGate.TargetForbidden.selector, targets[i])
            );
        }
    }

    function test_grant_reverts_whenTargetHasNoCode() public {
        Mandate memory mandate = _mandate();
        mandate.allowList[1].target = owner;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.TargetWithoutCode.selector, owner)
        );
    }

    function test_grant_reverts_whenSelectorForbidden() public {
        // Written as literals from the signature databases, so that a slip in a signature shows.
        bytes4[24] memory selectors = [
            bytes4(0x095ea7b3), // approve
            0x39509351, // increaseAllowance
            0xa22cb465, // setApprovalForAll
            0xd505accf, // permit, ERC-2612
            0x8fcbaf0c, // permit, DAI
            0x7ac2ff7b, // permit, ERC-721
            0x87517c45, // approve, Permit2
            0x2b67b570, // permit, Permit2
            0x2a2d80d1, // permit batch, Permit2
            0x5c19a95c, // delegate
            0xc3cda520, // delegateBySig
            0xc04a8a10, // approveDelegation, Aave
            0x0b52d558, // delegationWithSig, Aave
            0x0d582f13, // addOwnerWithThreshold
            0x610b5925, // enableModule
            0xe19a9dd9, // setGuard
            0xf08a0323, // setFallbackHandler
            0x6a761202, // execTransaction
            0x468721a7, // execTransactionFromModule
            0xf2fde38b, // transferOwnership
            0x2f2ff15d, // grantRole
            0x13af4035, // setOwner
            0xac9650d8, // multicall(bytes[])
            0x5ae401dc // multicall(uint256,bytes[])
        ];
        for (uint256 i = 0; i < selectors.length; i++) {
            Mandate memory mandate = _mandate();
            mandate.allowList[0].selector = selectors[i];
            _refuseGrant(
                mandate,
                abi.encodeWithSelector(
                    IDecisionGate.SelectorForbidden.selector, address(venue), selectors[i]
                )
            );
        }
    }

    function test_isSelectorForbidden_leavesWorkingSelectorsAlone() public view {
        bytes4[6] memory selectors = [
            bytes4(0xa9059cbb), // transfer
            0x414bf389, // exactInputSingle, Uniswap v3
            0x617ba037, // supply, Aave v3
            0x69328dec, // withdraw, Aave v3
            0x5a3b74b9, // setUserUseReserveAsCollateral, Aave v3
            0xd0e30db0 // deposit, WETH
        ];
        for (uint256 i = 0; i < selectors.length; i++) {
            vm.assertFalse(gate.isSelectorForbidden(selectors[i]), "forbidden");
        }
    }

    function test_grant_reverts_whenFeedAgeZero() public {
        Mandate memory mandate = _mandate();
        mandate.feeds[1].maxAge = 0;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.FeedAgeZero.selector, address(usdcFeed))
        );
    }

    function test_grant_reverts_whenFeedIndexOutOfRange() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[3].feed = 2;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.FeedIndexOutOfRange.selector, 2, 2)
        );
    }

    function test_grant_reverts_whenTrackedTwice() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[2] = Tracked(address(weth), 0, 18, true);
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.TrackedTwice.selector, address(weth))
        );
    }

    function test_grant_reverts_whenNativeIsADebt() public {
        Mandate memory mandate = _mandate();
        mandate.tracked[3].debt = true;
        _refuseGrant(mandate, abi.encodeWithSelector(IDecisionGate.NativeDebt.selector));
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
    }

    function test_grant_reverts_whenDecimalsUnreadable() public {
        Mandate memory mandate = _mandate();
        mandate.feeds[0] = Feed(address(gate), 8, 1);
        _refuseGrant(
            mandate,
            abi.encodeWithSelector(IDecisionGate.DecimalsUnreadable.selector, address(gate))
        );
        mandate = _mandate();
        mandate.tracked[0].token = owner;
        _refuseGrant(
            mandate, abi.encodeWithSelector(IDecisionGate.DecimalsUnreadable.selector, owner)
        );
    }

    function _decimals(address source, uint8 stated, uint256 actual)
        private
        pure
        returns (bytes memory)
    {
        return
            abi.encodeWithSelector(IDecisionGate.DecimalsMismatch.selector, source, stated, actual);
    }

    /// @dev The gate refuses the grant with exactly `reason`; the mandate's state is as before.
    function _refuseGrant(Mandate memory mandate, bytes memory reason) private {
        bytes32 id = keccak256(abi.encode(mandate));
        bytes32 before = keccak256(abi.encode(gate.stateOf(id)));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.OwnerCallFailed.selector, 0, reason));
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
        vm.assertEq(keccak256(abi.encode(gate.stateOf(id))), before, "state");
    }
}
