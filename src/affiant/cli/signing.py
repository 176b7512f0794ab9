"""What commands that may send share: a chain, a key, and an account's own calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.console import log
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from affiant.onchain.chain import Chain
    from affiant.onchain.chain_types import CallRequest
    from affiant.onchain.mandate import Address

ChainUrl = Annotated[
    list[str],
    typer.Option(
        help="A chain endpoint's JSON-RPC; may be repeated, the most trusted first."
    ),
]
ChainId = Annotated[int, typer.Option(help="Chain id that it must answer with.")]
Book = Annotated[Path, typer.Option(help="The address book's JSON.")]
Keystore = Annotated[
    Path | None, typer.Option(help="The sender's keystore file; needed with --send.")
]
PasswordEnv = Annotated[
    str, typer.Option(help="Environment variable with the keystore's password.")
]
Send = Annotated[
    bool, typer.Option("--send", help="Send it; without, only say what would be sent.")
]
Batch = Annotated[
    Path | None,
    typer.Option(
        "--safe-batch",
        help="Write the calls for Safe's Transaction Builder; for accounts that are "
        "Safes.",
    ),
]
OWNER_PASSWORD = "AFFIANT_OWNER_PASSWORD"
"""Environment variable that is read unless another is named."""


@contextmanager
def connected(url: str | Sequence[str], chain_id: int) -> Iterator[Chain]:
    """Hand over a chain, and close it."""
    from affiant.onchain.chain import Chain

    chain = Chain.connect(url, expected_chain_id=chain_id)
    try:
        yield chain
    finally:
        chain.close()


def signer(
    keystore: Path | None, password_env: str, *, option: str = "--keystore"
) -> LocalAccount:
    """Return the account in `keystore`, which `option` names.

    Raises:
        typer.BadParameter: there is none.
        ConfigError, KeystoreError, KeystorePasswordError.
    """
    from affiant.agents.settings.config import read_password
    from affiant.inference.keys import unlock_keystore

    if keystore is None:
        raise typer.BadParameter(f"--send needs {option}")
    return unlock_keystore(keystore, read_password(password_env).get_secret_value())


def submit(
    chain: Chain,
    account: Address,
    calls: Sequence[CallRequest],
    *,
    name: str,
    send: bool,
    keystore: Path | None,
    password_env: str,
    batch: Path | None,
) -> bool:
    """Let the account's owner make `calls`, or say how: all of them, or none.

    A Safe's owners sign with their own tools; `batch` is what those import. Returns
    whether they were made.

    Raises:
        MalformedError: the account is neither a Safe nor one of our own.
        ContractError, UnavailableError: as `AccountClient.execute_batch` says.
    """
    from affiant.encoding import to_hex
    from affiant.onchain.account import AccountClient
    from affiant.onchain.safe import read_safe, transaction_batch

    safe = read_safe(chain, account)
    if safe is not None:
        if send:
            raise typer.BadParameter(
                "the account is a Safe: its owners sign the file of --safe-batch"
            )
        if batch is not None:
            content = transaction_batch(
                calls, chain_id=chain.chain_id, safe=account, name=name
            )
            batch.write_text(json.dumps(content, indent=1) + "\n")
            typer.echo(f"wrote {batch}: {safe.threshold} of its owners sign it")
        else:
            typer.echo("the account is a Safe: --safe-batch writes what owners sign")
        return False
    if batch is not None:
        raise MalformedError(f"account {account}", got="no Safe", expected="a Safe")
    client = AccountClient(chain, account)
    if not send:
        typer.echo("nothing was sent; --send sends it")
        return False
    key = signer(keystore, password_env)
    log.print("sending", markup=False)
    receipt = client.execute_batch(calls, owner=key)
    typer.echo(f"sent in {to_hex(receipt.transaction_hash)}")
    return True
