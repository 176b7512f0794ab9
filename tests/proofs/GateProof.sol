// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {INodeRegistry} from "../../contracts/INodeRegistry.sol";
import {IOwnedAccount} from "../../contracts/accounts/IOwnedAccount.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Decision} from "../../contracts/types/Decision.sol";
import {
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rung,
    Tracked,
    hashMandate
} from "../../contracts/types/Mandate.sol";
import {Idle, PlainFeed, PlainToken, Proof} from "./Proof.sol";

/// @title A gate, an account, a mandate of two assets and one key, and a decision to leave open.
/// @notice Sizes are given: two keys, one rung, two assets, three listed functions, one or two calls.
///         Signatures are recovered by a function that nothing is known of, except that the same
///         arguments give the same key: what is proven holds for every signature scheme. Hashes do
///         not collide.
abstract contract GateProof is Proof {
    /// @dev A signature; any.
    struct Signature {
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    address internal constant OWNER = address(0xA11CE);
    address internal constant NODE = address(0xA0DE);
    /// @dev Announced as the mandate's key is, and not named by it.
    address internal constant STRANGER = address(0x57A);
    /// @dev Named by the mandate, and never announced.
    address internal constant SILENT = address(0x51E);
    address internal constant ENDORSER = address(0xE2D0);
    uint32 internal constant CADENCE = 5;
    uint256 internal constant BLOCK = 1003;
    uint64 internal constant SLOT = 200;
    uint64 internal constant TIME = 1_800_000_000;
    uint64 internal constant EXPIRY = 1_900_000_000;
    /// @dev When the key's announcement ends: after the mandate.
    uint64 internal constant ANNOUNCED = 2_000_000_000;
    uint256 internal constant HELD = 1000;
    uint256 internal constant MAX_LOSS = 100e8;
    uint256 internal constant LIMIT = 1000e8;

    /// @dev Half the order of secp256k1: signatures with a larger s have a twin.
    uint256 internal constant HALF_ORDER =
        0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev What stands for the selector of a refusal, where there was none.
    bytes4 internal constant EXECUTED = 0xe5ec07ed;

    IDecisionGate internal gate;
    IOwnedAccount internal account;
    PlainToken internal token;
    PlainToken internal other;
    Idle internal idle;
    address internal feed;
    bytes32 internal id;

    function setUp() public virtual {
        vm.roll(BLOCK);
        vm.warp(TIME);
        address checks = _deploy("MandateChecks", "");
        gate = IDecisionGate(_deploy("DecisionGate", abi.encode(address(0x30DE1), checks)));
        account = IOwnedAccount(_deploy("OwnedAccount", abi.encode(OWNER, address(gate))));
        token = new PlainToken();
        other = new PlainToken();
        idle = new Idle();
        token.mint(address(account), HELD);
        other.mint(address(account), HELD);
        // Asked for before: the next call is the one that is pranked.
        INodeRegistry registry = INodeRegistry(gate.nodeRegistry());
        vm.prank(NODE);
        registry.announce("model", "engine", ANNOUNCED);
        vm.prank(STRANGER);
        registry.announce("model", "engine", ANNOUNCED);
        id = _grant(_mandate());
    }

    /// @dev In the newest slot, on the head, valid for ever; what the gate knows is left blank.
    function _decision(bytes32 evidence) internal view returns (Decision memory decision) {
        vm.assume(blockhash(uint256(SLOT) * CADENCE) != 0);
        decision.mandate = id;
        decision.slot = SLOT;
        decision.evidence = evidence;
        decision.validUntil = type(uint64).max;
    }

    /// @dev The same with nothing blank: its digest is the one that the gate makes.
    function _stated(bytes32 evidence, Call[] memory calls, int256[] memory bounds)
        internal
        view
        returns (Decision memory decision)
    {
        decision = _decision(evidence);
        decision.program = "program";
        decision.previous = gate.headOf(id);
        decision.anchorHash = blockhash(uint256(SLOT) * CADENCE);
        decision.calls = keccak256(abi.encode(calls));
        decision.bounds = keccak256(abi.encode(bounds));
    }

    function _transfer(PlainToken which, uint256 amount)
        internal
        pure
        returns (Call[] memory calls)
    {
        calls = new Call[](1);
        calls[0] = Call(
            address(which), 0, abi.encodeCall(PlainToken.transfer, (OWNER, amount)), address(0), 0
        );
    }

    function _bounds(int256 first, int256 second) internal pure returns (int256[] memory bounds) {
        bounds = new int256[](2);
        (bounds[0], bounds[1]) = (first, second);
    }

    /// @dev `EXECUTED`, or the selector of the refusal.
    function _outcome(
        Decision memory decision,
        Call[] memory calls,
        int256[] memory bounds,
        bytes memory proof
    ) internal returns (bytes4) {
        try gate.execute(decision, calls, bounds, proof) {
            return EXECUTED;
        } catch (bytes memory reason) {
            return bytes4(reason);
        }
    }

    /// @dev What everything comes to but for what the caller made wrong: one transfer, signed.
    function _transferred(Decision memory decision, Signature memory sig)
        internal
        returns (bytes4)
    {
        return _outcome(decision, _transfer(token, 1), _bounds(-1, 0), _packed(sig));
    }

    function _packed(Signature memory sig) internal pure returns (bytes memory) {
        return abi.encodePacked(sig.r, sig.s, sig.v);
    }

    /// @dev Fails with another panic where it was refused, but not so: what removes a check must make
    ///      executions possible, and not only their refusals other ones.
    function _assertRefused(bytes4 outcome, bytes4 expected) internal pure {
        assert(outcome != EXECUTED);
        if (outcome != expected) _panic();
    }

    /// @dev Panic(0x51): a code that nothing here gives rise to.
    function _panic() private pure {
        assembly ("memory-safe") {
            mstore(0, shl(224, 0x4e487b71))
            mstore(4, 0x51)
            revert(0, 36)
        }
    }

    function _grant(Mandate memory mandate) internal returns (bytes32) {
        _byOwner(abi.encodeCall(IDecisionGate.grant, (mandate)));
        return hashMandate(mandate);
    }

    function _byOwner(bytes memory data) internal {
        vm.prank(OWNER);
        account.execute(address(gate), 0, data);
    }

    function _mandate() internal virtual returns (Mandate memory mandate) {
        mandate.account = address(account);
        mandate.program = "program";
        mandate.model = "model";
        mandate.engine = "engine";
        mandate.cadence = CADENCE;
        mandate.expiry = EXPIRY;
        mandate.maxLoss = MAX_LOSS;
        mandate.nodes = new NodePermit[](2);
        mandate.nodes[0] = NodePermit(NODE, 0);
        mandate.nodes[1] = NodePermit(SILENT, 0);
        mandate.ladder = new Rung[](1);
        mandate.ladder[0] = Rung(LIMIT, 0, 0, 0);
        mandate.allowList = new Permission[](3);
        mandate.allowList[0] = Permission(address(token), PlainToken.transfer.selector);
        mandate.allowList[1] = Permission(address(other), PlainToken.transfer.selector);
        mandate.allowList[2] = Permission(address(idle), Idle.idle.selector);
        mandate.feeds = new Feed[](1);
        feed = address(new PlainFeed());
        mandate.feeds[0] = Feed(feed, 8, 1 hours);
        mandate.tracked = new Tracked[](2);
        mandate.tracked[0] = Tracked(address(token), 0, 0, false);
        mandate.tracked[1] = Tracked(address(other), 0, 0, false);
    }
}
