"""`affiant audit`: decisions from chain and evidence alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from affiant.cli.console import log
from affiant.cli.replay_limits import (
    MEMORY_GIB,
    MaxContext,
    MemoryGib,
    replay_limits,
)
from affiant.encoding import digest_from_hex
from affiant.errors import MalformedError


def audit(
    evidence: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Evidence files to check offline, without a chain; or the folder of a "
            "backtest that kept its chain."
        ),
    ] = None,
    chain_url: Annotated[
        list[str] | None,
        typer.Option(
            help="The auditor's own chain endpoint; may be repeated, the most trusted "
            "first."
        ),
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
    engine: Annotated[
        Literal["auto", "same", "transformers"],
        typer.Option(
            help="auto: the sworn engine where it runs here in the same profile, else "
            "transformers."
        ),
    ] = "auto",
    profile: Annotated[
        list[Path] | None,
        typer.Option(help="A calibration, or a folder of them; may be repeated."),
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
    max_context: MaxContext = None,
    memory_gib: MemoryGib = MEMORY_GIB,
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
    if evidence and len(evidence) == 1 and evidence[0].is_dir():
        from affiant.audit.backtest.audited import audit_backtest

        if require not in ("signed", "reproduced"):
            raise typer.BadParameter(f"got {require}, expected signed or reproduced")
        status = audit_backtest(
            evidence[0],
            model=model,
            html=html,
            as_json=as_json,
            required=require,
            console=output,
            log=log,
            verbose=verbose,
        )
    elif evidence:
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
            engine=engine,
            profiles=profile or [],
            limits=replay_limits(max_context=max_context, memory_gib=memory_gib),
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
