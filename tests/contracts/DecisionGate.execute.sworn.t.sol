// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {NodePermit, Tracked} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract ExecuteSwornTest is GateFixture {
    /* 2. COMMITMENTS */

    function test_execute_reverts_whenCallsAreOthers() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1);
        _refuse(
            s,
            _error(
                IDecisionGate.CallsMismatch.selector,
                keccak256(abi.encode(s.calls)),
                s.decision.calls
            )
        );
    }

    function testFuzz_execute_reverts_whenAnyPartOfACallIsChanged(
        address target,
        uint256 value,
        bytes calldata data,
        address token,
        uint256 allowance,
        uint8 part
    ) public {
        Submission memory s = _honest();
        bytes32 sworn = keccak256(abi.encode(s.calls));
        if (part % 5 == 0) s.calls[0].target = target;
        if (part % 5 == 1) s.calls[0].value = value;
        if (part % 5 == 2) s.calls[0].data = data;
        if (part % 5 == 3) s.calls[0].token = token;
        if (part % 5 == 4) s.calls[0].allowance = allowance;
        bytes32 got = keccak256(abi.encode(s.calls));
        vm.assume(got != sworn);
        _refuse(s, _error(IDecisionGate.CallsMismatch.selector, got, sworn));
    }

    function test_execute_reverts_whenCallsAreSwapped() public {
        Submission memory s = _honest();
        Call memory first = s.calls[0];
        s.calls = new Call[](2);
        s.calls[0] = first;
        s.calls[1] = _sale(2e18, 3990e6);
        _seal(s);
        (s.calls[0], s.calls[1]) = (s.calls[1], s.calls[0]);
        _refuse(
            s,
            _error(
                IDecisionGate.CallsMismatch.selector,
                keccak256(abi.encode(s.calls)),
                s.decision.calls
            )
        );
    }

    function testFuzz_execute_reverts_whenBoundsAreOthers(int256 bound, uint8 index) public {
        Submission memory s = _honest();
        vm.assume(bound != s.bounds[index % 4]);
        s.bounds[index % 4] = bound;
        _refuse(
            s,
            _error(
                IDecisionGate.BoundsMismatch.selector,
                keccak256(abi.encode(s.bounds)),
                s.decision.bounds
            )
        );
    }

    function test_execute_reverts_whenBoundsAreTooFew() public {
        Submission memory s = _honest();
        s.bounds = new int256[](3);
        _seal(s);
        _refuse(s, _error(IDecisionGate.BoundsLength.selector, 3, 4));
    }

    /* 3. CALLS */

    function test_execute_reverts_whenTooManyCalls() public {
        Submission memory s = _honest();
        s.calls = new Call[](17);
        for (uint256 i = 0; i < 17; i++) {
            s.calls[i] = _sale(1, 1);
        }
        _seal(s);
        _refuse(s, _error(IDecisionGate.TooManyCalls.selector, 17, 16));
    }

    function test_execute_makesAsManyCallsAsMayBe_inOrder() public {
        Submission memory s = _honest();
        s.calls = new Call[](16);
        for (uint256 i = 0; i < 16; i++) {
            s.calls[i] = _sale(i + 1, 0);
        }
        s.bounds[0] = -136;
        s.bounds[1] = 0;
        _seal(s);
        _execute(s);
        vm.assertEq(weth.balanceOf(address(venue)), 136, "sum");
    }

    function test_execute_reverts_whenHoldIsNotRecorded() public {
        Submission memory s = _honest();
        s.calls = new Call[](0);
        _seal(s);
        _refuse(s, _error(IDecisionGate.EmptyDecision.selector));
    }

    function test_execute_recordsHold_whereTheMandateAsks() public {
        Submission memory s = _draft(_mandate());
        s.mandate.recordHolds = true;
        s.calls = new Call[](0);
        s.bounds = new int256[](4);
        _regrant(s);
        bytes32 digest = _execute(s);
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
    }

    function test_execute_reverts_whenCallTooShort() public {
        Submission memory s = _honest();
        s.calls[0].data = hex"a9059c";
        _seal(s);
        _refuse(s, _error(IDecisionGate.CallTooShort.selector, 0, 3));
    }

    function test_execute_reverts_whenTargetIsNotListed() public {
        Submission memory s = _honest();
        s.calls[0].target = address(usdc);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.CallNotAllowed.selector, address(usdc), Venue.trade.selector
            )
        );
    }

    function test_execute_reverts_whenSelectorIsNotListed() public {
        Submission memory s = _honest();
        s.calls[0].target = address(weth);
        s.calls[0].data = abi.encodeCall(TestToken.approve, (address(this), 1));
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.CallNotAllowed.selector, address(weth), TestToken.approve.selector
            )
        );
    }

    function test_execute_reverts_whenAllowanceIsInAnUntrackedToken() public {
        Submission memory s = _honest();
        s.calls[0].token = address(this);
        _seal(s);
        _refuse(
            s,
            _error(IDecisionGate.TokenUntracked.selector, bytes32(uint256(uint160(address(this)))))
        );
    }

    function test_execute_reverts_whenAllowanceIsInADebt() public {
        Submission memory s = _honest();
        s.calls[0].token = address(debt);
        _seal(s);
        _refuse(
            s,
            _error(IDecisionGate.TokenUntracked.selector, bytes32(uint256(uint160(address(debt)))))
        );
    }

    function test_execute_reverts_whenAllowanceIsInNoToken() public {
        Submission memory s = _honest();
        s.calls[0].token = address(0);
        _seal(s);
        _refuse(s, _error(IDecisionGate.TokenUntracked.selector, bytes32(0)));
    }

    function test_execute_reverts_whenValueIsUntracked() public {
        Submission memory s = _draft(_mandate());
        s.mandate.tracked = new Tracked[](1);
        s.mandate.tracked[0] = Tracked(address(weth), 0, 18, false);
        s.bounds = new int256[](1);
        s.calls[0] = Call(address(venue), 1 ether, abi.encodeCall(Venue.keep, (0)), address(0), 0);
        _regrant(s);
        _refuse(s, _error(IDecisionGate.ValueUntracked.selector, 0, 1 ether));
    }

    /* 4. PROOF */

    function test_execute_reverts_whenNodeIsNotPermitted() public {
        Submission memory s = _honest();
        _sign(s, 7);
        _refuse(
            s,
            _error(IDecisionGate.NodeNotPermitted.selector, bytes32(uint256(uint160(vm.addr(7)))))
        );
    }

    /// @dev What the precompile tells where no point fits is the zero address.
    function test_execute_reverts_whenNoKeyMadeTheSignature() public {
        Submission memory s = _honest();
        s.proof = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(65))));
    }

    function test_execute_reverts_whenTierTooLow() public {
        Submission memory s = _draft(_mandate());
        s.mandate.ladder[0].tier = 1;
        s.mandate.nodes = new NodePermit[](2);
        s.mandate.nodes[0] = NodePermit(node, 0);
        s.mandate.nodes[1] = NodePermit(vm.addr(7), 1);
        _regrant(s);
        _refuse(s, _error(IDecisionGate.TierTooLow.selector, 0, 1));
    }

    function test_execute_reverts_whenAnotherKeySigned() public {
        Submission memory s = _honest();
        _sign(s, 7);
        _refuse(s, abi.encodeWithSelector(IDecisionGate.NodeNotPermitted.selector, vm.addr(7)));
    }

    function testFuzz_execute_reverts_whenSignatureLengthIsWrong(uint8 length) public {
        vm.assume(length != 65);
        Submission memory s = _honest();
        bytes memory whole = s.proof;
        s.proof = new bytes(length);
        for (uint256 i = 0; i < length && i < 65; i++) {
            s.proof[i] = whole[i];
        }
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(length))));
    }

    function test_execute_reverts_whenSignatureIsTheMalleableTwin() public {
        Submission memory s = _honest();
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(NODE_SECRET, gate.digestOf(s.decision));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        s.proof = abi.encodePacked(r, bytes32(order - uint256(z)), v == 27 ? 28 : 27);
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(65))));
    }

    function testFuzz_execute_reverts_whenASignatureByteIsFlipped(uint256 index, uint8 flip)
        public
    {
        vm.assume(flip != 0);
        Submission memory s = _honest();
        index = index % 65;
        s.proof[index] = s.proof[index] ^ bytes1(flip);
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        bool named = bytes4(reason) == IDecisionGate.SignatureMalformed.selector
            || bytes4(reason) == IDecisionGate.NodeNotPermitted.selector;
        vm.assertTrue(named, "another reason");
        _assertUnchanged(s, before);
    }

    function testFuzz_execute_reverts_whenADecisionFieldIsChanged(uint8 field, bytes32 noise)
        public
    {
        Submission memory s = _honest();
        bytes32 digest = gate.digestOf(s.decision);
        field = uint8(_fold(field, 0, 10));
        if (field == 0) s.decision.mandate ^= noise;
        if (field == 1) s.decision.program ^= noise;
        if (field == 2) s.decision.slot ^= uint64(uint256(noise));
        if (field == 3) s.decision.anchorHash ^= noise;
        if (field == 4) s.decision.previous ^= noise;
        if (field == 5) s.decision.observation ^= noise;
        if (field == 6) s.decision.receipts ^= noise;
        if (field == 7) s.decision.calls ^= noise;
        if (field == 8) s.decision.bounds ^= noise;
        if (field == 9) s.decision.evidence ^= noise;
        if (field == 10) s.decision.validUntil ^= uint64(uint256(noise));
        vm.assume(gate.digestOf(s.decision) != digest);
        // What no earlier check compares is still part of what was signed.
        bytes4 signed = IDecisionGate.NodeNotPermitted.selector;
        bytes4[11] memory reasons = [
            IDecisionGate.MandateUnknown.selector,
            IDecisionGate.ProgramMismatch.selector,
            IDecisionGate.SlotNotNewest.selector,
            IDecisionGate.AnchorMismatch.selector,
            IDecisionGate.HeadMismatch.selector,
            signed,
            signed,
            IDecisionGate.CallsMismatch.selector,
            IDecisionGate.BoundsMismatch.selector,
            signed,
            s.decision.validUntil < START_TIME ? IDecisionGate.DecisionExpired.selector : signed
        ];
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        vm.assertEq(bytes4(reason), reasons[field], "another reason");
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenSignedForAnotherChain() public {
        Submission memory s = _honest();
        vm.chainId(2);
        _sign(s, NODE_SECRET);
        vm.chainId(31337);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.NodeNotPermitted.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenSignedForAnotherGate() public {
        Submission memory s = _honest();
        address other = address(0x6A7E);
        vm.etch(other, address(gate).code);
        (uint8 v, bytes32 r, bytes32 z) =
            vm.sign(NODE_SECRET, IDecisionGate(other).digestOf(s.decision));
        s.proof = abi.encodePacked(r, z, v);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.NodeNotPermitted.selector);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenNodeIsUnannounced() public {
        Submission memory s = _draft(_mandate());
        s.mandate.nodes[0].key = vm.addr(7);
        _regrant(s);
        _sign(s, 7);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.NodeUnannounced.selector, vm.addr(7), _service(model)
            )
        );
    }

    function test_execute_reverts_whenNodeIsRevoked() public {
        Submission memory s = _honest();
        vm.prank(node);
        registry.revoke();
        _refuse(
            s, abi.encodeWithSelector(IDecisionGate.NodeRevoked.selector, node, uint64(START_TIME))
        );
    }

    function test_execute_reverts_whenNodeIsExpired() public {
        Submission memory s = _draft(_mandate());
        vm.prank(node);
        registry.announce(model, engine, uint64(START_TIME + 5));
        _regrant(s);
        vm.warp(START_TIME + 5);
        _refuse(
            s,
            abi.encodeWithSelector(IDecisionGate.NodeExpired.selector, node, uint64(START_TIME + 5))
        );
    }

    /// @dev What the key announced for another model says nothing about this one.
    function test_execute_reverts_whenNodeServesAnotherModel() public {
        Submission memory s = _draft(_mandate());
        s.mandate.model = keccak256("another model");
        _regrant(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.NodeUnannounced.selector, node, _service(s.mandate.model)
            )
        );
    }

    function test_execute_reverts_whenNodeRunsAnotherEngine() public {
        Submission memory s = _draft(_mandate());
        s.mandate.engine = keccak256("another engine");
        _regrant(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.NodeUnannounced.selector,
                node,
                keccak256(abi.encode(model, s.mandate.engine))
            )
        );
    }

    function _service(bytes32 model_) private view returns (bytes32) {
        return keccak256(abi.encode(model_, engine));
    }
}
