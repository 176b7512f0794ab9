"""The client of a `TdxAttestation`: registering keys, and asking about them.

It decides nothing; the contract does, and its refusals become our error classes. It
trusts the endpoint behind `chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.attestation.binding import (
    BINDING_ABI,
    WORKLOAD_ABI,
    NodeBinding,
    TdxWorkload,
)
from affiant.onchain.attestation.verifier import TdxVerifierClient
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.mandate import Address, parse_address
from affiant.onchain.sending import CONFIRM_SECONDS, send

REGISTER = f"register(bytes,bytes,bytes32,{BINDING_ABI},bytes,{WORKLOAD_ABI})"
"""Signature of the function that attests a key."""


@dataclass(frozen=True)
class Attested:
    """What an attestation contract says of a key and a workload."""

    tier: int
    valid_from: int
    """Unix seconds, inclusive; 0: nothing is known."""
    valid_until: int
    """Unix seconds, exclusive."""
    revoked_at: int = 0
    """Unix seconds; 0: not revoked."""

    def holds(self, now: int) -> bool:
        """Whether the gate would take the key at unix second `now`."""
        return (
            self.valid_from != 0
            and self.valid_from <= now < self.valid_until
            and self.revoked_at == 0
        )


@dataclass(frozen=True)
class Hardware:
    """On what a key was attested."""

    machine: Digest
    """Id of the PCK certificate."""
    ppid: bytes
    """Provisioning id, 16 bytes."""
    gpu_evidence: Digest
    """Zero: it is bound to none."""


def registering(
    quote: TdxQuote,
    binding: NodeBinding,
    signature: bytes,
    workload: TdxWorkload,
    *,
    machine: Digest,
) -> bytes:
    """Return the calldata that attests `binding.key`; see `register`."""
    return encode_call(
        REGISTER,
        [
            quote.signed,
            quote.signatures,
            machine,
            binding.abi(),
            signature,
            workload.abi(),
        ],
    )


class TdxAttestationClient:
    """The attestation contract at one address on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the contract at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def verifier(self) -> TdxVerifierClient:
        """Return the verifier that it rests on."""
        (address,) = self._ask("verifier()", [], ["address"])
        return TdxVerifierClient(self.chain, parse_address(address, what="verifier"))

    def attestation_of(
        self, key: Address, workload: Digest, *, block_hash: Digest | None = None
    ) -> Attested:
        """Return what the gate is told of `key`, as of a block (None: the newest)."""
        return Attested(
            *self._ask(
                "attestationOf(address,bytes32)",
                [key, workload],
                ["uint8", "uint64", "uint64", "uint64"],
                block_hash=block_hash,
            )
        )

    def require_attested(
        self, key: Address, workload: Digest, *, block_hash: Digest | None = None
    ) -> Attested:
        """Return the same of a key that is attested now.

        Raises:
            TdxAttestationError, TdxError: it is not; the subclass says why.
        """
        return Attested(
            *self._ask(
                "requireAttested(address,bytes32)",
                [key, workload],
                ["uint8", "uint64", "uint64"],
                block_hash=block_hash,
            )
        )

    def machine_of(self, key: Address, workload: Digest) -> Hardware:
        """Return on what `key` was attested; zero if it was not."""
        return Hardware(
            *self._ask(
                "machineOf(address,bytes32)",
                [key, workload],
                ["bytes32", "bytes16", "bytes32"],
            )
        )

    def register(
        self,
        quote: TdxQuote,
        binding: NodeBinding,
        signature: bytes,
        workload: TdxWorkload,
        *,
        machine: Digest,
        payer: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Attest `binding.key` for `workload`; anybody may pay.

        Args:
            signature: 65 bytes by the key over the binding's digest.
            machine: id of the PCK certificate, known to the verifier.

        Raises:
            TdxAttestationError, TdxError: refused; the subclass says why.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        data = registering(quote, binding, signature, workload, machine=machine)
        return self._send(data, payer=payer, timeout=timeout)

    def recheck(
        self,
        key: Address,
        workload: Digest,
        *,
        payer: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Have an attestation judged by the collateral of now; see the contract."""
        data = encode_call("recheck(address,bytes32)", [key, workload])
        return self._send(data, payer=payer, timeout=timeout)

    def endorse_gpu(
        self,
        key: Address,
        workload: TdxWorkload,
        *,
        valid_until: int,
        signatures: bytes,
        payer: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Bring what endorsers signed about the GPUs behind `key`.

        Args:
            signatures: 65 bytes each, ascending by signer.
        """
        data = encode_call(
            f"endorseGpu(address,{WORKLOAD_ABI},uint64,bytes)",
            [key, workload.abi(), valid_until, signatures],
        )
        return self._send(data, payer=payer, timeout=timeout)

    def refuse_hardware(
        self,
        workload: TdxWorkload,
        ppid: bytes,
        *,
        guard: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Refuse a machine for `workload`, for good; `guard` is one that it names."""
        data = encode_call(
            f"refuseHardware({WORKLOAD_ABI},bytes16)", [workload.abi(), ppid]
        )
        return self._send(data, payer=guard, timeout=timeout)

    def _send(
        self, data: bytes, *, payer: LocalAccount, timeout: float
    ) -> TransactionReceipt:
        call = CallRequest(self.address, data, Address(payer.address))
        return send(self.chain, call, signer=payer, timeout=timeout)

    def _ask(
        self,
        signature: str,
        arguments: list[Any],
        types: list[str],
        *,
        block_hash: Digest | None = None,
    ) -> Any:
        data = encode_call(signature, arguments)
        try:
            answer = self.chain.call(self.address, data, block_hash=block_hash)
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        return decode_exactly(types, answer, what=signature.partition("(")[0])
