"""`affiant mandate`: what one permits in words, granting it, taking it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.acting import MandateId, mandate_id_of
from affiant.cli.drafting import draft
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
from affiant.encoding import to_hex
from affiant.errors import RejectedError

if TYPE_CHECKING:
    from affiant.onchain.address_book import AddressBook
    from affiant.onchain.mandate import Mandate

mandate_app = typer.Typer(
    help="Draft, read, compare, grant and revoke mandates.", no_args_is_help=True
)
mandate_app.command("draft")(draft)

MandateFile = Annotated[Path, typer.Argument(help="The mandate's JSON.")]
BlockSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between blocks; what is known of the book's chain."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class GrantRefusedError(RejectedError):
    """The gate would refuse the mandate, or it is about another chain or gate."""


@mandate_app.command("show")
def mandate_show(
    mandate: MandateFile, book: Book, block_seconds: BlockSeconds = None
) -> None:
    """Say in plain words what a mandate permits, and the most that it can cost."""
    from affiant.agents.settings.config import load_book, load_mandate

    show(load_mandate(mandate), load_book(book), block_seconds)


@mandate_app.command("worst-case")
def mandate_worst_case(
    mandate: MandateFile,
    book: Book,
    block_seconds: BlockSeconds = None,
    as_json: AsJson = False,
) -> None:
    """Say the most that a hostile operator, node and model together can take."""
    from affiant.agents.settings.config import load_book, load_mandate
    from affiant.onchain.rule_limits import known_rules, rule_limits
    from affiant.onchain.words_proof import dollars
    from affiant.onchain.worst_case import worst_case

    granted = load_mandate(mandate)
    worst = worst_case(
        granted,
        block_seconds=_pace(load_book(book), block_seconds),
        rules=rule_limits(granted, known=known_rules()),
    )
    if as_json:
        told = {
            "decisions": worst.decisions,
            "perDecision": str(worst.per_decision),
            "unendorsed": str(worst.unendorsed),
            "daily": str(worst.daily),
            "heldBy": worst.held_by,
        }
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{dollars(worst.daily)} in any 24 hours, held by {worst.held_by}: at most "
        f"{worst.decisions:,} decisions of at most {dollars(worst.per_decision)} each"
    )
    typer.echo(
        f"{dollars(worst.unendorsed)} at risk in all while no endorser signs anything"
    )
    typer.echo(
        "not counted: what is not tracked, prices that feeds do not tell, later "
        "liquidation of loans, other mandates on the account, gas"
    )


@mandate_app.command("diff")
def mandate_diff_command(
    old: Annotated[Path, typer.Argument(help="The mandate that there is.")],
    new: Annotated[Path, typer.Argument(help="The mandate that is to be.")],
) -> None:
    """Say what changed between two mandates, and which changes permit more."""
    from affiant.agents.settings.config import load_mandate
    from affiant.onchain.mandate_diff import mandate_diff

    before, after = load_mandate(old), load_mandate(new)
    for line in mandate_diff(before, after):
        typer.echo(line)
    if before.id == after.id:
        typer.echo("they are the same mandate")


@mandate_app.command("grant")
def mandate_grant(
    mandate: MandateFile,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Show a mandate in words, ask the gate, and grant it as the account's owner."""
    from affiant.agents.settings.config import load_book, load_mandate
    from affiant.onchain.contract_errors import decode_revert
    from affiant.onchain.errors import CallRevertedError
    from affiant.onchain.gate import GateClient
    from affiant.onchain.mandate_checks import grant_refusals
    from affiant.onchain.own_gate import require_our_gate
    from affiant.onchain.safe import read_safe, safe_cautions

    granted, known = load_mandate(mandate), load_book(book)
    if known.chain_id != chain_id:
        raise GrantRefusedError(
            f"the address book is about chain {known.chain_id}, expected {chain_id}"
        )
    show(granted, known, None)
    refusals = grant_refusals(granted)
    if refusals:
        raise GrantRefusedError(f"the gate would refuse it: {'; '.join(refusals)}")
    with connected(chain_url, chain_id) as chain:
        require_our_gate(chain, known)
        gate = GateClient(chain, known.gate)
        safe = read_safe(chain, granted.account)
        if safe is not None:
            for caution in safe_cautions(safe, gate=known.gate):
                typer.echo(f"  {caution}")
        call = gate.grant_call(granted)
        try:
            chain.call(call.target, call.data, sender=granted.account)
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        delay = gate.grant_delay_of(granted.account)
        typer.echo(f"the gate takes it; it is live {delay} seconds after the grant")
        submit(
            chain,
            granted.account,
            [call],
            name="Affiant grant",
            send=send,
            keystore=keystore,
            password_env=password_env,
            batch=safe_batch,
        )


@mandate_app.command("revoke")
def mandate_revoke(
    mandate: MandateId,
    book: Book,
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = OWNER_PASSWORD,
    send: Send = False,
    safe_batch: Batch = None,
) -> None:
    """Take a mandate back, at once and for good, as the account's owner."""
    from affiant.agents.settings.config import load_book
    from affiant.onchain.gate import GateClient

    known, mandate_id = load_book(book), mandate_id_of(mandate)
    with connected(chain_url, chain_id) as chain:
        gate = GateClient(chain, known.gate)
        state = gate.state_of(mandate_id)
        if not state.known:
            raise GrantRefusedError(f"{to_hex(mandate_id)}: the gate does not know it")
        if state.revoked:
            typer.echo("it is revoked already")
            return
        typer.echo(f"revoke {to_hex(mandate_id)} of the account {state.account}")
        submit(
            chain,
            state.account,
            [gate.revoke_call(mandate_id, account=state.account)],
            name="Affiant revocation",
            send=send,
            keystore=keystore,
            password_env=password_env,
            batch=safe_batch,
        )


def _pace(book: AddressBook, block_seconds: float | None) -> float:
    from affiant.onchain.chains import CHAINS, chain_facts

    if block_seconds is None and book.chain is not None:
        said = book.chain.block_milliseconds / 1000
        known = CHAINS.get(book.chain_id)
        # A book that makes the chain slow would make the worst day look better.
        block_seconds = said if known is None else min(said, known.block_seconds)
    return chain_facts(book.chain_id, block_seconds=block_seconds).block_seconds


def show(granted: Mandate, book: AddressBook, block_seconds: float | None) -> None:
    """Print what a mandate permits, in words."""
    from affiant.onchain.rule_limits import RULE_NAMES, known_rules, rule_limits
    from affiant.onchain.words import mandate_in_words

    known = known_rules()
    typer.echo(f"mandate {to_hex(granted.id)}")
    for line in mandate_in_words(
        granted,
        book,
        block_seconds=_pace(book, block_seconds),
        rules=rule_limits(granted, known=known),
        rule_names={address: RULE_NAMES[name] for address, name in known.items()},
    ):
        typer.echo(f"  {line}")
