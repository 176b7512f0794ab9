"""What `affiant audit` does: files offline, or a mandate on a chain.

It decides nothing: it calls the auditor, prints, writes the report, and returns the
exit status. It trusts what the auditor's own user says on the command line: which
endpoint, which gate, which mandate, which model, which grade, which blocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from affiant.audit.auditor import audit_mandate
from affiant.audit.calibrating import read_profiles
from affiant.audit.evidence_file import EvidenceFileAudit, audit_evidence_file
from affiant.audit.replay_engines import EngineChoice, ReplayLimits
from affiant.audit.report import render_report
from affiant.audit.result import Attack, AuditReport, exit_code
from affiant.audit.terminal import print_audit
from affiant.encoding import Digest
from affiant.onchain.chain import Chain
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address

REJECTED = 1
"""Exit status of a rejection."""


@dataclass(frozen=True)
class AuditSettings:
    """What to audit."""

    chain_url: str | Sequence[str]
    """The auditor's own endpoint, with the state of old blocks; or several, the most
    trusted first."""
    chain_id: int
    gate: Address
    mandate: Digest
    """The mandate's id."""
    store: str
    """URL of the evidence store."""
    model: str | None
    """The committed model's folder; None: nothing is replayed."""
    html: Path | None
    """Where the report is written, if anywhere."""
    engine: EngineChoice = "auto"
    """Which engine replays."""
    profiles: Sequence[Path] = ()
    """Calibrations, or folders of them."""
    limits: ReplayLimits = field(default_factory=ReplayLimits)
    """What a replay is given."""
    required: str = "reproduced"
    """Grade that every decision must reach: signed or reproduced."""
    from_block: int = 0
    """No later than the grant."""
    to_block: int | None = None
    """Last block looked at; None: the newest."""


def audit_files(paths: Sequence[Path], *, as_json: bool, console: Console) -> int:
    """Check evidence files offline; return 0, or 1 if any is not what was sworn.

    Raises:
        AuditUnavailableError: a file cannot be read.
    """
    results = [audit_evidence_file(path) for path in paths]
    if as_json:
        console.print_json(json.dumps([result.to_json() for result in results]))
    else:
        for result in results:
            style = "green" if result.intact else "bold red"
            console.print(words_of(result), style=style, markup=False, soft_wrap=True)
    return 0 if all(result.intact for result in results) else REJECTED


def words_of(result: EvidenceFileAudit) -> str:
    """Return what an evidence file shows by itself, as one line."""
    name = Path(result.path).name
    if result.intact:
        return f"{name}: {result.detail}"
    return f"{name}: edited in {result.damaged}: {result.detail}"


def audit_chain(
    settings: AuditSettings,
    *,
    console: Console,
    log: Console,
    as_json: bool = False,
    verbose: bool = False,
    attacks: Sequence[Attack] = (),
) -> tuple[int, AuditReport]:
    """Audit every decision of a mandate; return the exit status and the report.

    Args:
        console: for results.
        log: for progress.
        attacks: for the report's table.

    Raises:
        RejectedError, UnavailableError, ValueError: as `audit_mandate`.
    """
    chain = Chain.connect(settings.chain_url, expected_chain_id=settings.chain_id)
    with (
        closing(chain),
        Progress(
            TextColumn("auditing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=log,
            transient=True,
        ) as bar,
    ):
        task = bar.add_task("", total=None)
        report = audit_mandate(
            chain,
            gate=settings.gate,
            mandate=settings.mandate,
            store=EvidenceStore(settings.store),
            model_folder=settings.model,
            engine=settings.engine,
            profiles=read_profiles(settings.profiles),
            limits=settings.limits,
            required=settings.required,
            from_block=settings.from_block,
            to_block=settings.to_block,
            attacks=attacks,
            progress=lambda done, total, words: bar.update(
                task, completed=done, total=total or None, description=words
            ),
        )
    if as_json:
        console.print_json(json.dumps(report.to_json()))
    else:
        print_audit(report, console, verbose=verbose)
    if settings.html is not None:
        settings.html.parent.mkdir(parents=True, exist_ok=True)
        settings.html.write_text(render_report(report), encoding="utf-8")
    return exit_code(report), report
