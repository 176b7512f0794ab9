// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {StickyToken} from "../../contracts/devnet/StickyToken.sol";
import {Call} from "../../contracts/types/Call.sol";
import {InferenceReceipt} from "../../contracts/types/InferenceReceipt.sol";
import {NodePermit, Permission, Tracked} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";
import {OddAccount, OddFeed} from "./mocks/Hosts.sol";
import {
    CallbackToken,
    FalseReturnToken,
    FeeOnTransferToken,
    MissingReturnToken,
    TestToken
} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

contract DecisionGateExecuteTest is GateFixture {
    /* 1. MANDATE AND CHAIN */

    function test_execute_reverts_whenNotOperator() public {
        Submission memory s = _honest();
        vm.expectRevert(
            abi.encodeWithSelector(IDecisionGate.NotOperator.selector, address(this), operator)
        );
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
    }

    function test_execute_byAnyone_whereNoOperatorIsNamed() public {
        Submission memory s = _draft(_mandate());
        s.mandate.operator = address(0);
        _regrant(s);
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
    }

    function test_execute_reverts_whenMandateUnknown() public {
        Submission memory s = _honest();
        s.mandate.maxLoss += 1;
        _refuse(s, _error(IDecisionGate.MandateUnknown.selector, keccak256(abi.encode(s.mandate))));
    }

    function test_execute_reverts_whenMandateRevoked() public {
        Submission memory s = _honest();
        _byOwner(abi.encodeCall(IDecisionGate.revoke, (s.decision.mandate)));
        _refuse(s, _error(IDecisionGate.MandateRevoked.selector, s.decision.mandate));
    }

    function test_execute_reverts_whenMandateNotLive() public {
        _byOwner(abi.encodeCall(IDecisionGate.setGrantDelay, (30)));
        Submission memory s = _honest();
        vm.warp(START_TIME + 29);
        _refuse(s, _error(IDecisionGate.MandateNotLive.selector, START_TIME + 30, START_TIME + 29));
        vm.warp(START_TIME + 30);
        _execute(s);
    }

    function test_execute_reverts_whenMandateExpired() public {
        Submission memory s = _draft(_mandate());
        s.mandate.expiry = uint64(START_TIME + 10);
        _regrant(s);
        vm.warp(START_TIME + 10);
        _refuse(s, _error(IDecisionGate.MandateExpired.selector, START_TIME + 10, START_TIME + 10));
        vm.warp(START_TIME + 9);
        _execute(s);
    }

    function test_execute_reverts_whenMandateStopped() public {
        Submission memory s = _honest();
        vm.prank(guardian);
        gate.stop(s.mandate, uint64(START_TIME + 20));
        vm.warp(START_TIME + 19);
        _refuse(s, _error(IDecisionGate.MandateStopped.selector, START_TIME + 20, START_TIME + 19));
        vm.warp(START_TIME + 20);
        _execute(s);
    }

    function test_execute_reverts_whenMandateIsAnother() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        other.decision = s.decision;
        other.proof = s.proof;
        _refuse(
            other,
            _error(
                IDecisionGate.MandateMismatch.selector,
                s.decision.mandate,
                keccak256(abi.encode(other.mandate))
            )
        );
    }

    function test_execute_reverts_whenProgramIsAnother() public {
        Submission memory s = _honest();
        s.decision.program = keccak256("another program");
        _seal(s);
        _refuse(
            s, _error(IDecisionGate.ProgramMismatch.selector, s.decision.program, s.mandate.program)
        );
    }

    function test_execute_reverts_whenReplayed() public {
        Submission memory s = _honest();
        bytes32 head = _execute(s);
        _refuse(s, _error(IDecisionGate.HeadMismatch.selector, s.decision.mandate, head));
    }

    function test_execute_reverts_whenSlotIsOlder() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK + CADENCE);
        _refuse(s, _error(IDecisionGate.SlotNotNewest.selector, SLOT, SLOT + 1));
    }

    function test_execute_reverts_whenSlotIsAhead() public {
        Submission memory s = _honest();
        s.decision.slot = SLOT + 1;
        _seal(s);
        _refuse(s, _error(IDecisionGate.SlotNotNewest.selector, SLOT + 1, SLOT));
    }

    function test_execute_reverts_whenSlotUsed() public {
        Submission memory s = _honest();
        s.decision.previous = _execute(s);
        _seal(s);
        _refuse(s, _error(IDecisionGate.SlotUsed.selector, bytes32(uint256(SLOT))));
    }

    function test_execute_reverts_whenDecisionExpired() public {
        Submission memory s = _honest();
        vm.warp(START_TIME + 61);
        _refuse(s, _error(IDecisionGate.DecisionExpired.selector, START_TIME + 60, START_TIME + 61));
        vm.warp(START_TIME + 60);
        _execute(s);
    }

    function test_execute_reverts_whenAnchorIsTheCurrentBlock() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK - 3);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(START_BLOCK - 3)));
    }

    function test_execute_reverts_whenAnchorTooOldAndNoHistory() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        s.decision.anchorHash = keccak256("block 1000");
        _regrant(s);
        vm.roll(1257);
        _refuse(s, _error(IDecisionGate.AnchorUnavailable.selector, bytes32(uint256(1000))));
    }

    function test_execute_readsOldAnchorsFromTheHistoryContract() public {
        Submission memory s = _draft(_mandate());
        s.mandate.cadence = 500;
        s.decision.slot = 2;
        s.decision.anchorHash = keccak256("block 1000");
        _regrant(s);
        vm.roll(1257);
        HistoryDouble history = new HistoryDouble();
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, address(history).code);
        HistoryDouble(0x0000F90827F1C53a10cb7A02335B175320002935).set(1000, s.decision.anchorHash);
        _execute(s);
    }

    function test_execute_reverts_whenAnchorWasReorganised() public {
        Submission memory s = _honest();
        vm.setBlockhash(uint256(SLOT) * CADENCE, keccak256("another block"));
        _refuse(
            s,
            _error(
                IDecisionGate.AnchorMismatch.selector,
                s.decision.anchorHash,
                keccak256("another block")
            )
        );
    }

    /* 2. COMMITMENTS */

    function test_execute_reverts_whenNoReceipt() public {
        Submission memory s = _honest();
        s.receipts = new InferenceReceipt[](0);
        _seal(s);
        _refuse(s, _error(IDecisionGate.NoReceipt.selector));
    }

    function test_execute_reverts_whenReceiptsAreOthers() public {
        Submission memory s = _honest();
        s.receipts[0].output = keccak256("another output");
        _refuse(
            s,
            _error(
                IDecisionGate.ReceiptsMismatch.selector,
                keccak256(abi.encode(s.receipts)),
                s.decision.receipts
            )
        );
    }

    function test_execute_reverts_whenModelIsAnother() public {
        Submission memory s = _honest();
        s.receipts[0].model = keccak256("another model");
        _seal(s);
        _refuse(s, _error(IDecisionGate.ModelMismatch.selector, s.receipts[0].model, model));
    }

    function test_execute_reverts_whenEngineIsAnother() public {
        Submission memory s = _honest();
        s.receipts[0].engine = keccak256("another engine");
        _seal(s);
        _refuse(s, _error(IDecisionGate.EngineMismatch.selector, s.receipts[0].engine, engine));
    }

    function test_execute_reverts_whenOneOfSeveralReceiptsIsAnotherModels() public {
        Submission memory s = _honest();
        s.receipts = new InferenceReceipt[](2);
        s.receipts[0] = _receipt();
        s.receipts[1] = _receipt();
        s.receipts[1].model = keccak256("another model");
        _seal(s);
        _refuse(s, _error(IDecisionGate.ModelMismatch.selector, s.receipts[1].model, model));
    }

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
        s.proof.node = vm.addr(7);
        _sign(s, 7);
        _refuse(
            s,
            _error(IDecisionGate.NodeNotPermitted.selector, bytes32(uint256(uint160(vm.addr(7)))))
        );
    }

    function test_execute_reverts_whenNodeIsTheZeroAddress() public {
        Submission memory s = _honest();
        s.proof.node = address(0);
        s.proof.signature = new bytes(65);
        _refuse(s, _error(IDecisionGate.NodeNotPermitted.selector, bytes32(0)));
    }

    function test_execute_reverts_whenTierTooLow() public {
        Submission memory s = _draft(_mandate());
        s.mandate.ladder[0].tier = 1;
        _regrant(s);
        _refuse(s, _error(IDecisionGate.TierTooLow.selector, 0, 1));
    }

    function test_execute_reverts_whenAnotherKeySigned() public {
        Submission memory s = _honest();
        _sign(s, 7);
        _refuse(
            s, abi.encodeWithSelector(IDecisionGate.SignatureInvalid.selector, node, vm.addr(7))
        );
    }

    function testFuzz_execute_reverts_whenSignatureLengthIsWrong(uint8 length) public {
        vm.assume(length != 65);
        Submission memory s = _honest();
        bytes memory whole = s.proof.signature;
        s.proof.signature = new bytes(length);
        for (uint256 i = 0; i < length && i < 65; i++) {
            s.proof.signature[i] = whole[i];
        }
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(length))));
    }

    function test_execute_reverts_whenSignatureIsTheMalleableTwin() public {
        Submission memory s = _honest();
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(NODE_SECRET, gate.digestOf(s.decision));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        s.proof.signature = abi.encodePacked(r, bytes32(order - uint256(z)), v == 27 ? 28 : 27);
        _refuse(s, _error(IDecisionGate.SignatureMalformed.selector, bytes32(uint256(65))));
    }

    function testFuzz_execute_reverts_whenASignatureByteIsFlipped(uint256 index, uint8 flip)
        public
    {
        vm.assume(flip != 0);
        Submission memory s = _honest();
        index = index % 65;
        s.proof.signature[index] = s.proof.signature[index] ^ bytes1(flip);
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success, bytes memory reason) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        bool named = bytes4(reason) == IDecisionGate.SignatureMalformed.selector
            || bytes4(reason) == IDecisionGate.SignatureInvalid.selector;
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
        Picture memory before = _picture(s);
        vm.prank(operator);
        (bool success,) = address(gate).call(_calldata(s));
        vm.assertFalse(success, "executed");
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenSignedForAnotherChain() public {
        Submission memory s = _honest();
        vm.chainId(2);
        _sign(s, NODE_SECRET);
        vm.chainId(31337);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.SignatureInvalid.selector);
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenSignedForAnotherGate() public {
        Submission memory s = _honest();
        address other = address(0x6A7E);
        vm.etch(other, address(gate).code);
        (uint8 v, bytes32 r, bytes32 z) =
            vm.sign(NODE_SECRET, IDecisionGate(other).digestOf(s.decision));
        s.proof.signature = abi.encodePacked(r, z, v);
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectPartialRevert(IDecisionGate.SignatureInvalid.selector);
        gate.execute(s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function test_execute_reverts_whenNodeIsUnannounced() public {
        Submission memory s = _draft(_mandate());
        s.mandate.nodes[0].key = vm.addr(7);
        s.proof.node = vm.addr(7);
        _regrant(s);
        _sign(s, 7);
        _refuse(
            s, _error(IDecisionGate.NodeUnannounced.selector, bytes32(uint256(uint160(vm.addr(7)))))
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

    function test_execute_reverts_whenNodeServesAnother() public {
        Submission memory s = _honest();
        vm.prank(node);
        registry.announce(keccak256("another model"), engine, uint64(START_TIME + 30 days));
        _refuse(
            s,
            _error(
                IDecisionGate.NodeServesOther.selector,
                keccak256(abi.encode(keccak256("another model"), engine)),
                keccak256(abi.encode(model, engine))
            )
        );
    }

    /* 5. PRICES AND LIMITS */

    function test_execute_reverts_whenPriceIsStale() public {
        Submission memory s = _honest();
        wethFeed.set(int256(2000 * DOLLAR), uint64(START_TIME - 1 hours));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceStale.selector,
                address(wethFeed),
                START_TIME - 1 hours,
                START_TIME
            )
        );
        wethFeed.set(int256(2000 * DOLLAR), uint64(START_TIME - 1 hours + 1));
        _execute(s);
    }

    function test_execute_reverts_whenPriceIsNotPositive() public {
        Submission memory s = _honest();
        int256[2] memory answers = [int256(0), -1];
        for (uint256 i = 0; i < 2; i++) {
            usdcFeed.set(answers[i], uint64(START_TIME));
            _refuse(
                s,
                abi.encodeWithSelector(
                    IDecisionGate.PriceInvalid.selector, address(usdcFeed), answers[i], START_TIME
                )
            );
        }
    }

    function test_execute_reverts_whenPriceIsFromTheFuture() public {
        Submission memory s = _honest();
        usdcFeed.set(1e8, uint64(START_TIME + 1));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceInvalid.selector, address(usdcFeed), int256(1e8), START_TIME + 1
            )
        );
    }

    function test_execute_reverts_whenPriceIsAbsurd() public {
        Submission memory s = _honest();
        usdcFeed.set(type(int256).max, uint64(START_TIME));
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.PriceInvalid.selector, address(usdcFeed), type(int256).max, START_TIME
            )
        );
    }

    function test_execute_reverts_whenFeedAnswersNothingOrTooLittle() public {
        OddFeed feed = new OddFeed();
        Submission memory s = _draft(_mandate());
        s.mandate.feeds[1].aggregator = address(feed);
        _regrant(s);
        bytes[2] memory answers = [bytes(""), abi.encode(1, 1e8, 1, START_TIME)];
        for (uint256 i = 0; i < 2; i++) {
            feed.set(answers[i]);
            _refuse(
                s,
                abi.encodeWithSelector(
                    IDecisionGate.PriceInvalid.selector, address(feed), int256(0), 0
                )
            );
        }
    }

    function test_execute_reverts_whenAmountIsTooLarge() public {
        Submission memory s = _honest();
        s.bounds[0] = type(int256).min;
        _seal(s);
        _refuse(s, _error(IDecisionGate.AmountTooLarge.selector, 2 ** 255, type(uint128).max));
    }

    function test_execute_reverts_whenRungExceeded() public {
        Submission memory s = _honest();
        s.bounds[0] = -5e18;
        s.bounds[1] = -1;
        _seal(s);
        // A millionth of a dollar more than 10 000, in units of 10^-8.
        _refuse(
            s, _error(IDecisionGate.RungExceeded.selector, 10_000 * DOLLAR + 100, 10_000 * DOLLAR)
        );
        s.bounds[1] = 0;
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenManySmallOutflowsExceedTheRung() public {
        Submission memory s = _honest();
        for (uint64 i = 0; i < 5; i++) {
            s.decision.previous = _execute(s);
            vm.assertEq(
                gate.stateOf(s.decision.mandate).unaudited, (i + 1) * 2000 * DOLLAR, "outflow"
            );
            _nextSlot(s, i + 1);
        }
        _refuse(s, _error(IDecisionGate.RungExceeded.selector, 12_000 * DOLLAR, 10_000 * DOLLAR));
    }

    function test_execute_roundsRiskUp() public {
        Submission memory s = _honest();
        // One wei of WETH is worth 2·10^-7 units of value: at risk counts 1.
        s.calls[0] = _sale(1, 0);
        s.bounds[0] = -1;
        s.bounds[1] = 0;
        _seal(s);
        _execute(s);
        vm.assertEq(gate.stateOf(s.decision.mandate).unaudited, 1, "outflow");
    }

    /* 6. EXECUTION AND EFFECTS */

    function test_execute_reverts_whenReentered() public {
        CallbackToken token = new CallbackToken();
        Submission memory s = _callbackDraft(token);
        // What the token would submit in the meantime is another mandate's honest decision.
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        token.listen(address(gate), _calldata(other));
        _execute(s);
        vm.assertEq(token.answer(), _error(IDecisionGate.Reentered.selector), "answer");
        vm.assertEq(gate.headOf(other.decision.mandate), other.decision.mandate, "other head");
    }

    function test_execute_opensTheLockAfterwards() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.salt = keccak256("other");
        _regrant(other);
        _execute(s);
        _execute(other);
    }

    function test_execute_reverts_whenATargetReenters() public {
        Submission memory s = _honest();
        Submission memory other = _draft(_mandate());
        other.mandate.operator = address(0);
        _regrant(other);
        s.calls[0] = _plain(abi.encodeCall(Venue.poke, (address(gate), _calldata(other))));
        _seal(s);
        _refuse(s, _callFailed(_error(IDecisionGate.Reentered.selector)));
    }

    function test_execute_reverts_whenCallFails() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.fail, (42)));
        _seal(s);
        _refuse(s, _callFailed(abi.encodeWithSelector(Venue.Refused.selector, 42)));
    }

    function test_execute_undoesEarlierCalls_whenALaterOneFails() public {
        Submission memory s = _honest();
        Call memory first = s.calls[0];
        s.calls = new Call[](2);
        s.calls[0] = first;
        s.calls[1] = _plain(abi.encodeCall(Venue.fail, (42)));
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.CallFailed.selector,
                1,
                abi.encodeWithSelector(Venue.Refused.selector, 42)
            )
        );
    }

    function test_execute_boundsWhatItKeepsOfAReturnBomb() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.bomb, (1_000_000)));
        _seal(s);
        _refuse(s, _callFailed(new bytes(256)));
        s.calls[0] = _plain(abi.encodeCall(Venue.flood, (1_000_000)));
        s.bounds = new int256[](4);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenTheAccountDoesNotAnswer() public {
        OddAccount odd = new OddAccount();
        Submission memory s = _draft(_mandate());
        s.mandate.account = address(odd);
        odd.speak(address(gate), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
        s.calls[0] = _plain(abi.encodeCall(Venue.flood, (0)));
        s.bounds = new int256[](4);
        _reseal(s);
        bytes[4] memory answers = [
            bytes(""),
            abi.encode(true),
            abi.encode(uint256(2), uint256(64), uint256(0)),
            abi.encode(false, bytes(""))
        ];
        for (uint256 i = 0; i < answers.length; i++) {
            odd.set(answers[i], false);
            _refuse(s, _callFailed(""));
        }
        odd.set("no", true);
        _refuse(s, _callFailed("no"));
        odd.set(abi.encode(true, bytes("")), false);
        _execute(s);
    }

    function test_execute_reverts_whenTheAccountHasNotEnabledTheGate() public {
        Submission memory s = _draft(_mandate());
        OddAccount odd = new OddAccount();
        s.mandate.account = address(odd);
        odd.speak(address(gate), abi.encodeCall(IDecisionGate.grant, (s.mandate)));
        _reseal(s);
        odd.set("GS104", true);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ApprovalFailed.selector, address(weth), address(venue), "GS104"
            )
        );
    }

    function test_execute_reverts_whenTokenAnswersFalseToApprove() public {
        FalseReturnToken token = new FalseReturnToken();
        Submission memory s = _foreignDraft(address(token), 10);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.ApprovalFailed.selector,
                address(token),
                address(venue),
                abi.encode(false)
            )
        );
    }

    function test_execute_acceptsATokenThatReturnsNothing() public {
        MissingReturnToken token = new MissingReturnToken();
        token.mint(address(account), 1e18);
        // Half of the allowance is left over, and must be taken back.
        Submission memory s = _foreignDraft(address(token), 0.5e18);
        s.calls[0].allowance = 1e18;
        _reseal(s);
        _execute(s);
        vm.assertEq(token.balanceOf(address(account)), 0.5e18, "balance");
        vm.assertEq(token.allowance(address(account), address(venue)), 0, "allowance");
    }

    function test_execute_reverts_whenAnAllowanceIsLeft() public {
        StickyToken token = new StickyToken(2e18);
        token.transfer(address(account), 2e18);
        Submission memory s = _foreignDraft(address(token), 0.4e18);
        s.calls[0].allowance = 1e18;
        _reseal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.AllowanceLeft.selector, address(token), address(venue), 0.6e18
            )
        );
        vm.assertEq(token.allowance(address(account), address(venue)), 0, "allowance");
        vm.assertEq(token.balanceOf(address(account)), 2e18, "balance");
    }

    function test_execute_takesBackAnOldAllowanceOfTheSameSpender() public {
        Submission memory s = _honest();
        vm.prank(owner);
        account.execute(address(weth), 0, abi.encodeCall(TestToken.approve, (address(venue), 7e18)));
        _execute(s);
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
    }

    function test_execute_reverts_whenAllowanceCannotBeRead() public {
        Submission memory s = _foreignDraft(address(new MuteToken()), 0);
        s.calls[0].allowance = 1;
        s.bounds[0] = -1;
        _reseal(s);
        _refuse(
            s,
            _error(
                IDecisionGate.AllowanceUnreadable.selector,
                bytes32(uint256(uint160(s.calls[0].token)))
            )
        );
    }

    function test_execute_reverts_whenBalanceCannotBeRead() public {
        MuteToken token = new MuteToken();
        Submission memory s = _foreignDraft(address(token), 1);
        token.hide();
        _refuse(
            s,
            _error(
                IDecisionGate.BalanceUnreadable.selector, bytes32(uint256(uint160(address(token))))
            )
        );
    }

    function test_execute_reverts_whenBoundMissed() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1990e6 - 1);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector,
                address(usdc),
                int256(1990e6 - 1),
                int256(1990e6)
            )
        );
        s.calls[0] = _sale(1e18, 1990e6);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenMoreIsTakenThanSworn() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18 + 1, 1995e6);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(weth), -int256(1e18 + 1), -int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenATokenKeepsAFee() public {
        FeeOnTransferToken token = new FeeOnTransferToken();
        Submission memory s = _foreignDraft(address(token), 0);
        token.mint(address(venue), 100e18);
        // The account is to receive 1 and gets 0.99.
        s.mandate.allowList[0] = Permission(address(token), TestToken.transferFrom.selector);
        s.mandate.salt = keccak256("fee");
        _grant(s.mandate);
        vm.prank(address(venue));
        token.approve(address(account), 1e18);
        s.calls[0] = Call(
            address(token),
            0,
            abi.encodeCall(TestToken.transferFrom, (address(venue), address(account), 1e18)),
            address(0),
            0
        );
        s.bounds[0] = 1e18;
        _reseal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.BoundMissed.selector, address(token), int256(0.99e18), int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenALossIsUndeclared() public {
        Submission memory s = _honest();
        s.bounds[0] = 0;
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(weth), -int256(1e18)
            )
        );
    }

    function test_execute_reverts_whenADebtGrowsUndeclared() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.borrow, (address(debt), address(usdc), 500e6)));
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(debt), -int256(500e6)
            )
        );
    }

    function test_execute_countsADeclaredDebtAsRiskInFull() public {
        Submission memory s = _honest();
        s.calls[0] = _plain(abi.encodeCall(Venue.borrow, (address(debt), address(usdc), 500e6)));
        s.bounds = new int256[](4);
        s.bounds[1] = 500e6;
        s.bounds[2] = -500e6;
        _seal(s);
        _execute(s);
        vm.assertEq(gate.stateOf(s.decision.mandate).unaudited, 500 * DOLLAR, "outflow");
        vm.assertEq(debt.balanceOf(address(account)), 500e6, "debt");
    }

    function test_execute_reverts_whenNativeCurrencyIsLostUndeclared() public {
        Submission memory s = _honest();
        s.calls[0] =
            Call(address(venue), 1 ether, abi.encodeCall(Venue.keep, (0.4 ether)), address(0), 0);
        s.bounds = new int256[](4);
        _seal(s);
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.UndeclaredLoss.selector, address(0), -int256(0.6 ether)
            )
        );
    }

    function test_execute_sendsDeclaredNativeCurrency() public {
        Submission memory s = _honest();
        s.calls[0] =
            Call(address(venue), 1 ether, abi.encodeCall(Venue.keep, (0.995 ether)), address(0), 0);
        s.bounds = new int256[](4);
        s.bounds[3] = -0.005 ether;
        _seal(s);
        _execute(s);
        vm.assertEq(address(account).balance, 4.995 ether, "native");
    }

    function test_execute_reverts_whenLossExceeded() public {
        Submission memory s = _honest();
        s.calls[0] = _sale(1e18, 1980e6 - 1);
        s.bounds[1] = 1;
        _seal(s);
        // A gain of 1979.999999 dollars against a loss of 2000: a millionth over the limit of 20.
        _refuse(
            s,
            abi.encodeWithSelector(
                IDecisionGate.LossExceeded.selector, -int256(20 * DOLLAR + 100), 20 * DOLLAR
            )
        );
        s.calls[0] = _sale(1e18, 1980e6);
        _seal(s);
        _execute(s);
    }

    function test_execute_reverts_whenLossIsNegligibleButOverTheLimit_roundedUp() public {
        Submission memory s = _draft(_mandate());
        s.mandate.maxLoss = 0;
        s.calls[0] = _sale(1, 0);
        s.bounds[0] = -1;
        s.bounds[1] = 0;
        _regrant(s);
        _refuse(
            s, abi.encodeWithSelector(IDecisionGate.LossExceeded.selector, int256(-1), uint256(0))
        );
    }

    /* HAPPY PATHS */

    function test_execute_movesHeadAndEmits() public {
        Submission memory s = _honest();
        vm.roll(START_BLOCK + 3 * CADENCE);
        s.decision.slot = SLOT + 3;
        s.decision.anchorHash = blockhash(uint256(SLOT + 3) * CADENCE);
        _seal(s);
        bytes32 expected = gate.digestOf(s.decision);
        int256[] memory changes = new int256[](4);
        changes[0] = -1e18;
        changes[1] = 1995e6;
        vm.expectEmit(true, true, true, true, address(gate));
        emit IDecisionGate.DecisionExecuted(
            s.decision.mandate,
            expected,
            node,
            SLOT + 3,
            3,
            s.decision.mandate,
            2000 * DOLLAR,
            changes
        );
        bytes32 digest = _execute(s);
        vm.assertEq(digest, expected, "digest");
        vm.assertEq(gate.headOf(s.decision.mandate), digest, "head");
        vm.assertEq(weth.balanceOf(address(account)), 99e18, "WETH");
        vm.assertEq(usdc.balanceOf(address(account)), 11_995e6, "USDC");
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
        vm.assertEq(gate.stateOf(s.decision.mandate).nextSlot, SLOT + 4, "next slot");
    }

    /// @dev Whatever is sworn and whatever happens: executed exactly where the bounds and the loss
    ///      limit hold, by arithmetic written down a second time.
    function testFuzz_execute_holdsBoundsAndLossLimit(
        uint256 amountIn,
        uint256 amountOut,
        int256 wethBound,
        int256 usdcBound
    ) public {
        amountIn = _fold(amountIn, 0, 4e18);
        amountOut = _fold(amountOut, 0, 9000e6);
        wethBound = -int256(_fold(uint256(wethBound), 0, 4e18));
        usdcBound = int256(_fold(uint256(usdcBound), 0, 9000e6));
        Submission memory s = _honest();
        s.calls[0] = _sale(amountIn, amountOut);
        s.bounds[0] = wethBound;
        s.bounds[1] = usdcBound;
        _seal(s);
        Picture memory before = _picture(s);

        vm.prank(operator);
        (bool executed,) = address(gate).call(_calldata(s));

        bool bounded = -int256(amountIn) >= wethBound && int256(amountOut) >= usdcBound;
        uint256 lost = (amountIn * 2000 + 1e10 - 1) / 1e10;
        bool affordable = lost <= amountOut * 100 + 20 * DOLLAR;
        vm.assertEq(executed, bounded && affordable, "executed");
        if (!executed) _assertUnchanged(s, before);
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
    }

    function testFuzz_execute_decimals(uint8 tokenDecimals, uint8 feedDecimals) public {
        tokenDecimals = uint8(_fold(tokenDecimals, 0, 20));
        feedDecimals = uint8(_fold(feedDecimals, 0, 18));
        TestToken token = new TestToken(tokenDecimals);
        token.mint(address(account), 10 * 10 ** tokenDecimals);
        DecimalFeed feed = new DecimalFeed(feedDecimals, int256(3 * 10 ** feedDecimals));
        Submission memory s = _draft(_mandate());
        s.mandate.feeds[0].aggregator = address(feed);
        s.mandate.feeds[0].decimals = feedDecimals;
        s.mandate.tracked[0] = Tracked(address(token), 0, tokenDecimals, false);
        uint256 amount = 2 * 10 ** tokenDecimals;
        s.calls[0] = Call(
            address(venue),
            0,
            abi.encodeCall(Venue.trade, (address(token), amount, address(usdc), 0)),
            address(token),
            amount
        );
        s.bounds = new int256[](4);
        s.bounds[0] = -int256(amount);
        _regrant(s);
        _execute(s);
        vm.assertEq(gate.stateOf(s.decision.mandate).unaudited, 6 * DOLLAR, "outflow");
    }

    /* SHAPES */

    function _error(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function _error(bytes4 selector, bytes32 a) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function _error(bytes4 selector, bytes32 a, bytes32 b) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _error(bytes4 selector, uint256 a, uint256 b) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _callFailed(bytes memory reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.CallFailed.selector, 0, reason);
    }

    function _plain(bytes memory data) private view returns (Call memory) {
        return Call(address(venue), 0, data, address(0), 0);
    }

    function _calldata(Submission memory s) private pure returns (bytes memory) {
        return abi.encodeCall(
            IDecisionGate.execute, (s.mandate, s.decision, s.receipts, s.calls, s.bounds, s.proof)
        );
    }

    /// @dev The mandate was changed: name it anew, and sign.
    function _reseal(Submission memory s) private view {
        s.decision.mandate = keccak256(abi.encode(s.mandate));
        s.decision.previous = s.decision.mandate;
        _seal(s);
    }

    function _regrant(Submission memory s) private {
        _grant(s.mandate);
        _reseal(s);
    }

    function _nextSlot(Submission memory s, uint64 passed) private {
        vm.roll(START_BLOCK + passed * CADENCE);
        s.decision.slot = SLOT + passed;
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * CADENCE);
        _seal(s);
    }

    /// @dev Track `token` (18 decimals) instead of WETH; let the venue take `amount` of it. The
    ///      loss limit is out of the way.
    function _foreignDraft(address token, uint256 amount) private returns (Submission memory s) {
        s = _draft(_mandate());
        s.mandate.tracked[0].token = token;
        s.mandate.maxLoss = 1_000_000 * DOLLAR;
        s.calls[0] = Call(
            address(venue),
            0,
            abi.encodeCall(Venue.trade, (token, amount, address(usdc), 0)),
            amount == 0 ? address(0) : token,
            amount
        );
        if (amount == 0) s.calls[0].token = token;
        s.bounds = new int256[](4);
        s.bounds[0] = -int256(amount);
        _regrant(s);
    }

    function _callbackDraft(CallbackToken token) private returns (Submission memory s) {
        token.mint(address(account), 1e18);
        return _foreignDraft(address(token), 0.1e18);
    }
}

/// @title A block hash history that tells what it was given.
contract HistoryDouble {
    mapping(uint256 => bytes32) private _hashes;

    function set(uint256 number, bytes32 hash) external {
        _hashes[number] = hash;
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        bytes32 hash = _hashes[uint256(bytes32(data))];
        require(hash != 0);
        return abi.encode(hash);
    }
}

/// @title Tells decimals and balances until told not to; never an allowance.
contract MuteToken {
    uint8 public constant decimals = 18;
    bool private _hidden;

    function hide() external {
        _hidden = true;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function balanceOf(address) external view returns (uint256) {
        require(!_hidden);
        return 1e18;
    }
}

/// @title A feed of any decimals, always fresh.
contract DecimalFeed {
    uint8 public immutable decimals;
    int256 private immutable _answer;

    constructor(uint8 decimals_, int256 answer) {
        decimals = decimals_;
        _answer = answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer, block.timestamp, block.timestamp, 1);
    }
}
