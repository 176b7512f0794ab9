"""A laboratory for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A laboratory in which one decision was executed and the next one waits."""
    with scripted_lab() as scripted:
        yield scripted
