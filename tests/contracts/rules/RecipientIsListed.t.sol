// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RecipientIsListed} from "../../../contracts/rules/RecipientIsListed.sol";
import {Call} from "../../../contracts/types/Call.sol";
import {Permission} from "../../../contracts/types/Mandate.sol";
import {TestToken} from "../mocks/TestToken.sol";
import {RuleFixture} from "./RuleFixture.sol";

contract RecipientIsListedTest is RuleFixture {
    address private constant LANDLORD = address(0x1A4D);
    address private constant GARDENER = address(0x6A4D);

    RecipientIsListed private rule;

    function setUp() public override {
        super.setUp();
        rule = new RecipientIsListed();
    }

    function test_execute_reverts_whenTheRecipientIsNobodyListed() public {
        Submission memory s = _transfer(address(0xBAD));
        _ruleRefuses(s, address(rule), _nobody(0, address(0xBAD)));
        vm.assertEq(weth.balanceOf(address(0xBAD)), 0, "nothing sent");
    }

    function test_execute_paysEverybodyListed() public {
        Submission memory s = _transfer(LANDLORD);
        _execute(s);
        vm.assertEq(weth.balanceOf(LANDLORD), 1e18, "paid");
        s = _transfer(GARDENER);
        _execute(s);
        vm.assertEq(weth.balanceOf(GARDENER), 1e18, "paid too");
    }

    /// @dev The account itself is nobody listed.
    function test_execute_reverts_whenTheAccountIsNotListed() public {
        Submission memory s = _transfer(address(account));
        _ruleRefuses(s, address(rule), _nobody(0, address(account)));
    }

    /// @dev Upper bytes that a careless target would cut off are compared as well.
    function test_execute_reverts_whenTheWordIsDirty() public {
        Submission memory s = _transfer(LANDLORD);
        s.calls[0].data[4] = 0x01;
        _seal(s);
        bytes32 got = bytes32(uint256(uint160(LANDLORD)) | (1 << 248));
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(RecipientIsListed.RecipientNotListed.selector, 0, 0, got)
        );
    }

    function test_execute_reverts_whenTheArgumentIsMissing() public {
        Submission memory s = _transfer(LANDLORD);
        s.calls[0].data =
            abi.encodePacked(TestToken.transfer.selector, bytes31(uint248(uint160(LANDLORD))));
        _seal(s);
        _ruleRefuses(
            s,
            address(rule),
            abi.encodeWithSelector(RecipientIsListed.RecipientMissing.selector, 0, 0, 35)
        );
    }

    /// @dev Every call of the decision, not only its first.
    function test_execute_reverts_whenALaterCallNamesNobodyListed() public {
        Submission memory s = _transfer(LANDLORD);
        Call memory first = s.calls[0];
        s.calls = new Call[](2);
        s.calls[0] = first;
        s.calls[1] = Call(
            address(weth), 0, abi.encodeCall(TestToken.transfer, (address(0xBAD), 1)), address(0), 0
        );
        s.bounds[0] = -1e18 - 1;
        _seal(s);
        _ruleRefuses(s, address(rule), _nobody(1, address(0xBAD)));
    }

    function test_execute_leavesOtherFunctionsToTheAllowList() public {
        Submission memory s = _transfer(LANDLORD);
        s.calls[0] = _sale(1e18, 1995e6);
        s.bounds[0] = -1e18;
        s.bounds[1] = 1990e6;
        _seal(s);
        _execute(s);
    }

    function test_checkTerms_refusesTermsThatCheckNothing() public {
        RecipientIsListed.Place[] memory places = _places();
        RecipientIsListed.Place[] memory none = new RecipientIsListed.Place[](0);
        _termsRefused(address(rule), abi.encode(none, _listed(LANDLORD)), _nothingListed(0, 1));
        _termsRefused(address(rule), abi.encode(places, new address[](0)), _nothingListed(1, 0));
        _termsRefused(
            address(rule),
            abi.encode(places, _listed(address(0))),
            abi.encodeWithSelector(RecipientIsListed.RecipientZero.selector, 0)
        );
        _termsRefused(address(rule), "", "");
    }

    function _transfer(address to) private returns (Submission memory s) {
        address[] memory listed = new address[](2);
        (listed[0], listed[1]) = (LANDLORD, GARDENER);
        s = _draft(_ruled(address(rule), abi.encode(_places(), listed)));
        s.mandate.allowList[1] = Permission(address(weth), TestToken.transfer.selector);
        s.mandate.salt = keccak256(abi.encode(to));
        s.calls[0] =
            Call(address(weth), 0, abi.encodeCall(TestToken.transfer, (to, 1e18)), address(0), 0);
        s.bounds = new int256[](4);
        if (to != address(account)) s.bounds[0] = -1e18;
        _regrant(s);
    }

    function _places() private view returns (RecipientIsListed.Place[] memory places) {
        places = new RecipientIsListed.Place[](1);
        places[0] = RecipientIsListed.Place(address(weth), TestToken.transfer.selector, 0);
    }

    function _listed(address who) private pure returns (address[] memory listed) {
        listed = new address[](1);
        listed[0] = who;
    }

    function _nothingListed(uint256 places, uint256 recipients)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(RecipientIsListed.NothingListed.selector, places, recipients);
    }

    function _nobody(uint256 index, address who) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            RecipientIsListed.RecipientNotListed.selector, index, 0, bytes32(uint256(uint160(who)))
        );
    }
}
