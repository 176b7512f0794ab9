"""Every step of `docs/runbooks.md` is a command that exists, with options it takes."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path

import pytest
import typer

from affiant.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "runbooks.md"
STANDS_FOR = {
    "CHAIN": "--chain-url URL --chain-id 1 --book book.json",
    "OWNER": "--send --keystore owner.json",
    "KEY": "--send --keystore key.json",
}
USAGE_ERROR = typer.BadParameter.__mro__[1]
"""What the command line raises when called wrongly; Typer brings its own click."""
MENTIONED = {"affiant verdict", "affiant checkpoint"}
"""Named and explained on a page of their own, whose commands a test runs."""


def spans() -> list[str]:
    return re.findall(r"`([^`\n]+)`", PAGE.read_text())


COMMANDS = sorted({text for text in spans() if text.startswith("affiant ")})


def parsed(line: str) -> list[str]:
    """Let the command line take `line` without running it; return the commands' names.

    Raises:
        typer.BadParameter or another usage error: it does not take it.
    """
    words = [
        word
        for text in shlex.split(line)[1:]
        for word in shlex.split(STANDS_FOR.get(text, text))
    ]
    command = typer.main.get_command(app)
    context, names = typer.Context(command, info_name="affiant"), []
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = typer.Context(command, parent=context, info_name=name)
        names.append(name)
    # Parses every word and option; what is missing or unknown is refused.
    command.make_context(names[-1], words, parent=context)
    return names


@pytest.mark.parametrize("line", [c for c in COMMANDS if c not in MENTIONED])
def test_every_command_of_the_page_exists_and_takes_its_options(line: str) -> None:
    assert parsed(line)


def test_what_is_only_mentioned_exists() -> None:
    known = typer.main.get_command(app).commands
    assert {line.split()[1] for line in MENTIONED} <= set(known)


def test_what_does_not_exist_would_be_noticed() -> None:
    for line in (
        "affiant mandate bann MANDATE ADDRESS CHAIN OWNER",
        "affiant mandate ban MANDATE CHAIN OWNER",
        "affiant mandate resume MANDATE --forever CHAIN OWNER",
        "affiant mandate resume MANDATE OWNER",
    ):
        with pytest.raises(USAGE_ERROR):
            parsed(line)


def test_the_page_tells_nobody_to_call_a_contract_by_hand() -> None:
    """Functions of ours in the page are steps that no command takes."""
    functions = {
        item["name"]
        for path in resources.files("affiant.onchain").joinpath("artifacts").iterdir()
        if path.name.endswith(".json")
        for item in json.loads(path.read_text()).get("abi", [])
        if item["type"] == "function" and item["stateMutability"] != "view"
    }
    assert {"banKey", "setGrantDelay", "cancel"} <= functions
    # Words that a configuration or a journal uses as well.
    told = {text.partition("(")[0] for text in spans()} & functions
    assert told == set()


def test_the_page_has_its_commands() -> None:
    assert len(COMMANDS) > 15
