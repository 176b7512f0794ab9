"""The activation fingerprint: a small image of the model's last hidden state per token.

    key     = keccak256("affiant-fingerprint/1" ‖ prompt ‖ output)     (tokens' hashes)
    signs   = SHAKE-256(key), one bit per dimension and hidden unit, 16 × hidden;
              bit b of byte n (least significant first) belongs to entry 8n + b
    image   = sum(±hidden) / sqrt(hidden), 16 numbers, exact sums in float64
    bytes   = 16 × float16, big-endian

Random signs keep distances (Johnson and Lindenstrauss; Achlioptas 2003), and need no
orthogonalisation whose last bits differ between libraries. The key follows from the
tokens, so no two inferences share signs: whoever would forge images without the model
must predict the whole hidden state, not sixteen numbers. It says how far two states
are apart, not whether that is too far: profiles do.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affiant.encoding import Digest, keccak256
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.manifest import FingerprintManifest

DIMENSIONS = 16
"""Numbers per token."""
BYTES = 2 * DIMENSIONS
"""Bytes per token."""
FORMAT = "affiant-fingerprint/1"
"""Format tag."""
FINGERPRINT = FingerprintManifest(name=FORMAT, dimensions=DIMENSIONS)
"""What an engine manifest says of it."""


def fingerprint_key(prompt: Digest, output: Digest) -> Digest:
    """Return the key of an inference's signs.

    Args:
        prompt: `tokens_hash` of the prompt's ids.
        output: `tokens_hash` of the output's ids.
    """
    return keccak256(FORMAT.encode() + prompt + output)


def images(hidden: NDArray[np.float32], *, key: Digest) -> NDArray[np.float64]:
    """Return the image of each state, (tokens, 16) float64.

    Args:
        hidden: (tokens, hidden) float32.
        key: as `fingerprint_key` gives it.

    Raises:
        LogitsInvalidError: a state is not finite.
    """
    _finite(hidden)
    width = hidden.shape[1]
    count = DIMENSIONS * width
    stream = hashlib.shake_256(key).digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), bitorder="little")
    signs = (bits[:count].astype(np.float64) * 2 - 1).reshape(DIMENSIONS, width)
    projected: NDArray[np.float64] = hidden.astype(np.float64) @ signs.T
    return projected / math.sqrt(width)


def fingerprints(hidden: NDArray[np.float32], *, key: Digest) -> tuple[bytes, ...]:
    """Return the fingerprint of each state, 32 bytes each.

    Raises:
        LogitsInvalidError: a state is not finite, or too large for a float16.
    """
    return packed(images(hidden, key=key))


def packed(found: NDArray[np.float64]) -> tuple[bytes, ...]:
    """Return images, (tokens, 16), as fingerprints.

    Raises:
        LogitsInvalidError: a number is too large for a float16.
    """
    with np.errstate(over="ignore"):
        rounded = found.astype(">f2")
    _finite(rounded)
    raw = rounded.tobytes()
    return tuple(raw[at : at + BYTES] for at in range(0, len(raw), BYTES))


def fingerprint_reference(state: Sequence[float], *, key: Digest) -> bytes:
    """Return the fingerprint of one finite state, in plain Python."""
    width = len(state)
    stream = hashlib.shake_256(key).digest(-(-DIMENSIONS * width // 8))

    def sign(entry: int) -> int:
        return 1 if stream[entry // 8] >> (entry % 8) & 1 else -1

    image = [
        math.fsum(sign(row * width + unit) * value for unit, value in enumerate(state))
        / math.sqrt(width)
        for row in range(DIMENSIONS)
    ]
    return struct.pack(f">{DIMENSIONS}e", *image)


def distances(
    sworn: tuple[bytes, ...], *, ours: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far each fingerprint lies from a replay's image, relative to it.

    Args:
        sworn: one fingerprint per token.
        ours: the replay's `images` under the same key.

    Returns:
        (tokens,) float64; infinite where a fingerprint is not 16 finite numbers.
    """
    theirs = np.full_like(ours, np.inf)
    for row, data in enumerate(sworn):
        if len(data) == BYTES:
            theirs[row] = np.frombuffer(data, dtype=">f2").astype(np.float64)
    norms = np.maximum(np.linalg.norm(ours, axis=1), np.finfo(np.float32).tiny)
    far = np.linalg.norm(theirs - ours, axis=1) / norms
    return np.where(np.isfinite(far), far, np.inf)


def _finite(rows: NDArray[np.floating[Any]]) -> None:
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise LogitsInvalidError(
            int(np.argmax(bad)), got="a hidden state out of range", expected="finite"
        )
