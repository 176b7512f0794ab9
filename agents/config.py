"""The agent's configuration: one TOML file, checked before anything is done with it.

The only module that reads the environment, and only for passwords: files and commands
name the variable, never the secret. Paths are relative to the file. It decides nothing
else.

    [chain]     url, id, timeout_seconds = 10
    [node]      url, timeout_seconds = 120, tokenizer = "model folder" (optional)
    [mandate]   file, the mandate's JSON
    [book]      file, the address book's JSON
    [evidence]  url of the evidence store (a folder, or anything fsspec knows)
    [journal]   url, a path or an SQLAlchemy URL
    [operator]  keystore, password_env
    [endorsers] urls, timeout_seconds = 120, wait_seconds = 120 (optional)
    [approval]  above = "1000" (optional: a person approves what puts more at risk)
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from affiant.agents.approve import ApprovalSection
from affiant.agents.endorser_client import MAX_ENDORSERS
from affiant.agents.errors import ConfigError
from affiant.encoding import parse_json
from affiant.errors import MalformedError
from affiant.http_exchange import HttpEndpoint
from affiant.onchain.address_book import AddressBook
from affiant.onchain.mandate import Mandate

MAX_FILE_BYTES = 1024 * 1024
"""Largest configuration, mandate or book file read, in bytes."""


def _reachable(url: str) -> str:
    HttpEndpoint(url, timeout=1)  # raises ValueError for an address that it cannot use
    return url


Url = Annotated[
    str,
    Field(pattern=r"^https?://[^\s]+$", max_length=2048),
    AfterValidator(_reachable),
]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ChainSection(_Section):
    """The agent's own chain endpoint; it is not the node's."""

    url: Url
    id: Annotated[int, Field(gt=0, lt=2**53)]
    """Chain id that the endpoint must answer with."""
    timeout_seconds: Seconds = 10.0
    """Longest wait for one answer."""


class NodeSection(_Section):
    """The node that decides."""

    url: Url
    timeout_seconds: Seconds = 120.0
    """Longest wait for a decision."""
    tokenizer: Text | None = None
    """Model folder whose tokenizer lets the agent check prompt and plan tokens too."""


class EndorsersSection(_Section):
    """Who is asked to endorse a decision whose rung takes endorsements."""

    urls: Annotated[tuple[Url, ...], Field(max_length=MAX_ENDORSERS, strict=False)] = ()
    timeout_seconds: Seconds = 120.0
    """Longest wait for one answer."""
    wait_seconds: Seconds = 120.0
    """Longest wait in all."""


class FileSection(_Section):
    """A JSON file."""

    file: Text


class UrlSection(_Section):
    """A store."""

    url: Text


class OperatorSection(_Section):
    """The key that submits and pays gas; it cannot decide anything."""

    keystore: Text
    """Path of a keystore file."""
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the environment variable with the keystore's password."""


class AgentConfig(_Section):
    """The whole file."""

    format: Literal["affiant-agent/1"] = "affiant-agent/1"
    chain: ChainSection
    node: NodeSection
    mandate: FileSection
    book: FileSection
    evidence: UrlSection
    journal: UrlSection
    operator: OperatorSection
    endorsers: EndorsersSection = EndorsersSection()
    approval: ApprovalSection = ApprovalSection()


def load_config(path: str | Path) -> AgentConfig:
    """Read and check the configuration file at `path`; make its paths absolute.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or a field is missing,
            unknown or out of range. The message names the field.
    """
    path = Path(path)
    try:
        value = tomllib.loads(_read(path).decode("utf-8"))
        config = AgentConfig.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(
            f"{path} at `{'.'.join(map(str, first['loc']))}`",
            got=repr(first["input"])[:120],
            expected=first["msg"],
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), got=str(error), expected="TOML") from error
    folder = path.absolute().parent

    def absolute(name: str) -> str:
        return name if "://" in name else str(folder / name)

    return config.model_copy(
        update={
            "node": config.node.model_copy(
                update={
                    "tokenizer": config.node.tokenizer
                    and absolute(config.node.tokenizer)
                }
            ),
            "mandate": FileSection(file=absolute(config.mandate.file)),
            "book": FileSection(file=absolute(config.book.file)),
            "evidence": UrlSection(url=absolute(config.evidence.url)),
            "journal": UrlSection(url=absolute(config.journal.url)),
            "operator": config.operator.model_copy(
                update={"keystore": absolute(config.operator.keystore)}
            ),
        }
    )


def load_mandate(path: str | Path) -> Mandate:
    """Read the mandate at `path`.

    Raises:
        ConfigError: the file cannot be read or is no mandate.
    """
    data = _read(Path(path))
    try:
        return Mandate.from_json(
            parse_json(data, what="mandate", max_bytes=MAX_FILE_BYTES)
        )
    except MalformedError as error:
        raise ConfigError(
            f"{path}: {error.what}", got=error.got, expected=error.expected
        ) from error


def load_book(path: str | Path) -> AddressBook:
    """Read the address book at `path`.

    Raises:
        ConfigError: the file cannot be read or is no address book.
    """
    data = _read(Path(path))
    try:
        return AddressBook.parse(data)
    except MalformedError as error:
        raise ConfigError(
            f"{path}: {error.what}", got=error.got, expected=error.expected
        ) from error


def read_password(variable: str) -> SecretStr:
    """Return the password in the environment variable `variable`.

    Raises:
        ConfigError: the variable is not set, or empty.
    """
    password = os.environ.get(variable, "")
    if not password:
        raise ConfigError(
            f"environment variable `{variable}`",
            got="nothing",
            expected="the password of a keystore",
        )
    return SecretStr(password)


def environment_without(variable: str) -> dict[str, str]:
    """Return the environment for a process that must not know a password.

    Args:
        variable: name of the variable that holds it.
    """
    return {name: text for name, text in os.environ.items() if name != variable}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            str(path), got=error.strerror or str(error), expected="a readable file"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(
            str(path), got="a larger file", expected=f"at most {MAX_FILE_BYTES} bytes"
        )
    return data
