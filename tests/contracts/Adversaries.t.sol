// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {EpochDrawdown} from "../../contracts/rules/EpochDrawdown.sol";
import {SpendRate} from "../../contracts/rules/SpendRate.sol";
import {Call} from "../../contracts/types/Call.sol";
import {Checkpoint} from "../../contracts/types/Checkpoint.sol";
import {Mandate, Rule, Rung, hashMandate} from "../../contracts/types/Mandate.sol";
import {LadderFixture} from "./LadderFixture.sol";
import {WorstCase} from "./WorstCase.sol";
import {Venue} from "./mocks/Venue.sol";

/// @title Adversaries who hold the operator's, the node's and the model's keys, for a day.
/// @notice The fuzzer picks the mandate's shape (pace, loss limit, ladder, endorsers, up to three
///         rules, one mandate or two) and every step of the thief: how much he lets a swap lose, by
///         which means, and when. Whatever he does, the account's value at feed prices falls by at
///         most what was printed to its owner; what he took is written down, and
///         `tests/contracts/adversaries.py` reports the best of them.
contract AdversariesTest is LadderFixture {
    /// @dev Seconds between blocks: long, so that few slots make a day.
    uint256 private constant BLOCK_SECONDS = 60;

    /// @dev Where the thefts are written, where the profile is the long one.
    string private constant REPORT = ".cache/forge/adversaries/thefts.txt";

    /// @dev What the endorsers do: there are none; they sign nothing; they endorse and audit what
    ///      reproduces, which a hostile model's decisions do.
    enum Endorsing {
        Nobody,
        Silent,
        Fooled
    }

    struct World {
        uint256 random;
        Endorsing endorsing;
        bool greedy;
        Mandate[] mandates;
        uint256 bound;
        uint256 unendorsed;
        uint256 executed;
        uint256 checkpoints;
        bool[2] waits;
        Submission[2] waiting;
    }

    address private spendRate;
    address private drawdown;

    function setUp() public override {
        super.setUp();
        spendRate = _deploy("SpendRate", "");
        drawdown = _deploy("EpochDrawdown", "");
    }

    /* THE BOUND IS THE PRINTED ONE */

    function test_bound_isPythons() public view {
        string memory json = vm.readFile("tests/vectors/worst-case.json");
        uint256 count = vm.parseJsonUint(json, ".count");
        vm.assertGe(count, 8, "vectors");
        for (uint256 i = 0; i < count; i++) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            Mandate memory mandate =
                abi.decode(vm.parseJsonBytes(json, string.concat(at, ".encoded")), (Mandate));
            WorstCase.Bound memory bound = WorstCase.bounding(
                mandate,
                vm.parseJsonUint(json, string.concat(at, ".blockSeconds")),
                vm.parseJsonUint(json, string.concat(at, ".rules"))
            );
            vm.assertEq(bound.decisions, _at(json, at, ".decisions"), "decisions");
            vm.assertEq(bound.perDecision, _at(json, at, ".perDecision"), "per decision");
            vm.assertEq(bound.unendorsed, _at(json, at, ".unendorsed"), "unendorsed");
            vm.assertEq(bound.daily, _at(json, at, ".daily"), "daily");
        }
    }

    /* ADVERSARIES */

    function testFuzz_adversary_takesAtMostThePrintedBound(uint256 seed) public {
        World memory world;
        world.random = seed;
        _grantSome(world);
        if (world.endorsing == Endorsing.Fooled) _queueAhead(world);
        // The greedy begin at the end of a slot: a day then touches one more.
        if (world.greedy) _pass(_untilNextSlot(world.mandates[0].cadence) - 2);
        uint256 before = _worth();
        uint256 end = vm.getBlockTimestamp() + 1 days;
        while (vm.getBlockTimestamp() < end) {
            for (uint256 i = 0; i < world.mandates.length; i++) {
                if (world.greedy || _draw(world, 2) == 0) _step(world, i);
            }
            _pass(_pause(world));
        }
        uint256 later = _worth();
        uint256 theft = later < before ? before - later : 0;
        _write(theft, world.bound, world.executed);
        vm.assertLe(theft, world.bound, "more than was printed");
        if (world.endorsing != Endorsing.Fooled) {
            vm.assertLe(theft, world.unendorsed, "more than the ladder lets by");
        }
    }

    /// @dev The most greedy of all takes all of the bound but the slot that a day need not touch: a
    ///      bound that nobody comes near would say nothing.
    function test_adversary_canTakeNearlyAll() public {
        Mandate memory mandate = _mandate();
        mandate.ladder[0].limit = 100_000 * DOLLAR;
        World memory world;
        _takeAll(world, mandate, 1000 * DOLLAR);
    }

    /// @dev And so he does far beyond the ladder, where endorsers audit whatever reproduces: what is
    ///      printed must not count on it.
    function test_adversary_canTakeNearlyAll_whereTheLadderIsResetEachTime() public {
        Mandate memory mandate = _laddered();
        mandate.ladder = new Rung[](2);
        mandate.ladder[0] = Rung(50 * DOLLAR, 0, 0, 0);
        mandate.ladder[1] = Rung(100 * DOLLAR, 0, 2, 0);
        World memory world;
        world.endorsing = Endorsing.Fooled;
        _takeAll(world, mandate, 50 * DOLLAR);
        vm.assertEq(world.checkpoints, 6, "checkpoints");
    }

    /// @dev Seven times 50 dollars, in sales for `worth` each.
    function _takeAll(World memory world, Mandate memory mandate, uint256 worth) private {
        mandate.cadence = 240;
        mandate.maxLoss = 50 * DOLLAR;
        _grant(mandate);
        world.mandates = new Mandate[](1);
        world.mandates[0] = mandate;
        uint256 before = _worth();
        // Begins in the last block of a slot.
        _pass(240 - vm.getBlockNumber() % 240 - 1 + 240);
        uint256 end = vm.getBlockTimestamp() + 1 days;
        while (vm.getBlockTimestamp() < end) {
            _audit(world, mandate);
            Submission memory s = _next(mandate);
            _lossySale(s, 50 * DOLLAR, worth);
            _prove(world, s);
            vm.assertTrue(_submit(world, s), "greedy");
            _pass(_untilNextSlot(240));
        }
        WorstCase.Bound memory bound = WorstCase.bounding(mandate, BLOCK_SECONDS, type(uint256).max);
        vm.assertEq(bound.decisions, 7, "decisions");
        vm.assertEq(before - _worth(), 7 * 50 * DOLLAR, "theft");
        vm.assertEq(bound.daily, 7 * 50 * DOLLAR, "bound");
    }

    /* THE MANDATES */

    function _grantSome(World memory world) private {
        world.endorsing = Endorsing(_draw(world, 3));
        world.greedy = _draw(world, 2) == 0;
        world.mandates = new Mandate[](1 + _draw(world, 2));
        for (uint256 i = 0; i < world.mandates.length; i++) {
            Mandate memory mandate = _mandate();
            mandate.salt = bytes32(i);
            mandate.cadence = uint32(120 + _draw(world, 130));
            mandate.maxLoss = (1 + _draw(world, 500)) * DOLLAR;
            mandate.ladder = _ladder(world);
            if (world.endorsing != Endorsing.Nobody) {
                mandate.endorsers = endorsers;
                mandate.quorum = 2;
            }
            uint256 ruleDaily = _addRules(world, mandate);
            _grant(mandate);
            world.mandates[i] = mandate;
            WorstCase.Bound memory bound = WorstCase.bounding(mandate, BLOCK_SECONDS, ruleDaily);
            world.bound += bound.daily;
            world.unendorsed += bound.unendorsed;
        }
    }

    function _ladder(World memory world) private pure returns (Rung[] memory ladder) {
        bool endorsed = world.endorsing != Endorsing.Nobody;
        ladder = new Rung[](endorsed ? 3 : 1);
        uint256 limit = (100 + _draw(world, 5000)) * DOLLAR;
        ladder[0] = Rung(limit, 0, 0, 0);
        if (endorsed) {
            ladder[1] = Rung(limit * 2, 0, 1, 0);
            ladder[2] = Rung(limit * 20, 0, 2, _draw(world, 2) == 0 ? 0 : 1 hours);
        }
    }

    /// @dev In half of the mandates none; else up to three, often two of a kind. The least of what
    ///      they bound is what is printed.
    function _addRules(World memory world, Mandate memory mandate)
        private
        view
        returns (uint256 daily)
    {
        daily = type(uint256).max;
        if (_draw(world, 2) == 0) return daily;
        mandate.rules = new Rule[](1 + _draw(world, 3));
        for (uint256 i = 0; i < mandate.rules.length; i++) {
            uint256 bounded;
            (mandate.rules[i], bounded) = _rule(world);
            if (bounded < daily) daily = bounded;
        }
    }

    function _rule(World memory world) private view returns (Rule memory, uint256 daily) {
        uint256 a = (10 + _draw(world, 3000)) * DOLLAR;
        if (_draw(world, 2) == 0) {
            uint256 b = _draw(world, 1000) * DOLLAR;
            return (Rule(spendRate, abi.encode(SpendRate.Terms(a, b))), a + b);
        }
        uint64 length = uint64(1 hours + _draw(world, 1 days));
        daily = a * ((1 days + length - 1) / length + 1);
        return (Rule(drawdown, abi.encode(EpochDrawdown.Terms(a, length))), daily);
    }

    /* THE THIEF */

    /// @dev Blocks until the next attempt: the greedy wait for the next slot, others for anything.
    function _pause(World memory world) private view returns (uint256) {
        uint256 cadence = world.mandates[0].cadence;
        if (world.greedy || _draw(world, 4) != 0) return _untilNextSlot(cadence);
        return _draw(world, 2 * cadence);
    }

    /// @dev One attempt, in the newest slot.
    function _step(World memory world, uint256 which) private {
        if (world.waits[which]) {
            // It cannot be left behind: nothing else executes before.
            world.waits[which] = !_submit(world, world.waiting[which]);
            if (world.waits[which]) return;
        }
        Mandate memory mandate = world.mandates[which];
        if (world.greedy || _draw(world, 3) == 0) _audit(world, mandate);
        Submission memory s = _next(mandate);
        uint256 way = world.greedy ? 0 : _draw(world, 8);
        uint256 loss = mandate.maxLoss;
        if (!world.greedy && _draw(world, 3) == 0) loss = _draw(world, loss * 2);
        if (way < 3) {
            // The least that is at risk, or more.
            _lossySale(s, loss, loss + (world.greedy ? 0 : _draw(world, 300 * DOLLAR)));
        } else if (way == 3) {
            _debts(s, loss);
        } else if (way == 4) {
            _gives(s, loss);
        } else if (way == 5) {
            // More than sworn, in two calls.
            _lossySale(s, loss, loss + 100 * DOLLAR);
            Call[] memory calls = new Call[](2);
            (calls[0], calls[1]) = (s.calls[0], s.calls[0]);
            s.calls = calls;
        } else if (way == 6) {
            _nests(world, s, loss);
        } else {
            _hides(s, loss);
        }
        _prove(world, s);
        if (!_submit(world, s) && _draw(world, 2) == 0) _tryQueue(world, s, which);
    }

    /// @dev Sells WETH for `worth`, and is paid `loss` less.
    function _lossySale(Submission memory s, uint256 loss, uint256 worth) private view {
        uint256 amountIn = worth * 1e18 / (2000 * DOLLAR);
        uint256 amountOut = (worth - loss) / 100;
        s.calls[0] = _sale(amountIn, amountOut);
        if (amountIn == 0) s.calls[0].token = address(weth);
        s.bounds[0] = -int256(amountIn);
        s.bounds[1] = int256(amountOut);
    }

    function _debts(Submission memory s, uint256 loss) private view {
        s.calls[0] = _plain(abi.encodeCall(Venue.indebt, (address(debt), loss / 100)));
        s.bounds[2] = -int256(loss / 100);
    }

    function _gives(Submission memory s, uint256 loss) private view {
        uint256 amount = loss * 1e18 / (2000 * DOLLAR);
        s.calls[0] = Call(address(venue), amount, abi.encodeCall(Venue.keep, (0)), address(0), 0);
        s.bounds[3] = -int256(amount);
    }

    /// @dev Sells twice: within the first sale, the same again under the other mandate.
    function _nests(World memory world, Submission memory s, uint256 loss) private view {
        Submission memory inner = _next(world.mandates[world.mandates.length - 1]);
        _lossySale(inner, loss, loss);
        _seal(inner);
        Call[] memory calls = new Call[](2);
        _lossySale(s, loss, loss);
        calls[0] = s.calls[0];
        calls[1] = _plain(abi.encodeCall(Venue.poke, (address(gate), _calldata(inner))));
        s.calls = calls;
    }

    /// @dev Declares a gain that is lent, by a borrowing that nobody sees fall.
    function _hides(Submission memory s, uint256 loss) private view {
        Call[] memory calls = new Call[](2);
        _lossySale(s, loss, loss);
        calls[0] = s.calls[0];
        calls[1] = _plain(abi.encodeCall(Venue.borrow, (address(debt), address(usdc), loss / 100)));
        s.calls = calls;
        s.bounds[1] = int256(loss / 100);
        // And the debt is declared or not.
        if (loss % 2 == 0) s.bounds[2] = -int256(loss / 100);
    }

    function _prove(World memory world, Submission memory s) private view {
        _seal(s);
        if (world.endorsing == Endorsing.Fooled) _endorse(s, 2);
    }

    /// @dev Fooled endorsers take the outflow out of the ladder, if there is any.
    function _audit(World memory world, Mandate memory mandate) private {
        if (world.endorsing != Endorsing.Fooled) return;
        Checkpoint memory it = _checkpoint(hashMandate(mandate));
        bytes memory signatures = _signatures(_digest(it), _secrets(2));
        (bool success,) =
            address(gate).call(abi.encodeCall(IDecisionGate.checkpoint, (it, signatures)));
        if (success) world.checkpoints++;
    }

    function _tryQueue(World memory world, Submission memory s, uint256 which) private {
        vm.prank(operator);
        (bool success,) = address(gate)
            .call(abi.encodeCall(IDecisionGate.queue, (s.decision, s.calls, s.bounds, s.proof)));
        world.waits[which] = success;
        world.waiting[which] = s;
    }

    /// @dev Let decisions wait already when the day begins.
    function _queueAhead(World memory world) private {
        for (uint256 i = 0; i < world.mandates.length; i++) {
            Mandate memory mandate = world.mandates[i];
            Submission memory s = _next(mandate);
            _lossySale(s, mandate.maxLoss, mandate.ladder[1].limit + DOLLAR + mandate.maxLoss);
            _prove(world, s);
            _tryQueue(world, s, i);
        }
        _pass(61);
    }

    function _submit(World memory world, Submission memory s) private returns (bool success) {
        vm.prank(operator);
        (success,) = address(gate).call(_calldata(s));
        if (success) world.executed++;
    }

    /* THE WORLD */

    function _next(Mandate memory mandate) private view returns (Submission memory s) {
        s = _draft(mandate);
        s.decision.previous = gate.headOf(s.decision.mandate);
        s.decision.slot = uint64(vm.getBlockNumber() / mandate.cadence);
        s.decision.validUntil = uint64(vm.getBlockTimestamp() + 30 days);
        s.bounds = new int256[](4);
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * mandate.cadence);
    }

    function _untilNextSlot(uint256 cadence) private view returns (uint256) {
        // The block after the anchor, whose hash is then known.
        return cadence - vm.getBlockNumber() % cadence + 1;
    }

    function _pass(uint256 blocks) private {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + blocks * BLOCK_SECONDS);
        wethFeed.set(int256(2000 * DOLLAR), uint64(vm.getBlockTimestamp()));
        usdcFeed.set(int256(DOLLAR), uint64(vm.getBlockTimestamp()));
    }

    /// @dev What the account has, less what it owes, at the feeds' prices: a value.
    function _worth() private view returns (uint256) {
        uint256 coins = weth.balanceOf(address(account)) + address(account).balance;
        uint256 dollars = usdc.balanceOf(address(account)) - debt.balanceOf(address(account));
        return coins * 2000 * DOLLAR / 1e18 + dollars * 100;
    }

    /// @dev A number below `limit`; 0 where that is 0.
    function _draw(World memory world, uint256 limit) private pure returns (uint256) {
        world.random = uint256(keccak256(abi.encode(world.random)));
        return limit == 0 ? 0 : world.random % limit;
    }

    function _write(uint256 theft, uint256 bound, uint256 executed) private {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("")))) != keccak256("long")) return;
        vm.writeLine(
            REPORT,
            string.concat(vm.toString(theft), " ", vm.toString(bound), " ", vm.toString(executed))
        );
    }

    function _at(string memory json, string memory at, string memory field)
        private
        pure
        returns (uint256)
    {
        return vm.parseJsonUint(json, string.concat(at, field));
    }
}
