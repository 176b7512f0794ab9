"""Everything that an agent needs, looked at before it runs, and nothing else done.

One `Check` per thing, all of them whatever the first one says. It decides whether a run
could begin; what a run may do is the gate's. Nothing is sent, written or created. It
trusts the configuration and the agent's own chain endpoint, and shows what the node
says of itself as what it is: said, not sworn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from affiant.agents.deciding.live import live_head
from affiant.agents.durable.journal import Journal
from affiant.agents.errors import HeadWaitsError
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.reachable import endorser_answers
from affiant.agents.programs.program import Program
from affiant.agents.settings.config import (
    AgentConfig,
    load_book,
    load_config,
    load_mandate,
    read_password,
)
from affiant.agents.settings.config_report import hide_addresses
from affiant.agents.settings.connecting import connect_chain, node_addresses
from affiant.agents.settings.keystore_mode import loose_permissions
from affiant.agents.settings.loading import load_agent_class
from affiant.encoding import to_hex
from affiant.errors import AffiantError, UnavailableError
from affiant.inference.keys import unlock_keystore
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_units import unit_mismatches
from affiant.onchain.chain import Chain
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import NATIVE, Address, Mandate
from affiant.onchain.own_gate import require_our_gate
from affiant.onchain.permitted import names_key, names_workload

Verdict = Literal["ok", "warning", "refused", "unavailable", "not looked at"]
"""`warning`: a run could begin, but somebody should look at this."""

ANSWER_SECONDS = 10.0
"""Longest wait for somebody to show that they are there."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    detail: str
    """What was found, or what was got and expected instead."""


def check_agent(path: str | Path, *, reference: str | None = None) -> tuple[Check, ...]:
    """Look at everything that the agent configured at `path` needs.

    1. the configuration; 2. its files: mandate, address book in the mandate's units,
    journal; 3. the operator's key; 4. the class, and that its program is the one
    granted; 5. the chain, that the gate there is our code and lets the mandate act; 6.
    the node, and that it serves it; 7. endorsers.

    Args:
        reference: `FILE.py:CLASS`; the configuration's if None.

    Raises:
        ConfigError: the configuration itself; nothing else can be looked at.
    """
    # 1.
    config = load_config(path)
    return tuple([Check("configuration", "ok", str(path)), *_checks(config, reference)])


def _checks(config: AgentConfig, reference: str | None) -> Iterator[Check]:
    # 2.
    mandate, check = _tried(
        "mandate",
        lambda: load_mandate(config.mandate.file),
        lambda found: f"{to_hex(found.id)} for {found.account}",
    )
    yield check
    book, check = _tried("address book", lambda: load_book(config.book.file), _book)
    yield check
    if book is not None and book.chain_id != config.chain.id:
        yield Check(
            "chain of the book",
            "refused",
            f"got {book.chain_id}, expected {config.chain.id}",
        )
    if book is not None and mandate is not None:
        for mismatch in unit_mismatches(book, mandate):
            detail = (
                f"{mismatch.what}: got {mismatch.got}, expected {mismatch.expected}"
            )
            yield Check("units of the book", "refused", detail)
    yield _journal(config.journal.url)
    # 3.
    yield from _operator(config, mandate)
    # 4.
    if reference is None and config.agent is not None:
        reference = config.agent.reference
    yield _program(reference, mandate=mandate, book=book)
    # 5.
    chain, check = _tried(
        "chain",
        lambda: connect_chain(config, timeout=ANSWER_SECONDS),
        lambda found: f"{found.endpoint} serves chain {found.chain_id}",
    )
    yield check
    if chain is not None:
        with closing(chain):
            if book is not None:
                yield _gate_code(chain, book)
            yield from _on_chain(chain, mandate=mandate, book=book)
    # 6.
    for url in node_addresses(config):
        yield from _node(url, mandate)
    # 7.
    for url in config.endorsers.urls:
        reason = endorser_answers(url, timeout=ANSWER_SECONDS)
        yield Check(
            "endorser",
            "ok" if reason is None else "unavailable",
            f"{hide_addresses(url)} {'answers' if reason is None else reason}",
        )


def _operator(config: AgentConfig, mandate: Mandate | None) -> Iterator[Check]:
    loose = loose_permissions(config.operator.keystore)
    if loose is not None:
        yield Check("keystore file", "warning", loose)
    operator, check = _tried(
        "operator key",
        lambda: unlock_keystore(
            config.operator.keystore,
            read_password(config.operator.password_env).get_secret_value(),
        ),
        lambda found: f"{found.address} opens",
    )
    sender = None if operator is None else Address(str(operator.address))
    if sender is not None and mandate is not None:
        # The zero address: anybody may submit.
        if int(mandate.operator, 16) and mandate.operator != sender:
            check = Check(
                "operator key", "refused", f"got {sender}, expected {mandate.operator}"
            )
    yield check


def _program(
    reference: str | None, *, mandate: Mandate | None, book: AddressBook | None
) -> Check:
    if reference is None:
        return Check(
            "program",
            "not looked at",
            "no `class` in the section [agent], and no --agent: expected FILE.py:CLASS",
        )
    if mandate is None or book is None:
        return Check("program", "not looked at", "it takes mandate and address book")
    granted, known = mandate, book
    longest = max((rung.delay for rung in granted.ladder), default=0)
    program, check = _tried(
        "program",
        lambda: _same_program(reference, mandate=granted, book=known),
        lambda found: f"{to_hex(granted.program)} is {found[0]}, as granted",
    )
    if program is not None and program[1].validity_seconds <= longest:
        return Check(
            "program",
            "warning",
            f"its decisions are valid for {program[1].validity_seconds} s, and a rung "
            f"asks them to wait {longest} s: on that rung none can ever execute",
        )
    return check


def _same_program(
    reference: str, *, mandate: Mandate, book: AddressBook
) -> tuple[str, Program]:
    """Return the class's name and its program."""
    found = load_agent_class(reference)
    program = found.program(book=book, model=mandate.model, engine=mandate.engine)
    if program.hash != mandate.program:
        raise ValueError(
            f"got {to_hex(program.hash)} ({found.__name__} as it is now), expected "
            f"{to_hex(mandate.program)} as granted"
        )
    return found.__name__, program


def _on_chain(
    chain: Chain, *, mandate: Mandate | None, book: AddressBook | None
) -> Iterator[Check]:
    if mandate is None or book is None:
        yield Check("mandate on chain", "not looked at", "it takes mandate and book")
        return
    granted, gate = mandate, GateClient(chain, book.gate)

    def live() -> str:
        latest = chain.latest_block()
        slot = granted.slot_of(latest.number)
        try:
            live_head(gate, mandate=granted, slot=slot, latest=latest)
        except HeadWaitsError as error:
            return f"live, {error.state}"
        return f"live in slot {slot}"

    yield _tried("mandate on chain", live, lambda found: found)[1]
    if mandate.operator != NATIVE:
        funds, check = _tried(
            "gas money",
            lambda: chain.balance(granted.operator),
            lambda found: f"{found / 10**18:.6g} of the chain's currency",
        )
        if funds == 0:
            check = Check("gas money", "warning", f"{mandate.operator} has none")
        yield check


def _gate_code(chain: Chain, book: AddressBook) -> Check:
    return _tried(
        "gate's code",
        lambda: require_our_gate(chain, book),
        lambda found: f"ours, {to_hex(found.gate)}",
    )[1]


def _node(url: str, mandate: Mandate | None) -> Iterator[Check]:
    with closing(NodeClient(url, timeout=ANSWER_SECONDS)) as client:
        said, check = _tried(
            "node", client.node, lambda found: f"answers with key {found.key}"
        )
    yield check
    if said is None or mandate is None:
        return
    for what, got, expected in (
        ("model of the node", said.model, mandate.model),
        ("engine of the node", said.engine, mandate.engine),
    ):
        if got != expected:
            detail = f"got {to_hex(got)}, expected {to_hex(expected)}"
            yield Check(what, "refused", detail)
    if mandate.program not in said.programs:
        yield Check(
            "program of the node",
            "refused",
            f"got {len(said.programs)} others, expected {to_hex(mandate.program)}",
        )
    by = said.attestation
    if not names_key(mandate, said.key) and not (
        by is not None
        and names_workload(mandate, contract=by.contract, workload=by.workload)
    ):
        claimed = "" if by is None else f", attested for {to_hex(by.workload)}"
        permitted = [permit.key for permit in mandate.nodes]
        detail = (
            f"got {said.key}{claimed}, expected one of {permitted} or of the mandate's "
            f"{len(mandate.workloads)} workloads"
        )
        yield Check("key of the node", "refused", detail)


def _journal(url: str) -> Check:
    if "://" not in url and not Path(url).exists():
        # Opening it would make it.
        folder = Path(url).absolute().parent
        while not folder.exists():
            folder = folder.parent
        if os.access(folder, os.W_OK):
            return Check("journal", "ok", f"{url}, which the first run makes")
        return Check("journal", "refused", f"{folder} cannot be written")

    def opened() -> int:
        with closing(Journal(url)) as journal:
            return len(journal.entries(last=1))

    return _tried("journal", opened, lambda _: hide_addresses(url))[1]


def _book(book: AddressBook) -> str:
    return f"chain {book.chain_id}, gate {book.gate}"


def _tried(
    what: str, look: Callable[[], Value], say: Callable[[Any], str]
) -> tuple[Value | None, Check]:
    """Return what `look` finds and how to tell it, or why it does not."""
    try:
        found = look()
    except UnavailableError as error:
        return None, Check(what, "unavailable", hide_addresses(str(error)))
    except (AffiantError, ValueError) as error:
        return None, Check(what, "refused", hide_addresses(str(error)))
    return found, Check(what, "ok", say(found))
