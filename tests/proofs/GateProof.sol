// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DecisionGate} from "../../contracts/DecisionGate.sol";
import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {MandateChecks} from "../../contracts/MandateChecks.sol";
import {NodeRegistry} from "../../contracts/NodeRegistry.sol";
import {OwnedAccount} from "../../contracts/accounts/OwnedAccount.sol";
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
/// @notice Sizes are given: one key, one rung, two assets, two listed functions, one call. Hashes and
///         signatures are functions that nothing is known of, except that the same arguments give the
///         same answer: what is proven holds for every hash and signature scheme.
abstract contract GateProof is Proof {
    /// @dev A signature; any.
    struct Signature {
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    address internal constant OWNER = address(0xA11CE);
    address internal constant NODE = address(0xA0DE);
    uint32 internal constant CADENCE = 5;
    uint256 internal constant BLOCK = 1003;
    uint64 internal constant SLOT = 200;
    uint64 internal constant TIME = 1_800_000_000;
    uint64 internal constant EXPIRY = 1_900_000_000;
    uint256 internal constant HELD = 1000;
    uint256 internal constant MAX_LOSS = 100e8;
    uint256 internal constant LIMIT = 1000e8;
    uint256 internal constant PRICE = 2e8;

    DecisionGate internal gate;
    OwnedAccount internal account;
    PlainToken internal token;
    PlainToken internal other;
    Idle internal idle;
    bytes32 internal id;

    function setUp() public virtual {
        vm.roll(BLOCK);
        vm.warp(TIME);
        gate = new DecisionGate(address(0x30DE1), address(new MandateChecks()));
        account = new OwnedAccount(OWNER, address(gate));
        token = new PlainToken();
        other = new PlainToken();
        idle = new Idle();
        token.mint(address(account), HELD);
        other.mint(address(account), HELD);
        vm.prank(NODE);
        NodeRegistry(gate.nodeRegistry()).announce("model", "engine", EXPIRY);
        Mandate memory mandate = _mandate();
        id = hashMandate(mandate);
        _byOwner(abi.encodeCall(IDecisionGate.grant, (mandate)));
    }

    /// @dev In the newest slot, on the head, valid; what the gate knows is left blank.
    function _decision(bytes32 observation, bytes32 receipts, bytes32 evidence)
        internal
        view
        returns (Decision memory decision)
    {
        decision.mandate = id;
        decision.slot = SLOT;
        decision.observation = observation;
        decision.receipts = receipts;
        decision.evidence = evidence;
        decision.validUntil = TIME;
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

    function _executes(
        Decision memory decision,
        Call[] memory calls,
        int256[] memory bounds,
        Signature memory sig
    ) internal returns (bool) {
        try gate.execute(decision, calls, bounds, abi.encodePacked(sig.r, sig.s, sig.v)) {
            return true;
        } catch {
            return false;
        }
    }

    function _byOwner(bytes memory data) internal {
        vm.prank(OWNER);
        account.execute(address(gate), 0, data);
    }

    function _mandate() internal returns (Mandate memory mandate) {
        mandate.account = address(account);
        mandate.program = "program";
        mandate.model = "model";
        mandate.engine = "engine";
        mandate.cadence = CADENCE;
        mandate.expiry = EXPIRY;
        mandate.maxLoss = MAX_LOSS;
        mandate.nodes = new NodePermit[](1);
        mandate.nodes[0] = NodePermit(NODE, 0);
        mandate.ladder = new Rung[](1);
        mandate.ladder[0] = Rung(LIMIT, 0, 0, 0);
        mandate.allowList = new Permission[](3);
        mandate.allowList[0] = Permission(address(token), PlainToken.transfer.selector);
        mandate.allowList[1] = Permission(address(other), PlainToken.transfer.selector);
        mandate.allowList[2] = Permission(address(idle), Idle.idle.selector);
        mandate.feeds = new Feed[](1);
        mandate.feeds[0] = Feed(address(new PlainFeed()), 8, 1 hours);
        mandate.tracked = new Tracked[](2);
        mandate.tracked[0] = Tracked(address(token), 0, 0, false);
        mandate.tracked[1] = Tracked(address(other), 0, 0, false);
    }
}
