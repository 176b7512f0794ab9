"""`affiant replay` and `affiant calibrate`: are these tokens the model's?"""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from affiant.cli.console import EXIT_REJECTED, EXIT_UNAVAILABLE, log
from affiant.cli.replay_limits import (
    MEMORY_GIB,
    MaxContext,
    MemoryGib,
    replay_limits,
)

if TYPE_CHECKING:
    from affiant.audit.replay_files import Replays
    from affiant.inference.measure import Measures

Engines = Literal["vllm", "transformers"]
"""What generates."""
Replayers = Literal["vllm", "transformers", "none"]
"""What replays in a calibration."""
Choices = Literal["auto", "same", "transformers"]
"""Which engine replays evidence."""

_STYLES = {
    "exact": "green",
    "consistent": "green",
    "inconclusive": "yellow",
    "inconsistent": "bold red",
}


def replay(
    evidence: Annotated[
        list[Path], typer.Argument(help="Evidence files, or kept chat answers.")
    ],
    model: Annotated[Path, typer.Option(help="The committed model's folder.")],
    engine: Annotated[
        Choices,
        typer.Option(
            help="auto: the sworn engine where it runs here in the same profile, else "
            "transformers."
        ),
    ] = "auto",
    profile: Annotated[
        list[Path] | None,
        typer.Option(help="A calibration, or a folder of them; may be repeated."),
    ] = None,
    max_context: MaxContext = None,
    memory_gib: MemoryGib = MEMORY_GIB,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay every inference of evidence or answers: are these tokens the model's?"""
    from affiant.audit.calibrating import read_profiles
    from affiant.audit.replay_files import replay_files
    from affiant.audit.replayer import FolderReplayer

    replayer = FolderReplayer(
        model,
        engine=engine,
        profiles=read_profiles(profile or []),
        limits=replay_limits(max_context=max_context, memory_gib=memory_gib),
        progress=lambda text: log.print(text, markup=False),
    )
    try:
        found = replay_files(evidence, replayer=replayer)
    finally:
        replayer.close()
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        _print(found, Console())
    if found.rejected:
        raise typer.Exit(EXIT_REJECTED)
    if found.undecided:
        raise typer.Exit(EXIT_UNAVAILABLE)


def _print(found: Replays, console: Console) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for file in found.files:
        name = Path(file.path).name
        source = f"slot {file.slot}"
        if file.answer is not None:
            source = f"{file.answer.name} by {file.answer.key}"
        for number, verdict in enumerate(file.verdicts, start=1):
            place = f"inference {number}" if len(file.verdicts) > 1 else "inference"
            where = "same profile" if verdict.same_profile else "another engine"
            say(
                f"{name}: {source}, {place}: {verdict.grade}, {where}, "
                f"{_measured(verdict.measures)}",
                _STYLES[verdict.grade],
            )
            for reason in verdict.reasons:
                say(f"  {reason}")
        if file.error is not None:
            style = "bold red" if file.rejected else "yellow"
            say(f"{name}: {type(file.error).__name__}: {file.error}", style)
    for node, drift in found.drifts:
        words = (
            "no drift" if drift.alarm is None else f"DRIFT at inference {drift.alarm}"
        )
        say(
            f"node {node}: {drift.inferences} inferences together: {words} (level "
            f"{drift.highest:.3g} of 10,000)",
            "" if drift.alarm is None else "bold red",
        )


def _measured(measures: Measures) -> str:
    if isnan(measures.fingerprint):
        return "nothing could be measured"
    return (
        f"{measures.tokens - measures.mismatches} of {measures.tokens} tokens are the "
        "canonical ones"
    )


def calibrate(
    model: Annotated[Path, typer.Option(help="The model's folder.")],
    evidence: Annotated[
        list[Path] | None,
        typer.Argument(help="Evidence files whose prompts are asked."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the profile, named by its hash.")
    ] = Path("profiles"),
    prompts: Annotated[
        Path | None, typer.Option(help="Questions, one JSON object a line.")
    ] = None,
    engine: Annotated[Engines, typer.Option(help="What generates.")] = "vllm",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.")
    ] = None,
    replayer: Annotated[
        Replayers,
        typer.Option(help="What replays; none measures exactness alone."),
    ] = "transformers",
    replayer_dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, help="Inferences; prompts are drawn again to fill up.")
    ] = 400,
    max_context: MaxContext = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the profile.")] = False,
) -> None:
    """Ask honest questions of two engines, and write what honest replays measure."""
    from affiant.audit.calibrating import (
        CalibrationSettings,
        profile_in_words,
        run_calibration,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("calibrating", total=None)
        profile, path = run_calibration(
            CalibrationSettings(
                model=model,
                engine=engine,
                dtype=dtype,
                replayer=replayer,
                replayer_dtype=replayer_dtype,
                prompts=prompts,
                evidence=evidence or [],
                count=count,
                out=out,
                max_context=max_context,
            ),
            progress=lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
            say=lambda text: log.print(text, markup=False),
        )
    if as_json:
        typer.echo(profile.to_bytes().decode())
    else:
        for line in profile_in_words(profile):
            typer.echo(line)
        typer.echo(f"wrote {path}")
