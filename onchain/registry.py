"""The registries' clients: node keys announced by themselves, models by their root.

They decide nothing: a key in the registry is permitted nothing by it, and a published
model is vouched for by nobody. They trust the endpoint behind `chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, keccak256
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.decision import domain_separator
from affiant.onchain.mandate import Address
from affiant.onchain.sending import CONFIRM_SECONDS, send

ANNOUNCEMENT_TYPE = (
    "Announcement(address key,bytes32 model,bytes32 engine,uint64 validUntil,"
    "uint256 nonce)"
)
"""EIP-712 type of a signed announcement; the domain is the gate's with the registry's
address in place of the gate's."""

REVOCATION_TYPE = "Revocation(address key)"
"""EIP-712 type of a signed revocation. It has no nonce: sign it early, keep it safe."""


class KeySigner(Protocol):
    """A key that signs digests, as `inference.keys.NodeKey` does."""

    @property
    def address(self) -> Address:
        """Address of the key."""
        ...

    def sign(self, digest: Digest) -> bytes:
        """Return 65 bytes `r ‖ s ‖ v` over `digest`; s MUST be low."""
        ...


@dataclass(frozen=True)
class NodeRecord:
    """What the registry says of a key and a service: the latest period."""

    valid_from: int
    """Unix seconds, inclusive; 0: never announced."""
    valid_until: int
    """Unix seconds, exclusive."""
    revoked_at: int
    """Unix seconds; 0: not revoked."""
    service: Digest
    """keccak256(abi.encode(model, engine)), as asked for."""

    @property
    def announced(self) -> bool:
        """Whether the key ever announced this service."""
        return self.valid_from != 0

    def serves(self, *, at: int) -> bool:
        """Whether the gate takes the key for this service at unix second `at`."""
        return self.announced and self.revoked_at == 0 and at < self.valid_until


def service_of(*, model: Digest, engine: Digest) -> Digest:
    """Return keccak256(abi.encode(model, engine)), as the registry keeps it."""
    return keccak256(model + engine)


def announcement_digest(
    *,
    chain_id: int,
    registry: Address,
    key: Address,
    model: Digest,
    engine: Digest,
    valid_until: int,
    nonce: int,
) -> Digest:
    """Return the EIP-712 digest that `key` signs to be announced by somebody else."""
    struct = keccak256(
        encode(
            ["bytes32", "address", "bytes32", "bytes32", "uint64", "uint256"],
            [
                keccak256(ANNOUNCEMENT_TYPE.encode()),
                key,
                model,
                engine,
                valid_until,
                nonce,
            ],
        )
    )
    separator = domain_separator(chain_id=chain_id, gate=registry)
    return keccak256(b"\x19\x01" + separator + struct)


def revocation_digest(*, chain_id: int, registry: Address, key: Address) -> Digest:
    """Return the EIP-712 digest that `key` signs to be revoked by anybody."""
    struct = keccak256(
        encode(["bytes32", "address"], [keccak256(REVOCATION_TYPE.encode()), key])
    )
    separator = domain_separator(chain_id=chain_id, gate=registry)
    return keccak256(b"\x19\x01" + separator + struct)


class NodeRegistryClient:
    """The node registry at one address on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the registry at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def node_of(
        self, key: Address, *, service: Digest, block_hash: Digest | None = None
    ) -> NodeRecord:
        """Return what was known of `key` for a service at a block (None: the newest).

        Args:
            service: as `service_of` makes it.
        """
        data = self.chain.call(
            self.address,
            encode_call("periodOf(address,bytes32)", [key, service]),
            block_hash=block_hash,
        )
        values: Any = decode_exactly(
            ["(uint64,uint64,uint64,uint64)"], data, what="periodOf"
        )
        valid_from, valid_until, revoked_at, _ = values[0]
        return NodeRecord(valid_from, valid_until, revoked_at, service)

    def served_at(self, key: Address, *, service: Digest, at: int) -> bool:
        """Return whether `key` served a service at unix second `at`, as known now."""
        data = self.chain.call(
            self.address,
            encode_call("servedAt(address,bytes32,uint64)", [key, service, at]),
        )
        values: Any = decode_exactly(["bool"], data, what="servedAt")
        return bool(values[0])

    def revoked_at(self, key: Address) -> int:
        """Return when `key` revoked itself, unix seconds; 0: it did not."""
        data = self.chain.call(self.address, encode_call("revokedAt(address)", [key]))
        values: Any = decode_exactly(["uint64"], data, what="revokedAt")
        return int(values[0])

    def nonce_of(self, key: Address) -> int:
        """Return the nonce that the key's next signed announcement carries."""
        data = self.chain.call(self.address, encode_call("nonceOf(address)", [key]))
        values: Any = decode_exactly(["uint256"], data, what="nonceOf")
        return int(values[0])

    def announce_call(
        self, key: Address, *, model: Digest, engine: Digest, valid_until: int
    ) -> CallRequest:
        """Return the call by which `key` announces itself."""
        data = encode_call(
            "announce(bytes32,bytes32,uint64)", [model, engine, valid_until]
        )
        return CallRequest(self.address, data, key)

    def revoke_call(self, key: Address) -> CallRequest:
        """Return the call by which `key` revokes itself for good."""
        return CallRequest(self.address, encode_call("revoke()"), key)

    def announce(
        self,
        key: LocalAccount,
        *,
        model: Digest,
        engine: Digest,
        valid_until: int,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Announce `key` with a transaction that it sends and pays for itself.

        Raises:
            NodeRegistryError: refused; the subclass says why.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        call = self.announce_call(
            Address(key.address), model=model, engine=engine, valid_until=valid_until
        )
        return self._send(call.data, signer=key, timeout=timeout)

    def announce_for(
        self,
        key: KeySigner,
        *,
        payer: LocalAccount,
        model: Digest,
        engine: Digest,
        valid_until: int,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Announce `key`, which signs, with a transaction that `payer` pays for.

        Raises:
            NodeRegistryError: refused; the subclass says why.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        digest = announcement_digest(
            chain_id=self.chain.chain_id,
            registry=self.address,
            key=key.address,
            model=model,
            engine=engine,
            valid_until=valid_until,
            nonce=self.nonce_of(key.address),
        )
        data = encode_call(
            "announceFor(address,bytes32,bytes32,uint64,bytes)",
            [key.address, model, engine, valid_until, key.sign(digest)],
        )
        return self._send(data, signer=payer, timeout=timeout)

    def revoke(
        self, key: LocalAccount, *, timeout: float = CONFIRM_SECONDS
    ) -> TransactionReceipt:
        """Revoke `key` for good with a transaction of its own."""
        call = self.revoke_call(Address(key.address))
        return self._send(call.data, signer=key, timeout=timeout)

    def revoke_for(
        self,
        key: KeySigner,
        *,
        payer: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Revoke `key`, which signs, for good; `payer` pays."""
        digest = revocation_digest(
            chain_id=self.chain.chain_id, registry=self.address, key=key.address
        )
        data = encode_call("revokeFor(address,bytes)", [key.address, key.sign(digest)])
        return self._send(data, signer=payer, timeout=timeout)

    def _send(
        self, data: bytes, *, signer: LocalAccount, timeout: float
    ) -> TransactionReceipt:
        call = CallRequest(self.address, data, Address(signer.address))
        return send(self.chain, call, signer=signer, timeout=timeout)


@dataclass(frozen=True)
class Publication:
    """Where a publisher says that a model's files are."""

    published_at: int
    """Unix seconds; 0: it said nothing."""
    uri: str


class ModelRegistryClient:
    """The model registry at one address on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the registry at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def publish(
        self,
        root: Digest,
        *,
        uri: str,
        publisher: LocalAccount,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Say that the files of the model commitment `root` are at `uri`.

        Raises:
            ModelRegistryError: refused; the subclass says why.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        call = CallRequest(
            self.address,
            encode_call("publish(bytes32,string)", [root, uri]),
            Address(publisher.address),
        )
        return send(self.chain, call, signer=publisher, timeout=timeout)

    def publication_of(self, root: Digest, *, publisher: Address) -> Publication:
        """Return what `publisher` said about `root`."""
        data = self.chain.call(
            self.address,
            encode_call("publicationOf(bytes32,address)", [root, publisher]),
        )
        values: Any = decode_exactly(["uint64", "string"], data, what="publicationOf")
        return Publication(*values)
