"""`affiant mandate ban`, `stop`, `resume`, `cancel`, `delay`, `bring`: acting on one.

Each says what it will do, asks the chain whether it is allowed, and only with --send
signs, waits, and says what came of it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.console import log
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
    signer,
    submit,
)
from affiant.encoding import Digest, digest_from_hex, to_hex

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from affiant.onchain.chain import Chain
    from affiant.onchain.mandate import Address
    from affiant.onchain.owner_acts import Act, Role


class By(StrEnum):
    """In whose name somebody acts."""

    account = "account"
    guardian = "guardian"
    endorser = "endorser"


MandateId = Annotated[
    str, typer.Argument(metavar="MANDATE", help="The mandate's id, or its JSON file.")
]
ByRole = Annotated[By, typer.Option("--by", help="In whose name; the key is theirs.")]

DAY = 24 * 3600
"""Seconds."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to `affiant mandate`."""
    app.command("ban")(ban)
    app.command("stop")(stop)
    app.command("resume")(resume)
    app.command("cancel")(cancel)
    app.command("delay")(delay)
    app.command("bring")(bring)


def mandate_id_of(text: str) -> Digest:
    """Return the id that `text` is, or that of the mandate in the file of that name.

    Raises:
        ConfigError, MalformedError: it is neither.
    """
    from affiant.agents.settings.config import load_mandate

    path = Path(text)
    if path.exists():
        return load_mandate(path).id
    return digest_from_hex(text, what="mandate id")


def ban(
    mandate: MandateId,
    key: Annotated[str, typer.Argument(help="The node key's address.")],
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Ban a node key from a mandate, at once and for good, as the account's owner."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient
    from affiant.onchain.mandate import parse_address

    known, address = load_book(book), parse_address(key, what="KEY")
    with connected(chain_url, chain_id) as chain:
        act = owner_acts.ban(
            GateClient(chain, known.gate), mandate_id_of(mandate), key=address
        )
        _act(chain, act, By.account, send, keystore, password_env, safe_batch)


def stop(
    mandate: MandateId,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    days: Annotated[
        float, typer.Option(help="How long; a guardian's stop is 7 at most.", min=0.001)
    ] = 7.0,
    by: ByRole = By.account,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Stop a mandate for a time, as the account's owner or its guardian."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient

    if by is By.endorser:
        raise typer.BadParameter("--by account or guardian: endorsers cannot stop")
    known, mandate_id = load_book(book), mandate_id_of(mandate)
    role: Role = "guardian" if by is By.guardian else "account"
    with connected(chain_url, chain_id) as chain:
        gate = GateClient(chain, known.gate)
        act = owner_acts.stop(
            gate,
            mandate_id,
            until=chain.latest_block().timestamp + int(days * DAY),
            sender=owner_acts.who_is(gate, mandate_id, role=role, key=None),
        )
        _act(chain, act, by, send, keystore, password_env, safe_batch)


def resume(
    mandate: MandateId,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Lift a stop, as the account's owner."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient

    known = load_book(book)
    with connected(chain_url, chain_id) as chain:
        act = owner_acts.resume(GateClient(chain, known.gate), mandate_id_of(mandate))
        _act(chain, act, By.account, send, keystore, password_env, safe_batch)


def cancel(
    mandate: MandateId,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    by: ByRole = By.account,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Cancel the decision that waits, as owner, guardian or any one endorser."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient
    from affiant.onchain.mandate import Address

    known, mandate_id = load_book(book), mandate_id_of(mandate)
    # An endorser is one of several: the key says which.
    given = by is By.endorser and send
    key = signer(keystore, password_env) if given else None
    with connected(chain_url, chain_id) as chain:
        gate = GateClient(chain, known.gate)
        who = owner_acts.who_is(
            gate,
            mandate_id,
            role=by.value,
            key=None if key is None else Address(key.address),
        )
        act = owner_acts.cancel(gate, mandate_id, sender=who)
        _act(chain, act, by, send, keystore, password_env, safe_batch)


def delay(
    account: Annotated[str, typer.Argument(help="The account's address.")],
    seconds: Annotated[int, typer.Argument(help="Seconds; 30 days at most.", min=0)],
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Set how long future grants of an account wait, as its owner."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient
    from affiant.onchain.mandate import parse_address

    known, address = load_book(book), parse_address(account, what="ACCOUNT")
    if seconds >= 2**32:
        raise typer.BadParameter("SECONDS does not fit the gate's 32 bits")
    with connected(chain_url, chain_id) as chain:
        act = owner_acts.set_grant_delay(
            GateClient(chain, known.gate), address, seconds=seconds
        )
        _act(chain, act, By.account, send, keystore, password_env, safe_batch)


def bring(
    files: Annotated[
        list[Path], typer.Argument(help="What endorsers signed, a file of each.")
    ],
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
) -> None:
    """Bring a checkpoint or a verdict to the gate; whoever pays for it may."""
    from affiant.agents.settings.config import load_book
    from affiant.encoding import parse_json
    from affiant.onchain import owner_acts
    from affiant.onchain.gate import GateClient
    from affiant.onchain.mandate import NATIVE, Address
    from affiant.onchain.signed_statement import MAX_STATEMENT_BYTES, SignedStatement

    known = load_book(book)
    signed = [
        SignedStatement.from_json(
            parse_json(path.read_bytes(), what=str(path), max_bytes=MAX_STATEMENT_BYTES)
        )
        for path in files
    ]
    key = signer(keystore, password_env) if send else None
    with connected(chain_url, chain_id) as chain:
        act = owner_acts.bring(
            GateClient(chain, known.gate),
            signed,
            sender=NATIVE if key is None else Address(key.address),
        )
        announce(chain, act)
        if key is None:
            typer.echo("nothing was sent; --send sends it")
            return
        send_as(chain, act, key)


def announce(chain: Chain, act: Act) -> None:
    """Say what an act will do, and whether the chain allows it.

    Raises:
        ContractError: it does not.
    """
    from affiant.onchain.owner_acts import ask

    for line in act.says:
        typer.echo(line)
    ask(chain, act.call)
    typer.echo("the chain allows it")


def send_as(chain: Chain, act: Act, key: LocalAccount) -> None:
    """Make the call with a key of its own, and say what came of it.

    Raises:
        ActRefusedError: `key` is not who has to make it.
        ContractError, UnavailableError: as `sending.send`.
    """
    from affiant.onchain.mandate import Address
    from affiant.onchain.owner_acts import ActRefusedError
    from affiant.onchain.sending import send as send_call

    if Address(key.address) != act.sender:
        raise ActRefusedError(
            "key in the keystore", got=str(key.address), expected=act.sender
        )
    log.print("sending", markup=False)
    receipt = send_call(chain, act.call, signer=key)
    typer.echo(f"sent in {to_hex(receipt.transaction_hash)}")
    typer.echo(act.outcome())


def _act(
    chain: Chain,
    act: Act,
    by: By,
    send: bool,
    keystore: Path | None,
    password_env: str,
    batch: Path | None,
) -> None:
    announce(chain, act)
    if by is By.account or _is_safe(chain, act.sender):
        if submit(
            chain,
            act.sender,
            [act.call],
            name="Affiant",
            send=send,
            keystore=keystore,
            password_env=password_env,
            batch=batch,
        ):
            typer.echo(act.outcome())
        return
    if batch is not None:
        raise typer.BadParameter(f"--safe-batch: {act.sender} is no Safe")
    if not send:
        typer.echo("nothing was sent; --send sends it")
        return
    send_as(chain, act, signer(keystore, password_env))


def _is_safe(chain: Chain, address: Address) -> bool:
    from affiant.onchain.safe import read_safe

    return read_safe(chain, address) is not None
