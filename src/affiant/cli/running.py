"""`demo`, `up`, `node`, `agent run`, `key new`: what runs, and the keys it needs."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from affiant.cli import attest_options as options
from affiant.cli.console import EXIT_UNAVAILABLE, log, split_model
from affiant.cli.papering import run_on_paper
from affiant.encoding import to_hex

if TYPE_CHECKING:
    from affiant.agents import RunResult, VerifiedAgent

agent_app = typer.Typer(help="Run an agent.", no_args_is_help=True)
key_app = typer.Typer(help="Make keystores.", no_args_is_help=True)


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

    name, revision = (None, None) if model is None else split_model(model)
    run_demo(model=name, revision=revision, engine=engine, out=out)


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


def node(
    chain_url: Annotated[
        list[str],
        typer.Option(
            help="The node's own chain endpoint; may be repeated, the most trusted "
            "first."
        ),
    ],
    chain_id: Annotated[int, typer.Option(help="Chain id that it must answer with.")],
    book: Annotated[Path, typer.Option(help="The address book's JSON.")],
    model: Annotated[str, typer.Option(help="Folder, or OWNER/NAME[@REVISION].")],
    program: Annotated[
        list[str], typer.Option(help="FILE.py:CLASS of an agent; may be repeated.")
    ],
    evidence: Annotated[str, typer.Option(help="URL of the evidence store.")],
    answered: Annotated[
        Path, typer.Option(help="File that remembers which slots were answered.")
    ],
    keystore: Annotated[
        Path | None,
        typer.Option(
            help="The node key's keystore file; without one, --attestation makes keys "
            "in memory and attests them."
        ),
    ] = None,
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the keystore's password.")
    ] = "AFFIANT_NODE_PASSWORD",
    engine: Annotated[
        str, typer.Option(help="vllm, or transformers where vLLM has no wheel.")
    ] = "vllm",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.")
    ] = None,
    max_context: Annotated[
        int | None,
        typer.Option(min=1, help="Most tokens of prompt and answer (vLLM)."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say as one line of JSON that it listens.")
    ] = False,
    attestation: options.Contract = None,
    workload: options.Workload = None,
    payer: options.Payer = None,
    payer_password_env: options.PayerPasswordEnv = options.PAYER_PASSWORD_ENV,
    quotes: options.Quotes = "auto",
    collateral: options.CollateralFrom = options.PCS,
    unsafe_dev_seed: options.DevSeed = None,
    tls_certificate: options.TlsCertificate = None,
    gpu_evidence: options.GpuEvidence = None,
    validity: options.Validity = options.DAY,
) -> None:
    """Serve decisions: a mandate and a slot in, a signed decision out, nothing else."""
    from affiant.agents.nodes.serve import NodeSettings, open_node

    if (keystore is None) == (attestation is None):
        raise typer.BadParameter("expected either --keystore or --attestation")
    attest = None
    if attestation is not None:
        attest = options.attest_settings(
            contract=attestation,
            workload=workload,
            payer=payer,
            payer_password_env=payer_password_env,
            quotes=quotes,
            collateral=collateral,
            unsafe_dev_seed=unsafe_dev_seed,
            tls_certificate=tls_certificate,
            gpu_evidence=gpu_evidence,
            validity=validity,
        )

    if engine not in ("vllm", "transformers"):
        raise typer.BadParameter(f"got {engine}, expected vllm or transformers")
    name, revision = split_model(model)
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
            max_context=max_context,
            attest=attest,
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
            vouched = (
                "tier 0, DEV KEY, NO HARDWARE PROTECTION"
                if attest is None
                else f"attested by {attest.contract}"
            )
            typer.echo(f"key {told['key']}: {vouched}")
            typer.echo(f"model {told['model']}\nengine {told['engine']}")
        sys.stdout.flush()
        server.wait()


@agent_app.command("run")
def agent_run(
    config: Annotated[Path, typer.Argument(help="The agent's TOML file.")],
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent",
            help="FILE.py:CLASS of the `VerifiedAgent`; the file's if not given.",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Take the newest slot's decision and stop.")
    ] = False,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper",
            help="Decide, check and simulate, and send nothing: no key is opened.",
        ),
    ] = False,
) -> None:
    """Run an agent: one decision per slot, until interrupted.

    A decision whose rung has a delay is queued at the gate and executed when the delay
    is served, by whichever process runs then; meanwhile nothing else is decided.
    """
    from affiant.agents.settings.config import agent_reference
    from affiant.agents.settings.loading import load_agent_class

    if paper:
        run_on_paper(config, agent_reference(config, agent), once=once)
        return
    runner = load_agent_class(agent_reference(config, agent)).from_config(config)
    try:
        if once:
            result = runner.run_once()
            typer.echo(_run_line(result))
            if result.error is not None:
                raise result.error
            return
        runner.start(on_result=lambda result: typer.echo(_run_line(result)))
        log.print("running; interrupt to stop, SIGTERM to drain")
        with _ends_by_signal(runner):
            runner.wait()
    finally:
        runner.close()


STOP_SECONDS = 5.0
"""How long a step may take to end once the process was told to stop."""


@contextmanager
def _ends_by_signal(runner: VerifiedAgent) -> Iterator[None]:
    """Have SIGTERM drain the agent, and a second one stop it.

    A step that does not end in time (an inference may take minutes) is cut off: that is
    no worse than a power cut, which the journal is there for.
    """

    def end() -> None:
        if next(asked) == 0:
            log.print("draining; once more to stop")
            runner.drain(wait=False)
            return
        log.print("stopping")
        runner.stop(wait=False)
        time.sleep(STOP_SECONDS)
        os._exit(EXIT_UNAVAILABLE)

    def ask(_number: int, _frame: object) -> None:
        # A handler runs between any two instructions of the main thread, which may hold
        # the very lock that this would wait for.
        threading.Thread(target=end, daemon=True).start()

    asked = itertools.count()
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        runner.stop(wait=False)
        signal.signal(signal.SIGTERM, before)


def _run_line(result: RunResult) -> str:
    """Return what became of one run, as one line."""
    line = f"slot {result.slot}: {result.outcome}"
    if result.digest is not None:
        line += f" {to_hex(result.digest)}"
    if result.waits_for is not None:
        line += f" for {result.waits_for}"
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
    from affiant.agents.settings.config import read_password
    from affiant.inference.keys import create_keystore

    password = read_password(password_env).get_secret_value()
    typer.echo(create_keystore(file, password).address)
