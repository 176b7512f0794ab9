"""Laboratories of this folder: the money in a Safe, and in an account of our own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab


@pytest.fixture(scope="session")
def safe_lab() -> Iterator[Lab]:
    """A laboratory in which a Safe decided once and waits for its next decision."""
    with scripted_lab(safe=True) as scripted:
        yield scripted


@pytest.fixture(scope="session")
def owned_lab() -> Iterator[Lab]:
    """The same with an account of our own."""
    with scripted_lab() as scripted:
        yield scripted


@pytest.fixture(params=["a Safe", "our own account"])
def lab(request: pytest.FixtureRequest) -> Lab:
    """Either of them."""
    kind = "safe_lab" if request.param == "a Safe" else "owned_lab"
    laboratory: Lab = request.getfixturevalue(kind)
    return laboratory
