"""Keeps the state of deployed chains on disk, so that the next start only loads it.

    <folder>/<key>/state.json   anvil's dump, with the states of past blocks
    <folder>/<key>/book.json    the address book
    <folder>/<key>/sum.json     the SHA-256 of both

A snapshot is written beside its place and renamed into it, so it is whole or absent;
the sums notice what a disk or a hand changed afterwards. A snapshot that is not whole
is treated as absent. The sums protect against nobody who can write the folder.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from affiant.encoding import keccak256, parse_json
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet.errors import DevnetRpcError, SnapshotError
from affiant.onchain.devnet.rpc import DevnetRpc

MAX_SUM_BYTES = 4096
"""Largest file of sums accepted, in bytes."""

DUMP_SECONDS = 600.0
"""How long anvil may take to hand over its state."""

_STATE, _BOOK, _SUM = "state.json", "book.json", "sum.json"


@dataclass(frozen=True)
class Snapshot:
    """A chain on disk."""

    state: Path
    """File that anvil loads."""
    book: AddressBook


def cache_key(parts: Mapping[str, bytes]) -> str:
    """Return the name of the snapshot that `parts` lead to, 32 hex digits."""
    digests = [
        keccak256(name.encode()) + keccak256(part)
        for name, part in sorted(parts.items())
    ]
    return keccak256(b"".join(digests)).hex()[:32]


def load_snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot in `folder`, or None where there is no whole one."""
    try:
        sums = parse_json(
            (folder / _SUM).read_bytes(), what="sums", max_bytes=MAX_SUM_BYTES
        )
        book = (folder / _BOOK).read_bytes()
        if sums != _sums(state=folder / _STATE, book=book):
            return None
        return Snapshot(state=folder / _STATE, book=AddressBook.parse(book))
    except (OSError, MalformedError):
        return None


def save_snapshot(
    folder: Path, *, rpc: DevnetRpc, book: AddressBook, replace: bool
) -> Snapshot:
    """Write the chain at `rpc` into `folder`.

    Args:
        folder: where to; its parents are made.
        rpc: the chain.
        book: what is on it.
        replace: whether a whole snapshot that is there already gives way. In a cache it
            must not: another process may be about to load it.

    Raises:
        DevnetRpcError: the chain did not hand over its state.
        SnapshotError: the folder cannot be written.
    """
    with DevnetRpc(rpc.url, timeout=DUMP_SECONDS) as patient:
        dump = patient.request("anvil_dumpState", True)
    try:
        state = gzip.decompress(bytes.fromhex(str(dump).removeprefix("0x")))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DevnetRpcError("anvil_dumpState", got=repr(error)) from error
    try:
        _write(folder, state=state, book=book, replace=replace)
    except OSError as error:
        raise SnapshotError(folder, reason=str(error)) from error
    return Snapshot(state=folder / _STATE, book=book)


def _write(folder: Path, *, state: bytes, book: AddressBook, replace: bool) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        text = json.dumps(book.to_json(), indent=1).encode()
        (fresh / _STATE).write_bytes(state)
        (fresh / _BOOK).write_bytes(text)
        sums = _sums(state=fresh / _STATE, book=text)
        (fresh / _SUM).write_text(json.dumps(sums))
        if replace or load_snapshot(folder) is None:
            _move_into_place(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move_into_place(fresh: Path, folder: Path) -> None:
    # A folder cannot be renamed onto a filled one. If somebody else fills it meanwhile,
    # theirs is as good as ours.
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder.parent))
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, old / "old")
        shutil.rmtree(old, ignore_errors=True)
    try:
        os.rename(fresh, folder)
    except OSError:
        if load_snapshot(folder) is None:
            raise


def _sums(*, state: Path, book: bytes) -> dict[str, str]:
    with state.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {_STATE: digest, _BOOK: hashlib.sha256(book).hexdigest()}
