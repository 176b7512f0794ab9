"""What is wrong with a configuration file: every problem, with its line and column.

    agent.toml:12:19: chain.timeout_seconds: got "ten", expected a valid number

It decides how a problem is told, never what one is: that is the models' in `config.py`.
What stands in the file may be a secret that its owner put there by mistake, so the
value of a key that sounds like one, and what an address holds besides its host, are
never repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from affiant.agents.errors import ConfigError
from affiant.agents.settings.toml_places import Path, Place, Placed

MAX_PROBLEMS = 20
"""Most problems told of one file; whoever has more reads these first."""

SECRET_KEY = re.compile(
    r"pass(word|phrase|wd)?|secret|mnemonic|seed(_?phrase)?|(private|api|access)_?key"
    r"|credentials?|(api|access|auth|bearer)_?token",
    re.IGNORECASE,
)
"""Names of keys under which people write secrets."""

WHERE_SECRETS_GO = (
    "no secret in this file: keys stand in keystore files (`affiant key new`), their "
    "passwords in the environment variable that `password_env` names, and an address "
    'with a secret in it in one that `url = "env:NAME"` names'
)
"""What the owner of a secret is told."""

_PREFIXES = ("Input should be ", "Value error, ", "expected ")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://[^\s\"']*", re.IGNORECASE)


@dataclass(frozen=True)
class ConfigProblem:
    """One thing that is wrong."""

    field: str
    """Its name with its section's: `chain.timeout_seconds`."""
    place: Place
    got: str
    """As TOML would write it, shortened; empty for a secret."""
    expected: str

    def line(self, file: str) -> str:
        """Return the problem as one line that editors can follow."""
        where = f"{file}:{self.place.line}:{self.place.column}: {self.field}"
        return f"{where}: got {self.got}, expected {self.expected}"


class ConfigFileError(ConfigError):
    """A configuration file says something that it may not; `problems` has all of it."""

    def __init__(self, file: str, problems: Sequence[ConfigProblem]) -> None:
        first = problems[0]
        super().__init__(first.field, got=first.got, expected=first.expected)
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Return one line per problem."""
        lines = [problem.line(self.file) for problem in self.problems[:MAX_PROBLEMS]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def problems_of(
    errors: Sequence[Mapping[str, Any]],
    *,
    model: type[BaseModel],
    places: Mapping[Path, Placed],
    variables: Mapping[Path, str],
) -> tuple[ConfigProblem, ...]:
    """Return pydantic's `errors` as problems, in the order of the file.

    Args:
        model: what the file was validated as.
        places: where things stand in the file.
        variables: the environment variables that values came from, by path.
    """
    found = [
        _problem(error, model=model, places=places, variables=variables)
        for error in errors
    ]
    return tuple(sorted(found, key=lambda problem: problem.place))


def shown(value: object) -> str:
    """Return a value as a message may show it: short, and of addresses the host."""
    if isinstance(value, str):
        return json.dumps(hide_addresses(value), ensure_ascii=True)[:120]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return str(value)[:120]


def hide_addresses(text: str) -> str:
    """Return `text` with every address in it cut down to scheme and host."""

    def host_only(found: re.Match[str]) -> str:
        rest = found[0][len(found[1]) + 3 :]
        authority, slash, path = rest.partition("/")
        # What comes before the last @ is a user's name and password.
        credentials, at, host = authority.rpartition("@")
        host = re.split(r"[?#]", host)[0]
        return f"{found[1]}://{'...@' if at else ''}{host}{'/...' if path else slash}"

    return _ADDRESS.sub(host_only, text)


def _problem(
    error: Mapping[str, Any],
    *,
    model: type[BaseModel],
    places: Mapping[Path, Placed],
    variables: Mapping[Path, str],
) -> ConfigProblem:
    path: Path = tuple(error["loc"])
    field = ".".join(map(str, path)) or "file"
    if error["type"] == "extra_forbidden":
        return _unknown(path, field=field, model=model, places=places)
    if error["type"] == "missing":
        known = _nearest(path[:-1], places)
        return ConfigProblem(field, known, "nothing", _expected_of(path, model=model))
    placed = places.get(path)
    place = placed.value if placed is not None else _nearest(path, places)
    return ConfigProblem(
        field,
        place,
        _got(error["input"], name=str(path[-1]), variable=variables.get(path)),
        _expected(str(error["msg"])),
    )


def _got(value: object, *, name: str, variable: str | None) -> str:
    if variable is not None:
        return f"the value of the environment variable `{variable}`"
    # A password where its variable's name belongs is an easy mistake to make.
    if isinstance(value, str) and (name.endswith("_env") or SECRET_KEY.search(name)):
        return "text that is not repeated here"
    return shown(value)


def _unknown(
    path: Path,
    *,
    field: str,
    model: type[BaseModel],
    places: Mapping[Path, Placed],
) -> ConfigProblem:
    name = str(path[-1])
    placed = places.get(path)
    place = placed.key if placed is not None else _nearest(path, places)
    if SECRET_KEY.fullmatch(name):
        return ConfigProblem(field, place, "a secret", WHERE_SECRETS_GO)
    known = _names_at(path[:-1], model=model)
    alike = get_close_matches(name, known, n=1, cutoff=0.6)
    expected = (
        f"a known key; did you mean `{alike[0]}`?"
        if alike
        else f"one of {', '.join(sorted(known))}"
        if known
        else "no such key"
    )
    return ConfigProblem(field, place, f"an unknown key `{name[:80]}`", expected)


def _expected(message: str) -> str:
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return hide_addresses(message[:1].lower() + message[1:])


def _expected_of(path: Path, *, model: type[BaseModel]) -> str:
    below = _model_at(path, model)
    if below is None:
        return f"a value for `{path[-1]}`"
    return f"a section `[{'.'.join(map(str, path))}]`"


def _nearest(path: Path, places: Mapping[Path, Placed]) -> Place:
    """Return the place of what encloses `path`: its section's, or the file's start."""
    while path:
        placed = places.get(path)
        if placed is not None:
            return placed.value
        path = path[:-1]
    return Place(1, 1)


def _names_at(path: Path, *, model: type[BaseModel]) -> list[str]:
    found = _model_at(path, model)
    if found is None:
        return []
    return [field.alias or name for name, field in found.model_fields.items()]


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model of the section at `path`; None where it is none."""
    current: type[BaseModel] = model
    for name in path:
        if isinstance(name, int):
            continue
        field = next(
            (
                field
                for key, field in current.model_fields.items()
                if name == (field.alias or key)
            ),
            None,
        )
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return None
        current = inner
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None
