"""Several signatures over one digest, as the gate takes them.

Pure. It orders signatures by their signers, so that the gate needs no memory to see
that no signer counts twice; whether a signer was permitted is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable

from affiant.encoding import Digest
from affiant.errors import MalformedError
from affiant.signature import SIGNATURE_BYTES, Address, recover_signer


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
