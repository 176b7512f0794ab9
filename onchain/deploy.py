"""Deploys our contracts from the code that the package carries.

Addresses are deterministic (`create2.py`): the same on every chain, whoever pays, so
that what is there already is found and never deployed twice. It decides that what is
there is what the package carries, and nothing about whether anybody should use it: the
contracts are not audited by others. It trusts the endpoint to tell code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr

from affiant.encoding import Digest, keccak256, to_hex
from affiant.errors import RejectedError
from affiant.onchain.account import AccountClient
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import TransactionReceipt
from affiant.onchain.create2 import PROXY, SALT, create2_address, created_by
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address
from affiant.onchain.sending import CONFIRM_SECONDS

GAS_LIMIT = 16_000_000
"""Gas given to each deployment; under EIP-7825's cap of 2^24."""


CHECKS = "MandateChecks"
"""The contract that is asked about every mandate at its grant."""

RULES = (
    "EpochDrawdown",
    "HealthFactorFloor",
    "OracleAgainstTwap",
    "RecipientIsAccount",
    "RecipientIsListed",
    "SafeSettings",
    "SpendRate",
)
"""The rules that come with Affiant."""


class DeploymentError(RejectedError):
    """A contract was not created, or is not what was deployed."""

    def __init__(self, contract: str, *, got: str, expected: str) -> None:
        super().__init__(f"deploying `{contract}`: got {got}, expected {expected}")
        self.contract = contract
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class AffiantAddresses:
    """Where our contracts are on one chain."""

    gate: Address
    node_registry: Address
    model_registry: Address
    mandate_checks: Address
    rules: Mapping[str, Address]
    """By the contract's name."""


@dataclass(frozen=True)
class PlannedContract:
    """One of our contracts, before anybody has deployed it."""

    name: str
    address: Address
    """Where it will be, on every chain (see `create2.py`)."""
    init_code: bytes
    """Creation code with the constructor's arguments; empty: another one of the plan
    creates it."""


@dataclass(frozen=True)
class FoundContract:
    """One of our contracts, as a chain has it."""

    name: str
    address: Address
    code_hash: Digest | None
    """keccak256 of the runtime code there; None: there is none."""


def plan_affiant(*, salt: bytes = SALT) -> tuple[PlannedContract, ...]:
    """Return all that makes up Affiant on a chain, in the order of deployment."""
    models, checks = (
        plan_contract(name, salt=salt) for name in ("ModelRegistry", CHECKS)
    )
    arguments = encode(["address", "address"], [models.address, checks.address])
    gate = plan_contract("DecisionGate", arguments=arguments, salt=salt)
    nodes = PlannedContract("NodeRegistry", created_by(gate.address), b"")
    rules = (plan_contract(name, salt=salt) for name in RULES)
    return (models, checks, gate, nodes, *rules)


def plan_contract(
    name: str, *, arguments: bytes = b"", salt: bytes = SALT
) -> PlannedContract:
    """Return where the packaged contract `name` will be, and from which code.

    Args:
        arguments: the constructor's, encoded.
        salt: 32 bytes.

    Raises:
        ValueError: the package carries no such contract.
    """
    init_code = load_artifact(name).bytecode + arguments
    return PlannedContract(name, create2_address(init_code, salt=salt), init_code)


def addresses_of(plan: Sequence[PlannedContract]) -> AffiantAddresses:
    """Return the addresses by what they are for."""
    by_name = {planned.name: planned.address for planned in plan}
    return AffiantAddresses(
        gate=by_name["DecisionGate"],
        node_registry=by_name["NodeRegistry"],
        model_registry=by_name["ModelRegistry"],
        mandate_checks=by_name[CHECKS],
        rules={name: by_name[name] for name in RULES},
    )


def find_affiant(
    chain: Chain, plan: Sequence[PlannedContract]
) -> tuple[FoundContract, ...]:
    """Return what the chain has at every planned address.

    Raises:
        DeploymentError: there is other code at one of them.
        ChainUnavailableError.
    """
    found = []
    for planned in plan:
        code = chain.code(planned.address)
        if code:
            _check_code(planned.name, code)
        found.append(
            FoundContract(
                planned.name, planned.address, keccak256(code) if code else None
            )
        )
    return tuple(found)


def deploy_affiant(
    chain: Chain,
    deployer: LocalAccount,
    *,
    salt: bytes = SALT,
    timeout: float = CONFIRM_SECONDS,
) -> AffiantAddresses:
    """Deploy what is not there yet of gate, registries and rules; say where it is.

    Raises:
        DeploymentError: the chain has no deployment proxy, a creation failed, or the
            result is not ours.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    plan = plan_affiant(salt=salt)
    deploy_planned(chain, deployer, plan, salt=salt, timeout=timeout)
    addresses = addresses_of(plan)
    nodes = GateClient(chain, addresses.gate).node_registry()
    if nodes != addresses.node_registry:
        raise DeploymentError(
            "NodeRegistry", got=nodes, expected=addresses.node_registry
        )
    return addresses


def deploy_planned(
    chain: Chain,
    deployer: LocalAccount,
    plan: Sequence[PlannedContract],
    *,
    salt: bytes = SALT,
    timeout: float = CONFIRM_SECONDS,
) -> tuple[FoundContract, ...]:
    """Deploy what is not there yet of `plan`, in its order; return what is there then.

    Raises:
        DeploymentError: the chain has no deployment proxy, a creation failed, or the
            result is not ours.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    if not chain.code(PROXY):
        raise DeploymentError(
            "the deterministic deployment proxy", got="no code", expected=f"at {PROXY}"
        )
    for planned, there in zip(plan, find_affiant(chain, plan), strict=True):
        if there.code_hash is None and planned.init_code:
            _transact(
                chain,
                deployer,
                name=planned.name,
                to=PROXY,
                data=salt + planned.init_code,
                timeout=timeout,
            )
    found = find_affiant(chain, plan)
    for contract in found:
        if contract.code_hash is None:
            raise DeploymentError(
                contract.name, got="no code", expected=f"at {contract.address}"
            )
    return found


def deploy_account(
    chain: Chain,
    deployer: LocalAccount,
    *,
    owner: Address,
    gate: Address,
    timeout: float = CONFIRM_SECONDS,
) -> AccountClient:
    """Deploy an account of `owner`'s under `gate`; anyone may pay for it.

    Raises:
        DeploymentError: the creation failed, or the account is not as asked.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    address = deploy_contract(
        chain,
        deployer,
        name="OwnedAccount",
        types=["address", "address"],
        arguments=[owner, gate],
        timeout=timeout,
    )
    account = AccountClient(chain, address)
    if (account.owner(), account.gate()) != (owner, gate):
        raise DeploymentError(
            "OwnedAccount",
            got=f"owner {account.owner()}, gate {account.gate()}",
            expected=f"owner {owner}, gate {gate}",
        )
    return account


def deploy_contract(
    chain: Chain,
    deployer: LocalAccount,
    *,
    name: str,
    types: Sequence[str] = (),
    arguments: Sequence[object] = (),
    timeout: float = CONFIRM_SECONDS,
) -> Address:
    """Deploy the packaged contract `name`; return where it is.

    Args:
        types: ABI types of the constructor's arguments.
        arguments: the arguments.

    Raises:
        ValueError: the package carries no such contract.
        DeploymentError: the creation failed, or other code is there.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    code = load_artifact(name).bytecode + encode(list(types), list(arguments))
    receipt = _transact(chain, deployer, name=name, to=None, data=code, timeout=timeout)
    address = receipt.contract_address
    if address is None:
        raise DeploymentError(name, got="no address", expected="a contract")
    _check_code(name, chain.code(address, block_hash=receipt.block_hash))
    return address


def _transact(
    chain: Chain,
    deployer: LocalAccount,
    *,
    name: str,
    to: Address | None,
    data: bytes,
    timeout: float,
) -> TransactionReceipt:
    chain.verify_chain_id()
    fees = chain.fees()
    signed = deployer.sign_transaction(
        {
            "type": 2,
            "chainId": chain.chain_id,
            "nonce": chain.nonce(Address(deployer.address)),
            # Empty: a creation.
            "to": HexStr("" if to is None else to),
            "value": 0,
            "data": data,
            "gas": GAS_LIMIT,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.priority_fee,
        }
    )
    transaction = chain.send_raw(bytes(signed.raw_transaction))
    receipt = chain.wait_receipt(transaction, timeout=timeout)
    if not receipt.succeeded:
        raise DeploymentError(
            name, got=f"a failed creation, {to_hex(transaction)}", expected="a contract"
        )
    return receipt


def _check_code(name: str, code: bytes) -> None:
    ours = load_artifact(name)
    if not ours.is_code(code):
        raise DeploymentError(
            name,
            got=f"code {to_hex(keccak256(code))}, {len(code)} bytes",
            expected=f"the package's, {len(ours.deployed_bytecode)} bytes",
        )
