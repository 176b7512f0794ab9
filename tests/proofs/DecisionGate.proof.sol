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
import {PlainToken, Proof} from "./Proof.sol";

/// @title A feed of two dollars, always fresh.
contract PlainFeed {
    uint8 public constant decimals = 8;

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, 2e8, block.timestamp, block.timestamp, 1);
    }
}

/// @title The gate: without a live mandate nothing executes.
/// @notice One mandate (one key, one asset, one listed function), and all decisions of one call.
contract DecisionGateProof is Proof {
    address private constant OWNER = address(0xA11CE);
    address private constant NODE = address(0xA0DE);
    uint32 private constant CADENCE = 5;
    uint256 private constant BLOCK = 1003;

    DecisionGate private gate;
    OwnedAccount private account;
    PlainToken private token;
    bytes32 private id;

    function setUp() public {
        vm.roll(BLOCK);
        vm.warp(1_800_000_000);
        gate = new DecisionGate(address(0x30DE1), address(new MandateChecks()));
        account = new OwnedAccount(OWNER, address(gate));
        token = new PlainToken();
        token.mint(address(account), 1000e18);
        vm.prank(NODE);
        NodeRegistry(gate.nodeRegistry()).announce("model", "engine", 1_900_000_000);
        Mandate memory mandate = _mandate();
        id = hashMandate(mandate);
        vm.prank(OWNER);
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.grant, (mandate)));
    }

    /// @dev Whatever decision of one call, bound and signature: nothing executes.
    function check_nothingExecutes_onceRevoked(
        Decision calldata sworn,
        uint256 amount,
        int256 bound,
        bytes32 r,
        bytes32 s,
        uint8 v
    ) public {
        vm.prank(OWNER);
        account.execute(address(gate), 0, abi.encodeCall(IDecisionGate.revoke, (id)));
        Decision memory decision = sworn;
        decision.mandate = id;
        Call[] memory calls = new Call[](1);
        calls[0] = Call(
            address(token), 0, abi.encodeCall(PlainToken.transfer, (OWNER, amount)), address(0), 0
        );
        int256[] memory bounds = new int256[](1);
        bounds[0] = bound;
        try gate.execute(decision, calls, bounds, abi.encodePacked(r, s, v)) {
            assert(false);
        } catch {}
    }

    function _mandate() private returns (Mandate memory mandate) {
        mandate.account = address(account);
        mandate.program = "program";
        mandate.model = "model";
        mandate.engine = "engine";
        mandate.cadence = CADENCE;
        mandate.expiry = 1_900_000_000;
        mandate.maxLoss = 1000e8;
        mandate.nodes = new NodePermit[](1);
        mandate.nodes[0] = NodePermit(NODE, 0);
        mandate.ladder = new Rung[](1);
        mandate.ladder[0] = Rung(1000e8, 0, 0, 0);
        mandate.allowList = new Permission[](1);
        mandate.allowList[0] = Permission(address(token), PlainToken.transfer.selector);
        mandate.feeds = new Feed[](1);
        mandate.feeds[0] = Feed(address(new PlainFeed()), 8, 1 hours);
        mandate.tracked = new Tracked[](1);
        mandate.tracked[0] = Tracked(address(token), 0, 18, false);
    }
}
