"""Numbers as people read them. Pure; rounding is for the eye only."""

from __future__ import annotations

from datetime import UTC, datetime

from affiant.onchain.mandate import VALUE_DECIMALS


def money(value: int, *, signed: bool = False) -> str:
    """Return a value of 8 decimals as dollars and cents: `$1,234.50`."""
    cents = _rounded(abs(value), VALUE_DECIMALS, places=2)
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def units(amount: int, *, decimals: int, signed: bool = False, places: int = 6) -> str:
    """Return base units as whole tokens with at most `places` places: `+0.5`."""
    places = min(decimals, places)
    rounded = _rounded(abs(amount), decimals, places=places)
    whole, part = divmod(rounded, 10**places)
    fraction = f"{part:0{places}d}".rstrip("0") if places else ""
    sign = "−" if amount < 0 else "+" if signed and amount > 0 else ""
    shown = f"{whole:,}" + (f".{fraction}" if fraction else "")
    if amount and rounded == 0:
        return f"{sign}<{10**-places:.{places}f}" if places else f"{sign}<1"
    return sign + shown


def percent(part: int, *, whole: int) -> str:
    """Return `part` of `whole` as `12.3 %`; `–` where `whole` is not positive."""
    if whole <= 0:
        return "–"
    tenths = (abs(part) * 1000 + whole // 2) // whole
    sign = "−" if part < 0 and tenths else ""
    return f"{sign}{tenths // 10}.{tenths % 10} %"


def moment(timestamp: int | None) -> str:
    """Return unix seconds as `2026-11-20 11:14 UTC`; `–` for None."""
    if timestamp is None or not 0 <= timestamp < 2**40:
        return "–"
    return datetime.fromtimestamp(timestamp, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def short(digest_hex: str) -> str:
    """Return the first and last digits of a long hexadecimal: `0x1234abcd…9f00`."""
    if len(digest_hex) <= 16:
        return digest_hex
    return f"{digest_hex[:10]}…{digest_hex[-4:]}"


def _rounded(amount: int, decimals: int, *, places: int) -> int:
    if decimals <= places:
        grown: int = amount * 10 ** (places - decimals)
        return grown
    scale: int = 10 ** (decimals - places)
    return (amount + scale // 2) // scale
