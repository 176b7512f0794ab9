"""Whom a client believes: one key, one model, one engine, each given by the caller.

Nothing is believed by default, and nothing is fetched from the service that is to be
checked. Whoever wants to believe anything says so with `UNSAFE_ANY`.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import Digest, digest_from_hex, to_hex
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.errors import UntrustedError
from affiant.signature import Address, parse_address


@dataclass(frozen=True)
class UnsafeAny:
    """Believe whatever comes."""


UNSAFE_ANY = UnsafeAny()
"""In place of a key, model or engine: believe whatever comes."""

UNSAFE_ANY_TEXT = "unsafe-any"
"""The same in configuration files."""


@dataclass(frozen=True)
class Trust:
    """What a completion must come from."""

    key: Address | UnsafeAny
    """The node's key."""
    model: Digest | UnsafeAny
    """Root of the model commitment."""
    engine: Digest | UnsafeAny
    """Hash of the engine manifest."""

    @classmethod
    def parse(cls, *, key: str | None, model: str | None, engine: str | None) -> Trust:
        """Read a trust root from text: an address and two digests, or `unsafe-any`.

        Raises:
            ValueError: one is not given.
            MalformedError: one is not what it should be.
        """
        return cls(
            key=UNSAFE_ANY
            if _any(key, what="key")
            else parse_address(key, what="trusted key"),
            model=UNSAFE_ANY
            if _any(model, what="model")
            else digest_from_hex(model, what="trusted model"),
            engine=UNSAFE_ANY
            if _any(engine, what="engine")
            else digest_from_hex(engine, what="trusted engine"),
        )

    def check(self, completion: Completion) -> None:
        """Refuse a completion of another key, model or engine.

        Raises:
            UntrustedError: names the first that differs.
        """
        receipt = completion.receipt
        if self.key not in (UNSAFE_ANY, completion.key):
            raise UntrustedError("key", got=completion.key, expected=str(self.key))
        for field, got, expected in (
            ("model", receipt.model, self.model),
            ("engine", receipt.engine, self.engine),
        ):
            if not isinstance(expected, UnsafeAny) and got != expected:
                raise UntrustedError(field, got=to_hex(got), expected=to_hex(expected))


def _any(text: str | None, *, what: str) -> bool:
    if not text:
        raise ValueError(
            f"trusted {what}: got none, expected one; {UNSAFE_ANY_TEXT!r} believes any"
        )
    return text == UNSAFE_ANY_TEXT
