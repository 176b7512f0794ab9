"""From the bytes of a TOML file to a checked model, or to every problem with its place.

It decides which problems there are and where; what a field may be is the model's. An
address may stand in the environment instead of the file: `url = "env:NAME"`. Pure: the
environment is passed in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from affiant.agents.settings.config_report import (
    ConfigFileError,
    ConfigProblem,
    problems_of,
    shown,
)
from affiant.agents.settings.toml_places import Path, Place, toml_places

Model = TypeVar("Model", bound=BaseModel)

ADDRESS_KEYS = ("url", "urls")
"""Keys whose values may be `env:NAME`."""

MAX_DEPTH = 32
"""Most brackets within one another."""

_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_SYNTAX_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def parse_toml(
    data: bytes, *, file: str, model: type[Model], environment: Mapping[str, str]
) -> Model:
    """Return what a file says.

    1. it is TOML, nested no deeper than anybody needs; 2. variables that addresses name
    are set; 3. it fits the model.

    Args:
        file: what the file is called in messages.
        environment: variables by name.

    Raises:
        ConfigFileError: one of them does not hold; says all of 2 and 3.
    """
    # 1.
    # Counted first: what parses deep nesting takes minutes, or all of the stack.
    deep = _too_deep(data)
    if deep is not None:
        raise ConfigFileError(file, [deep])
    try:
        text = data.decode("utf-8")
        value = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigFileError(file, [_no_toml(error, data=data)]) from error
    places = toml_places(text)
    # 2.
    variables: dict[Path, str] = {}
    resolved = _resolve(value, at=(), environment=environment, found=variables)
    problems = [
        ConfigProblem(
            ".".join(map(str, at)),
            places[at].value if at in places else Place(1, 1),
            got=f"an environment variable `{variable}` that is not set",
            expected="it to hold an address",
        )
        for at, variable in variables.items()
        if not environment.get(variable)
    ]
    unset = {problem.field for problem in problems}
    # 3.
    try:
        parsed = model.model_validate(resolved)
    except ValidationError as error:
        errors: list[Any] = list(error.errors(include_url=False))
        problems += [
            problem
            for problem in problems_of(
                errors, model=model, places=places, variables=variables
            )
            if problem.field not in unset
        ]
        problems.sort(key=lambda problem: problem.place)
        # Not chained: pydantic's own words repeat the values.
        raise ConfigFileError(file, problems) from None
    if problems:
        raise ConfigFileError(file, problems)
    return parsed


def _resolve(
    value: Any, *, at: Path, environment: Mapping[str, str], found: dict[Path, str]
) -> Any:
    """Return `value` with addresses that are `env:NAME` taken from the environment.

    Args:
        at: the way to `value`.
        found: names are added here, by path.
    """
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    inner = {
        key: _resolve(item, at=(*at, key), environment=environment, found=found)
        for key, item in entries
    }
    if isinstance(value, dict):
        return inner
    if isinstance(value, list):
        return list(inner.values())
    names = [name for name in at if isinstance(name, str)]
    if isinstance(value, str) and names[-1:] and names[-1] in ADDRESS_KEYS:
        named = _VARIABLE.fullmatch(value)
        if named is not None:
            found[at] = named[1]
            return environment.get(named[1], "")
    return value


def _too_deep(data: bytes) -> ConfigProblem | None:
    """Return where brackets open within brackets too often; those in strings count."""
    depth = 0
    for found in re.finditer(rb"[\[\]{}]", data):
        depth = depth + 1 if found[0] in b"[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            line = data.count(b"\n", 0, found.start()) + 1
            column = found.start() - data.rfind(b"\n", 0, found.start())
            return ConfigProblem(
                "file",
                Place(line, column),
                got=f"more than {MAX_DEPTH} brackets within one another",
                expected="fewer",
            )
    return None


def _no_toml(error: Exception, *, data: bytes) -> ConfigProblem:
    message, place = str(error), Place(1, 1)
    if isinstance(error, UnicodeDecodeError):
        before = data[: error.start]
        line = before.rpartition(b"\n")[2].decode("utf-8", errors="replace")
        place = Place(before.count(b"\n") + 1, len(line) + 1)
        message = f"a byte 0x{data[error.start]:02x} that is no UTF-8"
    else:
        told = _SYNTAX_PLACE.search(message)
        if told is not None:
            place = Place(int(told[1]), int(told[2]))
            message = message[: told.start()]
        elif "end of document" in message:
            place = Place(data.count(b"\n") + 1, 1)
    return ConfigProblem(
        "file", place, got=f"no TOML ({shown(message)[1:-1]})", expected="TOML"
    )
