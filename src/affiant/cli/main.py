"""The command tree, and typed errors turned into a line and an exit status."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from affiant import __version__
from affiant.cli import (
    acting,
    attest,
    attest_setup,
    audit,
    backtesting,
    controlling,
    deploying,
    endorsing,
    explain,
    keys,
    kits,
    leaving,
    mandate,
    model,
    papering,
    replay,
    running,
    serve,
    starting,
    watching,
)
from affiant.cli.console import (
    EXIT_MISUSE,
    EXIT_REJECTED,
    EXIT_UNAVAILABLE,
    log,
)
from affiant.errors import AffiantError, RejectedError

app = typer.Typer(
    name="affiant",
    help="On-chain agents whose every act is sworn to first, and refused otherwise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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


app.command()(running.demo)
app.command()(running.up)
app.command()(running.node)
app.command()(serve.serve)
controlling.add_to(running.agent_app)
app.command("new")(starting.new)
app.add_typer(running.agent_app, name="agent")
running.agent_app.command("check")(watching.agent_check)
running.agent_app.command("paper")(papering.paper)
running.agent_app.command("watch")(watching.watch)
app.command()(watching.status)
keys.add_to(running.key_app)
app.add_typer(running.key_app, name="key")
app.command()(audit.audit)
app.command()(explain.explain)
app.command()(endorsing.endorser)
app.command()(endorsing.endorse)
app.command()(endorsing.checkpoint)
app.command()(endorsing.verdict)
app.command()(replay.replay)
app.command()(replay.calibrate)
attest.attest_app.command("deploy")(attest_setup.deploy)
attest.attest_app.command("workload")(attest_setup.workload)
app.add_typer(attest.attest_app, name="attest")
app.add_typer(backtesting.backtest_app, name="backtest")
app.add_typer(model.model_app, name="model")
acting.add_to(mandate.mandate_app)
app.add_typer(mandate.mandate_app, name="mandate")
app.command()(kits.kits)
app.command()(deploying.deploy)
app.command("exit")(leaving.leave)


def main() -> NoReturn:
    """Run the command line and turn typed errors into a line and an exit status."""
    # Read once, when torch is first imported: its notes on memory are not for users.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
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
