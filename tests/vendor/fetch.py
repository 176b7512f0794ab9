"""Gets quotes and collateral that Intel signed, for the tests; part of `make setup`.

They come with the source archive of `dcap-qvl`, from the package index that pip is
configured for, pinned by hash, and stay in `.cache`: vendor data is not copied into the
project. Where the archive cannot be had, the tests that need it skip and say so.

    python tests/vendor/fetch.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent.parent / ".cache/vendor/dcap-qvl"
"""Where the files end up."""


def main() -> int:
    """Fetch what is not there yet; never fail the set-up."""
    if (TARGET / "tdx_quote").exists():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--no-build-isolation"),
                *("--no-binary", ":all:", "--require-hashes"),
                *("--requirement", str(HERE / "requirements.txt"), "--dest", folder),
            ],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
        )
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode != 0 or not archives:
            last = (done.stderr.strip().splitlines() or ["no archive came"])[-1]
            print(f"no vendor-signed TDX data, its tests will skip: {last}")
            return 0
        unpack(archives[0])
    return 0


def unpack(archive: Path) -> None:
    """Write the plain files of the archive's `sample` folder to `TARGET`."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as opened:
        for member in opened:
            path = PurePosixPath(member.name)
            if len(path.parts) != 3 or path.parts[1] != "sample" or not member.isfile():
                continue
            content = opened.extractfile(member)
            assert content is not None  # it is a file
            (TARGET / path.name).write_bytes(content.read())


if __name__ == "__main__":
    raise SystemExit(main())
