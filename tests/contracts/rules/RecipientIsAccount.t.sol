// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecipientIsAccount} from "../../../contracts/rules/RecipientIsAccount.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission} from "../../../contracts/types/Mandate.sol";
import {TestToken} from "../mocks/TestToken.sol";
import {Venue} from "../mocks/Venue.sol";
import {RuleFixture} from "./RuleFixture.sol";

contract RecipientIsAccountTest is RuleFixture {
    RecipientIsAccount private rule;

    function setUp() public override {
        super.setUp();
        rule = new RecipientIsAccount();
    }

    function test_execute_reverts_whenTheRecipientIsSomebodyElse() public {
        Submission memory s = _transfer(address(0xBAD));
        _ruleRefuses(s, address(rule), _somebody(0, address(0xBAD)));
        s = _transfer(address(account));
        _execute(s);
    }

    /// @dev Upper bytes that a careless target would cut off are compared as well.
    function test_execute_reverts_whenTheWordIsDirty() public {
        Submission memory s = _transfer(address(account));
        s.calls[0].data[4] = 0x01;
        _seal(s);
        bytes32 got = bytes32(uint256(uint160(address(account))) | (1 << 248));
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(
                RecipientIsAccount.RecipientNotAccount.selector, 0, 0, got, address(account)
            )
        );
    }

    function test_execute_reverts_whenTheArgumentIsMissing() public {
        Submission memory s = _transfer(address(account));
        s.calls[0].data = abi.encodePacked(
            TestToken.transfer.selector, bytes31(uint248(uint160(address(account))))
        );
        _seal(s);
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(RecipientIsAccount.ArgumentMissing.selector, 0, 0, 35)
        );
    }

    /// @dev Every call of the decision, not only its first.
    function test_execute_reverts_whenALaterCallNamesSomebodyElse() public {
        Submission memory s = _transfer(address(account));
        Call memory first = s.calls[0];
        s.calls = new Call[](2);
        s.calls[0] = first;
        s.calls[1] = Call(
            address(weth), 0, abi.encodeCall(TestToken.transfer, (address(0xBAD), 1)), address(0), 0
        );
        s.bounds[0] = -1;
        _seal(s);
        _ruleRefuses(s, address(rule), _somebody(1, address(0xBAD)));
    }

    function test_execute_leavesOtherFunctionsToTheAllowList() public {
        Submission memory s = _transfer(address(account));
        s.calls[0] = _sale(1e18, 1995e6);
        s.bounds[0] = -1e18;
        s.bounds[1] = 1990e6;
        _seal(s);
        _execute(s);
    }

    function test_checkTerms_refusesTermsThatCheckNothing() public {
        _termsRefused(
            address(rule),
            abi.encode(new RecipientIsAccount.Place[](0)),
            abi.encodeWithSelector(RecipientIsAccount.NoPlace.selector)
        );
        _termsRefused(address(rule), "", "");
    }

    function _transfer(address to) private returns (Submission memory s) {
        RecipientIsAccount.Place[] memory places = new RecipientIsAccount.Place[](2);
        places[0] = RecipientIsAccount.Place(address(usdc), TestToken.transfer.selector, 7);
        places[1] = RecipientIsAccount.Place(address(weth), TestToken.transfer.selector, 0);
        s = _draft(_ruled(address(rule), abi.encode(places)));
        s.mandate.allowList[1] = Permission(address(weth), TestToken.transfer.selector);
        s.mandate.salt = keccak256(abi.encode(to));
        s.calls[0] =
            Call(address(weth), 0, abi.encodeCall(TestToken.transfer, (to, 1e18)), address(0), 0);
        s.bounds = new int256[](4);
        if (to != address(account)) s.bounds[0] = -1e18;
        vm.assertTrue(Venue.trade.selector != TestToken.transfer.selector, "another function");
        _regrant(s);
    }

    function _somebody(uint256 index, address who) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            RecipientIsAccount.RecipientNotAccount.selector,
            index,
            0,
            bytes32(uint256(uint160(who))),
            address(account)
        );
    }
}
