"""Reads the numbers that a rule compares out of a request, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

Request = Mapping[str, Any]
"""A request as `build_request` makes it."""


def numbers_of(objective: str, words: str) -> dict[str, int]:
    """Return the numbers that stand in `objective` where `words` has braces.

    Raises:
        ValueError: the objective is not worded so.
    """
    pattern = ""
    for text, name, _, _ in Formatter().parse(words):
        pattern += re.escape(text) + (rf"(?P<{name}>\d+)" if name else "")
    found = re.fullmatch(pattern, objective)
    if found is None:
        raise ValueError(f"another objective than {words!r}: {objective!r}")
    return {name: int(value) for name, value in found.groupdict().items()}


def share(request: Request, token: str, part: str) -> int:
    """Return a whole percent of the portfolio; 0 for a token that is not there.

    Args:
        request: the request.
        token: name.
        part: `total`, `wallet`, `supplied` or `debt`.
    """
    for item in request["portfolio"]["tokens"]:
        if item["token"] == token:
            return int(item["share"][part])
    return 0


def feature(request: Request, name: str) -> int:
    """Return a whole number that the program computed.

    Raises:
        ValueError: the request does not hold it.
    """
    for item in request.get("features", ()):
        if item["feature"] == name:
            return int(item["value"])
    raise ValueError(f"no feature {name!r}")
