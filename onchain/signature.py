"""Whose 65-byte signature is it? Recovery with the gate's strictness.

Pure. It says which key signed a digest, and never that the key was permitted. The
accepted form is exactly the gate's: `r ‖ s ‖ v`, 65 bytes, s in the lower half of the
curve order, v 27 or 28 (EIP-2 low-s; there is one accepted signature per nonce).
"""

from __future__ import annotations

from collections.abc import Iterable

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from affiant.encoding import Digest
from affiant.errors import MalformedError
from affiant.onchain.mandate import Address

SIGNATURE_BYTES = 65
"""Length of a signature."""

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2, section 2.4.1)."""


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


def join_signatures(digest: Digest, *, signatures: Iterable[bytes]) -> bytes:
    """Return several keys' signatures over `digest` as the gate takes them.

    One after the other, 65 bytes each, ascending by the signer's address: in this
    order the gate needs no memory to see that no signer counts twice.

    Raises:
        MalformedError: one is not a signature as `recover_signer` wants it, or two are
            of the same key.
    """
    by_signer: dict[Address, bytes] = {}
    for signature in signatures:
        signer = recover_signer(digest, signature=signature)
        if signer in by_signer:
            raise MalformedError(
                "signatures", got=f"two of {signer}", expected="one of each signer"
            )
        by_signer[signer] = signature
    return b"".join(by_signer[signer] for signer in sorted(by_signer, key=str.lower))


def split_signatures(digest: Digest, *, joined: bytes) -> dict[Address, bytes]:
    """Return each signer's signature in `joined`, in order.

    Raises:
        MalformedError: not a multiple of 65 bytes, not ascending by signer, or one of
            them is malformed.
    """
    if len(joined) % SIGNATURE_BYTES:
        raise MalformedError(
            "signatures",
            got=f"{len(joined)} bytes",
            expected=f"a multiple of {SIGNATURE_BYTES} bytes",
        )
    found: dict[Address, bytes] = {}
    last = ""
    for start in range(0, len(joined), SIGNATURE_BYTES):
        signature = joined[start : start + SIGNATURE_BYTES]
        signer = recover_signer(digest, signature=signature)
        if signer.lower() <= last:
            raise MalformedError(
                "signatures",
                got=f"{signer} after {last}",
                expected="signers in ascending order, each once",
            )
        last = signer.lower()
        found[signer] = signature
    return found
