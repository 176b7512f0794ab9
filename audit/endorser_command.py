"""What `affiant endorser`, `endorse`, `checkpoint` and `verdict` do.

It decides nothing: it puts key, chain, gate, model, store and memory together, refuses
loudly what cannot be had, calls one function and writes what came of it. It trusts what
the endorser's own user says on the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from affiant.agents.errors import ConfigError
from affiant.agents.settings.config import environment_without, read_password
from affiant.audit.auditor import Progress as Told
from affiant.audit.checkpoint import sign_checkpoint
from affiant.audit.desk import Bench, Desk, EndorserLimits
from affiant.audit.endorser import Endorsed, Endorser
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.replay_process import ReplayProcess
from affiant.audit.replayer import FolderReplayer
from affiant.audit.signed import SignedMemory
from affiant.audit.timed_store import TimedStore
from affiant.audit.verdict import sign_verdict
from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError
from affiant.inference.keys import NodeKey
from affiant.inference.load import GPU_SHARE, EngineName
from affiant.inference.model_folder import model_folder
from affiant.onchain.chain import Chain
from affiant.onchain.decision import domain_separator
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address
from affiant.onchain.signed_statement import SignedStatement

ENGINES: tuple[EngineName, ...] = ("vllm", "transformers")
"""Engines that may be named."""


@dataclass(frozen=True)
class SignerSettings:
    """What everything that an endorser signs needs."""

    chain_url: str | Sequence[str]
    """The endorser's own endpoint, or several, the most trusted first."""
    chain_id: int
    gate: Address
    model: str
    """A folder, or a hub id: the endorser's own copy of the model."""
    revision: str | None
    """Commit of the hub repository; None for a folder."""
    store: str
    """URL of the evidence store."""
    keystore: Path
    password_env: str
    """Name of the environment variable with the keystore's password."""
    memory: Path
    """File that remembers what was signed; keeps an endorser from contradicting
    itself."""
    new_memory: bool = False
    """Whether the file is to be made; it must be there otherwise."""
    limits: ReplayLimits = field(default_factory=ReplayLimits)
    """What a replay is given."""


@dataclass(frozen=True)
class Signer:
    """Key, chain and memory, opened and found to belong together."""

    chain: Chain
    key: NodeKey
    signed: SignedMemory
    folder: Path
    """The model's."""


def parse_engine(text: str) -> tuple[EngineName, str | None]:
    """Return engine and type of numbers in `vllm` or `vllm:bfloat16`.

    Raises:
        ValueError: there is no such engine.
    """
    name, _, dtype = text.partition(":")
    for known in ENGINES:
        if name == known:
            return known, dtype or None
    raise ValueError(f"engine: got {text}, expected one of {', '.join(ENGINES)}")


@contextmanager
def open_signer(settings: SignerSettings) -> Iterator[Signer]:
    """Open key, chain and memory; close them after the body.

    Raises:
        ConfigError: no password, no memory where one is expected or one where none is,
            or another contract than a gate of this chain.
        KeystoreError: the keystore does not open.
        ChainIdMismatchError, ChainUnavailableError: the endpoint does not serve.
        SignedUnavailableError: the memory cannot be used.
    """
    _require_memory(settings.memory, new=settings.new_memory)
    password = read_password(settings.password_env).get_secret_value()
    key = NodeKey.from_keystore(settings.keystore, password)
    folder = model_folder(settings.model, revision=settings.revision)
    with ExitStack() as stack:
        chain = stack.enter_context(
            closing(
                Chain.connect(settings.chain_url, expected_chain_id=settings.chain_id)
            )
        )
        _require_gate(GateClient(chain, settings.gate))
        signed = stack.enter_context(
            closing(
                SignedMemory(
                    settings.memory,
                    chain_id=chain.chain_id,
                    gate=settings.gate,
                    signer=Address(key.address),
                )
            )
        )
        yield Signer(chain, key, signed, folder)


def _require_memory(path: Path, *, new: bool) -> None:
    """Refuse to begin with an empty memory unawares: a volume that is not mounted, say.

    Raises:
        ConfigError: there is no file, or there is one and a new one was asked for.
    """
    if path.exists() and new:
        raise ConfigError(
            f"memory {path}", got="a file", expected="none where a new one is asked for"
        )
    if not path.exists() and not new:
        raise ConfigError(
            f"memory {path}",
            got="no file",
            expected="what this key has signed; `--new-memory` if that is nothing",
        )


def _require_gate(gate: GateClient) -> None:
    """Refuse another contract: whatever was signed for it would be good for nothing.

    Raises:
        ConfigError: it is no decision gate of this chain.
        ChainUnavailableError: the endpoint does not answer.
    """
    own = domain_separator(chain_id=gate.chain.chain_id, gate=gate.address)
    try:
        gate.node_registry()
        stated = f"domain {to_hex(gate.domain_separator())}"
    except RejectedError as error:
        stated = str(error)
    if stated != f"domain {to_hex(own)}":
        raise ConfigError(
            f"gate {gate.address}",
            got=stated,
            expected=f"a decision gate, domain {to_hex(own)}",
        )


@contextmanager
def open_endorser(
    settings: SignerSettings,
    *,
    engines: Sequence[tuple[EngineName, str | None]],
    mandates: frozenset[Digest] | None = None,
    limits: EndorserLimits | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> Iterator[Endorser]:
    """Put an endorser together; close it after the body.

    Args:
        engines: name and type of numbers of each; every one is a process of its own.
        mandates: mandates served; None: every one that names the key.
        say: told each step that may take long.

    Raises:
        AuditUnavailableError: the model cannot be committed to or loaded.
        As `open_signer`.
    """
    # Each takes its share of a GPU as it starts.
    replaying = replace(settings.limits, gpu_share=GPU_SHARE / max(len(engines), 1))
    with open_signer(settings) as signer, ExitStack() as stack:
        benches = []
        for name, dtype in engines:
            say(f"loading {signer.folder.name} into {name}")
            process = ReplayProcess(
                signer.folder,
                engine=name,
                dtype=dtype,
                limits=replaying,
                environment=environment_without(settings.password_env),
            )
            stack.callback(process.close)
            benches.append(Bench(process, process.manifest))
        desk = Desk(
            chain=signer.chain,
            gate=settings.gate,
            key=signer.key,
            store=TimedStore(settings.store),
            signed=signer.signed,
            benches=tuple(benches),
            mandates=mandates,
        )
        with closing(Endorser(desk, limits=limits)) as endorser:
            yield endorser


def endorse_file(
    file: Path,
    *,
    settings: SignerSettings,
    engines: Sequence[tuple[EngineName, str | None]],
    say: Callable[[str], None] = lambda _text: None,
) -> Endorsed:
    """Endorse the decision in one evidence file.

    Raises:
        ConfigError: the file cannot be read.
        RejectedError, UnavailableError: as `Endorser.endorse` and `open_endorser`.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(file), got=error.strerror or str(error), expected="a readable file"
        ) from error
    with open_endorser(settings, engines=engines, say=say) as endorser:
        return endorser.endorse(data)


def make_checkpoint(
    settings: SignerSettings,
    *,
    mandate: Digest,
    anchor: int | None,
    from_block: int,
    log: Console,
) -> SignedStatement:
    """Audit a mandate up to a block and sign a checkpoint; see `sign_checkpoint`."""
    with (
        open_signer(settings) as signer,
        _replayer(signer, settings.limits) as replayer,
    ):
        with _bar(log, "auditing") as told:
            return sign_checkpoint(
                signer.chain,
                gate=settings.gate,
                mandate=mandate,
                store=EvidenceStore(settings.store),
                replayer=replayer,
                key=signer.key,
                signed=signer.signed,
                anchor=anchor,
                from_block=from_block,
                progress=told,
            )


def make_verdict(
    settings: SignerSettings,
    *,
    mandate: Digest,
    decision: Digest,
    from_block: int,
    log: Console,
) -> tuple[SignedStatement, tuple[str, ...]]:
    """Audit one decision and sign a verdict on proof; see `sign_verdict`."""
    with (
        open_signer(settings) as signer,
        _replayer(signer, settings.limits) as replayer,
    ):
        with _bar(log, "judging") as told:
            return sign_verdict(
                signer.chain,
                gate=settings.gate,
                mandate=mandate,
                decision=decision,
                store=EvidenceStore(settings.store),
                replayer=replayer,
                key=signer.key,
                signed=signer.signed,
                from_block=from_block,
                progress=told,
            )


def statement_text(statement: SignedStatement) -> str:
    """Return a signed statement as the file that travels."""
    return json.dumps(statement.to_json(), indent=1) + "\n"


@contextmanager
def _replayer(signer: Signer, limits: ReplayLimits) -> Iterator[FolderReplayer]:
    """The model in this process: nobody else waits for it."""
    with closing(
        FolderReplayer(signer.folder, engine="same", limits=limits)
    ) as replayer:
        yield replayer


@contextmanager
def _bar(log: Console, word: str) -> Iterator[Told]:
    with Progress(
        TextColumn(word),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, words: bar.update(
            task, completed=done, total=total or None, description=words
        )
