"""What `affiant explain` does: one evidence file, explained, printed, written.

It decides nothing: it verifies, explains, prints and returns the exit status. It writes
nothing that could be taken for evidence: what it writes is HTML, to a file that is not
named like evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as ProgressBar

from affiant.audit.evidence_file import verified_evidence
from affiant.audit.explain.explain import Wishes, exit_code, explain_bundle
from affiant.audit.explain.imagined import Progress
from affiant.audit.explain.page import render_explanation
from affiant.audit.explain.result import Explanation
from affiant.audit.explain.terminal import print_explanation
from affiant.audit.replay_engines import EngineChoice, ReplayLimits
from affiant.audit.replayer import FolderReplayer

_EVIDENCE_NAME = re.compile(r".*\.zst|[0-9a-f]{64}.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ExplainSettings:
    """What to explain, and where it goes."""

    evidence: Path
    model: str | None
    """The committed model's folder; None: no tokens, nothing imagined."""
    engine: EngineChoice
    html: Path | None
    wishes: Wishes
    limits: ReplayLimits = field(default_factory=ReplayLimits)
    """What a replay is given."""


def explain_file(
    settings: ExplainSettings, *, console: Console, log: Console, as_json: bool
) -> tuple[int, Explanation]:
    """Explain one evidence file; return the exit status and what was found.

    Raises:
        RejectedError: the file is not what was sworn, or a what-if makes no sense.
        AuditUnavailableError: file or model folder cannot be read.
        ValueError: as `check_output`, or a token that there is not.
    """
    if settings.html is not None:
        check_output(settings.html)
    bundle = verified_evidence(settings.evidence)
    with _told(log) as progress:
        replayer = None
        if settings.model is not None:
            replayer = FolderReplayer(
                settings.model,
                engine=settings.engine,
                limits=settings.limits,
                progress=lambda words: progress(words, 0, 0),
            )
        with closing(replayer) if replayer is not None else nullcontext():
            explanation = explain_bundle(
                bundle, replayer=replayer, wishes=settings.wishes, progress=progress
            )
    if as_json:
        console.print_json(json.dumps(explanation.to_json()))
    else:
        print_explanation(explanation, console, token=settings.wishes.token)
    if settings.html is not None:
        settings.html.parent.mkdir(parents=True, exist_ok=True)
        settings.html.write_text(render_explanation(explanation), encoding="utf-8")
    return exit_code(explanation), explanation


def check_output(file: Path) -> None:
    """Refuse a name under which a page could be taken for evidence.

    Raises:
        ValueError: it is named like an evidence file.
    """
    if _EVIDENCE_NAME.fullmatch(file.name):
        raise ValueError(
            f"page: got {file.name}, expected a name that no evidence file has"
        )


@contextmanager
def _told(log: Console) -> Iterator[Progress]:
    """Show what is being done, for as long as it is."""
    with ProgressBar(
        TextColumn("explaining"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)

        def told(words: str, done: int, total: int) -> None:
            bar.update(task, description=words, completed=done, total=total or None)

        yield told
