"""Cutting quotes: what comes apart goes together again, and nothing else is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.errors import MalformedError
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.quote import (
    MAX_QUOTE_BYTES,
    SIGNATURES_BYTES,
    TdxQuote,
    read_pem,
    write_pem,
)

ROOT = DevRoot(bytes(32))
DATA = bytes(range(64))
BODIES = (0, 2, 3, 4)
"""Version 4, and version 5 with each body."""
FILES = {body: ROOT.quote(DATA, td=DevTd(body=body)) for body in BODIES}


@pytest.mark.parametrize("body", BODIES)
def test_cut_and_assemble_are_each_others_inverse(body: int) -> None:
    quote = TdxQuote.cut(FILES[body])
    assert quote.version == (5 if body else 4)
    assert len(quote.signed) == {0: 632, 2: 638, 3: 702, 4: 939}[body]
    assert len(quote.signatures) == SIGNATURES_BYTES
    assert len(quote.certificates) == 3
    assert quote.report.report_data == DATA
    assert TdxQuote.cut(quote.assemble()) == quote
    assert quote.assemble() == FILES[body]


@pytest.mark.parametrize("body", BODIES)
def test_every_beginning_is_refused(body: int) -> None:
    file = FILES[body]
    # The certificates' closing line is what a reader finds them by: behind the last
    # one nothing is needed.
    end = file.rindex(b"-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    for length in range(end):
        with pytest.raises(MalformedError):
            TdxQuote.cut(file[:length])


def test_what_follows_the_quote_is_no_part_of_it() -> None:
    quote = TdxQuote.cut(FILES[0])
    padded = TdxQuote.cut(FILES[0] + bytes(3_000))
    assert padded == quote and padded.id == quote.id
    other = replace(quote, certificates=())
    assert other.id == quote.id, "certificates are signed by nobody"


def test_the_identity_is_the_signed_part() -> None:
    first, second = (TdxQuote.cut(ROOT.quote(data)) for data in (DATA, bytes(64)))
    assert first.id != second.id


@pytest.mark.parametrize("body", BODIES)
def test_every_changed_byte_of_the_header_is_refused_or_kept_as_signed(
    body: int,
) -> None:
    file = FILES[body]
    for at in range(54 if body else 48):
        changed = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        try:
            quote = TdxQuote.cut(changed)
        except MalformedError:
            continue
        # Versions and user data are read by nobody here; they are in what is signed.
        assert quote.signed[at] == changed[at] and quote.signed != file[:632]


@given(st.binary(max_size=2_000), st.integers(0, 5_000))
def test_noise_is_refused_by_name_alone(noise: bytes, at: int) -> None:
    for file in (noise, FILES[0][:at] + noise, noise + FILES[3]):
        try:
            TdxQuote.cut(file)
        except MalformedError:
            pass


def test_a_file_larger_than_any_quote_is_refused() -> None:
    with pytest.raises(MalformedError, match="size"):
        TdxQuote.cut(FILES[0].ljust(MAX_QUOTE_BYTES + 1, b"\x00"))


@pytest.mark.parametrize("text", [b"", b"no certificate", b"-----BEGIN CERTIFICATE"])
def test_text_without_certificates_has_none(text: bytes) -> None:
    assert read_pem(text) == ()


def test_certificates_come_back_as_they_were() -> None:
    found = TdxQuote.cut(FILES[0]).certificates
    assert read_pem(write_pem(found)) == found
    assert write_pem(()) == b""


def test_rejects_certificates_that_are_no_base64_or_too_many() -> None:
    one = write_pem([b"anything"])
    with pytest.raises(MalformedError, match="certificates"):
        read_pem(one.replace(b"=", b"=A"))
    with pytest.raises(MalformedError, match="certificates"):
        read_pem(one * 5)


def test_vendor_quotes_come_apart_and_together(vendor_folders: list[Path]) -> None:
    seen = 0
    for folder in vendor_folders:
        for path in sorted(folder.iterdir()):
            file = path.read_bytes() if path.is_file() else b""
            if file[:2] not in (b"\x04\x00", b"\x05\x00") or file[4:8] != b"\x81\0\0\0":
                continue
            quote = TdxQuote.cut(file)
            assert TdxQuote.cut(quote.assemble()) == quote, path.name
            assert file.startswith(quote.signed)
            seen += 1
    if not seen:
        pytest.skip("no vendor-signed TDX quotes found")
