// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {EpochDrawdown} from "../../contracts/rules/EpochDrawdown.sol";
import {SpendRate} from "../../contracts/rules/SpendRate.sol";
import {Mandate, Rule, hashMandate} from "../../contracts/types/Mandate.sol";
import {LadderFixture} from "./LadderFixture.sol";

/// @title What has happened to two mandates of one account, booked beside the gate.
/// @notice Each has a ladder, endorsers and two node keys; the first has two spend rates and two
///         drawdowns as well. What executes is held against what was booked before, by arithmetic
///         of its own.
abstract contract GateBooks is LadderFixture {
    /// @dev What a mandate's state must be, by what happened.
    struct Book {
        bytes32 id;
        bytes32 head;
        uint256 outflow;
        uint256 audited;
        bool banned;
        bool waits;
        uint256 queuedAt;
        Oath waiting;
        bytes last;
    }

    /// @dev A submission, as it can be stored, and who swore and endorsed it.
    struct Oath {
        bytes submission;
        uint256 secret;
        uint256 endorsements;
    }

    struct Spent {
        uint256 time;
        uint256 value;
    }

    uint256 internal constant SECOND_SECRET = 7;
    uint256 internal constant LOWER = 1000 * DOLLAR;
    uint256 internal constant MIDDLE = 5000 * DOLLAR;
    uint256 internal constant UPPER = 20_000 * DOLLAR;

    uint256 public executed;
    uint256 public refused;
    uint256 public tampered;
    uint256 public queued;
    uint256 public served;
    uint256 public cancelled;
    uint256 public checkpoints;
    uint256 public bans;
    uint256 public wethFloor;
    uint256 public usdcFloor;

    Book[2] internal _books;
    Rule[] internal _rules;
    SpendRate.Terms[2] internal _rates;
    EpochDrawdown.Terms[2] internal _drawdowns;
    Spent[] internal _spent;
    mapping(uint256 length => mapping(uint256 epoch => uint256)) internal _lost;

    constructor() {
        setUp();
        vm.prank(vm.addr(SECOND_SECRET));
        registry.announce(model, engine, uint64(START_TIME + 30 days));
        _rates[0] = SpendRate.Terms(3000 * DOLLAR, 20_000 * DOLLAR);
        _rates[1] = SpendRate.Terms(4500 * DOLLAR, 500 * DOLLAR);
        _drawdowns[0] = EpochDrawdown.Terms(60 * DOLLAR, 1 days);
        _drawdowns[1] = EpochDrawdown.Terms(100 * DOLLAR, 7 days);
        address rate = _deploy("SpendRate", "");
        address drawdown = _deploy("EpochDrawdown", "");
        for (uint256 i = 0; i < 2; i++) {
            _rules.push(Rule(rate, abi.encode(_rates[i])));
            _rules.push(Rule(drawdown, abi.encode(_drawdowns[i])));
        }
        for (uint256 i = 0; i < 2; i++) {
            Mandate memory mandate = _mandateOf(i);
            _grant(mandate);
            _books[i].id = hashMandate(mandate);
            _books[i].head = _books[i].id;
        }
        _floorAtBalances();
    }

    /* WHAT MUST HOLD */

    /// @dev Head, outflow, audits, queue and bans are what was booked, and nothing else; no allowance
    ///      outlives its call; balances are at least what was sworn.
    function check() external view {
        for (uint256 i = 0; i < 2; i++) {
            Book storage book = _books[i];
            IDecisionGate.MandateState memory state = gate.stateOf(book.id);
            vm.assertEq(state.head, book.head, "head");
            vm.assertEq(state.outflow, book.outflow, "outflow");
            vm.assertEq(state.audited, book.audited, "audited");
            vm.assertEq(state.queuedAt, book.waits ? book.queuedAt : 0, "queue");
            vm.assertEq(gate.isBanned(book.id, vm.addr(SECOND_SECRET)), book.banned, "banned");
            vm.assertFalse(gate.isBanned(book.id, node), "the other key");
            vm.assertLe(book.outflow - book.audited, UPPER, "limit");
        }
        vm.assertGe(weth.balanceOf(address(account)), wethFloor, "WETH");
        vm.assertGe(usdc.balanceOf(address(account)), usdcFloor, "USDC");
        vm.assertEq(weth.allowance(address(account), address(venue)), 0, "allowance");
    }

    /* BOOKING */

    /// @dev Submit it; where it executes, say why that was right, and book it.
    function _submit(uint256 which, Oath memory oath) internal returns (bool success) {
        Submission memory s = abi.decode(oath.submission, (Submission));
        uint256[2] memory before =
            [weth.balanceOf(address(account)), usdc.balanceOf(address(account))];
        bytes memory data = _calldata(s);
        bytes memory result;
        vm.prank(operator);
        (success, result) = address(gate).call(data);
        if (!success) {
            _refusedHonestly(bytes4(result));
            return false;
        }
        Book storage book = _books[which];
        uint256 risk = _risked(s);
        _assertEntitled(book, oath.secret, oath.endorsements, risk);
        bytes32 digest = abi.decode(result, (bytes32));
        // What was queued may execute earlier where an audit has since made room below.
        if (book.outflow - book.audited + risk > MIDDLE) {
            vm.assertTrue(book.waits && digest == book.head, "was not queued");
            vm.assertGe(vm.getBlockTimestamp(), book.queuedAt + DELAY, "not long enough");
        }
        executed++;
        book.head = digest;
        book.outflow += risk;
        book.waits = false;
        book.last = data;
        wethFloor = uint256(int256(before[0]) + s.bounds[0]);
        usdcFloor = uint256(int256(before[1]) + s.bounds[1]);
        if (which == 0) _bookRules(risk, _lossSince(before));
    }

    /// @dev Whoever swore was not banned, and as many endorsed as the rung asks for.
    function _assertEntitled(Book storage book, uint256 secret, uint256 endorsements, uint256 risk)
        internal
        view
    {
        uint256 unaudited = book.outflow - book.audited + risk;
        vm.assertLe(unaudited, UPPER, "above the ladder");
        vm.assertFalse(secret == SECOND_SECRET && book.banned, "a banned key");
        uint256 needed = unaudited <= LOWER ? 0 : unaudited <= MIDDLE ? 1 : 2;
        vm.assertGe(endorsements, needed, "endorsements");
    }

    /// @dev Each of the first mandate's four rules holds, as if it were alone.
    function _bookRules(uint256 risk, uint256 loss) internal {
        _spent.push(Spent(vm.getBlockTimestamp(), risk));
        uint256 day;
        for (uint256 i = 0; i < _spent.length; i++) {
            if (vm.getBlockTimestamp() - _spent[i].time < 1 days) day += _spent[i].value;
        }
        for (uint256 i = 0; i < 2; i++) {
            vm.assertLe(day, _rates[i].capacity + _rates[i].perDay, "a day's spending");
            uint256 length = _drawdowns[i].length;
            uint256 epoch = vm.getBlockTimestamp() / length;
            _lost[length][epoch] += loss;
            vm.assertLe(_lost[length][epoch], _drawdowns[i].limit, "an epoch's losses");
        }
    }

    function _lossSince(uint256[2] memory before) internal view returns (uint256) {
        uint256 was = before[0] * 2000 / 1e10 + before[1] * 100;
        uint256 is_ =
            weth.balanceOf(address(account)) * 2000 / 1e10 + usdc.balanceOf(address(account)) * 100;
        // Rounded down twice: a unit less than the gate counts.
        return is_ + 1 < was ? was - is_ - 1 : 0;
    }

    function _risked(Submission memory s) internal pure returns (uint256) {
        return (uint256(-s.bounds[0]) * 2000 + 1e10 - 1) / 1e10;
    }

    /// @dev What an operator meets who does not tamper: wrong moment, broken promise, too few
    ///      signatures, or a limit.
    function _refusedHonestly(bytes4 reason) internal {
        bytes4[17] memory reasons = [
            IDecisionGate.SlotUsed.selector,
            IDecisionGate.AnchorUnavailable.selector,
            IDecisionGate.RungExceeded.selector,
            IDecisionGate.BoundMissed.selector,
            IDecisionGate.UndeclaredLoss.selector,
            IDecisionGate.LossExceeded.selector,
            IDecisionGate.EndorsementsMissing.selector,
            IDecisionGate.DelayNotServed.selector,
            IDecisionGate.DelayNotNeeded.selector,
            IDecisionGate.ValidityTooShort.selector,
            IDecisionGate.HeadQueued.selector,
            IDecisionGate.HeadMismatch.selector,
            IDecisionGate.SlotNotNewest.selector,
            IDecisionGate.DecisionExpired.selector,
            IDecisionGate.NodeBanned.selector,
            IDecisionGate.RuleRefused.selector,
            IDecisionGate.MandateExpired.selector
        ];
        bool known;
        for (uint256 i = 0; i < reasons.length; i++) {
            known = known || reasons[i] == reason;
        }
        vm.assertTrue(known, "another reason");
        refused++;
    }

    function _refusedFor(bytes memory reason, bytes4 expected) internal {
        vm.assertEq(bytes4(reason), expected, "another reason");
        refused++;
    }

    /* SHAPES */

    function _pass(uint256 blocks, uint256 time) internal {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + time);
        wethFeed.set(2000e8, uint64(vm.getBlockTimestamp()));
        usdcFeed.set(1e8, uint64(vm.getBlockTimestamp()));
    }

    function _mandateOf(uint256 which) internal view returns (Mandate memory mandate) {
        mandate = _laddered();
        mandate.nodes = _twoNodes();
        mandate.salt = bytes32(which);
        if (which == 0) mandate.rules = _rules;
    }

    function _next(uint256 which) internal view returns (Submission memory s) {
        s = _draft(_mandateOf(which));
        s.decision.previous = _books[which].head;
        s.decision.slot = uint64(vm.getBlockNumber() / CADENCE);
        s.decision.anchorHash = blockhash(uint256(s.decision.slot) * CADENCE);
        s.decision.validUntil = uint64(vm.getBlockTimestamp());
    }

    function _prove(Submission memory s, uint256 secret, uint256 endorsements) internal view {
        _endorse(s, endorsements);
        bytes memory endorsed = s.proof;
        _sign(s, secret);
        bytes memory signature = s.proof;
        for (uint256 i = 0; i < signature.length; i++) {
            endorsed[i] = signature[i];
        }
        s.proof = endorsed;
    }

    function _floorAtBalances() internal {
        wethFloor = weth.balanceOf(address(account));
        usdcFloor = usdc.balanceOf(address(account));
    }
}
