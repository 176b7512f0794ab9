"""ABI encoding and decoding where exactly one spelling is accepted.

Pure. It decides that bytes are *the* encoding of some values: Solidity's decoder also
accepts others (moved offsets, bytes behind the end), in which things could hide from a
reader. Values become plain Python: addresses checksummed, everything else as eth-abi
has it. It trusts nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from affiant.encoding import keccak256
from affiant.errors import MalformedError


def selector(signature: str) -> bytes:
    """Return the first four bytes of keccak256 of `transfer(address,uint256)`."""
    return keccak256(signature.encode())[:4]


def encode_call(signature: str, arguments: Sequence[object] = ()) -> bytes:
    """Return calldata for the function `signature` with `arguments`."""
    return selector(signature) + encode(argument_types(signature), list(arguments))


def argument_types(signature: str) -> list[str]:
    """Return the ABI types of a signature's arguments, nested tuples kept whole."""
    types, depth, start = [], 0, signature.index("(") + 1
    inner = signature[start:-1]
    piece = ""
    for character in inner:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            types.append(piece)
            piece = ""
        else:
            piece += character
    return [*types, piece] if piece else types


def decode_exactly(
    types: Sequence[str], data: bytes, *, what: str
) -> tuple[object, ...]:
    """Return the values that `data` is the one encoding of.

    Raises:
        MalformedError: it is none, or not the canonical one.
    """
    try:
        values = decode(list(types), data)
        again = encode(list(types), values)
    except (
        DecodingError,
        EncodingError,
        UnicodeError,
        OverflowError,
        RecursionError,
        ValueError,
    ) as error:
        raise MalformedError(
            what, got=str(error)[:120], expected=f"the encoding of {','.join(types)}"
        ) from error
    if again != data:
        raise MalformedError(
            what,
            got=f"{len(data)} bytes in another spelling",
            expected=f"the one encoding, {len(again)} bytes",
        )
    return tuple(values)
