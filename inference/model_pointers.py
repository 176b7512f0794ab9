"""Files of a model folder that lead an engine out of it: refused.

What lies elsewhere is not committed to, may differ between machines and may change
later, while the root stays. Known ways out, each read by an engine of ours:

1. an index (`*.safetensors.index.json`) names a shard by an absolute path or with `..`;
2. `fast_tokenizer_files` in `tokenizer_config.json` does so with a tokenizer
   (transformers);
3. `speculators_config` in a `config.json` makes vLLM load the model that it names, and
   the folder's own only as a draft;
4. `adapter_config.json` without a `config.json` makes transformers load the model that
   it names.

Code from elsewhere (`auto_map`) needs no look: engines are started without trust in
remote code. Files are read as engines read them, by Python's own JSON parser; what that
refuses, they refuse.
"""

from __future__ import annotations

import json
import posixpath
from pathlib import Path, PureWindowsPath
from typing import Any

from affiant.encoding import MAX_DEPTH, nests_deeper
from affiant.inference.errors import ModelFilesError, ModelPointerError
from affiant.inference.model_listing import Listing

MAX_CONFIG_BYTES = 100_000_000
"""Largest configuration file that is looked into."""
INDEX_SUFFIX = ".safetensors.index.json"
"""Ending of the name of an index."""


def require_inside(folder: Path, *, listing: Listing) -> None:
    """Refuse a model folder whose files lead out of it.

    Args:
        folder: a model folder.
        listing: its files.

    Raises:
        ModelPointerError: a file names something that is not committed to.
        ModelFilesError: a configuration file is too large, too deep or unreadable.
    """
    for path in listing.files:
        # 1.
        if path.endswith(INDEX_SUFFIX):
            names = _field(_read(folder, path, listing), "weight_map")
            for name in names.values() if isinstance(names, dict) else ():
                _require_name(name, path, listing)
        # 2.
        elif path == "tokenizer_config.json":
            names = _field(_read(folder, path, listing), "fast_tokenizer_files")
            for name in names if isinstance(names, list) else ():
                _require_name(name, path, listing)
        # 3. A configuration may hand over to one for a version, beside it.
        elif path.startswith("config.") and path.endswith(".json") and "/" not in path:
            if _field(_read(folder, path, listing), "speculators_config") is not None:
                raise ModelPointerError(
                    path,
                    got="`speculators_config`, which names another model",
                    expected="a model of its own",
                )
    # 4.
    if "adapter_config.json" in listing.files and "config.json" not in listing.files:
        raise ModelPointerError(
            "adapter_config.json",
            got="an adapter to a model elsewhere",
            expected="the model's `config.json` beside it",
        )


def _read(folder: Path, path: str, listing: Listing) -> Any:
    """Return the JSON in `path`, or `None` where there is none."""
    if listing.files[path].size > MAX_CONFIG_BYTES:
        raise ModelFilesError(
            path,
            got=f"{listing.files[path].size} bytes",
            expected=f"at most {MAX_CONFIG_BYTES} bytes",
        )
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        raise ModelFilesError(
            path, got=str(error), expected="a readable file"
        ) from error
    if nests_deeper(content, limit=MAX_DEPTH):
        raise ModelFilesError(
            path, got="deeper nesting", expected=f"at most {MAX_DEPTH} levels"
        )
    try:
        return json.loads(content.decode("utf-8"))
    except ValueError:
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _require_name(name: object, path: str, listing: Listing) -> None:
    if not isinstance(name, str):
        return
    if (
        # Also on a machine where `C:` is a place.
        PureWindowsPath(name).anchor
        or "\\" in name
        or ".." in name.split("/")
        or posixpath.normpath(name) in listing.left_out
    ):
        raise ModelPointerError(
            path, got=f"{name!r:.80}", expected="names of files that count"
        )
