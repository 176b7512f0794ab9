"""Keeps a node's key attested: at start, before it ends, and with a new key in time.

It decides when to attest and when to change keys, never what is believed. A key is used
only after its attestation and announcement are on chain, and the one before it stays
valid until its own end, so that there is always one that the gate takes and decisions
that wait for execution still count. A key lives in this process's memory; it is made
anew at every start. Failures are told and tried again; meanwhile the node swears with
what it has, until that is over (`affiant.agents.deciding.attested`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from affiant.agents.deciding.attested import KeyAttestation
from affiant.errors import AffiantError
from affiant.inference.keys import NodeKey
from affiant.onchain.attestation.attesting import Attester
from affiant.onchain.mandate import Address

ROTATE_SECONDS = 7 * 86_400
"""How long a key is used before the next one takes its place."""

LOOK_SECONDS = 60.0
"""Time between two looks."""

RENEW_SHARE = 3
"""An attestation is renewed when less than a third of it is left."""

LEAST_SECONDS = 600
"""Shortest time between two renewals while the key is attested: where collateral is
about to end and nobody has newer, renewing again and again would only cost gas."""


class Kept(StrEnum):
    """What one look led to."""

    FINE = "nothing to do"
    RENEWED = "renewed"
    ROTATED = "a new key is in use"


class KeyUser(Protocol):
    """Whoever swears with the key, as `Node` does."""

    def use_key(self, key: NodeKey, attestation: KeyAttestation) -> None:
        """Swear with `key` from the next decision on."""
        ...


class KeyKeeper:
    """Keeps one node's key attested and announced."""

    def __init__(
        self,
        attester: Attester,
        *,
        announce: Callable[[NodeKey, int], None],
        make_key: Callable[[], NodeKey] = NodeKey.generate,
        rotate_seconds: int = ROTATE_SECONDS,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Remember what to use; nothing is attested yet.

        Args:
            announce: tells the node registry, until a unix second; MUST return only
                once that is mined.
            make_key: a new key.
            rotate_seconds: how long a key is used.
            say: told what happens, one line each.
        """
        self._attester = attester
        self._announce = announce
        self._make_key = make_key
        self._rotate_seconds = rotate_seconds
        self._say = say
        self._key: NodeKey | None = None
        self._made_at = 0
        self._renew_at = 0
        self._candidate: NodeKey | None = None
        self._user: KeyUser | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def attestation(self) -> KeyAttestation:
        """Who attests the keys."""
        return KeyAttestation(self._attester.client, self._attester.workload.id)

    def first_key(self) -> NodeKey:
        """Return a key that is attested and announced.

        Raises:
            AffiantError: whatever stops it; a node does not start without.
        """
        return self._rotate()

    def keep(self, user: KeyUser) -> None:
        """From now on, tell `user` of every new key."""
        self._user = user

    def look(self) -> Kept:
        """Do what is due now.

        Raises:
            AffiantError: whatever stops it; the same look may succeed later.
        """
        chain = self._attester.client.chain
        now = chain.latest_block().timestamp
        if self._key is None or now >= self._made_at + self._rotate_seconds:
            self._rotate()
            return Kept.ROTATED
        said = self._attester.client.attestation_of(
            Address(self._key.address), self._attester.workload.id
        )
        if said.holds(now) and now < self._renew_at:
            return Kept.FINE
        self._attest(self._key)
        self._say(f"renewed the attestation of {self._key.address}")
        return Kept.RENEWED

    def start(self, *, seconds: float = LOOK_SECONDS) -> None:
        """Look every so many seconds, in a thread."""
        self._thread = threading.Thread(
            target=self._run, args=(seconds,), name="affiant-key-keeper", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking, and wait for a look in progress."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            try:
                self.look()
            except AffiantError as error:
                self._say(f"not attested anew: {type(error).__name__}: {error}")

    def _rotate(self) -> NodeKey:
        # A key that failed half-way is tried again: what was paid for it counts.
        if self._candidate is None:
            self._candidate = self._make_key()
        key = self._candidate
        self._attest(key)
        self._key, self._candidate = key, None
        self._made_at = self._attester.client.chain.latest_block().timestamp
        if self._user is not None:
            self._user.use_key(key, self.attestation)
        self._say(f"{key.address} is attested")
        return key

    def _attest(self, key: NodeKey) -> None:
        attested = self._attester.attest(key)
        self._announce(key, attested.valid_until)
        now = self._attester.client.chain.latest_block().timestamp
        left = attested.valid_until - now
        self._renew_at = max(
            attested.valid_until - left // RENEW_SHARE, now + LEAST_SECONDS
        )
