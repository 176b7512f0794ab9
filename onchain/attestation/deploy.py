"""Deploying a TDX verifier, for Intel's root or a development one, and what asks it.

It decides that a development root goes nowhere near money: here by the chain's id, and
once more in the contract. For the addresses that `affiant attest deploy` prints, see
`create2.py`: they follow from the package's code and the root, whoever pays. It trusts
the endpoint to tell code.
"""

from __future__ import annotations

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, to_hex
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.verifier import TdxVerifierClient
from affiant.onchain.chain import Chain
from affiant.onchain.chains import holds_real_money
from affiant.onchain.create2 import created_by
from affiant.onchain.deploy import (
    DeploymentError,
    PlannedContract,
    deploy_contract,
    deploy_planned,
    plan_contract,
)
from affiant.onchain.mandate import Address
from affiant.onchain.sending import CONFIRM_SECONDS

INTEL_ROOT_KEY_HASH = Digest(
    bytes.fromhex("89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473")
)
"""keccak256 of the key of "Intel SGX Root CA", x ‖ y."""

ATTESTATION = "TdxAttestation"
"""The contract that mandates name."""


def plan_attestation(
    root_key_hash: Digest = INTEL_ROOT_KEY_HASH,
) -> tuple[PlannedContract, ...]:
    """Return all that attests under one root, in the order of deployment."""
    verifier = plan_contract(
        "TdxVerifier", arguments=encode(["bytes32"], [root_key_hash])
    )
    return (
        verifier,
        # The verifier's constructor creates its readers, in this order.
        *(
            PlannedContract(name, created_by(verifier.address, number=number), b"")
            for number, name in enumerate(
                ("CertificateReader", "CollateralReader"), start=1
            )
        ),
        plan_contract(ATTESTATION, arguments=encode(["address"], [verifier.address])),
    )


def attestation_address(root_key_hash: Digest = INTEL_ROOT_KEY_HASH) -> Address:
    """Return where the contract lies that mandates name, on every chain."""
    return plan_attestation(root_key_hash)[-1].address


def check_root(root_key_hash: Digest, *, chain_id: int) -> None:
    """Refuse a development root where money is.

    Raises:
        DeploymentError: nothing permits it, no flag either.
    """
    if root_key_hash != INTEL_ROOT_KEY_HASH and holds_real_money(chain_id):
        raise DeploymentError(
            "TdxVerifier",
            got=f"a development root on chain {chain_id}",
            expected="Intel's root, or a chain that is known to hold no money",
        )


def deploy_attestation(
    chain: Chain,
    deployer: LocalAccount,
    *,
    root_key_hash: Digest = INTEL_ROOT_KEY_HASH,
    timeout: float = CONFIRM_SECONDS,
) -> TdxAttestationClient:
    """Deploy what is not there yet of what attests under one root.

    Raises:
        DeploymentError: a development root where money is; the chain has no deployment
            proxy, a creation failed, or what is there is not ours.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    check_root(root_key_hash, chain_id=chain.chain_id)
    plan = plan_attestation(root_key_hash)
    deploy_planned(chain, deployer, plan, timeout=timeout)
    client = TdxAttestationClient(chain, plan[-1].address)
    check_deployed(client, root_key_hash=root_key_hash)
    return client


def check_deployed(client: TdxAttestationClient, *, root_key_hash: Digest) -> None:
    """Refuse contracts that rest on another verifier, or that on another root.

    Their code is compared elsewhere; this compares what their constructors were given.

    Raises:
        DeploymentError: names the contract.
        ContractError, ChainUnavailableError.
    """
    verifier, expected = client.verifier(), plan_attestation(root_key_hash)[0].address
    if verifier.address != expected:
        raise DeploymentError(ATTESTATION, got=verifier.address, expected=expected)
    root = verifier.root_key_hash()
    tier = 2 if root_key_hash == INTEL_ROOT_KEY_HASH else 0
    if (root, verifier.tier()) != (root_key_hash, tier):
        raise DeploymentError(
            "TdxVerifier",
            got=f"root {to_hex(root)}, tier {verifier.tier()}",
            expected=f"root {to_hex(root_key_hash)}, tier {tier}",
        )


def deploy_tdx_verifier(
    chain: Chain,
    deployer: LocalAccount,
    *,
    root_key_hash: Digest = INTEL_ROOT_KEY_HASH,
    timeout: float = CONFIRM_SECONDS,
) -> TdxVerifierClient:
    """Deploy one more verifier for a root, at an address of its own.

    Raises:
        DeploymentError: the creation failed, as that of a development root on a chain
            where money is.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    address = deploy_contract(
        chain,
        deployer,
        name="TdxVerifier",
        types=["bytes32"],
        arguments=[root_key_hash],
        timeout=timeout,
    )
    return TdxVerifierClient(chain, address)


def deploy_tdx_attestation(
    chain: Chain,
    deployer: LocalAccount,
    *,
    verifier: TdxVerifierClient,
    timeout: float = CONFIRM_SECONDS,
) -> TdxAttestationClient:
    """Deploy one more attestation contract on top of `verifier`.

    Raises:
        DeploymentError: the creation failed.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    address = deploy_contract(
        chain,
        deployer,
        name=ATTESTATION,
        types=["address"],
        arguments=[verifier.address],
        timeout=timeout,
    )
    return TdxAttestationClient(chain, address)
