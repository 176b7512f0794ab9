"""What a revert means: the shape of contract errors and how bytes become one.

Pure. It decides which error some revert bytes stand for, strictly: bytes that are not
exactly an error's ABI encoding are said to be unreadable and never guessed at. It
trusts nobody; what a contract says about itself may be a lie, and text is quoted.

    RejectedError
    └── ContractError
        ├── …                     one class per error, in `contract_errors`
        ├── ReasonRevertError     Error(string): `require` with a text
        ├── PanicRevertError      Panic(uint256): a bug in the called contract
        ├── EmptyRevertError      no bytes: out of gas, or a bare revert
        └── UnknownRevertError    an error that we do not know, or cut-off bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address

from affiant.encoding import keccak256, to_hex
from affiant.errors import RejectedError

MAX_NESTING = 4
"""Deepest chain of reasons inside reasons that is read."""

MAX_REASON_CHARACTERS = 300
"""Longest text of a contract that is carried and shown."""

PANICS: Mapping[int, str] = {
    0x00: "a compiler-inserted check failed",
    0x01: "an assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a value outside its enumeration",
    0x22: "a wrongly encoded storage byte array",
    0x31: "pop of an empty array",
    0x32: "an index out of range",
    0x41: "too much memory",
    0x51: "a call of a zero function pointer",
}
"""Panic codes (Solidity documentation, "Panic via assert and Error via require")."""


class ContractError(RejectedError):
    """A contract refused. Retrying the same cannot help."""

    NAME: ClassVar[str] = ""
    """The error's name in Solidity."""
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Attribute name and ABI type of each argument, in order."""
    SELECTOR: ClassVar[bytes] = b""
    """First four bytes of the revert bytes."""
    MEANING: ClassVar[str] = ""
    """What is wrong, in a sentence."""
    REMEDY: ClassVar[str] = ""
    """What to do about it."""

    def __init__(self, revert_data: bytes = b"", **values: object) -> None:
        """Carry the decoded `values` as attributes; use `decode_revert`."""
        self.revert_data = revert_data
        self.cause: ContractError | None = None
        """The error inside this one's reason, where it has a reason."""
        for name, value in values.items():
            setattr(self, name, value)
        super().__init__(revert_data)

    def __str__(self) -> str:
        """Say the name, the values, what they mean and what to do."""
        values = ", ".join(
            f"{name} {_shown(getattr(self, name, None))}" for name, _ in self.FIELDS
        )
        text = f"`{self.NAME}`" + (f" ({values})" if values else "")
        if self.MEANING:
            text += f": {self.MEANING}"
        if self.cause is not None:
            text += f" Because: {self.cause}"
        elif self.REMEDY:
            text += f" {self.REMEDY}"
        return text


class ReasonRevertError(ContractError):
    """`Error(string)`: a contract refused with a text of its own."""

    NAME = "Error"
    FIELDS = (("reason", "string"),)
    SELECTOR = keccak256(b"Error(string)")[:4]

    reason: str
    """At most `MAX_REASON_CHARACTERS` characters, control characters replaced."""


class PanicRevertError(ContractError):
    """`Panic(uint256)`: a bug in the called contract, or a value it cannot handle."""

    NAME = "Panic"
    FIELDS = (("code", "uint256"),)
    SELECTOR = keccak256(b"Panic(uint256)")[:4]

    code: int

    def __str__(self) -> str:
        """Say what the code means."""
        return f"`Panic` (code {self.code:#x}): {PANICS.get(self.code, 'unknown')}"


class EmptyRevertError(ContractError):
    """No revert bytes: out of gas, no such function, or a bare revert."""

    NAME = "revert without data"
    MEANING = "out of gas, no such function, or a bare revert."


class UnknownRevertError(ContractError):
    """Revert bytes of no error that we know, or bytes that were cut off."""

    NAME = "unknown error"

    def __str__(self) -> str:
        """Say the selector and the first bytes."""
        shown = to_hex(self.revert_data[:68])
        more = "…" if len(self.revert_data) > 68 else ""
        return f"unknown error: got revert bytes {shown}{more}"


BUILT_IN: tuple[type[ContractError], ...] = (ReasonRevertError, PanicRevertError)
"""Errors that the compiler knows by itself."""


def read_revert(
    data: bytes, *, errors: Mapping[bytes, type[ContractError]], nesting: int = 0
) -> ContractError:
    """Return the error that `data` stands for; it is never raised here.

    Args:
        data: revert bytes.
        errors: classes by selector.
        nesting: how many reasons these bytes lie in.
    """
    if not data:
        return EmptyRevertError(data)
    table = {kind.SELECTOR: kind for kind in BUILT_IN} | dict(errors)
    kind = table.get(data[:4])
    values = None if kind is None else _decode(kind, data[4:])
    if kind is None or values is None:
        return UnknownRevertError(data)
    error = kind(data, **values)
    reason = values.get("reason")
    if isinstance(reason, bytes) and nesting < MAX_NESTING:
        error.cause = read_revert(reason, errors=errors, nesting=nesting + 1)
    return error


def _decode(kind: type[ContractError], body: bytes) -> dict[str, object] | None:
    types = [type_ for _, type_ in kind.FIELDS]
    try:
        values = decode(types, body)
        # Solidity pads; anything else than the one encoding is not this error.
        if encode(types, values) != body:
            return None
    except (DecodingError, EncodingError, UnicodeError, OverflowError, ValueError):
        return None
    return {
        name: _plain(value, type_)
        for (name, type_), value in zip(kind.FIELDS, values, strict=True)
    }


def _plain(value: object, type_: str) -> object:
    if type_ == "address":
        return to_checksum_address(str(value))
    if isinstance(value, str):
        text = "".join(
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value
        )
        return text[:MAX_REASON_CHARACTERS]
    return value


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return to_hex(value[:36]) + ("…" if len(value) > 36 else "")
    return repr(value) if isinstance(value, str) and " " in value else str(value)
