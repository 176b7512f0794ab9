"""Intel's collateral: what a verifier needs besides a quote, as Intel signed it.

Revocation lists, TCB info and the identity of the quoting enclave, with the chains of
those who signed them. `Collateral.parse` reads the JSON that `dcap-qvl` and several
services write; `to_json` writes it. Pure: it verifies nothing and trusts nobody.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from affiant.encoding import JsonValue, canonical_json, parse_json
from affiant.errors import MalformedError
from affiant.inference.attestation.quote import read_pem, write_pem

MAX_COLLATERAL_BYTES = 1 << 20
"""Largest JSON accepted, in bytes; real ones have under 32 KB."""

_FIELDS = (
    "pck_crl_issuer_chain",
    "root_ca_crl",
    "pck_crl",
    "tcb_info_issuer_chain",
    "tcb_info",
    "tcb_info_signature",
    "qe_identity_issuer_chain",
    "qe_identity",
    "qe_identity_signature",
)


@dataclass(frozen=True)
class Collateral:
    """What Intel says of one kind of machine."""

    root: bytes
    """DER of the root's certificate, at the end of the signer's chain."""
    signer: bytes
    """DER of the certificate that signs TCB info and enclave identity."""
    authority: bytes
    """DER of the certificate that issues machines and signs their revocation list."""
    root_list: bytes
    """DER of the root's revocation list."""
    machine_list: bytes
    """DER of the authority's revocation list."""
    tcb_info: bytes
    """The JSON as signed, byte for byte."""
    tcb_info_signature: bytes
    """64 bytes r ‖ s."""
    qe_identity: bytes
    """The JSON as signed, byte for byte."""
    qe_identity_signature: bytes
    """64 bytes r ‖ s."""
    machine: bytes | None = None
    """DER of the machine's certificate, for quotes that come without it."""

    @classmethod
    def parse(cls, data: bytes) -> Collateral:
        """Read hostile JSON.

        Raises:
            MalformedError: names the first field that is not as it must be.
        """
        value = parse_json(data, what="collateral", max_bytes=MAX_COLLATERAL_BYTES)
        if not isinstance(value, dict):
            raise _malformed("collateral", got=type(value).__name__, expected="object")
        for name in _FIELDS:
            if not isinstance(value.get(name), str):
                raise _malformed(name, got=repr(value.get(name))[:40], expected="text")
        signer = _chain(value, "tcb_info_issuer_chain")
        if _chain(value, "qe_identity_issuer_chain") != signer:
            raise _malformed(
                "qe_identity_issuer_chain",
                got="another chain",
                expected="that of `tcb_info`",
            )
        authority = _chain(value, "pck_crl_issuer_chain")
        if authority[1] != signer[1]:
            raise _malformed(
                "pck_crl_issuer_chain",
                got="another root",
                expected="that of `tcb_info`",
            )
        return cls(
            root=signer[1],
            signer=signer[0],
            authority=authority[0],
            root_list=_hex(value, "root_ca_crl"),
            machine_list=_hex(value, "pck_crl"),
            tcb_info=_text(value, "tcb_info"),
            tcb_info_signature=_hex(value, "tcb_info_signature", size=64),
            qe_identity=_text(value, "qe_identity"),
            qe_identity_signature=_hex(value, "qe_identity_signature", size=64),
            machine=_machine(value),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields under the names that `dcap-qvl` reads."""
        signers = write_pem([self.signer, self.root]).decode()
        chain = [self.authority, self.root]
        machine = (
            {}
            if self.machine is None
            else {"pck_certificate_chain": write_pem([self.machine, *chain]).decode()}
        )
        return {
            **machine,
            "pck_crl_issuer_chain": write_pem(chain).decode(),
            "root_ca_crl": self.root_list.hex(),
            "pck_crl": self.machine_list.hex(),
            "tcb_info_issuer_chain": signers,
            "tcb_info": self.tcb_info.decode(),
            "tcb_info_signature": self.tcb_info_signature.hex(),
            "qe_identity_issuer_chain": signers,
            "qe_identity": self.qe_identity.decode(),
            "qe_identity_signature": self.qe_identity_signature.hex(),
        }

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of `to_json`."""
        return canonical_json(self.to_json())

    @property
    def fmspc(self) -> bytes:
        """Kind of machine that the TCB info is for, 6 bytes.

        Raises:
            MalformedError: the TCB info does not tell.
        """
        said = json.loads(self.tcb_info).get("fmspc")
        if not isinstance(said, str) or not re.fullmatch("[0-9a-fA-F]{12}", said):
            raise _malformed("fmspc", got=repr(said)[:40], expected="12 hex digits")
        return bytes.fromhex(said)


def _chain(value: dict[str, JsonValue], name: str) -> tuple[bytes, ...]:
    chain = read_pem(_encoded(value, name))
    if len(chain) != 2:
        raise _malformed(
            name, got=f"{len(chain)} certificates", expected="issuer and root"
        )
    return chain


def _machine(value: dict[str, JsonValue]) -> bytes | None:
    text = value.get("pck_certificate_chain")
    if text is None:
        return None
    name = "pck_certificate_chain"
    chain = read_pem(_encoded(value, name)) if isinstance(text, str) else ()
    if not chain:
        raise _malformed(
            "pck_certificate_chain", got=repr(text)[:40], expected="certificates"
        )
    return chain[0]


def _hex(value: dict[str, JsonValue], name: str, *, size: int | None = None) -> bytes:
    try:
        data = bytes.fromhex(value[name])
    except ValueError as error:
        raise _malformed(name, got=str(error), expected="hexadecimal digits") from error
    if size is not None and len(data) != size:
        raise _malformed(name, got=f"{len(data)} bytes", expected=f"{size} bytes")
    return data


def _text(value: dict[str, JsonValue], name: str) -> bytes:
    data = _encoded(value, name)
    if not isinstance(
        parse_json(data, what=name, max_bytes=MAX_COLLATERAL_BYTES), dict
    ):
        raise _malformed(name, got=value[name][:40], expected="an object")
    return data


def _encoded(value: dict[str, JsonValue], name: str) -> bytes:
    """Return a text as UTF-8; JSON can spell some that has none."""
    try:
        return str(value[name]).encode()
    except UnicodeEncodeError as error:
        raise _malformed(name, got="half a character", expected="text") from error


def _malformed(name: str, *, got: str, expected: str) -> MalformedError:
    return MalformedError(f"collateral `{name}`", got=got, expected=expected)
