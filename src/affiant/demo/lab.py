"""Where attacks happen: a chain that is put back afterwards, and a look at what moved.

It decides whether an attack was refused as it must be. It does not decide what an
attack is (`attacks.py`), and trusts the local chain that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from eth_account.signers.local import LocalAccount

from affiant.audit.figures import short
from affiant.demo.forger import Forger
from affiant.encoding import to_hex
from affiant.errors import AffiantError
from affiant.inference.keys import NodeKey
from affiant.onchain.abi import encode_call
from affiant.onchain.account import OwnerAccount
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.deploy import deploy_contract
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.mandate import NATIVE, Address, Mandate
from affiant.onchain.reverts import ContractError

GAS = 4_000_000
"""Gas limit of each attack: sent without asking whether it would work."""


@dataclass(frozen=True)
class Outcome:
    """What became of one attack."""

    name: str
    """The attack, as a sentence."""
    expected: str
    """Name of the contract's error that must refuse it."""
    got: str
    """Name of the error that did, or what happened instead."""
    values: str
    """The error's values, shortened for a line: " (slot 3, newest 4)"."""
    reason: str
    """The error's own words."""
    balances_unchanged: bool
    """Whether every tracked balance of the account was what it was."""
    transaction_mined: bool
    """Whether the transaction was really mined, and reverted."""

    @property
    def refused(self) -> bool:
        """Whether the gate refused as it must and nothing moved."""
        return (
            self.got == self.expected
            and self.balances_unchanged
            and self.transaction_mined
        )


@dataclass(frozen=True)
class Lab:
    """Where the attacks happen."""

    devnet: Devnet
    scenario: Scenario
    chain: Chain
    gate: GateClient
    mandate: Mandate
    honest: Submission
    """A decision of the newest slot that the gate would execute: a swap."""
    earlier: Submission
    """A decision that was executed before."""
    thief: LocalAccount
    """The node's own key, stolen."""
    account: OwnerAccount
    operator: LocalAccount
    owner: LocalAccount

    @property
    def forger(self) -> Forger:
        """A thief with the node's key."""
        return Forger(NodeKey(self.thief), self.devnet.chain_id, self.gate.address)

    @contextmanager
    def undone(self) -> Iterator[Lab]:
        """Hand over this laboratory and put its chain back afterwards."""
        snapshot = self.devnet.rpc.request("evm_snapshot")
        try:
            yield self
        finally:
            self.devnet.rpc.request("evm_revert", snapshot)

    @contextmanager
    def copied(self) -> Iterator[Lab]:
        """Hand over a laboratory on a copy of the chain, history included.

        A reorganisation cannot be undone: it takes anvil's snapshots with it.
        """
        with TemporaryDirectory() as folder:
            self.devnet.save(Path(folder))
            with Devnet.resume(Path(folder)) as devnet:
                chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
                yield replace(
                    self,
                    devnet=devnet,
                    scenario=Scenario(devnet),
                    chain=chain,
                    gate=GateClient(chain, self.gate.address),
                    account=self.account.seen_by(chain),
                )
                chain.close()

    def as_owner(self, target: Address, data: bytes) -> None:
        """Let the owner make a call in the account's name."""
        call = CallRequest(target, data)
        self.account.execute(call, owner=self.owner)

    def deploy(
        self, name: str, *, types: Sequence[str] = (), arguments: Sequence[object] = ()
    ) -> Address:
        """Deploy one of the devnet's hostile contracts."""
        return deploy_contract(
            self.chain, self.owner, name=name, types=types, arguments=arguments
        )

    def balances(self, mandate: Mandate) -> tuple[int, ...]:
        """Return the account's tracked balances, in base units.

        Deposits and debts as Aave stores them, before interest: a refused transaction
        takes a block, and a block earns interest.
        """
        scaled = {
            token
            for entry in self.devnet.book.tokens.values()
            for token in (entry.a_token, entry.variable_debt)
        }
        return tuple(
            self._balance(entry.token, mandate.account, scaled=entry.token in scaled)
            for entry in mandate.tracked
        )

    def _balance(self, token: Address, account: Address, *, scaled: bool) -> int:
        if token == NATIVE:
            return self.chain.balance(account)
        name = "scaledBalanceOf(address)" if scaled else "balanceOf(address)"
        return int.from_bytes(
            self.chain.call(token, encode_call(name, [account])), "big"
        )


@dataclass(frozen=True)
class Attack:
    """One attack."""

    name: str
    expected: type[ContractError]
    prepare: Callable[[Lab], Submission]
    """Sets the scene, on a chain that will be put back, and returns what is sent."""
    on_copy: bool = False
    """Whether the scene cannot be undone, and is set on a copy of the chain."""


def run_attack(lab: Lab, attack: Attack) -> Outcome:
    """Set the scene, send, compare, and put the chain back."""
    with lab.copied() if attack.on_copy else lab.undone() as lab:
        submission = attack.prepare(lab)
        before = lab.balances(submission.mandate)
        mined = lab.chain.block_number()
        values = ""
        try:
            lab.gate.execute(submission, operator=lab.operator, gas=GAS)
            got, reason = "executed", "the gate executed it"
        except ContractError as error:
            got, reason, values = error.NAME, str(error), values_of(error)
        except AffiantError as error:
            got, reason = type(error).__name__, str(error)
        return Outcome(
            name=attack.name,
            expected=attack.expected.NAME,
            got=got,
            values=values,
            reason=reason,
            balances_unchanged=lab.balances(submission.mandate) == before,
            transaction_mined=lab.chain.block_number() > mined,
        )


def values_of(error: ContractError) -> str:
    """Return an error's values on one line, long ones shortened."""
    shown = []
    for name, _ in error.FIELDS:
        value = getattr(error, name, None)
        text = to_hex(value) if isinstance(value, bytes) else str(value)
        shown.append(f"{name} {short(text)}")
    return f" ({', '.join(shown)})" if shown else ""
