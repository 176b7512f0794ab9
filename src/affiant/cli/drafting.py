"""`affiant mandate draft`: a first mandate for a program, for its owner to read."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import closing
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.signing import Book
from affiant.encoding import Digest, digest_from_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.onchain.mandate import Address

DAY = 86_400
NODE_SECONDS = 10.0
"""Longest wait for the node to say who it is."""


def draft(
    agent: Annotated[str, typer.Argument(help="FILE.py:CLASS of the `VerifiedAgent`.")],
    account: Annotated[str, typer.Option(help="Address of the account.")],
    operator: Annotated[
        str, typer.Option(help="Address that submits and pays gas; nobody else may.")
    ],
    book: Book,
    node: Annotated[
        str | None,
        typer.Option(help="URL of the node: says its key, model and engine."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The node's key, where --node is not given.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Root of the model, as `affiant model hash` says."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Hash of the engine, as the node says.")
    ] = None,
    limit: Annotated[
        str,
        typer.Option(
            help="Value at risk on the node's word alone, in all and per day."
        ),
    ] = "1000",
    max_loss: Annotated[
        str | None,
        typer.Option(help="Most that one decision may lose; 2 % of the limit if not."),
    ] = None,
    slot_minutes: Annotated[
        float, typer.Option(help="How long a slot lasts.", min=0.1, max=24 * 60)
    ] = 30.0,
    block_seconds: Annotated[
        float | None,
        typer.Option(help="Seconds between blocks; known of the usual chains."),
    ] = None,
    days: Annotated[
        int, typer.Option(help="Days until it expires.", min=1, max=365)
    ] = 30,
    guardian: Annotated[
        str | None, typer.Option(help="Address that may stop it for a time.")
    ] = None,
    endorser: Annotated[
        list[str] | None,
        typer.Option(help="Address of an endorser; may be repeated. All must sign."),
    ] = None,
    delay: Annotated[
        int,
        typer.Option(help="Seconds that decisions above the other rungs wait.", min=0),
    ] = 0,
    token: Annotated[
        list[str] | None,
        typer.Option(help="A token to track; may be repeated. All if not given."),
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(help="Name of whom `transfer` may pay; may be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write; must not exist.")] = Path(
        "mandate.json"
    ),
) -> None:
    """Write a careful mandate for an agent's program; grants nothing.

    It allows exactly the calls that the program's kits make, and tracks what they can
    touch. Read it, change it, then grant it.
    """
    from affiant.agents.programs.draft import DraftTerms, draft_mandate
    from affiant.agents.settings.config import load_book
    from affiant.agents.settings.loading import load_agent_class
    from affiant.cli.mandate import mandate_worst_case, show
    from affiant.onchain.chains import chain_facts
    from affiant.onchain.mandate import NATIVE
    from affiant.onchain.rule_limits import known_rules

    if out.exists():
        raise typer.BadParameter(f"{out} is there already, and is not overwritten")
    known = load_book(book)
    swears, root, manifest = _node(node, key=key, model=model, engine=engine)
    program = load_agent_class(agent).program(book=known, model=root, engine=manifest)
    pace = chain_facts(known.chain_id, block_seconds=block_seconds).block_seconds
    mandate = draft_mandate(
        program,
        book=known,
        terms=DraftTerms(
            account=_address(account, "--account"),
            operator=_address(operator, "--operator"),
            node=swears,
            limit=_value(limit, "--limit"),
            max_loss=None if max_loss is None else _value(max_loss, "--max-loss"),
            cadence=max(2, round(slot_minutes * 60 / pace)),
            expiry=int(time.time()) + days * DAY,
            salt=Digest(secrets.token_bytes(32)),
            guardian=NATIVE if guardian is None else _address(guardian, "--guardian"),
            endorsers=tuple(_address(one, "--endorser") for one in endorser or ()),
            delay=delay,
            tokens=tuple(token or ()),
            recipients=tuple(recipient or ()),
        ),
        rules={name: address for address, name in known_rules().items()},
    )
    # Exclusive: whatever came there meanwhile stays as it is.
    with out.open("x", encoding="utf-8") as file:
        file.write(json.dumps(mandate.to_json(), indent=1) + "\n")
    show(mandate, known, block_seconds)
    typer.echo("the most that it can cost:")
    mandate_worst_case(out, book, block_seconds)
    if guardian is None:
        typer.echo("nobody but the account can stop it: --guardian names somebody")
    if not endorser:
        typer.echo("nobody audits it: once the limit is used up, it executes no more")
    typer.echo(
        f"wrote {out}; read it, then `affiant mandate grant {out} --book {book}`"
    )


def _node(
    url: str | None, *, key: str | None, model: str | None, engine: str | None
) -> tuple[Address, Digest, Digest]:
    """Return the node's key, the model's root and the engine's hash."""
    if url is not None:
        from affiant.agents.nodes.node_client import NodeClient

        if key or model or engine:
            raise typer.BadParameter("got --node and what it says, expected one")
        with closing(NodeClient(url, timeout=NODE_SECONDS)) as client:
            said = client.node()
        return said.key, said.model, said.engine
    if not (key and model and engine):
        raise typer.BadParameter("expected --node, or --key, --model and --engine")
    return (
        _address(key, "--key"),
        _digest(model, "--model"),
        _digest(engine, "--engine"),
    )


def _address(text: str, option: str) -> Address:
    from affiant.onchain.mandate import parse_address

    try:
        return parse_address(text, what=option)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error


def _digest(text: str, option: str) -> Digest:
    try:
        return digest_from_hex(text, what=option)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error


def _value(text: str, option: str) -> int:
    """Return an amount of the feeds' quote currency with 8 decimals."""
    try:
        value = Decimal(text) * 10**8
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and 0 < value < 2**80) or value != int(value):
        raise typer.BadParameter(f"{option}: got {text}, expected such as 1000 or 12.5")
    return int(value)
