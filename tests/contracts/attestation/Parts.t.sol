// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ICollateralReader} from "../../../contracts/attestation/ICollateralReader.sol";
import {TcbStatus, converge, relaunch} from "../../../contracts/attestation/types/TcbStatus.sol";
import {Test} from "../Test.sol";
import {AttestationParts} from "../mocks/Attestation.sol";

/// @title What is clever about the attestation contracts is the same as its plain twin.
contract PartsTest is Test {
    AttestationParts private parts;

    function setUp() public {
        parts = new AttestationParts();
    }

    /* WORDS */

    function testFuzz_load_isTheSameWithoutAssembly(bytes calldata data, uint256 at) public view {
        (bytes32 got, bytes32 plain) = parts.load(data, at % (data.length + 40));
        vm.assertEq(got, plain, "word");
    }

    function testFuzz_load_isTheBytesAndThenZeros(bytes calldata data, uint256 at) public view {
        at = at % (data.length + 40);
        (bytes32 got,) = parts.load(data, at);
        for (uint256 i = 0; i < 32; i++) {
            bytes1 expected = at + i < data.length ? data[at + i] : bytes1(0);
            vm.assertEq(bytes32(got[i]), bytes32(expected), "byte");
        }
    }

    function testFuzz_load_isZeroFarBeyondTheEnd(bytes calldata data, uint256 at) public view {
        at = _fold(at, data.length, type(uint256).max);
        (bytes32 got,) = parts.load(data, at);
        vm.assertEq(got, bytes32(0), "beyond");
    }

    /* TCB COMPONENTS */

    function testFuzz_reach_isEveryByteAtLeast(bytes32 have, bytes32 need) public view {
        vm.assertEq(parts.reach(have, need), _reachPlainly(have, need), "reach");
    }

    function testFuzz_reach_nearEquality(bytes32 need, uint256 index, int8 delta) public view {
        index = index % 32;
        uint256 shift = 8 * (31 - index);
        uint256 old = uint8(need[index]);
        uint256 changed = uint256(uint8(int8(uint8(old)) + (delta % 2)));
        bytes32 have = bytes32((uint256(need) & ~(0xff << shift)) | (changed << shift));
        vm.assertEq(parts.reach(have, need), _reachPlainly(have, need), "near");
        vm.assertTrue(parts.reach(need, need), "itself");
    }

    function _reachPlainly(bytes32 have, bytes32 need) private pure returns (bool) {
        for (uint256 i = 0; i < 32; i++) {
            if (uint8(have[i]) < uint8(need[i])) return false;
        }
        return true;
    }

    /* DATES */

    /// @dev From day to day through every calendar: the twin counts days one by one.
    function test_fromCalendar_everyDayUntil2400() public view {
        uint256 expected = 0;
        for (uint256 year = 1970; year < 2400; year++) {
            for (uint256 month = 1; month <= 12; month++) {
                uint256 last = _lastDay(year, month);
                _assertDay(year * 10_000 + month * 100 + 1, expected);
                _assertDay(year * 10_000 + month * 100 + last, expected + (last - 1) * 1 days);
                _assertNoDay(year * 10_000 + month * 100 + last + 1);
                expected += last * 1 days;
            }
        }
    }

    function test_fromCalendar_refusesWhatNoCalendarHas() public view {
        _assertNoDay(19_691_231);
        _assertNoDay(20_250_001);
        _assertNoDay(20_251_301);
        _assertNoDay(20_250_100);
        _assertNoDay(100_000_101);
        (bool leapSecond,) = parts.fromCalendar(20_250_101, 235_960);
        vm.assertFalse(leapSecond, "leap second");
        (bool minute,) = parts.fromCalendar(20_250_101, 236_000);
        vm.assertFalse(minute, "minute 60");
        (bool hour,) = parts.fromCalendar(20_250_101, 240_000);
        vm.assertFalse(hour, "hour 24");
    }

    function _assertDay(uint256 day, uint256 expected) private view {
        (bool valid, uint64 timestamp) = parts.fromCalendar(day, 0);
        vm.assertTrue(valid, "a day");
        vm.assertEq(timestamp, expected, "seconds");
    }

    function _assertNoDay(uint256 day) private view {
        (bool valid,) = parts.fromCalendar(day, 0);
        vm.assertFalse(valid, "no day");
    }

    function _lastDay(uint256 year, uint256 month) private pure returns (uint256) {
        if (month == 2) {
            return year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) ? 29 : 28;
        }
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }

    /* JSON */

    function testFuzz_skipString_isTheSameCharacterByCharacter(bytes calldata text, uint256 at)
        public
        view
    {
        _compareSkipping(text, at % (text.length + 2));
    }

    /// @dev Mostly plain text, so that strings longer than a word are met.
    function testFuzz_skipString_ofPlainText(bytes memory text, uint256 at, uint8 mark)
        public
        view
    {
        for (uint256 i = 0; i < text.length; i++) {
            text[i] = bytes1(uint8(0x61 + uint8(text[i]) % 26));
        }
        if (text.length > 0) {
            text[uint256(mark) % text.length] = mark % 3 == 0 ? bytes1('"') : bytes1(mark);
        }
        this.compareSkipping(text, at % (text.length + 2));
    }

    function compareSkipping(bytes calldata text, uint256 at) external view {
        _compareSkipping(text, at);
    }

    function _compareSkipping(bytes calldata text, uint256 at) private view {
        (bool found, uint256 place) = _skipPlainly(text, at);
        (bool success, bytes memory answer) =
            address(parts).staticcall(abi.encodeCall(parts.skipString, (text, at)));
        vm.assertEq(success, found, "found");
        if (success) {
            vm.assertEq(abi.decode(answer, (uint256)), place, "place");
        } else {
            vm.assertEq(
                answer,
                abi.encodeWithSelector(ICollateralReader.JsonText.selector, place),
                "refusal"
            );
        }
    }

    function _skipPlainly(bytes calldata text, uint256 at) private pure returns (bool, uint256) {
        for (;; at++) {
            bytes1 character = at < text.length ? text[at] : bytes1(0);
            if (character == '"') return (true, at + 1);
            if (character < " " || character > "~" || character == "\\") return (false, at);
        }
        revert("unreachable");
    }

    function testFuzz_skipDate_isTheSameCharacterByCharacter(uint8 place, bytes1 character) public {
        bytes memory text = "2025-12-31T23:59:59Z";
        uint256 index = place % text.length;
        text[index] = character;
        bytes memory good = "dddd-dd-ddTdd:dd:ddZ";
        bool fits =
            good[index] == "d" ? character >= "0" && character <= "9" : character == good[index];
        if (!fits) {
            vm.expectRevert(abi.encodeWithSelector(ICollateralReader.JsonDate.selector, uint256(0)));
        }
        uint256 next = parts.skipDate(text, 0);
        if (fits) vm.assertEq(next, 20, "behind");
    }

    function testFuzz_number_readsWhatIsWritten(uint32 value, uint256 limit) public {
        bytes memory text = bytes(vm.toString(uint256(value)));
        limit = limit % (uint256(value) * 2 + 2);
        if (value > limit) {
            vm.expectRevert(
                abi.encodeWithSelector(ICollateralReader.JsonNumber.selector, uint256(0), limit)
            );
        }
        (uint256 got, uint256 next) = parts.number(text, 0, limit);
        if (value > limit) return;
        vm.assertEq(got, value, "value");
        vm.assertEq(next, text.length, "behind");
    }

    /* STATUSES */

    /// @dev Intel's tables (QVL, `convergeTcbStatuses` and `checkForRelaunch`), row by row.
    function test_converge_isIntelsTable() public pure {
        for (uint8 whole = 1; whole < 8; whole++) {
            for (uint8 part = 1; part < 8; part++) {
                TcbStatus expected = TcbStatus(whole);
                if (TcbStatus(part) == TcbStatus.Revoked) expected = TcbStatus.Revoked;
                if (TcbStatus(part) == TcbStatus.OutOfDate) {
                    if (whole == 1 || whole == 2) expected = TcbStatus.OutOfDate;
                    if (whole == 3 || whole == 4) {
                        expected = TcbStatus.OutOfDateConfigurationNeeded;
                    }
                }
                vm.assertEq(
                    uint8(converge(TcbStatus(whole), TcbStatus(part))), uint8(expected), "status"
                );
            }
        }
    }

    function test_relaunch_isIntelsTable() public pure {
        for (uint8 launched = 1; launched < 8; launched++) {
            for (uint8 current = 1; current < 8; current++) {
                bool old = launched == 5 || launched == 6;
                bool updated = current >= 1 && current <= 4;
                TcbStatus expected = TcbStatus(launched);
                if (old && updated) {
                    expected = launched == 6 || current == 3 || current == 4
                        ? TcbStatus.TDRelaunchAdvisedConfigurationNeeded
                        : TcbStatus.TDRelaunchAdvised;
                }
                vm.assertEq(
                    uint8(relaunch(TcbStatus(launched), TcbStatus(current))),
                    uint8(expected),
                    "status"
                );
            }
        }
    }

    /* P-256 */

    /// @dev Where the precompile answers nothing, as on a chain without it, nothing is signed.
    function test_verifyP256_isFalse_withoutThePrecompile() public {
        (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed();
        vm.assertTrue(parts.verifyP256(digest, r, s, x, y), "with it");
        vm.mockCall(address(0x100), "", "");
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "empty");
        vm.mockCall(address(0x100), "", abi.encodePacked(uint8(1)));
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "one byte");
        vm.mockCall(address(0x100), "", abi.encode(uint256(2)));
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "not one");
        vm.mockCall(address(0x100), "", abi.encode(uint256(1), uint256(0)));
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "two words");
        vm.mockCallRevert(address(0x100), "", abi.encode(uint256(1)));
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "revert");
        vm.clearMockedCalls();
        vm.assertTrue(parts.verifyP256(digest, r, s, x, y), "with it again");
    }

    function testFuzz_verifyP256_refusesEveryOtherWord(uint8 word, uint8 bit) public view {
        (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed();
        bytes32 flip = bytes32(uint256(1) << bit);
        if (word % 5 == 0) digest ^= flip;
        if (word % 5 == 1) r ^= flip;
        if (word % 5 == 2) s ^= flip;
        if (word % 5 == 3) x ^= flip;
        if (word % 5 == 4) y ^= flip;
        vm.assertFalse(parts.verifyP256(digest, r, s, x, y), "changed");
    }

    function _signed() private pure returns (bytes32, bytes32, bytes32, bytes32, bytes32) {
        uint256 secret = uint256(keccak256("a P-256 key of these tests"));
        bytes32 digest = sha256("what is signed");
        (bytes32 r, bytes32 s) = vm.signP256(secret, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        return (digest, r, s, bytes32(x), bytes32(y));
    }
}
