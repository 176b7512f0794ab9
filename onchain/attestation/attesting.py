"""Attesting a key from inside its TD: bind, quote, ask a second opinion, register.

It decides what a key is bound to and that nothing is paid for which a verifier off
chain refuses already. Whether the key is attested is the contract's to say. It trusts
the node's own endpoint for the newest block, and neither whoever gives the quote nor
whoever serves collateral.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from eth_account.signers.local import LocalAccount

from affiant.encoding import ZERO_DIGEST, Digest, to_hex
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.collateral_sources import CollateralSource
from affiant.inference.attestation.errors import QuoteRefusedError
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.attestation.quoting import QuoteProvider, fresh_quote
from affiant.inference.attestation.verify import (
    Policy,
    QuoteVerdict,
    machine_names,
    verify_quote,
)
from affiant.onchain.attestation.binding import NodeBinding, TdxWorkload
from affiant.onchain.attestation.client import (
    Attested,
    TdxAttestationClient,
    registering,
)
from affiant.onchain.attestation.deploy import INTEL_ROOT_KEY_HASH
from affiant.onchain.attestation.submission import Piece, missing, submit
from affiant.onchain.attestation.verifier import certificate_id, root_key_hash_of
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.mandate import Address
from affiant.onchain.registry import KeySigner
from affiant.onchain.sending import CONFIRM_SECONDS

VALIDITY_SECONDS = 86_400
"""How long a binding lasts by default; the contract takes at most seven days."""


@dataclass(frozen=True)
class Serves:
    """What a key is bound to, besides the workload."""

    model: Digest
    """Root of the model commitment."""
    engine: Digest
    """Hash of the engine manifest."""
    program: Digest = ZERO_DIGEST
    """Zero: any program that the measured code permits."""
    configuration: Digest = ZERO_DIGEST
    gpu_evidence: Digest = ZERO_DIGEST
    """SHA-256 of the evidence of the GPUs; zero: none."""
    tls_key: Digest = ZERO_DIGEST
    """SHA-256 of the TLS certificate's SubjectPublicKeyInfo; zero: none."""


@dataclass(frozen=True)
class Prepared:
    """A registration that is ready to be sent."""

    binding: NodeBinding
    signature: bytes
    quote: TdxQuote
    machine: bytes
    """DER of the PCK certificate."""
    opinion: QuoteVerdict
    """What `dcap-qvl` says of the quote."""
    pieces: tuple[Piece, ...]
    """What the verifier has to be told first."""
    calldata: bytes
    """The registration itself."""


@dataclass(frozen=True)
class Simulated:
    """One transaction, as it would have gone."""

    what: str
    gas: int


@dataclass(frozen=True)
class Attester:
    """Attests keys for one workload, with quotes of the TD that it runs in."""

    client: TdxAttestationClient
    workload: TdxWorkload
    serves: Serves
    provider: QuoteProvider
    collateral: CollateralSource
    payer: LocalAccount
    """Pays for gas; proves nothing, and is named as the operator."""
    validity: int = VALIDITY_SECONDS
    """Seconds that a binding lasts."""
    timeout: float = field(default=CONFIRM_SECONDS, kw_only=True)
    """Seconds until a transaction must be mined."""

    def prepare(self, key: KeySigner) -> Prepared:
        """Return what attesting `key` takes; nothing is sent.

        1. bind the key to what it serves, at the newest block;
        2. have the TD quote key and binding;
        3. ask a verifier off chain, under the root that the contract is pinned to, as
           strictly as the workload asks;
        4. compare what was measured with what the workload names;
        5. see what the contract does not know yet.

        Raises:
            QuoteRefusedError: the quote would be refused; says why.
            QuoteUnavailableError, CollateralUnavailableError, ChainUnavailableError:
                a part does not answer.
            MalformedError: an answer is not of its form.
        """
        chain = self.client.chain
        # 1.
        block = chain.latest_block()
        binding = NodeBinding(
            key=Address(key.address),
            model=self.serves.model,
            engine=self.serves.engine,
            program=self.serves.program,
            workload=self.workload.id,
            configuration=self.serves.configuration,
            gpu_evidence=self.serves.gpu_evidence,
            tls_key=self.serves.tls_key,
            operator=Address(self.payer.address),
            block_number=block.number,
            block_hash=block.hash,
            valid_until=block.timestamp + self.validity,
        )
        chain_id, contract = chain.chain_id, self.client.address
        signature = key.sign(binding.digest(chain_id=chain_id, contract=contract))
        # 2.
        data = binding.report_data(chain_id=chain_id, contract=contract)
        quote = fresh_quote(self.provider, data)
        # 3.
        collateral = self.collateral.collateral(quote)
        quote = _with_machine(quote, collateral)
        verifier = self.client.verifier()
        opinion = second_opinion(
            quote,
            collateral,
            now=block.timestamp,
            workload=self.workload,
            root_key_hash=verifier.root_key_hash(),
        )
        # 4.
        require_measured(quote, self.workload)
        # 5.
        machine = quote.certificates[0]
        pieces = missing(
            verifier,
            collateral,
            machine=machine,
            fmspc=machine_names(machine).fmspc,
            now=block.timestamp,
        )
        return Prepared(
            binding=binding,
            signature=signature,
            quote=quote,
            machine=machine,
            opinion=opinion,
            pieces=pieces,
            calldata=registering(
                quote,
                binding,
                signature,
                self.workload,
                machine=certificate_id(machine),
            ),
        )

    def simulate(self, prepared: Prepared) -> tuple[Simulated, ...]:
        """Run every transaction in one simulated block, without sending any.

        Raises:
            TdxError, CertificateError, CollateralError, TdxAttestationError: one would
                be refused; the subclass says why.
        """
        sender = Address(self.payer.address)
        verifier = self.client.verifier().address
        steps = [
            *((piece.what, verifier, piece.data) for piece in prepared.pieces),
            ("registration", self.client.address, prepared.calldata),
        ]
        outcomes = self.client.chain.simulate(
            [CallRequest(target, data, sender) for _, target, data in steps]
        )
        done = []
        for (what, _, _), outcome in zip(steps, outcomes, strict=True):
            if not outcome.succeeded:
                raise decode_revert(outcome.data)
            done.append(Simulated(what, outcome.gas_used))
        return tuple(done)

    def submit(self, prepared: Prepared) -> Attested:
        """Send everything, and return what the contract says afterwards.

        Raises:
            TdxError, CertificateError, CollateralError, TdxAttestationError: refused.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        submit(
            self.client.verifier(),
            prepared.pieces,
            payer=self.payer,
            timeout=self.timeout,
        )
        self.client.register(
            prepared.quote,
            prepared.binding,
            prepared.signature,
            self.workload,
            machine=certificate_id(prepared.machine),
            payer=self.payer,
            timeout=self.timeout,
        )
        return self.client.require_attested(prepared.binding.key, self.workload.id)

    def attest(self, key: KeySigner) -> Attested:
        """Prepare and submit; raises as both."""
        return self.submit(self.prepare(key))


def second_opinion(
    quote: TdxQuote,
    collateral: Collateral,
    *,
    now: int,
    workload: TdxWorkload,
    root_key_hash: Digest,
) -> QuoteVerdict:
    """Return what `dcap-qvl` says of a quote, asked as `workload` asks.

    Args:
        root_key_hash: of the root that the contract is pinned to. A development root's
            certificate comes with the collateral, and must have that key.

    Raises:
        QuoteRefusedError: it does not verify, or the workload refuses the machine.
    """
    root = None
    if root_key_hash != INTEL_ROOT_KEY_HASH:
        root = collateral.root
        got = root_key_hash_of(root)
        if got != root_key_hash:
            raise QuoteRefusedError(
                "key of the root", got=to_hex(got), expected=to_hex(root_key_hash)
            )
    return verify_quote(
        quote.assemble(),
        collateral,
        now=now,
        policy=Policy(
            statuses=workload.statuses,
            least_evaluation_number=workload.evaluation_floor,
        ),
        root=root,
    )


def require_measured(quote: TdxQuote, workload: TdxWorkload) -> None:
    """Refuse a quote of a TD that runs something else than `workload` names.

    Raises:
        QuoteRefusedError: it does.
    """
    got = quote.report.measurements(whole=workload.all_registers)
    if got != workload.measurements:
        raise QuoteRefusedError(
            "measurements", got=to_hex(got), expected=to_hex(workload.measurements)
        )


def _with_machine(quote: TdxQuote, collateral: Collateral) -> TdxQuote:
    """Return the quote with its machine's certificate, wherever that comes from."""
    if quote.certificates:
        return quote
    if collateral.machine is None:
        raise QuoteRefusedError(
            "certificate of the machine", got="none", expected="in quote or collateral"
        )
    chain = (collateral.machine, collateral.authority, collateral.root)
    return replace(quote, certificates=chain)
