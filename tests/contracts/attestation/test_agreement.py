"""The contract and `dcap-qvl` say the same of every quote, whenever they are asked.

Both are asked at every moment at which anything begins or ends, and one second to each
side of it. Where both accept, status, TCB recovery event and expiry are the same too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from affiant.errors import MalformedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevStatement, DevTd, Level
from affiant.inference.attestation.errors import QuoteRefusedError
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.attestation.verify import ANY_STATUS, verify_quote
from affiant.onchain.contract_errors import (
    TdxCollateralDatesError,
    TdxQuoteKindError,
    TdxSeptVeEnabledError,
    TdxTcbLevelNoneError,
)
from affiant.onchain.reverts import ContractError

pytestmark = pytest.mark.anvil

NOW = 1_763_700_000
DAY = 86_400


def off_chain(file: bytes, collateral: Collateral, *, at: int, root: Any = None) -> Any:
    """Return (status, TCB recovery event, expiry), or None where it is refused."""
    try:
        said = verify_quote(file, collateral, now=at, policy=ANY_STATUS, root=root)
    except QuoteRefusedError:
        return None
    return said.status, said.evaluation_number, said.earliest_expiry


def on_chain(verdict: Any) -> Any:
    """Return the same of the contract's answer.

    Its expiry is the first second at which something is over; `dcap-qvl` tells the
    date as written, whose second still counts except for a revocation list's.
    """
    if isinstance(verdict, ContractError):
        return None
    return verdict.status, verdict.evaluation_number, verdict.valid_until


def same(got: Any, expected: Any) -> bool:
    if got is None or expected is None:
        return got is expected
    return got[:2] == expected[:2] and got[2] - expected[2] in (0, 1)


def moments(collateral: Collateral, *certificates: bytes) -> list[int]:
    """Return every second at which something begins or ends, and its neighbours."""
    dates = set()
    for text in (collateral.tcb_info, collateral.qe_identity):
        said = json.loads(text)
        for name in ("issueDate", "nextUpdate"):
            dates.add(int(datetime.fromisoformat(said[name]).timestamp()))
    for der in (collateral.root_list, collateral.machine_list):
        listed = x509.load_der_x509_crl(der)
        assert listed.next_update_utc is not None
        dates.add(int(listed.next_update_utc.timestamp()))
    for der in (collateral.signer, collateral.authority, *certificates):
        read = x509.load_der_x509_certificate(der)
        dates.add(int(read.not_valid_after_utc.timestamp()))
        dates.add(int(read.not_valid_before_utc.timestamp()))
    return sorted(
        second
        for date in dates
        for second in (date - 1, date, date + 1)
        if second > 1_672_531_300
    )


# Intel's.


def test_vendor_quotes_agree_at_every_moment(vectors, intel) -> None:
    accepted = 0
    for vector in vectors:
        for at in moments(vector.collateral, vector.machine):
            expected = off_chain(vector.file, vector.collateral, at=at)
            got = intel.judge(vector.quote, vector.collateral, at=at)
            assert same(on_chain(got), expected), (vector.name, at, got, expected)
            accepted += expected is not None
    assert accepted > 0


def test_vendor_quotes_agree_when_told_earlier(vectors, intel) -> None:
    """What was told while it was fresh ends by itself, without another transaction."""
    ended = 0
    for vector in vectors:
        inside = int(
            datetime.fromisoformat(
                json.loads(vector.collateral.qe_identity)["issueDate"]
            ).timestamp()
            + 10 * DAY
        )
        for at in moments(vector.collateral, vector.machine):
            if at < inside:
                continue
            expected = off_chain(vector.file, vector.collateral, at=at)
            got = intel.judge(vector.quote, vector.collateral, at=at, told_at=inside)
            assert same(on_chain(got), expected), (vector.name, at, got, expected)
            ended += expected is None
    assert ended > 0


def test_the_outdated_vendor_quote_reaches_no_level(vectors, intel) -> None:
    outdated = [v for v in vectors if v.name == "tdx_quote_outdated"]
    if not outdated:
        pytest.skip("no vendor-signed quote of an outdated machine found")
    (vector,) = outdated
    got = intel.judge(vector.quote, vector.collateral, at=1_771_498_731)
    assert isinstance(got, TdxTcbLevelNoneError)


@pytest.mark.parametrize("name", ["tdx-quote.hex", "quote-from-tappd.hex"])
def test_vendor_quotes_without_collateral_agree(
    name: str, vectors, intel, vendor_folders: list[Path]
) -> None:
    """Quotes of other machines of the same kind, with the first quote's collateral."""
    paths = [folder / name for folder in vendor_folders if (folder / name).exists()]
    lenders = [v for v in vectors if v.name == "tdx_quote"]
    if not paths or not lenders:
        pytest.skip(f"no vendor-signed {name} found")
    text = paths[0].read_text().strip().removeprefix("0x")
    file, collateral = bytes.fromhex(text), lenders[0].collateral
    quote = TdxQuote.cut(file)
    for at in (1_750_414_563, 1_760_000_000):
        expected = off_chain(file, collateral, at=at)
        got = intel.judge(quote, collateral, at=at)
        assert same(on_chain(got), expected), (at, got, expected)


def google(folders: list[Path], name: str) -> Path:
    """Return a file of Google's vectors, or skip."""
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"no vendor-signed {name} found")


def signed_part(answer: str, key: str) -> bytes:
    """Return the value of `key` in Intel's answer, byte for byte."""
    start = answer.index(f'"{key}":') + len(key) + 3
    return answer[start : answer.rindex(',"signature"')].encode()


def test_google_quote_of_version_5_agrees(
    vectors, intel, vendor_folders: list[Path]
) -> None:
    """Google's quote and TCB info; the rest of Intel's collateral of the same month."""
    file = google(vendor_folders, "quote_v5_sample.dat").read_bytes()
    answer = google(vendor_folders, "sample_tcbinfo_response_v5").read_text()
    lenders = [v for v in vectors if v.name == "tdx_quote_outdated"]
    if not lenders:
        pytest.skip("no vendor-signed collateral of the same month found")
    collateral = replace(
        lenders[0].collateral,
        tcb_info=signed_part(answer, "tcbInfo"),
        tcb_info_signature=bytes.fromhex(json.loads(answer)["signature"]),
    )
    quote = TdxQuote.cut(file)
    assert quote.version == 5
    said = set()
    for at in moments(collateral, quote.certificates[0]):
        expected = off_chain(file, collateral, at=at)
        got = intel.judge(quote, collateral, at=at)
        assert same(on_chain(got), expected), (at, got, expected)
        said.add(getattr(got, "status", None))
    assert "UpToDate" in said


def test_google_quote_without_sept_ve_disable_is_refused(
    intel, vendor_folders: list[Path]
) -> None:
    file = google(vendor_folders, "tdx_prod_quote_SPR_E4.dat").read_bytes()
    quote = TdxQuote.cut(file)
    (outcome,) = intel.run((NOW, [intel.verifying(quote, quote.certificates[0])]))
    assert isinstance(outcome, TdxSeptVeEnabledError)


def test_google_collateral_of_2023_is_read(intel, vendor_folders: list[Path]) -> None:
    """TCB infos of that year list no TDX modules."""
    answer = google(vendor_folders, "sample_tcbInfo_response").read_text()
    identity = google(vendor_folders, "sample_qeIdentity_response").read_text()
    outcomes = intel.run_readers(
        [
            ("readTcbInfo(bytes)", [signed_part(answer, "tcbInfo")]),
            ("readQeIdentity(bytes)", [signed_part(identity, "enclaveIdentity")]),
        ],
        reader="collateral",
    )
    assert all(isinstance(outcome, bytes) for outcome in outcomes)


def test_sgx_quote_is_no_tdx_quote(intel, vendor_folders: list[Path]) -> None:
    paths = [f / "sgx_quote" for f in vendor_folders if (f / "sgx_quote").exists()]
    if not paths:
        pytest.skip("no vendor-signed SGX quote found")
    file = paths[0].read_bytes()
    with pytest.raises(MalformedError, match="TEE type"):
        TdxQuote.cut(file)
    (outcome,) = intel.run(
        (NOW, [("verify(bytes,bytes,bytes32)", [file[:432], bytes(608), bytes(32)])])
    )
    assert isinstance(outcome, TdxQuoteKindError)


# Development's: every status, version and body, under its own root.

UP, CONFIGURE, HARDEN, BOTH, OLD, OLD_CONFIGURE, REVOKED = (
    "UpToDate",
    "ConfigurationNeeded",
    "SWHardeningNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)


def cases() -> Iterator[tuple[DevStatement, DevTd, int]]:
    """Yield statements, TDs and versions of the quoting enclave."""
    every = (UP, CONFIGURE, HARDEN, BOTH, OLD, OLD_CONFIGURE, REVOKED)
    for status, module, enclave in product(
        every, (UP, OLD, REVOKED), (UP, OLD, REVOKED)
    ):
        yield (
            DevStatement(
                levels=(Level(status),),
                modules=((1, ((2, module),)),),
                enclaves=((4, enclave),),
            ),
            DevTd(),
            4,
        )
    for status in (CONFIGURE, OLD_CONFIGURE):
        yield DevStatement(enclaves=((4, status),)), DevTd(), 4
    two = DevStatement(
        levels=(
            Level(UP, tdx=bytes([5, 0, 4]) + bytes(13)),
            Level(CONFIGURE, tdx=bytes([5, 0, 3]) + bytes(13)),
            Level(OLD, tdx=bytes([5, 0, 2]) + bytes(13)),
            Level(REVOKED, tdx=bytes(16)),
        )
    )
    for body, launched, current in product((3, 4), (1, 2, 3, 4), (1, 2, 3, 4)):
        yield (
            two,
            DevTd(
                body=body,
                launched=bytes([6, 1, launched]) + bytes(13),
                current=bytes([6, 1, current]) + bytes(13),
            ),
            4,
        )
    for launched in (
        bytes([5, 0, 2]),
        bytes([4, 0, 2]),
        bytes([5, 0, 1]),
        bytes([1, 1, 3]),
        bytes([2, 1, 3]),
        bytes([3, 3, 3]),
        bytes([2, 3, 3]),
        bytes([9, 2, 3]),
    ):
        yield DevStatement(), DevTd(launched=launched + bytes(13)), 4
    yield DevStatement(modules=()), DevTd(launched=bytes([5, 0, 2]) + bytes(13)), 4
    yield DevStatement(modules=()), DevTd(), 4
    for svn in (0, 3, 4, 5, 65_535):
        yield DevStatement(enclaves=((5, UP), (4, OLD))), DevTd(), svn
    for bit in range(64):
        attributes = (1 << bit | 1 << 28).to_bytes(8, "little")
        yield DevStatement(), DevTd(attributes=attributes), 4
    yield DevStatement(), DevTd(attributes=bytes(8)), 4
    yield DevStatement(), DevTd(body=2), 4
    yield DevStatement(), DevTd(mr_signer_seam=bytes(47) + b"\1"), 4
    yield DevStatement(), DevTd(seam_attributes=bytes(7) + b"\1"), 4
    yield DevStatement(), DevTd(body=3, mr_service_td=bytes(47) + b"\1"), 4
    yield DevStatement(), DevTd(body=4, mr_service_td=b"\1" + bytes(47)), 4


def test_development_quotes_agree(lab) -> None:
    seen: dict[str, int] = {}
    root = lab.root.pki.root_certificate
    for statement, td, qe_svn in cases():
        collateral = lab.root.collateral(now=NOW, statement=statement)
        file = lab.root.quote(bytes(64), td=td, qe_svn=qe_svn)
        expected = off_chain(file, collateral, at=NOW + 5, root=root)
        got = lab.bench.judge(TdxQuote.cut(file), collateral, at=NOW + 5)
        assert same(on_chain(got), expected), (statement, td, qe_svn, got, expected)
        name = "refused" if expected is None else expected[0]
        seen[name] = seen.get(name, 0) + 1
    # Nothing is left out: every status that a quote can have, and refusals.
    assert {
        "refused",
        "TDRelaunchAdvised",
        "TDRelaunchAdvisedConfigurationNeeded",
    } <= set(seen)
    assert {UP, CONFIGURE, HARDEN, BOTH, OLD, OLD_CONFIGURE} <= set(seen)


def test_development_machines_agree(lab) -> None:
    """Component by component, at the least versions and just below them."""
    root = lab.root.pki.root_certificate
    least = Level().sgx
    for i in range(16):
        for delta in (-1, 0, 1):
            svn = least[i] + delta
            if svn < 0:
                continue
            machine = Machine(
                name=f"machine {i} {delta}",
                cpu_svn=least[:i] + bytes([svn]) + least[i + 1 :],
            )
            agree(lab, machine, root=root)
    # Above 32 767 a DER integer has three bytes, which `dcap-qvl` does not read.
    for pce_svn in (4, 5, 10, 11, 12, 128, 256, 32_767):
        agree(lab, Machine(name=f"pce {pce_svn}", pce_svn=pce_svn), root=root)
    for high in (127, 128, 255):
        machine = Machine(name=f"high {high}", cpu_svn=bytes([high] * 16))
        agree(lab, machine, root=root)


def agree(lab, machine: Machine, *, root: bytes) -> None:
    collateral = lab.root.collateral(now=NOW)
    file = lab.root.quote(bytes(64), machine=machine)
    expected = off_chain(file, collateral, at=NOW + 5, root=root)
    got = lab.bench.judge(TdxQuote.cut(file), collateral, at=NOW + 5)
    assert same(on_chain(got), expected), (machine, got, expected)


def test_development_quotes_agree_at_every_moment(lab) -> None:
    collateral = lab.root.collateral(now=NOW)
    file = lab.root.quote(bytes(64))
    quote = TdxQuote.cut(file)
    for at in moments(collateral):
        expected = off_chain(
            file, collateral, at=at, root=lab.root.pki.root_certificate
        )
        got = lab.bench.judge(quote, collateral, at=at)
        assert same(on_chain(got), expected), (at, got, expected)


# Roots apart.


def test_development_quote_is_refused_under_intels_root(lab, intel) -> None:
    collateral = lab.root.collateral(now=NOW)
    file = lab.root.quote(bytes(64))
    assert off_chain(file, collateral, at=NOW + 5) is None
    got = intel.judge(TdxQuote.cut(file), collateral, at=NOW + 5)
    assert type(got).__name__ == "TdxRootForeignError"


def test_vendor_quote_is_refused_under_the_development_root(lab, vectors) -> None:
    for vector in vectors:
        at = 1_750_414_563
        root = lab.root.pki.root_certificate
        assert off_chain(vector.file, vector.collateral, at=at, root=root) is None
        got = lab.bench.judge(vector.quote, vector.collateral, at=at)
        assert type(got).__name__ == "TdxRootForeignError"


def test_collateral_from_the_future_is_refused(lab) -> None:
    got = lab.judge(at=NOW - 1)
    assert isinstance(got, TdxCollateralDatesError)
