"""Edits one byte of an evidence file, clumsily and cleverly, for an auditor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from affiant.onchain.evidence_frame import pack, unpack


def edit_one_byte(file: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name, edited file): a byte of the file, and a byte of a section.

    The first flips a bit in the middle of the compressed file. The second unpacks the
    file, changes one digit of one output token, and packs it again with a new checksum,
    as a forger would.
    """
    middle = len(file) // 2
    yield "file", file[:middle] + bytes([file[middle] ^ 1]) + file[middle + 1 :]
    plain = unpack(file)
    found = re.search(rb'"output":\[(\d)', plain)
    if found is None:
        raise RuntimeError("evidence without output tokens")
    place = found.start(1)
    digit = b"1" if plain[place : place + 1] != b"1" else b"2"
    yield "tokens", pack(plain[:place] + digit + plain[place + 1 :])
