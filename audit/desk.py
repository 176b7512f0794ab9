"""What an endorser brings to every request, and what of it is not its business.

It decides what an endorser refuses from the bundle alone, before any step is taken:
another chain or gate, a mandate that does not name it or names it as a node as well,
another model or profile, withheld evidence, a HOLD that no gate executes. It asks no
chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from affiant.audit.chain_history import ChainHistory
from affiant.audit.check_chain import check_named
from affiant.audit.digest_signer import DigestSigner
from affiant.audit.endorser_errors import NotEndorsedHereError
from affiant.audit.errors import AuditRejectedError
from affiant.audit.history import Present
from affiant.audit.replayer import Replayer
from affiant.audit.signed import SignedMemory
from affiant.encoding import MAX_ITEMS, Digest, to_hex
from affiant.inference.manifest import EngineManifest
from affiant.onchain.chain import Chain
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_frame import MAX_PLAIN_BYTES
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address


@dataclass(frozen=True)
class EndorserLimits:
    """What an endorser puts up with."""

    request_seconds: float = 120.0
    """What a request has, waiting included; a replay under way may take its own limit
    longer."""
    reading_waiting: int = 32
    """Most that wait to be parsed; one is parsed at a time."""
    looking: int = 4
    """Most that ask the chain about the newest block at once."""
    looking_waiting: int = 16
    """Most that wait to do so."""
    replaying_waiting: int = 8
    """Most that wait for an engine; one replays at a time."""
    mandate_waiting: int = 2
    """Most of one mandate that wait for another of the same."""
    walks_per_slot: int = 4
    """Most times that one mandate may come as far as an engine in one slot."""
    evidence_bytes: int = MAX_PLAIN_BYTES // 4
    """Largest evidence, as JSON text; the format's own limit is four times that, for
    archives and not for whoever asks without a name."""
    evidence_items: int = MAX_ITEMS // 4
    """Most JSON values in it; likewise."""
    held_bytes: int = 2**29
    """Most memory for evidence held at once, as estimated before parsing."""
    closing_seconds: float = 10.0
    """Longest that closing waits for what is under way."""


@dataclass(frozen=True)
class Bench:
    """A model on an engine."""

    replayer: Replayer
    manifest: EngineManifest
    """The one profile that it replays in."""


@dataclass(frozen=True)
class Desk:
    """What an endorser brings to every request."""

    chain: Chain
    """Its own endpoint, with the state of the newest slots' blocks."""
    gate: Address
    key: DigestSigner
    store: EvidenceStore
    """Where the evidence of the decision before is found; trusted for nothing."""
    signed: SignedMemory
    benches: tuple[Bench, ...]
    """At least one; all of one model."""
    mandates: frozenset[Digest] | None = None
    """Mandates served; None: every one that names the key."""

    def __post_init__(self) -> None:
        """Refuse no engine, and engines of different models; raises `ValueError`."""
        roots = {bench.replayer.root for bench in self.benches}
        if len(roots) != 1:
            raise ValueError(f"models of the engines: got {len(roots)}, expected one")

    @property
    def address(self) -> Address:
        """The endorser's address."""
        return Address(self.key.address)

    @property
    def model(self) -> Digest:
        """Root of the model that is replayed on."""
        return self.benches[0].replayer.root

    @cached_property
    def profiles(self) -> Mapping[Digest, Bench]:
        """The engines by the hash of their manifest."""
        return {bench.manifest.hash: bench for bench in self.benches}

    def present(self) -> Present:
        """Return the chain, with nothing remembered from before."""
        return ChainHistory(self.chain, gate=self.gate)


def require_own(bundle: EvidenceBundle, *, desk: Desk) -> None:
    """Refuse what is not this endorser's to endorse, whatever else it says.

    Nothing of the bundle is verified yet; what is refused here costs nothing more.

    Raises:
        NotEndorsedHereError: names the first thing.
        SignedUnavailableError: the memory cannot be read.
    """
    mandate, own = bundle.mandate, desk.address
    _equal("chain", str(bundle.chain_id), expected=str(desk.chain.chain_id))
    _equal("gate", bundle.gate, expected=desk.gate)
    if desk.mandates is not None:
        _among("mandate", to_hex(mandate.id), known=map(to_hex, desk.mandates))
    _among("endorser", own, known=mandate.endorsers)
    if bundle.node == own:
        raise NotEndorsedHereError(
            "node", got="the endorser's own key", expected="another"
        )
    if own in [permit.key for permit in mandate.nodes]:
        raise NotEndorsedHereError(
            "endorser",
            got=f"{own}, a node of the mandate as well",
            expected="none: a node does not judge what nodes of its mandate swear",
        )
    try:
        check_named(mandate, node=bundle.node)
    except AuditRejectedError as error:
        raise NotEndorsedHereError(
            error.what, got=error.got, expected=error.expected
        ) from error
    false = desk.signed.verdict_on(bundle.node, mandate=mandate.id)
    if false is not None:
        raise NotEndorsedHereError(
            "node",
            got=f"{bundle.node}, which swore {to_hex(false)} falsely",
            expected="a key without a verdict of this endorser's",
        )
    _equal("model", to_hex(mandate.model), expected=to_hex(desk.model))
    _among("engine", to_hex(mandate.engine), known=map(to_hex, desk.profiles))
    if bundle.withheld:
        raise NotEndorsedHereError(
            "evidence sections",
            got=f"{', '.join(bundle.withheld)} withheld",
            expected="all disclosed",
        )
    if not bundle.calls and not mandate.record_holds:
        raise NotEndorsedHereError(
            "decision",
            got="a HOLD",
            expected="calls, as the mandate does not record holds on chain",
        )


def _equal(what: str, got: str, *, expected: str) -> None:
    if got != expected:
        raise NotEndorsedHereError(what, got=got, expected=expected)


def _among(what: str, got: str, *, known: Iterable[str]) -> None:
    names = list(known)
    if got not in names:
        listed = ", ".join(names) or "none at all"
        raise NotEndorsedHereError(what, got=got, expected=f"one of {listed}")
