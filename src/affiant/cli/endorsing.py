"""`endorser`, `endorse`, `checkpoint`, `verdict`: what an endorser signs."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.console import log, split_model
from affiant.cli.replay_limits import MaxContext, replay_limits
from affiant.encoding import digest_from_hex, to_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.audit.endorser_command import SignerSettings
    from affiant.encoding import Digest
    from affiant.inference.load import EngineName
    from affiant.onchain.signed_statement import SignedStatement

ChainUrl = Annotated[
    list[str],
    typer.Option(
        help="The endorser's own chain endpoint; may be repeated, the most trusted "
        "first."
    ),
]
ChainId = Annotated[int, typer.Option(help="Chain id that it must answer with.")]
Gate = Annotated[str, typer.Option(help="Address of the gate.")]
Model = Annotated[
    str, typer.Option(help="The endorser's own copy: folder, or OWNER/NAME[@REVISION].")
]
Store = Annotated[str, typer.Option(help="URL of the evidence store.")]
Keystore = Annotated[Path, typer.Option(help="The endorser key's keystore file.")]
Memory = Annotated[
    Path, typer.Option(help="File that remembers what was signed; never restore it.")
]
NewMemory = Annotated[
    bool,
    typer.Option(
        "--new-memory", help="Make that file: only for a key that has signed nothing."
    ),
]
PasswordEnv = Annotated[
    str, typer.Option(help="Environment variable with the keystore's password.")
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        help="vllm or transformers, `:DTYPE` if not the default; may be repeated.",
    ),
]
MandateId = Annotated[str, typer.Option(help="Id of the mandate.")]
FromBlock = Annotated[
    int, typer.Option(help="First block to look at; no later than the grant.")
]
Out = Annotated[Path | None, typer.Option(help="File to write; printed if not given.")]
ENDORSER_PASSWORD_ENV = "AFFIANT_ENDORSER_PASSWORD"


def endorser(
    chain_url: ChainUrl,
    chain_id: ChainId,
    gate: Gate,
    model: Model,
    store: Store,
    keystore: Keystore,
    memory: Memory,
    new_memory: NewMemory = False,
    password_env: PasswordEnv = ENDORSER_PASSWORD_ENV,
    max_context: MaxContext = None,
    engine: Engines = None,
    mandate: Annotated[
        list[str] | None,
        typer.Option(help="Id of a mandate served; may be repeated. All if not given."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say as one line of JSON that it listens.")
    ] = False,
) -> None:
    """Serve endorsements: evidence in, a signature or reasons out."""
    from affiant.audit.endorser_command import open_endorser
    from affiant.audit.endorser_service import EndorserServer, about

    served = frozenset(_digest(item, "--mandate") for item in mandate or ())
    settings = _settings(
        chain_url,
        chain_id,
        gate,
        model,
        store,
        keystore,
        memory,
        new_memory,
        password_env,
        max_context,
    )
    # A supervisor's way to stop: let what is under way finish, like an interrupt.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        open_endorser(
            settings,
            engines=_engines(engine),
            mandates=served or None,
            say=lambda text: log.print(text, markup=False),
        ) as opened,
        EndorserServer(opened, host=host, port=port) as server,
    ):
        told = {"url": server.url, **about(opened)}
        if as_json:
            typer.echo(json.dumps(told))
        else:
            typer.echo(f"listening on {server.url}\nkey {told['key']}")
            typer.echo(f"model {told['model']}")
            for profile in told["engines"]:
                typer.echo(f"engine {profile}")
        sys.stdout.flush()
        server.wait()


def endorse(
    file: Annotated[Path, typer.Argument(help="Evidence file of the decision.")],
    chain_url: ChainUrl,
    chain_id: ChainId,
    gate: Gate,
    model: Model,
    store: Store,
    keystore: Keystore,
    memory: Memory,
    new_memory: NewMemory = False,
    password_env: PasswordEnv = ENDORSER_PASSWORD_ENV,
    max_context: MaxContext = None,
    engine: Engines = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Reproduce one decision before it is executed; print a signature or reasons."""
    from affiant.audit.endorser_command import endorse_file
    from affiant.audit.endorser_errors import (
        EndorsementOpenError,
        EndorsementRefusedError,
    )

    settings = _settings(
        chain_url,
        chain_id,
        gate,
        model,
        store,
        keystore,
        memory,
        new_memory,
        password_env,
        max_context,
    )
    try:
        endorsed = endorse_file(
            file,
            settings=settings,
            engines=_engines(engine),
            say=lambda text: log.print(text, markup=False),
        )
    except (EndorsementRefusedError, EndorsementOpenError) as error:
        for step in error.steps:
            log.print(
                f"step {step.number} {step.status.value}: {step.name}: {step.detail}",
                markup=False,
                soft_wrap=True,
            )
        raise
    if as_json:
        typer.echo(json.dumps(endorsed.endorsement.to_json()))
    else:
        typer.echo(to_hex(endorsed.endorsement.signature))


def checkpoint(
    mandate: MandateId,
    chain_url: ChainUrl,
    chain_id: ChainId,
    gate: Gate,
    model: Model,
    store: Store,
    keystore: Keystore,
    memory: Memory,
    new_memory: NewMemory = False,
    password_env: PasswordEnv = ENDORSER_PASSWORD_ENV,
    max_context: MaxContext = None,
    anchor: Annotated[
        int | None,
        typer.Option(help="Block up to which is audited; the newest if not given."),
    ] = None,
    from_block: FromBlock = 0,
    out: Out = None,
) -> None:
    """Audit a mandate up to a block, and sign that its head is audited."""
    from affiant.audit.endorser_command import make_checkpoint

    statement = make_checkpoint(
        _settings(
            chain_url,
            chain_id,
            gate,
            model,
            store,
            keystore,
            memory,
            new_memory,
            password_env,
            max_context,
        ),
        mandate=_digest(mandate, "--mandate"),
        anchor=anchor,
        from_block=from_block,
        log=log,
    )
    _write(statement, out=out)


def verdict(
    decision: Annotated[str, typer.Argument(help="Digest of the false decision.")],
    mandate: MandateId,
    chain_url: ChainUrl,
    chain_id: ChainId,
    gate: Gate,
    model: Model,
    store: Store,
    keystore: Keystore,
    memory: Memory,
    new_memory: NewMemory = False,
    password_env: PasswordEnv = ENDORSER_PASSWORD_ENV,
    max_context: MaxContext = None,
    from_block: FromBlock = 0,
    out: Out = None,
) -> None:
    """Audit one decision; sign that its key swore falsely, if that is proven."""
    from affiant.audit.endorser_command import make_verdict

    statement, proof = make_verdict(
        _settings(
            chain_url,
            chain_id,
            gate,
            model,
            store,
            keystore,
            memory,
            new_memory,
            password_env,
            max_context,
        ),
        mandate=_digest(mandate, "--mandate"),
        decision=_digest(decision, "DECISION"),
        from_block=from_block,
        log=log,
    )
    for sentence in proof:
        log.print(sentence, markup=False, soft_wrap=True)
    _write(statement, out=out)


def _settings(
    chain_url: list[str],
    chain_id: int,
    gate: str,
    model: str,
    store: str,
    keystore: Path,
    memory: Path,
    new_memory: bool,
    password_env: str,
    max_context: int | None,
) -> SignerSettings:
    from affiant.audit.endorser_command import SignerSettings
    from affiant.onchain.mandate import parse_address

    name, revision = split_model(model)
    try:
        address = parse_address(gate, what="--gate")
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error
    return SignerSettings(
        chain_url=chain_url,
        chain_id=chain_id,
        gate=address,
        model=name,
        revision=revision,
        store=store,
        keystore=keystore,
        password_env=password_env,
        memory=memory,
        new_memory=new_memory,
        limits=replay_limits(max_context=max_context),
    )


def _engines(names: list[str] | None) -> list[tuple[EngineName, str | None]]:
    from affiant.audit.endorser_command import parse_engine

    try:
        return [parse_engine(name) for name in names or ["vllm"]]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _digest(text: str, what: str) -> Digest:
    try:
        return digest_from_hex(text, what=what)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error


def _write(statement: SignedStatement, *, out: Path | None) -> None:
    from affiant.audit.endorser_command import statement_text

    text = statement_text(statement)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
