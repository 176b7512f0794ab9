"""What a backtest leaves behind: its folder, whole or not at all, and the chain in it.

It decides that nobody's files are overwritten: a folder that is there is refused,
unless an earlier backtest made it and its owner says so. The chain is kept as anvil
hands it over, compressed; it is nearly the same state many times over.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import zstandard

from affiant.agents.backtest.errors import OutputFolderError
from affiant.agents.backtest.result import FORMAT
from affiant.encoding import parse_json
from affiant.errors import MalformedError
from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.errors import SnapshotError

MAX_REPORT_BYTES = 256 * 1024 * 1024
"""Largest `report.json` read, in bytes."""

MAX_STATE_BYTES = 8 * 1024**3
"""Largest state of a chain written out again, in bytes."""

_COMPRESSED = "state.json.zst"
# A window of 128 MiB finds the block before, however large a state is.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    3, window_log=27, enable_ldm=True
)


def require_free(place: Path, *, force: bool) -> None:
    """Refuse an output folder that is somebody's.

    Raises:
        OutputFolderError: it is there, and is no earlier backtest's or is not to be
            replaced.
    """
    if not (place.exists() or place.is_symlink()):
        return
    if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
        return
    ours = is_backtest(place)
    if ours and force:
        return
    raise OutputFolderError(
        str(place),
        got="an earlier backtest" if ours else "files of somebody else",
        expected="another name, or to be told to replace it" if ours else "none",
    )


def is_backtest(folder: Path) -> bool:
    """Return whether an earlier backtest made `folder`."""
    try:
        if folder.is_symlink():
            return False
        return bool(read_report(folder)["format"] == FORMAT)
    except (OutputFolderError, KeyError, TypeError):
        return False


def read_report(folder: Path) -> dict[str, object]:
    """Return the `report.json` of a backtest.

    Raises:
        OutputFolderError: there is none, or of another version.
    """
    file = folder / "report.json"
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_REPORT_BYTES + 1)
        value = parse_json(data, what="report", max_bytes=MAX_REPORT_BYTES)
    except (OSError, MalformedError) as error:
        raise OutputFolderError(
            str(folder), got=str(error)[:200], expected="a backtest's report.json"
        ) from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise OutputFolderError(
            str(folder), got="a report.json of another kind", expected=FORMAT
        )
    return value


def moved_into_place(folder: Path, place: Path) -> None:
    """Rename `folder` to `place`; what an earlier backtest left there goes away.

    Raises:
        OutputFolderError: somebody has put something there meanwhile.
    """
    if place.exists():
        require_free(place, force=True)
        old = Path(tempfile.mkdtemp(prefix=f".{place.name}.old.", dir=place.parent))
        os.rename(place, old / "old")
        shutil.rmtree(old, ignore_errors=True)
    os.rename(folder, place)


def keep_chain(devnet: Devnet, folder: Path) -> None:
    """Write the chain with its past into `folder`, compressed.

    Raises:
        DevnetRpcError, SnapshotError: it could not be handed over, or written.
    """
    devnet.save(folder)
    state = folder / "state.json"
    compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)
    try:
        with state.open("rb") as source, (folder / _COMPRESSED).open("wb") as target:
            compressor.copy_stream(source, target, size=state.stat().st_size)
        state.unlink()
    except OSError as error:
        raise SnapshotError(folder, reason=str(error)) from error


def resumed_chain(folder: Path, *, scratch: Path) -> Devnet:
    """Start the chain that `keep_chain` wrote into `folder`.

    Args:
        scratch: an empty folder for the state as anvil reads it.

    Raises:
        SnapshotError: it is not there, too large or not whole.
        ToolMissingError, AnvilFailedError: there is no local chain.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
    try:
        for name in ("book.json", "sum.json"):
            shutil.copyfile(folder / name, scratch / name)
        with (
            (folder / _COMPRESSED).open("rb") as source,
            (scratch / "state.json").open("wb") as target,
            decompressor.stream_reader(source) as reader,
        ):
            left = MAX_STATE_BYTES
            while chunk := reader.read(1 << 20):
                left -= len(chunk)
                if left < 0:
                    raise SnapshotError(folder, reason="the state is too large")
                target.write(chunk)
    except (OSError, zstandard.ZstdError) as error:
        raise SnapshotError(folder, reason=str(error)) from error
    return Devnet.resume(scratch, history=1 << 20)
