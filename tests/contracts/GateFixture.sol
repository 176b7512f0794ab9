// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {IMandateChecks} from "../../contracts/IMandateChecks.sol";
import {IModelRegistry} from "../../contracts/IModelRegistry.sol";
import {INodeRegistry} from "../../contracts/INodeRegistry.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {SettableFeed} from "../../contracts/devnet/SettableFeed.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Decision} from "../../contracts/types/Decision.sol";
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
import {Test} from "./Test.sol";
import {TestToken} from "./mocks/TestToken.sol";
import {Venue} from "./mocks/Venue.sol";

/// @title A gate, an account with money, a mandate, and an honest decision to spoil.
/// @notice The account holds 100 WETH (2 000 dollars each), 10 000 USDC and 5 native coins. The
///         honest decision sells 1 WETH for 1 995 USDC, sworn to bring at least 1 990.
abstract contract GateFixture is Test {
    /// @dev All that `execute` takes.
    struct Submission {
        Mandate mandate;
        Decision decision;
        Call[] calls;
        int256[] bounds;
        bytes proof;
    }

    /// @dev What a refusal must leave alone: the mandate's state, and what its account has, owes and
    ///      allows, in all that it tracks and in the usual tokens.
    struct Picture {
        bytes32 state;
        uint256[] balances;
        uint256[] allowances;
    }

    uint256 internal constant NODE_SECRET = uint256(keccak256("node"));
    uint256 internal constant START_BLOCK = 1003;
    uint256 internal constant START_TIME = 1_800_000_000;
    uint32 internal constant CADENCE = 5;
    uint64 internal constant SLOT = 200;
    uint256 internal constant DOLLAR = 1e8;

    address internal owner = address(0xA11CE);
    address internal operator = address(0x0932A708);
    address internal guardian = address(0x69A2D1A9);
    address internal node;

    IDecisionGate internal gate;
    INodeRegistry internal registry;
    IModelRegistry internal models;
    IMandateChecks internal checks;
    IOwnedAccount internal account;
    TestToken internal weth;
    TestToken internal usdc;
    TestToken internal debt;
    SettableFeed internal wethFeed;
    SettableFeed internal usdcFeed;
    Venue internal venue;

    bytes32 internal model = keccak256("model");
    bytes32 internal engine = keccak256("engine");

    function setUp() public virtual {
        vm.roll(START_BLOCK);
        vm.warp(START_TIME);
        node = vm.addr(NODE_SECRET);
        models = IModelRegistry(_deploy("ModelRegistry", ""));
        checks = IMandateChecks(_deploy("MandateChecks", ""));
        gate = IDecisionGate(_deploy("DecisionGate", abi.encode(address(models), address(checks))));
        registry = INodeRegistry(gate.nodeRegistry());
        account = IOwnedAccount(_deploy("OwnedAccount", abi.encode(owner, address(gate))));
        weth = new TestToken(18);
        usdc = new TestToken(6);
        debt = new TestToken(6);
        wethFeed = new SettableFeed(8, "WETH / USD", int256(2000 * DOLLAR));
        usdcFeed = new SettableFeed(8, "USDC / USD", int256(DOLLAR));
        venue = new Venue();

        weth.mint(address(account), 100e18);
        usdc.mint(address(account), 10_000e6);
        vm.deal(address(account), 5 ether);
        vm.deal(address(venue), 5 ether);
        vm.prank(node);
        registry.announce(model, engine, uint64(START_TIME + 30 days));
    }

    /* THE HONEST SUBMISSION */

    function _mandate() internal view returns (Mandate memory mandate) {
        mandate.account = address(account);
        mandate.operator = operator;
        mandate.guardian = guardian;
        mandate.program = keccak256("program");
        mandate.model = model;
        mandate.engine = engine;
        mandate.cadence = CADENCE;
        mandate.expiry = uint64(START_TIME + 20 days);
        mandate.maxLoss = 20 * DOLLAR;
        mandate.salt = keccak256("salt");
        mandate.nodes = new NodePermit[](1);
        mandate.nodes[0] = NodePermit(node, 0);
        mandate.ladder = new Rung[](1);
        mandate.ladder[0] = Rung(10_000 * DOLLAR, 0, 0, 0);
        mandate.allowList = new Permission[](8);
        mandate.allowList[0] = Permission(address(venue), Venue.trade.selector);
        mandate.allowList[1] = Permission(address(venue), Venue.borrow.selector);
        mandate.allowList[2] = Permission(address(venue), Venue.indebt.selector);
        mandate.allowList[3] = Permission(address(venue), Venue.keep.selector);
        mandate.allowList[4] = Permission(address(venue), Venue.fail.selector);
        mandate.allowList[5] = Permission(address(venue), Venue.bomb.selector);
        mandate.allowList[6] = Permission(address(venue), Venue.flood.selector);
        mandate.allowList[7] = Permission(address(venue), Venue.poke.selector);
        mandate.feeds = new Feed[](2);
        mandate.feeds[0] = Feed(address(wethFeed), 8, 1 hours);
        mandate.feeds[1] = Feed(address(usdcFeed), 8, 1 days);
        mandate.tracked = new Tracked[](4);
        mandate.tracked[0] = Tracked(address(weth), 0, 18, false);
        mandate.tracked[1] = Tracked(address(usdc), 1, 6, false);
        mandate.tracked[2] = Tracked(address(debt), 1, 6, true);
        mandate.tracked[3] = Tracked(address(0), 0, 18, false);
    }

    function _sale(uint256 amountIn, uint256 amountOut) internal view returns (Call memory) {
        bytes memory data =
            abi.encodeCall(Venue.trade, (address(weth), amountIn, address(usdc), amountOut));
        return Call(address(venue), 0, data, address(weth), amountIn);
    }

    /// @dev An honest submission under `mandate`; not sealed, not granted.
    function _draft(Mandate memory mandate) internal view returns (Submission memory s) {
        s.mandate = mandate;
        s.calls = new Call[](1);
        s.calls[0] = _sale(1e18, 1995e6);
        s.bounds = new int256[](4);
        s.bounds[0] = -1e18;
        s.bounds[1] = 1990e6;
        s.decision.mandate = hashMandate(mandate);
        s.decision.program = mandate.program;
        s.decision.slot = SLOT;
        s.decision.anchorHash = blockhash(uint256(SLOT) * CADENCE);
        s.decision.previous = s.decision.mandate;
        s.decision.observation = keccak256("observation");
        s.decision.receipts = keccak256("receipts");
        s.decision.evidence = keccak256("evidence");
        s.decision.validUntil = uint64(START_TIME + 60);
    }

    /// @dev Grant the usual mandate and return the honest decision, sealed.
    function _honest() internal returns (Submission memory s) {
        s = _draft(_mandate());
        _grant(s.mandate);
        _seal(s);
    }

    /// @dev Commit to the parts as they are now.
    function _commit(Submission memory s) internal pure {
        s.decision.calls = keccak256(abi.encode(s.calls));
        s.decision.bounds = keccak256(abi.encode(s.bounds));
    }

    /// @dev Sign the decision as it is now.
    function _sign(Submission memory s, uint256 secret) internal view {
        (uint8 v, bytes32 r, bytes32 z) = vm.sign(secret, gate.digestOf(s.decision));
        s.proof = abi.encodePacked(r, z, v);
    }

    /// @dev Commit, then sign with the node's key.
    function _seal(Submission memory s) internal view {
        _commit(s);
        _sign(s, NODE_SECRET);
    }

    function _grant(Mandate memory mandate) internal {
        vm.prank(owner);
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
    }

    function _byOwner(bytes memory data) internal {
        vm.prank(owner);
        account.execute(address(gate), 0, data);
    }

    /* SUBMITTING */

    function _execute(Submission memory s) internal returns (bytes32) {
        vm.prank(operator);
        return gate.execute(s.decision, s.calls, s.bounds, s.proof);
    }

    /// @dev The gate refuses with exactly `reason`, and nothing has changed.
    function _refuse(Submission memory s, bytes memory reason) internal {
        Picture memory before = _picture(s);
        vm.prank(operator);
        vm.expectRevert(reason);
        gate.execute(s.decision, s.calls, s.bounds, s.proof);
        _assertUnchanged(s, before);
    }

    function _picture(Submission memory s) internal view returns (Picture memory it) {
        address holder = s.mandate.account;
        address[] memory tokens = _watched(s.mandate);
        uint256 spenders = s.calls.length + 1;
        it.state = keccak256(abi.encode(gate.stateOf(hashMandate(s.mandate))));
        it.balances = new uint256[](tokens.length);
        it.allowances = new uint256[](tokens.length * spenders);
        for (uint256 i = 0; i < tokens.length; i++) {
            it.balances[i] = tokens[i] == address(0)
                ? holder.balance
                : _told(tokens[i], abi.encodeCall(weth.balanceOf, (holder)));
            for (uint256 j = 0; j < spenders; j++) {
                address spender = j == 0 ? address(venue) : s.calls[j - 1].target;
                it.allowances[i * spenders + j] =
                    _told(tokens[i], abi.encodeCall(weth.allowance, (holder, spender)));
            }
        }
    }

    /// @dev The usual four, and what the mandate tracks.
    function _watched(Mandate memory mandate) private view returns (address[] memory tokens) {
        tokens = new address[](4 + mandate.tracked.length);
        (tokens[0], tokens[1], tokens[2]) = (address(weth), address(usdc), address(debt));
        for (uint256 i = 0; i < mandate.tracked.length; i++) {
            tokens[4 + i] = mandate.tracked[i].token;
        }
    }

    /// @dev What a token says; the largest number where it says nothing.
    function _told(address token, bytes memory question) private view returns (uint256) {
        (bool success, bytes memory answer) = token.staticcall(question);
        if (!success || answer.length < 32) return type(uint256).max;
        return abi.decode(answer, (uint256));
    }

    function _assertUnchanged(Submission memory s, Picture memory before) internal view {
        Picture memory later = _picture(s);
        vm.assertEq(later.state, before.state, "head, outflow, slot");
        for (uint256 i = 0; i < later.balances.length; i++) {
            vm.assertEq(
                later.balances[i], before.balances[i], string.concat("balance ", vm.toString(i))
            );
        }
        for (uint256 i = 0; i < later.allowances.length; i++) {
            vm.assertEq(
                later.allowances[i],
                before.allowances[i],
                string.concat("allowance ", vm.toString(i))
            );
        }
    }

    function _unaudited(bytes32 mandateId) internal view returns (uint256) {
        IDecisionGate.MandateState memory state = gate.stateOf(mandateId);
        return state.outflow - state.audited;
    }

    /* SHAPES */

    function _error(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function _error(bytes4 selector, bytes32 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function _error(bytes4 selector, bytes32 a, bytes32 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _error(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function _callFailed(bytes memory reason) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IDecisionGate.CallFailed.selector, 0, reason);
    }

    function _plain(bytes memory data) internal view returns (Call memory) {
        return Call(address(venue), 0, data, address(0), 0);
    }

    function _calldata(Submission memory s) internal pure returns (bytes memory) {
        return abi.encodeCall(IDecisionGate.execute, (s.decision, s.calls, s.bounds, s.proof));
    }

    /// @dev The mandate was changed: name it anew, and sign.
    function _reseal(Submission memory s) internal view {
        s.decision.mandate = hashMandate(s.mandate);
        s.decision.previous = s.decision.mandate;
        _seal(s);
    }

    function _regrant(Submission memory s) internal {
        _grant(s.mandate);
        _reseal(s);
    }

    function _nextSlot(Submission memory s, uint64 passed) internal {
        vm.roll(START_BLOCK + passed * CADENCE);
        s.decision.slot = SLOT + passed;
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * CADENCE);
        _seal(s);
    }

    /// @dev Track `token` (18 decimals) instead of WETH; let the venue take `amount` of it. The
    ///      loss limit is out of the way.
    function _foreignDraft(address token, uint256 amount) internal returns (Submission memory s) {
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
}
