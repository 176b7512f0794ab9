"""`affiant explain`: how one decision came about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from affiant.cli.console import log
from affiant.cli.replay_limits import (
    MEMORY_GIB,
    MaxContext,
    MemoryGib,
    replay_limits,
)


def explain(
    evidence: Annotated[Path, typer.Argument(help="The decision's evidence file.")],
    model: Annotated[
        str | None,
        typer.Option(help="The committed model's folder; without it no tokens."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="auto (the sworn engine where its profile is at hand, else "
            "transformers), same or transformers."
        ),
    ] = "auto",
    sensitivity: Annotated[
        bool,
        typer.Option(help="Ask again with each field of the request changed a little."),
    ] = False,
    generations: Annotated[
        int, typer.Option(min=1, help="Most answers generated for --sensitivity.")
    ] = 96,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A changed fact, KIND:NAME=VALUE, as price:WETH=2500 or "
            "wallet:USDC=-10%; may be repeated. Kinds: price, market, pool, wallet, "
            "supplied, debt, supply-rate, borrow-rate, age.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(help="A fact over a range, as price:WETH=2000..4000/9."),
    ] = None,
    token: Annotated[
        int | None, typer.Option(help="Show every candidate of this token of the plan.")
    ] = None,
    max_context: MaxContext = None,
    memory_gib: MemoryGib = MEMORY_GIB,
    html: Annotated[
        Path | None, typer.Option(help="Write a self-contained page here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain a decision token by token, and what would have changed it."""
    from affiant.audit.explain.command import ExplainSettings, explain_file
    from affiant.audit.explain.explain import Wishes
    from affiant.audit.replay_engines import ENGINES
    from affiant.onchain.errors import SettingError
    from affiant.onchain.what_if import parse_setting, parse_sweep

    if engine not in ENGINES:
        raise typer.BadParameter(f"got {engine}, expected one of {', '.join(ENGINES)}")
    asks = sensitivity or bool(set_) or sweep is not None
    if model is None and asks:
        raise typer.BadParameter("--sensitivity, --set and --sweep need --model")
    try:
        status, _ = explain_file(
            ExplainSettings(
                evidence=evidence,
                model=model,
                engine=ENGINES[engine],
                limits=replay_limits(max_context=max_context, memory_gib=memory_gib),
                html=html,
                wishes=Wishes(
                    sensitivity=sensitivity,
                    generations=generations,
                    settings=tuple(parse_setting(text) for text in set_ or ()),
                    sweep=None if sweep is None else parse_sweep(sweep),
                    token=token,
                ),
            ),
            console=Console(),
            log=log,
            as_json=as_json,
        )
    except SettingError as error:
        raise typer.BadParameter(str(error)) from error
    if status:
        raise typer.Exit(status)
