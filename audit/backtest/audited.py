"""Audits what a backtest left: every decision, from its own chain and evidence.

The auditor is the one of `affiant audit`, and trusts nothing that the backtest wrote
but where to look: chain id, gate and mandate come out of `report.json`, and a wrong one
finds another mandate, or none. The chain is the one that was kept; whoever does not
trust whoever kept it runs the backtest again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from affiant.agents.backtest.errors import OutputFolderError
from affiant.agents.backtest.kept import read_report, resumed_chain
from affiant.agents.backtest.result import BacktestResult
from affiant.audit.command import AuditSettings, audit_chain
from affiant.audit.result import AuditReport
from affiant.encoding import digest_from_hex
from affiant.errors import MalformedError
from affiant.onchain.mandate import parse_address, parse_integer


def audit_stage(
    result: BacktestResult,
    *,
    folder: Path,
    chain_url: str,
    model: str | None,
    html: Path | None,
    console: Console,
    log: Console,
) -> tuple[int, AuditReport]:
    """Audit while the backtest's chain still runs.

    Args:
        folder: has the evidence.
        model: the committed model's folder; None: nothing is replayed.

    Raises:
        RejectedError, UnavailableError: as `audit_chain`.
    """
    return audit_chain(
        AuditSettings(
            chain_url=chain_url,
            chain_id=result.chain_id,
            gate=result.gate,
            mandate=result.mandate,
            store=str(folder / "evidence"),
            model=model,
            html=html,
            required="signed" if model is None else "reproduced",
            from_block=0,
            to_block=result.blocks[1],
        ),
        console=console,
        log=log,
    )


def audit_backtest(
    folder: Path,
    *,
    model: str | None,
    html: Path | None,
    as_json: bool,
    required: str,
    console: Console,
    log: Console,
    verbose: bool = False,
) -> int:
    """Start the chain that a backtest kept, audit it, and return the exit status.

    Raises:
        OutputFolderError: no backtest is there, or its chain was not kept.
        SnapshotError, ToolMissingError, AnvilFailedError: the chain does not start.
        RejectedError, UnavailableError: as `audit_chain`.
    """
    report = read_report(folder)
    chain = report.get("chain")
    if not isinstance(chain, dict):
        raise _broken(folder, "no chain")
    if chain.get("kept") is not True:
        raise OutputFolderError(
            str(folder),
            got="a backtest whose chain was not kept",
            expected="one with it; the files in `evidence` can be checked one by one",
        )
    try:
        gate = parse_address(chain.get("gate"), what="chain.gate")
        mandate = digest_from_hex(report.get("mandate"), what="mandate")
        last = parse_integer(chain.get("lastBlock"), what="chain.lastBlock", bits=53)
        chain_id = parse_integer(chain.get("id"), what="chain.id", bits=53)
    except MalformedError as error:
        raise _broken(folder, str(error)) from error
    with tempfile.TemporaryDirectory(prefix="affiant-audit-") as scratch:
        with resumed_chain(folder / "chain", scratch=Path(scratch)) as devnet:
            status, _ = audit_chain(
                AuditSettings(
                    chain_url=devnet.url,
                    chain_id=chain_id,
                    gate=gate,
                    mandate=mandate,
                    store=str(folder / "evidence"),
                    model=model,
                    html=html,
                    required=required,
                    to_block=last,
                ),
                console=console,
                log=log,
                as_json=as_json,
                verbose=verbose,
            )
    return status


def _broken(folder: Path, got: str) -> OutputFolderError:
    return OutputFolderError(
        str(folder), got=got[:200], expected="a backtest's report.json"
    )
