// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModuleHost} from "../../contracts/IModuleHost.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {Test} from "./Test.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract OwnedAccountTest is Test {
    address private constant OWNER = address(0xA11CE);
    address private constant GATE = address(0x6A7E);
    IOwnedAccount private account;
    TestToken private token;
    Venue private venue;

    function setUp() public {
        account = IOwnedAccount(_deploy("OwnedAccount", abi.encode(OWNER, GATE)));
        token = new TestToken(18);
        venue = new Venue();
        token.mint(address(account), 100);
        vm.deal(address(account), 100);
    }

    function test_constructor_reverts_whenPartyZero() public {
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.PartyZero.selector));
        this.deployAccount(address(0), GATE);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.PartyZero.selector));
        this.deployAccount(OWNER, address(0));
    }

    function deployAccount(address owner, address gate) external returns (address created) {
        bytes memory code =
            bytes.concat(vm.getCode("OwnedAccount.sol:OwnedAccount"), abi.encode(owner, gate));
        assembly {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function test_execute_letsTheOwnerOut() public {
        vm.prank(OWNER);
        bytes memory result =
            account.execute(address(token), 0, abi.encodeCall(TestToken.transfer, (OWNER, 100)));
        vm.assertEq(result, abi.encode(true), "result");
        vm.prank(OWNER);
        account.execute(OWNER, 100, "");
        vm.assertEq(token.balanceOf(OWNER), 100, "tokens");
        vm.assertEq(OWNER.balance, 100, "native");
    }

    function testFuzz_execute_reverts_whenNotOwner(address caller) public {
        vm.assume(caller != OWNER);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.NotOwner.selector, caller, OWNER));
        account.execute(caller, 100, "");
        vm.assertEq(address(account).balance, 100, "native");
    }

    function test_execute_reverts_whenTheCallFails() public {
        vm.prank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOwnedAccount.OwnerCallFailed.selector,
                0,
                abi.encodeWithSelector(Venue.Refused.selector, 42)
            )
        );
        account.execute(address(venue), 0, abi.encodeCall(Venue.fail, (42)));
    }

    function test_executeBatch_isAllOrNothing() public {
        IOwnedAccount.OwnerCall[] memory calls = new IOwnedAccount.OwnerCall[](2);
        calls[0] = IOwnedAccount.OwnerCall(
            address(token), 0, abi.encodeCall(TestToken.transfer, (OWNER, 40))
        );
        calls[1] = IOwnedAccount.OwnerCall(OWNER, 101, "");
        vm.prank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(IOwnedAccount.OwnerCallFailed.selector, 1, bytes(""))
        );
        account.executeBatch(calls);
        vm.assertEq(token.balanceOf(OWNER), 0, "tokens");
        calls[1].value = 100;
        vm.prank(OWNER);
        account.executeBatch(calls);
        vm.assertEq(token.balanceOf(OWNER), 40, "tokens");
        vm.assertEq(OWNER.balance, 100, "native");
    }

    function testFuzz_executeBatch_reverts_whenNotOwner(address caller) public {
        vm.assume(caller != OWNER);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.NotOwner.selector, caller, OWNER));
        account.executeBatch(new IOwnedAccount.OwnerCall[](0));
    }

    function testFuzz_execTransactionFromModuleReturnData_reverts_whenNotGate(address caller)
        public
    {
        vm.assume(caller != GATE);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.NotGate.selector, caller, GATE));
        account.execTransactionFromModuleReturnData(caller, 100, "", 0);
    }

    function test_execTransactionFromModuleReturnData_reverts_whenNotACall() public {
        vm.prank(GATE);
        vm.expectRevert(abi.encodeWithSelector(IOwnedAccount.OperationUnsupported.selector, 1));
        account.execTransactionFromModuleReturnData(address(token), 0, "", 1);
    }

    function test_execTransactionFromModuleReturnData_reportsSuccessAndFailure() public {
        vm.prank(GATE);
        (bool success, bytes memory result) = account.execTransactionFromModuleReturnData(
            address(token), 0, abi.encodeCall(TestToken.transfer, (OWNER, 1)), 0
        );
        vm.assertTrue(success, "success");
        vm.assertEq(result, abi.encode(true), "result");
        vm.prank(GATE);
        (success, result) = account.execTransactionFromModuleReturnData(
            address(venue), 0, abi.encodeCall(Venue.fail, (42)), 0
        );
        vm.assertFalse(success, "failure");
        vm.assertEq(result, abi.encodeWithSelector(Venue.Refused.selector, 42), "reason");
    }

    function test_moduleInterface_isTheSafes() public pure {
        vm.assertEq(
            bytes32(IModuleHost.execTransactionFromModuleReturnData.selector),
            bytes32(bytes4(0x5229073f)),
            "selector"
        );
    }

    function test_receives_nativeAndERC721() public {
        (bool success,) = address(account).call{value: 1}("");
        vm.assertTrue(success, "native");
        vm.assertEq(
            bytes32(account.onERC721Received(OWNER, OWNER, 1, "")),
            bytes32(bytes4(0x150b7a02)),
            "ERC-721"
        );
    }

    function test_signsNothing() public {
        (bool success,) = address(account)
            .call(
                abi.encodeWithSignature(
                    "isValidSignature(bytes32,bytes)", bytes32(0), new bytes(65)
                )
            );
        vm.assertFalse(success, "ERC-1271");
    }
}
