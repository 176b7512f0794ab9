"""`affiant key announce`, `revoke`: what a node key says of itself on chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.console import log
from affiant.cli.signing import (
    Book,
    ChainId,
    ChainUrl,
    PasswordEnv,
    Send,
    connected,
    signer,
)
from affiant.encoding import Digest, digest_from_hex, to_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.onchain.chain_types import TransactionReceipt

KeyFile = Annotated[Path, typer.Argument(help="The node key's keystore file.")]
Payer = Annotated[
    Path | None,
    typer.Option(help="Keystore of whoever pays; the key itself if not given."),
]
PayerEnv = Annotated[
    str, typer.Option(help="Environment variable with the payer's password.")
]
NODE_PASSWORD = "AFFIANT_NODE_PASSWORD"
"""Environment variable that is read unless another is named."""

PAYER_PASSWORD = "AFFIANT_PAYER_PASSWORD"
"""The same, of who pays."""

DAY = 24 * 3600
"""Seconds."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to `affiant key`."""
    app.command("announce")(announce)
    app.command("revoke")(revoke)


def announce(
    key: KeyFile,
    model: Annotated[str, typer.Option(help="Root of the model's commitment.")],
    engine: Annotated[str, typer.Option(help="Hash of the engine's manifest.")],
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    days: Annotated[
        float, typer.Option(help="How long it serves from now on.", min=0.001)
    ] = 90.0,
    password_env: PasswordEnv = NODE_PASSWORD,
    payer: Payer = None,
    payer_password_env: PayerEnv = PAYER_PASSWORD,
    send: Send = False,
) -> None:
    """Announce a node key with its model and engine. It permits nothing by itself."""
    from affiant.agents.settings.config import load_book
    from affiant.inference.keys import NodeKey
    from affiant.onchain.mandate import Address
    from affiant.onchain.owner_acts import ask
    from affiant.onchain.registry import NodeRegistryClient

    root, manifest = _digest(model, "--model"), _digest(engine, "--engine")
    account, known = signer(key, password_env), load_book(book)
    with connected(chain_url, chain_id) as chain:
        registry = NodeRegistryClient(chain, known.node_registry)
        until = chain.latest_block().timestamp + int(days * DAY)
        typer.echo(
            f"announce the node key {account.address} for the model {to_hex(root)} and "
            f"the engine {to_hex(manifest)}, {days:g} days from now"
        )
        ask(
            chain,
            registry.announce_call(
                Address(account.address), model=root, engine=manifest, valid_until=until
            ),
        )
        typer.echo("the chain allows it")
        if not send:
            typer.echo("nothing was sent; --send sends it")
            return
        paying = (
            None
            if payer is None
            else signer(payer, payer_password_env, option="--payer")
        )
        log.print("sending", markup=False)
        _sent(
            registry.announce(account, model=root, engine=manifest, valid_until=until)
            if paying is None
            else registry.announce_for(
                NodeKey(account),
                payer=paying,
                model=root,
                engine=manifest,
                valid_until=until,
            )
        )
        typer.echo(f"{account.address} is announced; a mandate has to permit it")


def revoke(
    key: KeyFile,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    password_env: PasswordEnv = NODE_PASSWORD,
    payer: Payer = None,
    payer_password_env: PayerEnv = PAYER_PASSWORD,
    send: Send = False,
) -> None:
    """Revoke a node key with itself, for every mandate, at once and for good."""
    from affiant.agents.settings.config import load_book
    from affiant.inference.keys import NodeKey
    from affiant.onchain.mandate import Address
    from affiant.onchain.owner_acts import ask
    from affiant.onchain.registry import NodeRegistryClient

    account, known = signer(key, password_env), load_book(book)
    address = Address(account.address)
    with connected(chain_url, chain_id) as chain:
        registry = NodeRegistryClient(chain, known.node_registry)
        if registry.revoked_at(address):
            typer.echo(f"{address} is revoked already")
            return
        typer.echo(
            f"revoke the node key {address}: no mandate takes what it signs any more, "
            "and it can never be announced again"
        )
        ask(chain, registry.revoke_call(address))
        typer.echo("the chain allows it")
        if not send:
            typer.echo("nothing was sent; --send sends it")
            return
        paying = (
            None
            if payer is None
            else signer(payer, payer_password_env, option="--payer")
        )
        log.print("sending", markup=False)
        _sent(
            registry.revoke(account)
            if paying is None
            else registry.revoke_for(NodeKey(account), payer=paying)
        )
        typer.echo(
            f"{address} was revoked at unix second {registry.revoked_at(address)}"
        )


def _sent(receipt: TransactionReceipt) -> None:
    typer.echo(f"sent in {to_hex(receipt.transaction_hash)}")


def _digest(text: str, what: str) -> Digest:
    try:
        return digest_from_hex(text, what=what)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error
