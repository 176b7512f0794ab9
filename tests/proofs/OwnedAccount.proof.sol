// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IModuleHost} from "../../contracts/IModuleHost.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {PlainToken, Proof} from "./Proof.sol";

/// @title The account: the owner's exit is always open, and nobody else's is.
contract OwnedAccountProof is Proof {
    address private constant OWNER = address(0xA11CE);
    address private constant GATE = address(0x6A7E);

    IOwnedAccount private account;
    PlainToken private token;

    function setUp() public {
        account = IOwnedAccount(_deploy("OwnedAccount", abi.encode(OWNER, GATE)));
        token = new PlainToken();
        token.mint(address(account), 1000);
        vm.deal(address(account), 1000);
    }

    /// @dev Whatever code the gate has, or none: the owner takes any amount that there is.
    function check_ownerExit_isAlwaysOpen(uint256 amount, bytes32 gateCode) public {
        vm.assume(amount <= 1000);
        vm.etch(GATE, abi.encodePacked(gateCode));
        assert(_exits(address(token), 0, abi.encodeCall(PlainToken.transfer, (OWNER, amount))));
        assert(token.balanceOf(OWNER) == amount);
        assert(token.balanceOf(address(account)) == 1000 - amount);
    }

    function check_ownerExit_ofNativeCurrency_isAlwaysOpen(uint256 amount) public {
        vm.assume(amount <= 1000);
        uint256 before = OWNER.balance;
        assert(_exits(OWNER, amount, ""));
        assert(OWNER.balance == before + amount);
    }

    /// @dev A revert would only end the walk: that there is none is asserted.
    function _exits(address target, uint256 value, bytes memory data) private returns (bool) {
        vm.prank(OWNER);
        try account.execute(target, value, data) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Whoever is neither owner nor gate, by whichever entry point: no call is made.
    function check_nobodyElse_executes(address caller, address target, uint256 value, bytes32 data)
        public
    {
        vm.assume(caller != OWNER);
        vm.prank(caller);
        (bool success,) = address(account)
            .call(abi.encodeCall(IOwnedAccount.execute, (target, value, abi.encodePacked(data))));
        assert(!success);
    }

    function check_nobodyElse_executes_aBatch(address caller, address target, uint256 value)
        public
    {
        vm.assume(caller != OWNER);
        IOwnedAccount.OwnerCall[] memory calls = new IOwnedAccount.OwnerCall[](1);
        calls[0] = IOwnedAccount.OwnerCall(target, value, "");
        vm.prank(caller);
        (bool success,) = address(account).call(abi.encodeCall(IOwnedAccount.executeBatch, (calls)));
        assert(!success);
    }

    /// @dev The gate may call, and never delegate; nobody else uses the module's entry.
    function check_module_isTheGateAlone(
        address caller,
        address target,
        uint256 value,
        bytes32 data,
        uint8 operation
    ) public {
        vm.assume(caller != GATE || operation != 0);
        vm.prank(caller);
        (bool success,) = address(account)
            .call(
                abi.encodeCall(
                    IModuleHost.execTransactionFromModuleReturnData,
                    (target, value, abi.encodePacked(data), operation)
                )
            );
        assert(!success);
    }
}
