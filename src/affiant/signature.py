"""Whose 65-byte signature is it? Addresses, and recovery with the gate's strictness.

Pure. It says which key signed a digest, and never that the key was permitted. The
accepted form is exactly the gate's: `r ‖ s ‖ v`, 65 bytes, s in the lower half of the
curve order, v 27 or 28 (EIP-2 low-s; there is one accepted signature per nonce).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_address, to_checksum_address
from eth_utils.exceptions import ValidationError

from affiant.encoding import Digest, JsonValue
from affiant.errors import MalformedError

Address = NewType("Address", str)
"""An EIP-55 checksummed address."""

ADDRESS_CHARACTERS = 42
"""Length of an address in hexadecimal, its prefix included."""

SIGNATURE_BYTES = 65
"""Length of a signature."""

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2, section 2.4.1)."""


def parse_address(value: JsonValue, *, what: str) -> Address:
    """Return `value` as a checksummed address.

    Raises:
        MalformedError: it is not an address, or its checksum is wrong.
    """
    # By its length first: what is remembered must be small, whoever sends it.
    fits = isinstance(value, str) and len(value) == ADDRESS_CHARACTERS
    checksummed = _checksummed(value) if fits else None
    if checksummed is None:
        raise MalformedError(what, got=repr(value)[:80], expected="an address")
    if value not in (checksummed, value.lower(), "0x" + value[2:].upper()):
        raise MalformedError(what, got=repr(value)[:80], expected=checksummed)
    return Address(checksummed)


@lru_cache(maxsize=4096)
def _checksummed(text: str) -> str | None:
    """Return an address with its checksum, a hash of its letters; None: it is none."""
    if text[:2] != "0x" or not is_address(text):
        return None
    return str(to_checksum_address(text))


def recover_signer(digest: Digest, *, signature: bytes) -> Address:
    """Return the address whose key made `signature` over `digest`.

    Raises:
        MalformedError: not 65 bytes, high s, v not 27 or 28, or no key recovers.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedError(
            "signature", got=f"{len(signature)} bytes", expected="65 bytes"
        )
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    v = signature[64]
    if v not in (27, 28):
        raise MalformedError("signature v", got=str(v), expected="27 or 28")
    if not 0 < s <= CURVE_ORDER // 2:
        raise MalformedError(
            "signature s", got=hex(s), expected="1 to half the curve order"
        )
    if not 0 < r < CURVE_ORDER:
        raise MalformedError("signature r", got=hex(r), expected="1 to the curve order")
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError, ValueError) as error:
        raise MalformedError(
            "signature", got=str(error)[:120], expected="a point on the curve"
        ) from error
    return Address(key.to_checksum_address())
