"""A writer of DER, as little of it as certificates need (ITU-T X.690)."""

from __future__ import annotations

from datetime import UTC, datetime

SEQUENCE, SET = 0x30, 0x31
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING = 0x01, 0x02, 0x03, 0x04
OBJECT_IDENTIFIER, ENUMERATED, UTF8_STRING = 0x06, 0x0A, 0x0C
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element with the content `parts`, one after the other."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return element(SEQUENCE, *parts)


def context(number: int, *parts: bytes) -> bytes:
    """Return a constructed, context-specific element [number]."""
    return element(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER in its shortest form."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(content: bytes) -> bytes:
    """Return an OCTET STRING."""
    return element(OCTET_STRING, content)


def bits(content: bytes, *, unused: int = 0) -> bytes:
    """Return a BIT STRING whose last byte has `unused` unused bits."""
    return element(BIT_STRING, bytes([unused]), content)


def true() -> bytes:
    """Return BOOLEAN true; false is left out in DER."""
    return element(BOOLEAN, b"\xff")


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return element(OBJECT_IDENTIFIER, bytes(content))


def time(timestamp: int) -> bytes:
    """Return unix second `timestamp` as certificates have it (RFC 5280, 4.1.2.5)."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    if moment.year < 2050:
        return element(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return element(GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())
