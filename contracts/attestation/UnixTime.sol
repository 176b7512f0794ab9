// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Calendar dates (proleptic Gregorian, UTC) as unix seconds.
library UnixTime {
    /// @dev The number that the first `count` characters of `text` are the digits of; not valid where
    ///      one of them is none.
    function digits(bytes32 text, uint256 count) internal pure returns (bool valid, uint256 value) {
        // At most 32 digits: nothing overflows.
        unchecked {
            for (uint256 i = 0; i < count; i++) {
                uint256 digit = uint256(uint8(text[i])) - 0x30;
                if (digit > 9) return (false, 0);
                value = value * 10 + digit;
            }
        }
        return (true, value);
    }

    /// @dev Unix seconds of a date from 1970 to 9999; not valid where no calendar has it. A leap
    ///      second is not valid either.
    /// @param day year · 10 000 + month · 100 + day of the month.
    /// @param time hour · 10 000 + minute · 100 + second.
    function fromCalendar(uint256 day, uint256 time)
        internal
        pure
        returns (bool valid, uint64 timestamp)
    {
        unchecked {
            (uint256 year, uint256 month, uint256 ofMonth) =
                (day / 10_000, (day / 100) % 100, day % 100);
            (uint256 hour, uint256 minute, uint256 second) =
                (time / 10_000, (time / 100) % 100, time % 100);
            if (
                year < 1970 || year > 9999 || month == 0 || month > 12 || ofMonth == 0
                    || ofMonth > _daysInMonth(year, month) || hour > 23 || minute > 59
                    || second > 59
            ) return (false, 0);
            uint256 minutes_ = (_days(year, month, ofMonth) * 24 + hour) * 60 + minute;
            return (true, uint64(minutes_ * 60 + second));
        }
    }

    /// @dev Days since 1970-01-01. A year counts from March, so that the leap day is its last:
    ///      then months of 31, 30, 31, 30, 31 days repeat, which is what 153 days in five are.
    function _days(uint256 year, uint256 month, uint256 ofMonth) private pure returns (uint256) {
        unchecked {
            if (month <= 2) {
                year -= 1;
                month += 12;
            }
            uint256 ofYear = (153 * (month - 3) + 2) / 5 + ofMonth - 1;
            return year * 365 + year / 4 - year / 100 + year / 400 + ofYear - 719_468;
        }
    }

    function _daysInMonth(uint256 year, uint256 month) private pure returns (uint256) {
        if (month == 2) {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            return leap ? 29 : 28;
        }
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }
}
