"""Test modules that other tests use: folders of tests are no packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def neighbour(path: str) -> Any:
    """Return the module at `path`, relative to `tests/`; it is loaded once."""
    name = "affiant_tests." + path.removesuffix(".py").replace("/", ".")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
