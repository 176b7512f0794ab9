"""Deploying a TDX verifier, for Intel's root or a development one, and what asks it.

It decides nothing; the contract refuses a development root on chains where money is.
"""

from __future__ import annotations

from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.verifier import TdxVerifierClient
from affiant.onchain.chain import Chain
from affiant.onchain.deploy import deploy_contract
from affiant.onchain.sending import CONFIRM_SECONDS

INTEL_ROOT_KEY_HASH = Digest(
    bytes.fromhex("89f72d7c488e5b53a77c23ebcb36970ef7eb5bcf6658e9b8292cfbe4703a8473")
)
"""keccak256 of the key of "Intel SGX Root CA", x ‖ y."""


def deploy_tdx_verifier(
    chain: Chain,
    deployer: LocalAccount,
    *,
    root_key_hash: Digest = INTEL_ROOT_KEY_HASH,
    timeout: float = CONFIRM_SECONDS,
) -> TdxVerifierClient:
    """Deploy a verifier for the root whose key hashes to `root_key_hash`.

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
    """Deploy the contract that mandates name, on top of `verifier`.

    Raises:
        DeploymentError: the creation failed.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    address = deploy_contract(
        chain,
        deployer,
        name="TdxAttestation",
        types=["address"],
        arguments=[verifier.address],
        timeout=timeout,
    )
    return TdxAttestationClient(chain, address)
