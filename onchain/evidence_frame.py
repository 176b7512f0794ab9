"""The frame around evidence at rest: one bounded Zstandard frame and its hash.

Pure: bytes in, bytes out. It decides that a file is intact and within the limits, and
nothing about what is inside. It trusts nobody: the header is read before anything is
allocated, the output buffer is the declared size (which is itself limited), and a frame
without a checksum, with an unknown size or with a dictionary is refused.

    file = frame ‖ 0x502a4d18 ‖ 0x20000000 ‖ keccak256(frame)

The last 40 bytes are a Zstandard skippable frame (RFC 8878, section 3.1.2), so that
any Zstandard tool unpacks the file. They are there because a frame has unused bits,
which its own checksum of the content does not see: with them, no byte of a file can
change unnoticed. Only the single-segment form is accepted (section 3.1.1.1), which
carries no window size to lie about.
"""

from __future__ import annotations

import zstandard

from affiant.encoding import keccak256
from affiant.onchain.evidence_errors import EvidenceCorruptError, EvidenceTooLargeError

MAX_COMPRESSED_BYTES = 8 * 2**20
"""Largest evidence file, in bytes."""

MAX_PLAIN_BYTES = 64 * 2**20
"""Largest evidence after decompression, in bytes."""

_MAGIC = bytes.fromhex("28b52ffd")
_TAIL = bytes.fromhex("502a4d1820000000")
_TAIL_BYTES = len(_TAIL) + 32
_DESCRIPTOR_MASK = 0b0011_1111
_DESCRIPTOR = 0b0010_0100
_LEVEL = 9
_WINDOW_LOG = 26


def pack(plain: bytes) -> bytes:
    """Return `plain` as one Zstandard frame with size and checksum, and its hash.

    Raises:
        EvidenceTooLargeError: `plain` or the frame is over its limit.
    """
    _limit("before compression", got=len(plain), limit=MAX_PLAIN_BYTES)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=len(plain),
        window_log=_WINDOW_LOG,
        write_checksum=True,
        write_content_size=True,
    )
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(plain)
    file = frame + _TAIL + keccak256(frame)
    _limit("compressed size", got=len(file), limit=MAX_COMPRESSED_BYTES)
    return file


def unpack(file: bytes) -> bytes:
    """Return the content of a hostile file, never allocating more than the limit.

    Raises:
        EvidenceTooLargeError: the file or its declared content is over its limit.
        EvidenceCorruptError: not exactly one intact frame of the accepted form.
    """
    _limit("compressed size", got=len(file), limit=MAX_COMPRESSED_BYTES)
    frame, tail = file[:-_TAIL_BYTES], file[-_TAIL_BYTES:]
    if frame[:4] != _MAGIC:
        raise EvidenceCorruptError(
            got=f"magic {frame[:4].hex() or 'nothing'}", expected=_MAGIC.hex()
        )
    if len(frame) < 5 or frame[4] & _DESCRIPTOR_MASK != _DESCRIPTOR:
        raise EvidenceCorruptError(
            got=f"frame descriptor {frame[4:5].hex() or 'nothing'}",
            expected="a single segment with a checksum and no dictionary",
        )
    if tail != _TAIL + keccak256(frame):
        raise EvidenceCorruptError(
            got=f"hash {tail[len(_TAIL) :].hex()}",
            expected=f"{keccak256(frame).hex()}, that of the frame before it",
        )
    try:
        declared = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as error:
        raise EvidenceCorruptError(
            got=str(error)[:120], expected="a frame header"
        ) from error
    _limit("declared size", got=declared, limit=MAX_PLAIN_BYTES)
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise EvidenceCorruptError(
            got=str(error)[:120], expected="one intact frame"
        ) from error
    if len(plain) != declared:
        raise EvidenceCorruptError(
            got=f"{len(plain)} bytes", expected=f"{declared} bytes as declared"
        )
    return plain


def _limit(what: str, *, got: int, limit: int) -> None:
    if got > limit:
        raise EvidenceTooLargeError(what, got=got, limit=limit)
