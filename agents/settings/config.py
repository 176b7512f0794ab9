"""The agent's configuration: one TOML file, checked before anything is done with it.

The only module that reads the environment, and only for passwords and addresses: files
and commands name the variable, never the secret (`url = "env:NAME"`). Paths are
relative to the file. Everything that is wrong is told at once, with line and column
(`config_report.py`). It decides nothing else.

    [agent]     class, `FILE.py:CLASS` (optional: commands may name it instead)
    [chain]     url, or urls = [..] the most trusted first, id, timeout_seconds = 10,
                operation_seconds = 30, requests_per_second (optional)
    [node]      url, or urls = [..], timeout_seconds = 120,
                tokenizer = "model folder" (optional)
    [mandate]   file, the mandate's JSON
    [book]      file, the address book's JSON
    [evidence]  url of the evidence store (a folder, or anything fsspec knows)
    [journal]   url, a path or an SQLAlchemy URL
    [operator]  keystore, password_env
    [transactions]  confirmations = 1, confirm_seconds = 120, stuck_seconds = 45,
                max_fee_gwei = 2000, max_priority_fee_gwei = 100
    [endorsers] urls, timeout_seconds = 120, wait_seconds = 120 (optional)
    [paper]     journal, evidence (optional: where paper mode writes; beside the live
                journal if not given)
    [approval]  above = "1000" (optional: a person approves what puts more at risk)
    [log]       level = "info", format = "json", file (optional; standard error if not)
    [metrics]   port, on loopback only
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from affiant.agents.errors import ConfigError
from affiant.agents.nodes.endorser_client import MAX_ENDORSERS
from affiant.agents.running.approve import ApprovalSection
from affiant.agents.settings.config_file import parse_toml
from affiant.encoding import parse_json
from affiant.errors import MalformedError
from affiant.http_exchange import HttpEndpoint
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain_types import Fees
from affiant.onchain.endpoint_pool import MAX_ENDPOINTS
from affiant.onchain.mandate import Mandate

GWEI = 10**9
"""Wei in a gwei."""

MAX_NODES = 16
"""Most nodes that an agent asks."""

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


def _one_or_several(url: str | None, urls: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses of a section that takes one or several."""
    if (url is None) != bool(urls):
        raise ValueError("expected either `url` or `urls`")
    if len(set(urls)) != len(urls):
        raise ValueError("expected each of `urls` once")
    return urls if url is None else (url,)


class ChainSection(_Section):
    """The agent's own chain endpoints; they are not the node's."""

    url: Url | None = None
    urls: Annotated[tuple[Url, ...], Field(max_length=MAX_ENDPOINTS, strict=False)] = ()
    """The most trusted first; the next where one fails."""
    id: Annotated[int, Field(gt=0, lt=2**53)]
    """Chain id that the endpoint must answer with."""
    timeout_seconds: Seconds = 10.0
    """Longest wait for one answer."""
    operation_seconds: Seconds = 30.0
    """Longest wait for one operation, however many endpoints it tries."""
    requests_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Most questions to one endpoint, on the average."""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every address."""
        return _one_or_several(self.url, self.urls)

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        _one_or_several(self.url, self.urls)
        return self


class NodeSection(_Section):
    """The nodes that decide; the next is asked where one fails."""

    url: Url | None = None
    urls: Annotated[tuple[Url, ...], Field(max_length=MAX_NODES, strict=False)] = ()
    timeout_seconds: Seconds = 120.0
    """Longest wait for a decision."""
    tokenizer: Text | None = None
    """Model folder whose tokenizer lets the agent check prompt and plan tokens too."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address."""
        return _one_or_several(self.url, self.urls)

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        _one_or_several(self.url, self.urls)
        return self


class EndorsersSection(_Section):
    """Who is asked to endorse a decision whose rung takes endorsements."""

    urls: Annotated[tuple[Url, ...], Field(max_length=MAX_ENDORSERS, strict=False)] = ()
    timeout_seconds: Seconds = 120.0
    """Longest wait for one answer."""
    wait_seconds: Seconds = 120.0
    """Longest wait in all."""


class TransactionsSection(_Section):
    """What is offered for a transaction, and when it counts as mined or stuck."""

    confirmations: Annotated[int, Field(ge=1, le=256)] = 1
    """Blocks, the transaction's own counted, before it counts as mined."""
    confirm_seconds: Seconds = 120.0
    """Longest that a run waits for that; the next run goes on."""
    stuck_seconds: Annotated[float, Field(ge=1, le=3600)] = 45.0
    """How long a transaction waits before it is signed again for more."""
    max_fee_gwei: Annotated[float, Field(gt=0, le=1_000_000)] = 2_000.0
    """Most that is ever offered per gas."""
    max_priority_fee_gwei: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    """Most of it that goes to a proposer."""

    @property
    def max_fees(self) -> Fees:
        """The limits in wei per gas."""
        return Fees(
            max_fee=int(self.max_fee_gwei * GWEI),
            priority_fee=int(self.max_priority_fee_gwei * GWEI),
        )


class FileSection(_Section):
    """A JSON file."""

    file: Text


class UrlSection(_Section):
    """A store."""

    url: Text


class PaperSection(_Section):
    """Where `affiant agent run --paper` writes; never where the live agent does."""

    journal: Text
    """A file."""
    evidence: Text
    """URL of a store of its own."""


class OperatorSection(_Section):
    """The key that submits and pays gas; it cannot decide anything."""

    keystore: Text
    """Path of a keystore file."""
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the environment variable with the keystore's password."""


class AgentSection(_Section):
    """Which agent this file is for; commands may name it instead."""

    reference: Annotated[Text, Field(alias="class")]
    """`FILE.py:CLASS` of the `VerifiedAgent`; the file is the user's own code."""


class LogSection(_Section):
    """Where the agent says what it does, and how much of it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
    """One JSON object per line, or a line for people."""
    file: Text | None = None
    """Appended to; standard error where there is none."""


class MetricsSection(_Section):
    """Where Prometheus finds the agent's figures: on loopback, and nowhere else."""

    port: Annotated[int, Field(ge=0, le=65535)]
    """0 takes a free one."""


class AgentConfig(_Section):
    """The whole file."""

    format: Literal["affiant-agent/1"] = "affiant-agent/1"
    agent: AgentSection | None = None
    chain: ChainSection
    node: NodeSection
    mandate: FileSection
    book: FileSection
    evidence: UrlSection
    journal: UrlSection
    operator: OperatorSection
    endorsers: EndorsersSection = EndorsersSection()
    transactions: TransactionsSection = TransactionsSection()
    approval: ApprovalSection = ApprovalSection()
    log: LogSection | None = None
    """None: nothing is logged."""
    metrics: MetricsSection | None = None
    """None: nothing listens."""
    paper: PaperSection | None = None
    """None: paper mode writes beside the live journal."""


def load_config(path: str | Path) -> AgentConfig:
    """Read and check the configuration file at `path`; make its paths absolute.

    Raises:
        ConfigFileError: it is no TOML, or fields are missing, unknown, out of range or
            no place for a secret; says all of it, with lines and columns.
        ConfigError: the file cannot be read.
    """
    path = Path(path)
    config = parse_toml(
        _read(path), file=str(path), model=AgentConfig, environment=os.environ
    )
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
            "agent": config.agent
            and AgentSection.model_validate(
                {"class": absolute(config.agent.reference)}
            ),
            "log": config.log
            and config.log.model_copy(
                update={"file": config.log.file and absolute(config.log.file)}
            ),
            "paper": config.paper
            and PaperSection(
                journal=absolute(config.paper.journal),
                evidence=absolute(config.paper.evidence),
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


def agent_reference(path: str | Path, given: str | None) -> str:
    """Return `FILE.py:CLASS`: what a command was given, or what the file says.

    Raises:
        ConfigError: neither says; or as `load_config`.
    """
    if given is not None:
        return given
    config = load_config(path)
    if config.agent is None:
        raise ConfigError(
            f"{path}: agent.class",
            got="nothing, and no --agent",
            expected="FILE.py:CLASS of a `VerifiedAgent`",
        )
    return config.agent.reference


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
