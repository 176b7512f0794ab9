"""Deploys our contracts from the code that the package carries.

It decides that what was deployed is what the package carries (the gate names the
registries just deployed), and nothing about whether anybody should use it: the
contracts are not audited by others. It trusts the endpoint to tell contract addresses,
and checks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

from affiant.encoding import keccak256, to_hex
from affiant.errors import RejectedError
from affiant.onchain.account import AccountClient
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.chain import Chain
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address
from affiant.onchain.sending import CONFIRM_SECONDS

GAS_LIMIT = 16_000_000
"""Gas given to each deployment; under EIP-7825's cap of 2^24."""


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


def deploy_affiant(
    chain: Chain, deployer: LocalAccount, *, timeout: float = CONFIRM_SECONDS
) -> AffiantAddresses:
    """Deploy the gate and what it depends on; return where they are.

    Raises:
        DeploymentError: a creation failed, or the result is not ours.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    models = deploy_contract(chain, deployer, name="ModelRegistry", timeout=timeout)
    checks = deploy_contract(chain, deployer, name="MandateChecks", timeout=timeout)
    gate = deploy_contract(
        chain,
        deployer,
        name="DecisionGate",
        types=["address", "address"],
        arguments=[models, checks],
        timeout=timeout,
    )
    nodes = GateClient(chain, gate).node_registry()
    code = chain.code(nodes)
    expected = load_artifact("NodeRegistry").deployed_bytecode
    if not _same_code(code, expected):
        raise DeploymentError(
            "NodeRegistry",
            got=f"code {to_hex(keccak256(code))}, {len(code)} bytes",
            expected=f"the package's, {len(expected)} bytes",
        )
    return AffiantAddresses(gate=gate, node_registry=nodes, model_registry=models)


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
    artifact = load_artifact(name)
    chain.verify_chain_id()
    fees = chain.fees()
    signed = deployer.sign_transaction(
        {
            "type": 2,
            "chainId": chain.chain_id,
            "nonce": chain.nonce(Address(deployer.address)),
            "value": 0,
            "data": artifact.bytecode + encode(list(types), list(arguments)),
            "gas": GAS_LIMIT,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.priority_fee,
        }
    )
    transaction = chain.send_raw(bytes(signed.raw_transaction))
    receipt = chain.wait_receipt(transaction, timeout=timeout)
    address = receipt.contract_address
    if not receipt.succeeded or address is None:
        raise DeploymentError(
            name, got=f"a failed creation, {to_hex(transaction)}", expected="a contract"
        )
    code = chain.code(address, block_hash=receipt.block_hash)
    if not _same_code(code, artifact.deployed_bytecode):
        raise DeploymentError(
            name,
            got=f"code {to_hex(keccak256(code))}, {len(code)} bytes",
            expected=f"the package's, {len(artifact.deployed_bytecode)} bytes",
        )
    return address


def _same_code(code: bytes, artifact: bytes) -> bool:
    """Compare runtime code, immutables (zero in the artifact) left out."""
    return len(code) == len(artifact) and all(
        ours in (0, theirs) for theirs, ours in zip(code, artifact, strict=True)
    )
