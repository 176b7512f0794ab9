"""Edits one byte of an evidence file, clumsily and cleverly, for an auditor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from affiant.onchain.evidence_frame import pack, unpack


def edit_one_byte(file: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Yield (name, edited file, what an auditor must name as damaged).

    The first flips a bit in the middle of the compressed file. The second unpacks the
    file, changes one digit of one output token, and packs it again with a new checksum,
    as a forger would.
    """
    middle = len(file) // 2
    flipped = file[:middle] + bytes([file[middle] ^ 1]) + file[middle + 1 :]
    yield "file", flipped, "file"
    plain = unpack(file)
    found = re.search(rb'"output":\[(\d)', plain)
    if found is None:
        raise RuntimeError("evidence without output tokens")
    place = found.start(1)
    digit = b"1" if plain[place : place + 1] != b"1" else b"2"
    repacked = pack(plain[:place] + digit + plain[place + 1 :])
    yield "tokens", repacked, "section `tokens`"
