"""`affiant exit`: the owner's way out, with node, registry and gate dead or alive."""

from __future__ import annotations

from typing import Annotated

import typer

from affiant.cli.signing import (
    OWNER_PASSWORD,
    Batch,
    Book,
    ChainId,
    ChainUrl,
    Keystore,
    PasswordEnv,
    Send,
    connected,
    submit,
)

MOST_ROUNDS = 3
"""Batches sent at most: what a debt's interest left behind takes a second one."""


def leave(
    account: Annotated[str, typer.Argument(help="The account's address.")],
    chain_url: ChainUrl,
    chain_id: ChainId,
    book: Book,
    to: Annotated[
        str | None, typer.Option(help="Who receives all; the account's owner if none.")
    ] = None,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Redeem vault shares, pay back debts, withdraw deposits, take all, as the owner.

    It asks no node, no registry and no gate; nothing is sold.
    """
    from affiant.agents.settings.config import load_book
    from affiant.onchain.account import AccountClient
    from affiant.onchain.mandate import parse_address
    from affiant.onchain.unwind import NothingLeftError, plan_exit

    place = parse_address(account, what="account")
    known = load_book(book)
    with connected(chain_url, chain_id) as chain:
        if to is None and safe_batch is not None:
            raise typer.BadParameter(
                "a Safe has several owners: --to says who receives"
            )
        receiver = (
            AccountClient(chain, place).owner()
            if to is None
            else parse_address(to, what="--to")
        )
        for round_ in range(MOST_ROUNDS if send else 1):
            try:
                steps = plan_exit(chain, known, account=place, owner=receiver)
            except NothingLeftError:
                if round_:
                    break
                raise
            for number, step in enumerate(steps, start=1):
                typer.echo(f"{number}. {step.says}")
            submit(
                chain,
                place,
                [step.call for step in steps],
                name="Affiant exit",
                send=send,
                keystore=keystore,
                password_env=password_env,
                batch=safe_batch,
            )
