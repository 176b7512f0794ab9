"""A build backend that builds nothing: it tells pip an archive's name and version.

pip asks a source archive for its metadata before it hands the archive over, which for
`dcap-qvl` would need a Rust toolchain. Only the sample data in the archive is wanted,
so this module, found under the backend's name, copies what the archive says of itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def prepare_metadata_for_build_wheel(folder: str, _settings: object = None) -> str:
    """Write the metadata of the archive in the working folder; return its name."""
    name = "dcap_qvl.dist-info"
    target = Path(folder) / name
    target.mkdir()
    shutil.copyfile("PKG-INFO", target / "METADATA")
    return name


def build_wheel(*_: object, **__: object) -> str:
    """Refuse: there is nothing to build here."""
    raise RuntimeError("only the archive's data is wanted, not a build")
