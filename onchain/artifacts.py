"""Our compiled contracts, read out of the installed package.

It decides nothing: the files under `onchain/artifacts/` are written by the build from
the pinned compiler and committed, so that nobody needs Node to deploy. It trusts the
package it was installed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from affiant.encoding import JsonValue, from_hex, parse_json
from affiant.errors import MalformedError

MAX_ARTIFACT_BYTES = 8 * 2**20
"""Largest artifact accepted, in bytes."""


@dataclass(frozen=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[JsonValue, ...]
    bytecode: bytes
    """Creation code, without constructor arguments."""
    deployed_bytecode: bytes
    """Runtime code; immutables are zero in it."""
    immutables: tuple[tuple[int, int], ...]
    """Where the constructor writes them into it: start and length, in bytes."""

    def is_code(self, code: bytes) -> bool:
        """Return whether `code` is the runtime code, whatever its immutables are."""
        return self._blank(code) == self._blank(self.deployed_bytecode)

    def _blank(self, code: bytes) -> bytes:
        blank = bytearray(code)
        for start, length in self.immutables:
            # A slice beyond the end changes nothing, so that lengths still differ.
            blank[start : start + length] = bytes(len(blank[start : start + length]))
        return bytes(blank)


def load_artifact(name: str) -> Artifact:
    """Return the contract `name`.

    Raises:
        ValueError: the package carries no such contract.
        MalformedError: the file is damaged.
    """
    file = resources.files("affiant.onchain") / "artifacts" / f"{name}.json"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ValueError(f"the package carries no contract `{name}`") from error
    what = f"artifact {name}"
    value = parse_json(data, what=what, max_bytes=MAX_ARTIFACT_BYTES)
    if not isinstance(value, dict) or not isinstance(value.get("abi"), list):
        raise MalformedError(what, got=repr(value)[:80], expected="an ABI and bytecode")
    return Artifact(
        name=name,
        abi=tuple(value["abi"]),
        bytecode=from_hex(value.get("bytecode"), what=f"{what} bytecode"),
        deployed_bytecode=from_hex(
            value.get("deployedBytecode"), what=f"{what} deployedBytecode"
        ),
        immutables=_immutables(value.get("immutableReferences", []), what=what),
    )


def _immutables(value: JsonValue, *, what: str) -> tuple[tuple[int, int], ...]:
    places = value if isinstance(value, list) else [value]
    for place in places:
        if not (
            isinstance(place, list)
            and len(place) == 2
            and all(type(number) is int and number >= 0 for number in place)
        ):
            raise MalformedError(
                f"{what} immutableReferences",
                got=repr(place)[:80],
                expected="pairs of start and length",
            )
    return tuple((start, length) for start, length in places)
