"""Whether the gate of an address book is ours, immutables and all.

A mandate is as good as the contract that holds it, and the book is a file that somebody
wrote. Our gate lies where its creation code puts it (`create2.py`): an address at which
nothing else can ever have been created, by whoever paid. So the address is compared,
that of the registry that the gate creates, and that of the registry it was given; the
code there too, so that a chain without our contracts is noticed, or an endpoint that
invents some. It decides nothing about whether anybody should trust the code; it trusts
the package it was installed from, and the endpoint to tell code.
"""

from __future__ import annotations

from affiant.encoding import Digest
from affiant.errors import RejectedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_sections import CodeHashes
from affiant.onchain.chain import Chain
from affiant.onchain.create2 import SALT, fork_salt
from affiant.onchain.deploy import (
    CHECKS,
    AffiantAddresses,
    PlannedContract,
    addresses_of,
    find_affiant,
    plan_affiant,
)

CORE = ("ModelRegistry", CHECKS, "DecisionGate", "NodeRegistry")
"""What a mandate depends on; rules are compared by whoever names one."""


class ForeignGateError(RejectedError):
    """What the address book calls the gate, or its registry, is not ours."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


def require_our_gate(chain: Chain, book: AddressBook) -> CodeHashes:
    """Refuse a book whose gate is not this package's; return what its code hashes to.

    1. gate and registries are where this package's creation code puts them; 2. each of
    them, and what the gate asks at grants, is there and is our code; 3. the code hashes
    that the book states, where it states any, are those.

    Raises:
        ForeignGateError: they are not.
        DeploymentError: there is other code at one of our addresses.
        ChainUnavailableError.
    """
    # 1.
    plan = _plan_with(book)
    # 2.
    hashes: dict[str, Digest] = {}
    for contract in find_affiant(chain, [p for p in plan if p.name in CORE]):
        if contract.code_hash is None:
            raise ForeignGateError(
                f"{contract.name} at {contract.address}",
                got="no code",
                expected="our contract: `affiant deploy` deploys it",
            )
        hashes[contract.name] = contract.code_hash
    found = CodeHashes(
        gate=hashes["DecisionGate"],
        node_registry=hashes["NodeRegistry"],
        model_registry=hashes["ModelRegistry"],
    )
    # 3.
    stated = None if book.chain is None else book.chain.code_hashes
    if stated not in (None, found):
        raise ForeignGateError(
            "code hashes", got=f"{stated} in the address book", expected=str(found)
        )
    return found


def _plan_with(book: AddressBook) -> tuple[PlannedContract, ...]:
    stated = (book.gate, book.node_registry, book.model_registry)
    plans = [plan_affiant(salt=salt) for salt in (SALT, fork_salt(book.chain_id))]
    for plan in plans:
        if _three(addresses_of(plan)) == stated:
            return plan
    raise ForeignGateError(
        "gate, node registry and model registry of the address book",
        got=", ".join(stated),
        expected=f"{', '.join(_three(addresses_of(plans[0])))}, where this version of "
        "Affiant has them on every chain",
    )


def _three(addresses: AffiantAddresses) -> tuple[str, str, str]:
    return addresses.gate, addresses.node_registry, addresses.model_registry
