"""Whatever is not signed, not Intel's, over, revoked or rolled back is refused by name.

One test for every error of `ITdxVerifier`, on the development root. A refusal is a
revert: what was known before is known after, which `test_refusal_changes_nothing` asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from affiant.encoding import keccak256
from affiant.inference.attestation import der
from affiant.inference.attestation.dev_pki import (
    DEV_NAME,
    SGX_EXTENSION,
    DevPki,
    Issuer,
    Machine,
    extension,
    seal,
    sgx_extension,
)
from affiant.inference.attestation.dev_root import (
    DevRoot,
    DevStatement,
    DevTd,
    Level,
    qe_identity_text,
    tcb_info_text,
)
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain import contract_errors as errors
from affiant.onchain.attestation.verifier import certificate_id
from affiant.onchain.reverts import ContractError

pytestmark = pytest.mark.anvil

NOW = 1_763_700_000
DAY = 86_400

ADD_ROOT = "addRoot(bytes)"
ADD_AUTHORITY = "addAuthority(bytes)"
ADD_MACHINE = "addMachine(bytes,bytes32)"
ADD_LIST = "addRevocationList(bytes,bytes32)"
ADD_TCB = "addTcbInfo(bytes,bytes,bytes32)"
ADD_QE = "addQeIdentity(bytes,bytes,bytes32)"
VERIFY = "verify(bytes,bytes,bytes32)"

Call = tuple[str, Sequence[Any]]


class Told:
    """A verifier that was told everything at `NOW`, and is told more."""

    def __init__(self, lab: Any) -> None:
        self.bench, self.root = lab.bench, lab.root
        self.pki: DevPki = lab.root.pki
        self.ids = {
            "root": certificate_id(self.pki.root_certificate),
            "authority": certificate_id(self.pki.authority_certificate),
            "signer": certificate_id(self.pki.signer_certificate),
            "machine": certificate_id(self.pki.machine_certificate(Machine())),
        }

    def then(
        self, *calls: Call, at: int = NOW + 60, said: DevStatement | None = None
    ) -> Any:
        """Return what the last of `calls` says; those before it must be taken."""
        collateral = self.root.collateral(now=NOW, statement=said)
        machine = self.pki.machine_certificate(Machine())
        *before, last = self.bench.run(
            (NOW, self.bench.setting_up(collateral, machine)), (at, calls)
        )
        refused = [o for o in before if isinstance(o, ContractError)]
        assert not refused
        return last

    def fresh(self, *calls: Call, at: int = NOW + 60) -> Any:
        """Return what the last of `calls` says to a verifier that knows nothing."""
        return self.bench.run((at, calls))[-1]

    def verifying(self, quote: bytes | None = None) -> Call:
        cut = TdxQuote.cut(quote or self.root.quote(bytes(64)))
        return (VERIFY, [cut.signed, cut.signatures, self.ids["machine"]])

    def tcb_info(self, said: DevStatement, *, now: int = NOW + 10) -> Call:
        return self.signed_tcb_info(tcb_info_text(said, machine=Machine(), now=now))

    def signed_tcb_info(self, text: bytes) -> Call:
        return (ADD_TCB, [text, self.pki.signer.key.sign(text), self.ids["signer"]])

    def qe_identity(self, said: DevStatement, *, now: int = NOW + 10) -> Call:
        return self.signed_qe_identity(qe_identity_text(said, now=now))

    def signed_qe_identity(self, text: bytes) -> Call:
        return (ADD_QE, [text, self.pki.signer.key.sign(text), self.ids["signer"]])

    def listing(
        self, *serials: int, of: str = "authority", issued: int = NOW + 10
    ) -> Call:
        made = self.pki.revocation_list(
            self.pki.root if of == "root" else self.pki.authority,
            issued_at=issued,
            next_update=issued + 30 * DAY,
            serials=serials,
        )
        return (ADD_LIST, [made, self.ids[of]])


@pytest.fixture
def told(lab: Any) -> Told:
    return Told(lab)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# Certificates.


def test_rejects_another_root(told: Told) -> None:
    other = DevRoot(bytes(32)).pki
    refused = told.fresh((ADD_ROOT, [other.root_certificate]))
    assert isinstance(refused, errors.TdxRootForeignError)
    assert refused.key_hash == other.root_key_hash
    assert refused.expected == told.pki.root_key_hash


def test_rejects_a_second_root(told: Told) -> None:
    again = (ADD_ROOT, [told.pki.root_certificate])
    assert isinstance(told.then(again), errors.TdxRootKnownError)


def test_rejects_certificates_in_each_others_place(told: Told) -> None:
    pki = told.pki
    for call in (
        (ADD_AUTHORITY, [pki.machine_certificate(Machine(name="other"))]),
        (ADD_MACHINE, [pki.signer_certificate, told.ids["authority"]]),
        (ADD_MACHINE, [pki.machine_certificate(Machine(name="m")), told.ids["signer"]]),
        (ADD_MACHINE, [pki.machine_certificate(Machine(name="m")), told.ids["root"]]),
        (ADD_MACHINE, [pki.machine_certificate(Machine(name="m")), bytes(32)]),
        told.listing()[:1] + ([told.listing()[1][0], told.ids["signer"]],),
        told.listing()[:1] + ([told.listing()[1][0], bytes(32)],),
        told.tcb_info(DevStatement())[:1]
        + ([*told.tcb_info(DevStatement())[1][:2], told.ids["authority"]],),
    ):
        refused = told.then(call)
        assert isinstance(refused, errors.TdxCertificateRoleError), (call[0], refused)


def test_a_machine_signs_no_collateral(told: Told) -> None:
    """A leaked PCK key must not be able to say what is up to date."""
    text = tcb_info_text(DevStatement(), machine=Machine(), now=NOW + 10)
    signature = told.pki.machine_key(Machine()).sign(text)
    refused = told.then((ADD_TCB, [text, signature, told.ids["machine"]]))
    assert isinstance(refused, errors.TdxCertificateRoleError)


def test_a_machine_issues_no_machine(told: Told) -> None:
    leaf = Issuer(f"{DEV_NAME}: PCK Certificate", told.pki.machine_key(Machine()))
    forged = told.pki.issue(
        Issuer(f"{DEV_NAME}: PCK Certificate", told.pki.key("forged")),
        by=leaf,
        serial=77,
        extra=(extension(SGX_EXTENSION, sgx_extension(Machine(name="forged"))),),
    )
    refused = told.then((ADD_MACHINE, [forged, told.ids["machine"]]))
    assert isinstance(refused, errors.TdxCertificateRoleError)


def test_rejects_an_issuer_of_another_name(told: Told) -> None:
    stranger = Issuer("somebody PCK Platform CA", told.pki.authority.key)
    refused = told.then(
        (ADD_MACHINE, [machine_by(told.pki, stranger), told.ids["authority"]])
    )
    assert isinstance(refused, errors.TdxCertificateIssuerError)
    assert refused.got == keccak256(stranger.name)
    assert refused.expected == keccak256(told.pki.authority.name)


def test_rejects_an_issuer_with_another_key_id(told: Told) -> None:
    stranger = Issuer(told.pki.authority.common_name, told.pki.key("stranger"))
    refused = told.then(
        (ADD_MACHINE, [machine_by(told.pki, stranger), told.ids["authority"]])
    )
    assert isinstance(refused, errors.TdxCertificateKeyIdError)
    assert refused.got == stranger.key.id


def machine_by(pki: DevPki, issuer: Issuer) -> bytes:
    """Return a certificate that `issuer` signed for a machine."""
    machine = Machine(name="by a stranger")
    return pki.issue(
        Issuer(f"{DEV_NAME}: PCK Certificate", pki.machine_key(machine)),
        by=issuer,
        serial=machine.serial_number,
        extra=(extension(SGX_EXTENSION, sgx_extension(machine)),),
    )


def test_rejects_certificates_and_lists_that_another_key_signed(told: Told) -> None:
    pki, stranger = told.pki, told.pki.key("stranger")
    subject = Issuer(f"{DEV_NAME}: TCB Signing", pki.key("second signer"))
    parts = pki.parts(subject, by=pki.root, serial=9)
    listed = pki.list_parts(
        pki.authority, issued_at=NOW, next_update=NOW + DAY, serials=[5]
    )
    machine = pki.parts(
        Issuer(f"{DEV_NAME}: PCK Certificate", pki.key("m")),
        by=pki.authority,
        serial=10,
        extra=(extension(SGX_EXTENSION, sgx_extension(Machine(name="m"))),),
    )
    for signature, signed, more in (
        (ADD_AUTHORITY, parts, []),
        (ADD_MACHINE, machine, [told.ids["authority"]]),
        (ADD_LIST, listed, [told.ids["authority"]]),
    ):
        forged = seal(der.sequence(*signed.values()), key=stranger)
        refused = told.then((signature, [forged, *more]))
        assert isinstance(refused, errors.TdxCertificateSignatureError)


def test_rejects_a_root_that_did_not_sign_itself(told: Told) -> None:
    pki = told.pki
    parts = pki.parts(pki.root, by=pki.root, serial=1, authority=True)
    forged = seal(der.sequence(*parts.values()), key=pki.key("stranger"))
    refused = told.fresh((ADD_ROOT, [forged]))
    assert isinstance(refused, errors.TdxCertificateSignatureError)


def test_rejects_certificates_before_and_after_their_time(told: Told) -> None:
    pki = told.pki
    subject = Issuer(f"{DEV_NAME}: TCB Signing", pki.key("second signer"))

    def adding(begin: int, end: int) -> Call:
        made = pki.issue(subject, by=pki.root, serial=9, valid=(begin, end))
        return (ADD_AUTHORITY, [made])

    early = told.then(adding(NOW + 61, NOW + DAY))
    assert isinstance(early, errors.TdxCertificateEarlyError)
    assert (early.valid_from, early.block_time) == (NOW + 61, NOW + 60)
    over = told.then(adding(NOW, NOW + 59))
    assert isinstance(over, errors.TdxCertificateOverError)
    assert (over.valid_until, over.block_time) == (NOW + 60, NOW + 60)
    assert isinstance(told.then(adding(NOW, NOW + 60)), bytes)


def test_a_chain_ends_with_its_first_certificate(told: Told) -> None:
    """Added while it was valid, a machine's certificate ends by itself."""
    pki = told.pki
    machine = Machine(name="short")
    made = pki.issue(
        Issuer(f"{DEV_NAME}: PCK Certificate", pki.machine_key(machine)),
        by=pki.authority,
        serial=machine.serial_number,
        valid=(NOW, NOW + 99),
        extra=(extension(SGX_EXTENSION, sgx_extension(machine)),),
    )
    quote = TdxQuote.cut(told.root.quote(bytes(64), machine=machine))
    asked = (VERIFY, [quote.signed, quote.signatures, certificate_id(made)])
    adding = (ADD_MACHINE, [made, told.ids["authority"]])
    collateral = told.root.collateral(now=NOW)
    setup = told.bench.setting_up(collateral, None)
    for at, ends in ((NOW + 99, False), (NOW + 100, True)):
        last = told.bench.run((NOW, [*setup, adding]), (at, [asked]))[-1]
        assert isinstance(last, errors.TdxCertificateOverError) == ends, last


def test_rejects_two_machines_of_one_serial_number(told: Told) -> None:
    twin = Machine(name="twin", serial=Machine().serial_number)
    made = told.pki.machine_certificate(twin)
    refused = told.then((ADD_MACHINE, [made, told.ids["authority"]]))
    assert isinstance(refused, errors.TdxSerialTakenError)
    assert refused.other == told.ids["machine"]
    assert refused.serial == Machine().serial_number


def test_has_no_room_for_endless_authorities(told: Told) -> None:
    pki = told.pki
    adding: list[Call] = [(ADD_ROOT, [pki.root_certificate])]
    for number in range(127):
        subject = Issuer(f"{DEV_NAME}: TCB Signing", pki.key(f"signer {number}"))
        adding.append(
            (ADD_AUTHORITY, [pki.issue(subject, by=pki.root, serial=number + 100)])
        )
    *before, last = told.bench.run((NOW, adding))
    assert not any(isinstance(outcome, ContractError) for outcome in before)
    assert isinstance(last, errors.TdxAuthoritiesFullError)
    assert last.limit == 127


def test_known_certificates_are_not_verified_again(told: Told) -> None:
    """By the signed part: another signature over it is the same certificate."""
    made = told.pki.machine_certificate(Machine())
    parts_end = 4 + len(_signed_part(made))
    garbled = made[:parts_end] + made[parts_end:].replace(made[-4:], b"\1\2\3\4")
    for call in (
        (ADD_MACHINE, [garbled, told.ids["authority"]]),
        (ADD_AUTHORITY, [told.pki.signer_certificate]),
    ):
        assert isinstance(told.then(call), bytes)
    assert told.then((ADD_MACHINE, [garbled, bytes(32)])) == told.ids["machine"]


def _signed_part(certificate: bytes) -> bytes:
    from cryptography import x509

    return x509.load_der_x509_certificate(certificate).tbs_certificate_bytes


# Revocation.


def test_rejects_a_revoked_machine_at_once(told: Told) -> None:
    refused = told.then(told.listing(Machine().serial_number), told.verifying())
    assert isinstance(refused, errors.TdxMachineDistrustedError)
    assert (refused.machine, refused.revoked_at) == (told.ids["machine"], NOW + 60)


def test_rejects_a_machine_that_was_revoked_before_it_came(told: Told) -> None:
    said = DevStatement(revoked_machines=[Machine().serial_number])
    refused = told.then(told.verifying(), said=said)
    assert isinstance(refused, errors.TdxMachineDistrustedError)


def test_rejects_an_authority_that_was_revoked_before_it_came(told: Told) -> None:
    """The root's list of the revoked is told before the certificate that is on it."""
    collateral = told.root.collateral(
        now=NOW, statement=DevStatement(revoked_authorities=[2])
    )
    machine = told.pki.machine_certificate(Machine())
    calls = told.bench.setting_up(collateral, machine)
    assert [name for name, _ in calls[:3]] == [ADD_ROOT, ADD_LIST, ADD_AUTHORITY]
    refused = told.fresh(*calls, told.verifying())
    assert isinstance(refused, errors.TdxAuthorityRevokedError)
    assert refused.revoked >> refused.number & 1


def test_a_revocation_is_for_good(told: Told) -> None:
    """A later list without the machine does not bring it back."""
    refused = told.then(
        told.listing(Machine().serial_number),
        told.listing(issued=NOW + 20),
        told.verifying(),
    )
    assert isinstance(refused, errors.TdxMachineDistrustedError)


@pytest.mark.parametrize(
    "lists",
    [
        [(8, 9), (8, 9, 0)],
        [(8, 9), (8, 0, 9)],
        [(8, 9), (0, 8, 9)],
        [(8, 9), (0, 9)],
        [(8, 9), (8, 0)],
        [(8, 9), (0,)],
        [(8, 9), (), (8, 9, 0)],
        [(8, 9), (8,), (8, 0)],
        [(8, 9), (8, 7), (8, 7, 0)],
        [(), (), (0,)],
        [(8, 0), (8, 9)],
    ],
)
def test_whatever_a_list_begins_with_its_news_count(
    told: Told, lists: list[tuple[int, ...]]
) -> None:
    """Lists that begin like the one before are read from there on; 0 is the machine."""
    told_lists = [
        told.listing(
            *(serial or Machine().serial_number for serial in serials),
            issued=NOW + 10 + number,
        )
        for number, serials in enumerate(lists)
    ]
    refused = told.then(*told_lists, told.verifying())
    assert isinstance(refused, errors.TdxMachineDistrustedError)


@pytest.mark.parametrize("lists", [[(8, 9), (8, 9)], [(8,), (8, 9)], [(8,), ()]])
def test_lists_without_the_machine_leave_it_alone(
    told: Told, lists: list[tuple[int, ...]]
) -> None:
    told_lists = [
        told.listing(*serials, issued=NOW + 10 + number)
        for number, serials in enumerate(lists)
    ]
    assert isinstance(told.then(*told_lists, told.verifying()), bytes)


@pytest.mark.parametrize("serial", [1, 2, 3])
def test_rejects_what_a_revoked_authority_or_signer_signed(
    told: Told, serial: int
) -> None:
    """Root (1), authority (2) and signer (3), of whatever was believed before."""
    refused = told.then(told.listing(serial, of="root"), told.verifying())
    assert isinstance(refused, errors.TdxAuthorityRevokedError)
    assert refused.revoked >> refused.number & 1 or refused.revoked & 2


def test_rejects_collateral_of_a_revoked_signer(told: Told) -> None:
    refused = told.then(told.listing(3, of="root"), told.tcb_info(DevStatement()))
    assert isinstance(refused, errors.TdxAuthorityRevokedError)


def test_rejects_lists_that_are_over_or_older(told: Told) -> None:
    over = told.then(told.listing(issued=NOW), at=NOW + 30 * DAY)
    assert isinstance(over, errors.TdxRevocationListOverError)
    assert over.valid_until == NOW + 30 * DAY
    older = told.then(told.listing(issued=NOW - 1))
    assert isinstance(older, errors.TdxRevocationListOlderError)
    assert (older.issued_at, older.known) == (NOW - 1, NOW)


@pytest.mark.parametrize("without", [1, 4])
def test_rejects_where_revocations_are_unknown(told: Told, without: int) -> None:
    """Without the root's list, or the authority's, nobody is known to be clean."""
    collateral = told.root.collateral(now=NOW)
    calls = told.bench.setting_up(collateral, told.pki.machine_certificate(Machine()))
    left = [call for i, call in enumerate(calls) if i != without]
    if without == 1:
        # Collateral needs the root's list before anything; a machine needs both.
        outcomes = told.bench.run((NOW, left))
        assert isinstance(outcomes[4], errors.TdxRevocationsUnknownError)
        assert outcomes[4].valid_until == 0
        return
    last = told.bench.run((NOW, [*left, told.verifying()]))[-1]
    assert isinstance(last, errors.TdxRevocationsUnknownError)
    assert last.valid_until == 0


def test_rejects_when_a_list_is_over(told: Told) -> None:
    renewed = (
        told.tcb_info(DevStatement(), now=NOW + 29 * DAY),
        told.qe_identity(DevStatement(), now=NOW + 29 * DAY),
        told.listing(of="root", issued=NOW + 29 * DAY),
    )
    at = NOW + 29 * DAY + 1
    collateral = told.root.collateral(now=NOW)
    setup = told.bench.setting_up(collateral, told.pki.machine_certificate(Machine()))
    for asked_at, over in ((NOW + 30 * DAY - 1, False), (NOW + 30 * DAY, True)):
        last = told.bench.run(
            (NOW, setup), (at, renewed), (asked_at, [told.verifying()])
        )[-1]
        assert isinstance(last, errors.TdxRevocationsUnknownError) == over, last


# Collateral.


def test_rejects_collateral_that_another_key_signed(told: Told) -> None:
    text = tcb_info_text(DevStatement(), machine=Machine(), now=NOW + 10)
    identity = qe_identity_text(DevStatement(), now=NOW + 10)
    stranger = told.pki.key("stranger")
    for signature, signed in ((ADD_TCB, text), (ADD_QE, identity)):
        for made in (
            stranger.sign(signed),
            flipped(told.pki.signer.key.sign(signed), 3),
        ):
            refused = told.then((signature, [signed, made, told.ids["signer"]]))
            assert isinstance(refused, errors.TdxCollateralSignatureError)


def test_rejects_a_signature_of_another_length(told: Told) -> None:
    text = tcb_info_text(DevStatement(), machine=Machine(), now=NOW + 10)
    made = told.pki.signer.key.sign(text)
    for other in (b"", made[:63], made + b"\0"):
        refused = told.then((ADD_TCB, [text, other, told.ids["signer"]]))
        assert isinstance(refused, errors.TdxCollateralSignatureLengthError)
        assert refused.got == len(other)


def test_rejects_collateral_before_and_after_its_time(told: Told) -> None:
    said = DevStatement()
    for make in (told.tcb_info, told.qe_identity):
        early = told.then(make(said, now=NOW + 61))
        assert isinstance(early, errors.TdxCollateralDatesError)
        over = told.then(make(said, now=NOW), at=NOW + 30 * DAY + 1)
        # The signer cannot be asked either once the root's list is over: renew it.
        assert isinstance(over, errors.TdxRevocationsUnknownError)
        over = told.then(
            told.listing(of="root", issued=NOW + DAY),
            make(said, now=NOW),
            at=NOW + 30 * DAY + 1,
        )
        assert isinstance(over, errors.TdxCollateralDatesError)
        assert over.valid_until == NOW + 30 * DAY + 1


def test_rejects_a_rollback_of_the_tcb_recovery_event(told: Told) -> None:
    newer = replace(DevStatement(), evaluation_number=18)
    for make in (told.tcb_info, told.qe_identity):
        refused = told.then(make(newer), make(DevStatement(), now=NOW + 20))
        assert isinstance(refused, errors.TdxCollateralRollbackError)
        assert (refused.evaluation_number, refused.floor) == (17, 18)


def test_rejects_older_collateral_of_the_same_event(told: Told) -> None:
    kinder = replace(
        DevStatement(), levels=(Level(pce_svn=1),), enclaves=((1, "UpToDate"),)
    )
    for make in (told.tcb_info, told.qe_identity):
        refused = told.then(make(DevStatement()), make(kinder, now=NOW + 9))
        assert isinstance(refused, errors.TdxCollateralOlderError)
        assert (refused.issued_at, refused.known) == (NOW + 9, NOW + 10)


def test_rejects_a_kind_of_machine_without_tcb_info(told: Told) -> None:
    machine = Machine(name="other", fmspc=b"OTHER0")
    made = told.pki.machine_certificate(machine)
    quote = TdxQuote.cut(told.root.quote(bytes(64), machine=machine))
    refused = told.then(
        (ADD_MACHINE, [made, told.ids["authority"]]),
        (VERIFY, [quote.signed, quote.signatures, certificate_id(made)]),
    )
    assert isinstance(refused, errors.TdxTcbInfoUnknownError)
    assert refused.fmspc == b"OTHER0"


def test_rejects_where_the_enclaves_identity_is_unknown(told: Told) -> None:
    collateral = told.root.collateral(now=NOW)
    calls = told.bench.setting_up(collateral, told.pki.machine_certificate(Machine()))
    left = [call for call in calls if call[0] != ADD_QE]
    last = told.bench.run((NOW, [*left, told.verifying()]))[-1]
    assert isinstance(last, errors.TdxQeForeignError)


def test_rejects_when_collateral_is_over(told: Told) -> None:
    at = NOW + 29 * DAY
    lists = (told.listing(issued=at), told.listing(of="root", issued=at))
    collateral = told.root.collateral(now=NOW)
    setup = told.bench.setting_up(collateral, told.pki.machine_certificate(Machine()))
    for asked_at, over in ((NOW + 30 * DAY, False), (NOW + 30 * DAY + 1, True)):
        last = told.bench.run(
            (NOW, setup), (at, lists), (asked_at, [told.verifying()])
        )[-1]
        assert isinstance(last, errors.TdxCollateralOverError) == over, last


def test_rejects_another_provisioning_enclave(told: Told) -> None:
    machine = Machine(name="other", pce_id=b"\0\1")
    made = told.pki.machine_certificate(machine)
    quote = TdxQuote.cut(told.root.quote(bytes(64), machine=machine))
    refused = told.then(
        (ADD_MACHINE, [made, told.ids["authority"]]),
        (VERIFY, [quote.signed, quote.signatures, certificate_id(made)]),
    )
    assert isinstance(refused, errors.TdxPceIdMismatchError)
    assert (refused.got, refused.expected) == (b"\0\1", b"\0\0")


def test_rejects_versions_that_no_level_knows(told: Told) -> None:
    low = bytes([6, 1, 1]) + bytes(13)
    refused = told.then(
        told.verifying(told.root.quote(bytes(64), td=DevTd(launched=low)))
    )
    assert isinstance(refused, errors.TdxTcbLevelNoneError)
    assert refused.pce_svn == 11


def test_rejects_modules_that_are_unknown_or_too_old(told: Told) -> None:
    def asked(minor: int, major: int) -> Any:
        td = DevTd(launched=bytes([minor, major, 3]) + bytes(13))
        return told.then(told.verifying(told.root.quote(bytes(64), td=td)))

    unknown = asked(9, 2)
    assert isinstance(unknown, errors.TdxModuleUnknownError)
    assert unknown.version == 2
    old = asked(1, 1)
    assert isinstance(old, errors.TdxModuleTooOldError)
    assert (old.version, old.svn) == (1, 1)


def test_rejects_revoked_versions(told: Told) -> None:
    said = replace(DevStatement(), levels=(Level("Revoked"),))
    assert isinstance(told.then(told.verifying(), said=said), errors.TdxTcbRevokedError)


def test_rejects_an_enclave_that_is_too_old(told: Told) -> None:
    refused = told.then(told.verifying(told.root.quote(bytes(64), qe_svn=3)))
    assert isinstance(refused, errors.TdxQeTooOldError)
    assert refused.svn == 3


def test_more_levels_than_lie_beside_the_dates_are_found(told: Told) -> None:
    """The fifth level is the last in the first word, the sixth the first elsewhere."""
    for count in (5, 6, 15):
        levels = [
            Level("UpToDate", tdx=bytes([5, 0, 200 - i]) + bytes(13))
            for i in range(count - 1)
        ]
        said = replace(DevStatement(), levels=(*levels, Level("SWHardeningNeeded")))
        last = told.then(told.verifying(), said=said)
        assert isinstance(last, bytes)
        assert int.from_bytes(last[:32], "big") == 2
        short = replace(said, levels=levels)
        none = told.then(told.verifying(), said=short)
        assert isinstance(none, errors.TdxTcbLevelNoneError)


# Quotes.


def test_rejects_what_is_no_quote(told: Told) -> None:
    good = TdxQuote.cut(told.root.quote(bytes(64)))

    def asked(signed: bytes, signatures: bytes = good.signatures) -> Any:
        return told.then((VERIFY, [signed, signatures, told.ids["machine"]]))

    assert isinstance(asked(b""), errors.TdxQuoteTooShortError)
    assert isinstance(asked(good.signed[:53]), errors.TdxQuoteTooShortError)
    for at in (2, 4, 12, 27):
        assert isinstance(asked(flipped(good.signed, at)), errors.TdxQuoteKindError)
    for version in (0, 3, 6):
        other = bytes([version]) + good.signed[1:]
        assert isinstance(asked(other), errors.TdxQuoteVersionError)
    for other in (good.signed[:-1], good.signed + b"\0"):
        refused = asked(other)
        assert isinstance(refused, errors.TdxQuoteLengthError)
        assert (refused.got, refused.expected) == (len(other), 632)
    for other in (b"", good.signatures[:-1], good.signatures + b"\0"):
        refused = asked(good.signed, other)
        assert isinstance(refused, errors.TdxSignaturesLengthError)
        assert (refused.got, refused.expected) == (len(other), 608)


def test_rejects_unknown_bodies_of_version_5(told: Told) -> None:
    good = TdxQuote.cut(told.root.quote(bytes(64), td=DevTd(body=3)))
    for descriptor in ("010080010000", "030048020000", "020088020000", "050088020000"):
        signed = good.signed[:48] + bytes.fromhex(descriptor) + good.signed[54:]
        refused = told.then((VERIFY, [signed, good.signatures, told.ids["machine"]]))
        assert isinstance(refused, errors.TdxQuoteVersionError)
        assert refused.descriptor == bytes.fromhex(descriptor)


def test_rejects_a_quote_that_the_attestation_key_did_not_sign(told: Told) -> None:
    good = TdxQuote.cut(told.root.quote(bytes(64)))
    for signed in (flipped(good.signed, 600), flipped(good.signed, 30)):
        refused = told.then((VERIFY, [signed, good.signatures, told.ids["machine"]]))
        assert isinstance(refused, errors.TdxQuoteSignatureError)


def test_rejects_an_attestation_key_that_no_enclave_vouches_for(told: Told) -> None:
    """A stranger's key, with everything else of a good quote."""
    good = TdxQuote.cut(told.root.quote(bytes(64)))
    stranger = told.pki.key("stranger")
    signatures = stranger.sign(good.signed) + stranger.public + good.signatures[128:]
    refused = told.then((VERIFY, [good.signed, signatures, told.ids["machine"]]))
    assert isinstance(refused, errors.TdxAttestationKeyUnboundError)


def test_rejects_an_enclave_report_with_more_than_the_key(told: Told) -> None:
    good = TdxQuote.cut(told.root.quote(bytes(64)))
    enclave = flipped(good.signatures[128:512], 383)
    key = told.pki.machine_key(Machine())
    signatures = (
        good.signatures[:128] + enclave + key.sign(enclave) + good.signatures[576:]
    )
    refused = told.then((VERIFY, [good.signed, signatures, told.ids["machine"]]))
    assert isinstance(refused, errors.TdxAttestationKeyUnboundError)


def test_rejects_an_enclave_report_that_the_machine_did_not_sign(told: Told) -> None:
    """A quote of one machine, presented as another's."""
    other = Machine(name="other")
    made = told.pki.machine_certificate(other)
    quote = TdxQuote.cut(told.root.quote(bytes(64)))
    refused = told.then(
        (ADD_MACHINE, [made, told.ids["authority"]]),
        (VERIFY, [quote.signed, quote.signatures, certificate_id(made)]),
    )
    assert isinstance(refused, errors.TdxQeSignatureError)


def test_rejects_an_unknown_machine(told: Told) -> None:
    quote = TdxQuote.cut(told.root.quote(bytes(64)))
    refused = told.then((VERIFY, [quote.signed, quote.signatures, bytes(32)]))
    assert isinstance(refused, errors.TdxMachineUnknownError)
    assert refused.machine == bytes(32)


def test_rejects_enclaves_that_are_not_intels(told: Told) -> None:
    """Another signer, product, attribute, or one that debugs; signed by the machine."""
    for offset in (128, 159, 256, 49, 16):
        refused = told.then(resigned(told, offset, 1))
        assert isinstance(refused, errors.TdxQeForeignError), offset
    debugging = told.then(resigned(told, 48, 2))
    assert isinstance(debugging, errors.TdxQeForeignError)
    assert debugging.debug


def resigned(told: Told, offset: int, bits: int) -> Call:
    """Return the call for a quote whose enclave report differs and is signed again."""
    good = TdxQuote.cut(told.root.quote(bytes(64)))
    enclave = bytearray(good.signatures[128:512])
    enclave[offset] ^= bits
    key = told.pki.machine_key(Machine())
    signatures = (
        good.signatures[:128]
        + bytes(enclave)
        + key.sign(bytes(enclave))
        + good.signatures[576:]
    )
    return (VERIFY, [good.signed, signatures, told.ids["machine"]])


def test_a_debugging_enclave_is_refused_although_a_mask_hides_it(told: Told) -> None:
    text = qe_identity_text(DevStatement(), now=NOW + 10)
    blind = text.replace(b'"attributesMask":"FB', b'"attributesMask":"F9')
    refused = told.then(told.signed_qe_identity(blind), resigned(told, 48, 2))
    assert isinstance(refused, errors.TdxQeForeignError)
    assert refused.debug and refused.got == refused.expected


@pytest.mark.parametrize(
    ("td", "error"),
    [
        (DevTd(attributes=bytes.fromhex("0100001000000000")), "TdxDebuggableError"),
        (
            DevTd(attributes=bytes.fromhex("1000001000000000")),
            "TdxAttributesForbiddenError",
        ),
        (
            DevTd(attributes=bytes.fromhex("0000023000000000")),
            "TdxAttributesForbiddenError",
        ),
        (
            DevTd(attributes=bytes.fromhex("0001001000000000")),
            "TdxAttributesForbiddenError",
        ),
        (DevTd(attributes=bytes(8)), "TdxSeptVeEnabledError"),
        (DevTd(mr_signer_seam=b"\1" + bytes(47)), "TdxModuleForeignError"),
        (DevTd(seam_attributes=bytes(7) + b"\1"), "TdxModuleForeignError"),
        (DevTd(body=3, mr_service_td=b"\1" + bytes(47)), "TdxServiceBoundError"),
        (DevTd(body=4, mr_service_td=bytes(47) + b"\1"), "TdxServiceBoundError"),
    ],
)
def test_rejects_tds_that_are_open_to_others(told: Told, td: DevTd, error: str) -> None:
    refused = told.then(told.verifying(told.root.quote(bytes(64), td=td)))
    assert type(refused).__name__ == error


def test_rejects_to_judge_again_by_an_enclave_that_was_replaced(told: Told) -> None:
    """After Intel changed what the enclave must be, its report has to be seen again."""
    text = qe_identity_text(DevStatement(), now=NOW + 10)
    other = text.replace(b'"isvprodid":2', b'"isvprodid":3')
    launched = bytes([6, 1, 3]) + bytes(13)
    asked = (
        "standing(bytes32,(bytes16,bytes16,uint16,uint8))",
        [told.ids["machine"], (launched, launched, 4, 1)],
    )
    assert isinstance(told.then(asked), bytes)
    # A new TCB recovery event or new levels alone are judged anew, without a quote.
    assert isinstance(
        told.then(
            told.qe_identity(replace(DevStatement(), evaluation_number=18)), asked
        ),
        bytes,
    )
    refused = told.then(told.signed_qe_identity(other), asked)
    assert isinstance(refused, errors.TdxQeReplacedError)
    assert (refused.generation, refused.expected) == (1, 2)


def test_other_signatures_of_the_same_quote_verify_as_the_same_quote(
    told: Told,
) -> None:
    """(r, n − s) is as good as (r, s): neither is an identity."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    good = TdxQuote.cut(told.root.quote(bytes(64)))
    s = order - int.from_bytes(good.signatures[32:64], "big")
    twin = good.signatures[:32] + s.to_bytes(32, "big") + good.signatures[64:]
    asked = (VERIFY, [good.signed, twin, told.ids["machine"]])
    assert told.then(asked) == told.then(told.verifying())


def test_refusal_changes_nothing(told: Told) -> None:
    """After every kind of refused submission, the quote verifies as before."""
    expected = told.then(told.verifying())
    assert isinstance(expected, bytes)
    collateral = told.root.collateral(now=NOW)
    setup = told.bench.setting_up(collateral, told.pki.machine_certificate(Machine()))
    newer = replace(DevStatement(), levels=(Level("OutOfDate"),), evaluation_number=99)
    bad = tcb_info_text(newer, machine=Machine(), now=NOW + 10)
    attacks: list[Call] = [
        (ADD_TCB, [bad, bytes(64), told.ids["signer"]]),
        (
            ADD_QE,
            [qe_identity_text(newer, now=NOW + 10), bytes(64), told.ids["signer"]],
        ),
        (ADD_LIST, [flipped(told.listing(2)[1][0], 300), told.ids["root"]]),
        (ADD_ROOT, [told.pki.root_certificate]),
    ]
    outcomes = told.bench.run((NOW, setup), (NOW + 60, [*attacks, told.verifying()]))
    refused = outcomes[len(setup) : -1]
    assert all(isinstance(outcome, ContractError) for outcome in refused)
    assert outcomes[-1] == expected
