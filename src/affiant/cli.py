"""The `affiant` command: parse, call one function, print.

Results go to stdout (`--json` is stable), progress and errors to stderr. Exit status: 0
accepted, 1 rejected, 2 misuse, 3 unavailable. It decides nothing itself, and no command
takes a private key: keys come from keystore files, passwords from the environment.
Imports are made inside the commands, so that `--help` needs neither torch nor a chain.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from affiant import __version__
from affiant.encoding import digest_from_hex, parse_json, to_hex
from affiant.errors import AffiantError, MalformedError, RejectedError

if TYPE_CHECKING:
    from affiant.agents import RunResult

EXIT_REJECTED = 1
"""The adversary or the rules said no."""
EXIT_MISUSE = 2
"""The command was called wrongly."""
EXIT_UNAVAILABLE = 3
"""A chain, node or store did not answer; the same call may work later."""
MAX_COMMITMENT_BYTES = 512 * 2**20
"""Largest commitment file read, in bytes."""

app = typer.Typer(
    name="affiant",
    help="On-chain agents whose every act is sworn to first, and refused otherwise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
agent_app = typer.Typer(help="Run an agent.", no_args_is_help=True)
key_app = typer.Typer(help="Make keystores.", no_args_is_help=True)
model_app = typer.Typer(help="Commit to a model.", no_args_is_help=True)
mandate_app = typer.Typer(help="Read mandates.", no_args_is_help=True)
app.add_typer(agent_app, name="agent")
app.add_typer(key_app, name="key")
app.add_typer(model_app, name="model")
app.add_typer(mandate_app, name="mandate")

log = Console(stderr=True)
"""Progress and errors."""


def main() -> NoReturn:
    """Run the command line and turn typed errors into a line and an exit status."""
    try:
        app()
    except RejectedError as error:
        _fail(error, EXIT_REJECTED)
    except AffiantError as error:
        _fail(error, EXIT_UNAVAILABLE)
    except ValueError as error:
        # What no parser of ours refused is a wrong call: a URL without a scheme, say.
        _fail(error, EXIT_MISUSE)
    except OSError as error:
        _fail(error, EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        log.print("stopped")
        sys.exit(130)
    sys.exit(0)


def _fail(error: Exception, status: int) -> NoReturn:
    log.print(
        f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True
    )
    sys.exit(status)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """On-chain agents whose every act is sworn to first, and refused otherwise."""


def _split_model(model: str) -> tuple[str, str | None]:
    """Split `OWNER/NAME@REVISION`; a folder has no revision.

    A hub id without a revision means its main branch: what was fetched is known by its
    commitment, not by its name.
    """
    if Path(model).is_dir():
        return model, None
    name, _, revision = model.partition("@")
    if not revision and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        revision = "main"
    return name, revision or None


@app.command()
def demo(
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder, or OWNER/NAME[@REVISION] of a hub; the reference planner if "
            "not given."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="vllm, or transformers where vLLM has no wheel.")
    ] = "vllm",
    out: Annotated[Path, typer.Option(help="Folder for evidence and report.")] = Path(
        "demo-out"
    ),
) -> None:
    """Show the whole promise on real parts: decisions, attacks and an audit."""
    from affiant.demo.run import run_demo

    name, revision = (None, None) if model is None else _split_model(model)
    run_demo(model=name, revision=revision, engine=engine, out=out)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = (
        8545
    ),
    fork: Annotated[
        str | None, typer.Option(help="URL of a chain to fork instead of an empty one.")
    ] = None,
    chain_id: Annotated[
        int | None, typer.Option(help="Chain id; a fork must differ from its source.")
    ] = None,
) -> None:
    """Run a local chain with real protocols and our contracts, until interrupted."""
    from affiant.onchain.devnet.up import run_up

    run_up(port=port, fork_url=fork, chain_id=chain_id, console=Console())


@app.command()
def node(
    chain_url: Annotated[str, typer.Option(help="The node's own chain endpoint.")],
    chain_id: Annotated[int, typer.Option(help="Chain id that it must answer with.")],
    book: Annotated[Path, typer.Option(help="The address book's JSON.")],
    model: Annotated[str, typer.Option(help="Folder, or OWNER/NAME[@REVISION].")],
    program: Annotated[
        list[str], typer.Option(help="FILE.py:CLASS of an agent; may be repeated.")
    ],
    keystore: Annotated[Path, typer.Option(help="The node key's keystore file.")],
    evidence: Annotated[str, typer.Option(help="URL of the evidence store.")],
    answered: Annotated[
        Path, typer.Option(help="File that remembers which slots were answered.")
    ],
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the keystore's password.")
    ] = "AFFIANT_NODE_PASSWORD",
    engine: Annotated[
        str, typer.Option(help="vllm, or transformers where vLLM has no wheel.")
    ] = "vllm",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say as one line of JSON that it listens.")
    ] = False,
) -> None:
    """Serve decisions: a mandate and a slot in, a signed decision out, nothing else."""
    from affiant.agents.serve import NodeSettings, open_node

    if engine not in ("vllm", "transformers"):
        raise typer.BadParameter(f"got {engine}, expected vllm or transformers")
    name, revision = _split_model(model)
    server = open_node(
        NodeSettings(
            chain_url=chain_url,
            chain_id=chain_id,
            book=book,
            model=name,
            revision=revision,
            programs=program,
            keystore=keystore,
            password_env=password_env,
            evidence=evidence,
            answered=answered,
            host=host,
            port=port,
            engine="vllm" if engine == "vllm" else "transformers",
            dtype=dtype,
        ),
        say=lambda text: log.print(text, markup=False),
    )
    serving = server.node.serving
    told = {
        "url": server.url,
        "key": serving.key.address,
        "model": to_hex(serving.model),
        "engine": to_hex(serving.engine.manifest.hash),
        "manifest": serving.engine.manifest.to_json(),
        "programs": [to_hex(known) for known in server.node.programs],
    }
    with server:
        if as_json:
            typer.echo(json.dumps(told))
        else:
            typer.echo(f"listening on {server.url}")
            typer.echo(f"key {told['key']}: tier 0, DEV KEY, NO HARDWARE PROTECTION")
            typer.echo(f"model {told['model']}\nengine {told['engine']}")
        sys.stdout.flush()
        server.wait()


@agent_app.command("run")
def agent_run(
    config: Annotated[Path, typer.Argument(help="The agent's TOML file.")],
    agent: Annotated[
        str, typer.Option("--agent", help="FILE.py:CLASS of the `VerifiedAgent`.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Take the newest slot's decision and stop.")
    ] = False,
) -> None:
    """Run an agent: one decision per slot, until interrupted."""
    from affiant.agents.loading import load_agent_class

    runner = load_agent_class(agent).from_config(config)
    try:
        if once:
            result = runner.run_once()
            typer.echo(_run_line(result))
            if result.error is not None:
                raise result.error
            return
        runner.start(on_result=lambda result: typer.echo(_run_line(result)))
        log.print("running; interrupt to stop")
        try:
            runner.wait()
        finally:
            runner.stop()
    finally:
        runner.close()


def _run_line(result: RunResult) -> str:
    """Return what became of one run, as one line."""
    line = f"slot {result.slot}: {result.outcome}"
    if result.digest is not None:
        line += f" {to_hex(result.digest)}"
    if result.error is not None:
        line += (
            f" in {result.failed_step}: {type(result.error).__name__}: {result.error}"
        )
    return line


@key_app.command("new")
def key_new(
    file: Annotated[
        Path, typer.Argument(help="Keystore file to write; must not exist.")
    ],
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the password.")
    ] = "AFFIANT_NODE_PASSWORD",
) -> None:
    """Make a key for a node or an operator, encrypted in a keystore file."""
    from affiant.agents.config import read_password
    from affiant.inference.keys import create_keystore

    password = read_password(password_env).get_secret_value()
    typer.echo(create_keystore(file, password).address)


@app.command()
def audit(
    evidence: Annotated[
        list[Path] | None,
        typer.Argument(help="Evidence files to check offline, without a chain."),
    ] = None,
    chain_url: Annotated[
        str | None, typer.Option(help="The auditor's own chain endpoint.")
    ] = None,
    chain_id: Annotated[
        int | None, typer.Option(help="Chain id that it must answer with.")
    ] = None,
    gate: Annotated[str | None, typer.Option(help="Address of the gate.")] = None,
    mandate: Annotated[
        str | None, typer.Option(help="Id of the mandate; all its slots are audited.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="URL of the evidence store.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The committed model's folder; without it no replay."),
    ] = None,
    require: Annotated[
        str,
        typer.Option(
            help="Grade that every decision must reach: signed or reproduced."
        ),
    ] = "reproduced",
    from_block: Annotated[
        int, typer.Option(help="First block to look at; no later than the grant.")
    ] = 0,
    to_block: Annotated[
        int | None, typer.Option(help="Last block to look at; the newest if not given.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a self-contained report here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every step.")
    ] = False,
) -> None:
    """Audit decisions from chain and evidence alone, step by step."""
    from affiant.audit.command import AuditSettings, audit_chain, audit_files
    from affiant.onchain.mandate import parse_address

    output = Console()
    if evidence:
        status = audit_files(evidence, as_json=as_json, console=output)
    elif chain_url and chain_id and gate and mandate and store:
        if require not in ("signed", "reproduced"):
            raise typer.BadParameter(f"got {require}, expected signed or reproduced")
        try:
            gate_address = parse_address(gate, what="--gate")
            mandate_id = digest_from_hex(mandate, what="--mandate")
        except MalformedError as error:
            raise typer.BadParameter(str(error)) from error
        settings = AuditSettings(
            chain_url=chain_url,
            chain_id=chain_id,
            gate=gate_address,
            mandate=mandate_id,
            store=store,
            model=model,
            html=html,
            required=require,
            from_block=from_block,
            to_block=to_block,
        )
        status, _ = audit_chain(
            settings, console=output, log=log, as_json=as_json, verbose=verbose
        )
    else:
        raise typer.BadParameter(
            "got neither evidence files nor all of --chain-url, --chain-id, --gate, "
            "--mandate and --store"
        )
    if status:
        raise typer.Exit(status)


@model_app.command("commit")
def model_commit(
    model: Annotated[str, typer.Argument(help="Folder, or OWNER/NAME[@REVISION].")],
    compare: Annotated[
        Path | None,
        typer.Option(help="A commitment's JSON; changed files and chunks are named."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all leaves.")] = False,
) -> None:
    """Commit to every tensor and every file that changes a model's behaviour."""
    from affiant.inference.commitment import ModelCommitment, commit_model
    from affiant.inference.model_folder import model_folder

    name, revision = _split_model(model)
    folder = model_folder(name, revision=revision)
    with Progress(
        TextColumn("hashing"),
        BarColumn(),
        DownloadColumn(),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("hashing", total=None)
        commitment = commit_model(
            folder,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if compare is not None:
        earlier = ModelCommitment.from_json(
            parse_json(
                read_file(compare), what=str(compare), max_bytes=MAX_COMMITMENT_BYTES
            )
        )
        changes = earlier.diff(commitment)
        for change in changes:
            typer.echo(str(change))
        if changes:
            raise typer.Exit(EXIT_REJECTED)
    if as_json:
        typer.echo(json.dumps(commitment.to_json()))
    else:
        typer.echo(to_hex(commitment.root))


@mandate_app.command("show")
def mandate_show(
    mandate: Annotated[Path, typer.Argument(help="The mandate's JSON.")],
    book: Annotated[Path, typer.Option(help="The address book's JSON.")],
    block_seconds: Annotated[
        float, typer.Option(help="Seconds between blocks, for amounts per day.")
    ] = 12.0,
) -> None:
    """Say in plain words what a mandate permits, and the most that it can cost."""
    from affiant.agents.config import load_book, load_mandate
    from affiant.onchain.words import mandate_in_words

    granted = load_mandate(mandate)
    typer.echo(f"mandate {to_hex(granted.id)}")
    for line in mandate_in_words(granted, load_book(book), block_seconds=block_seconds):
        typer.echo(f"  {line}")


def read_file(path: Path) -> bytes:
    """Return the content of `path`.

    Raises:
        MalformedError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(
            str(path), got=error.strerror or str(error), expected="a readable file"
        ) from error


if __name__ == "__main__":
    main()
