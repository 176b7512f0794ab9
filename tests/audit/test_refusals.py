"""A recorded refusal is repeated only if everything submitted was sworn to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from affiant.audit.auditor import audit_mandate
from affiant.audit.refusals import RecordedRefusal, refusals_in_words
from affiant.audit.result import Kind, Status, Verdict
from affiant.encoding import Digest, keccak256
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission

pytestmark = pytest.mark.anvil

Edit = Callable[[Submission], Submission]
EXACTLY = "The gate refused exactly this decision: "
ELSE = "The operator recorded a refusal of something else"
NOTHING = "shows nothing"


def _garbage_call(sent: Submission) -> Submission:
    return replace(sent, calls=(replace(sent.calls[0], data=b"\xde\xad\xbe\xef"),))


EDITS: list[tuple[str, Edit]] = [
    ("garbage calls", _garbage_call),
    ("no calls", lambda sent: replace(sent, calls=())),
    ("other bounds", lambda sent: replace(sent, bounds=(0,))),
    (
        "another's receipts",
        lambda sent: replace(
            sent, decision=replace(sent.decision, receipts=Digest(b"\x11" * 32))
        ),
    ),
    ("a zero signature", lambda sent: replace(sent, signature=bytes(65))),
    ("no signature", lambda sent: replace(sent, signature=b"")),
    ("another node", lambda sent: replace(sent, node="0x" + "11" * 20)),
    (
        "another decision",
        lambda sent: replace(sent, decision=replace(sent.decision, slot=1)),
    ),
]


def _revert(signature: str, words: bytes = b"") -> bytes:
    return keccak256(signature.encode())[:4] + words


def _call_failed(reason: bytes) -> bytes:
    word = (64).to_bytes(32, "big")
    padded = reason + bytes(-len(reason) % 32)
    body = bytes(32) + word + len(reason).to_bytes(32, "big") + padded
    return _revert("CallFailed(uint256,bytes)", body)


HONEST: list[tuple[str, bytes, str]] = [
    ("a named error", _revert("EmptyDecision()"), EXACTLY + "EmptyDecision."),
    (
        "a call that said why",
        _call_failed(_revert("EmptyDecision()")),
        EXACTLY + "CallFailed (EmptyDecision).",
    ),
    ("a call without a reason", _call_failed(b""), NOTHING),
    ("no reason at all", b"", NOTHING),
    (
        "a feed that did not answer",
        _revert("PriceInvalid(address,int256,uint256)", bytes(96)),
        NOTHING,
    ),
    (
        "a feed that answered nonsense",
        _revert("PriceInvalid(address,int256,uint256)", bytes(95) + b"\1"),
        EXACTLY + "PriceInvalid.",
    ),
    (
        "a balance that could not be read",
        _revert("BalanceUnreadable(address)", bytes(32)),
        NOTHING,
    ),
    (
        "a recovery that failed",
        _revert("SignatureMalformed(uint256)", bytes(32)),
        NOTHING,
    ),
]


def _words(chronicle: Any, *refusals: RecordedRefusal) -> str:
    bundle, book = chronicle.bundles["unused"], chronicle.world.book
    return refusals_in_words(
        refusals,
        digest=bundle.digest,
        node=bundle.node,
        chain_id=book.chain_id,
        gate=book.gate,
    )


@pytest.mark.parametrize(
    ("reason", "says"), [case[1:] for case in HONEST], ids=[case[0] for case in HONEST]
)
def test_gas_excuses_nobody(chronicle: Any, reason: bytes, says: str) -> None:
    honest = Submission.of(chronicle.bundles["unused"])
    said = _words(chronicle, RecordedRefusal(decode_revert(reason), honest))
    assert says in said
    assert said.startswith(EXACTLY) == (says != NOTHING)


@pytest.mark.parametrize(
    "edit", [case[1] for case in EDITS], ids=[case[0] for case in EDITS]
)
def test_what_was_not_sworn_to_shows_nothing(chronicle: Any, edit: Edit) -> None:
    honest = Submission.of(chronicle.bundles["unused"])
    reason = decode_revert(_revert("EmptyDecision()"))
    said = _words(chronicle, RecordedRefusal(reason, edit(honest)))
    assert said.startswith(ELSE)
    assert "EmptyDecision" not in said


def test_what_cannot_be_read_shows_nothing(chronicle: Any) -> None:
    reason = decode_revert(_revert("EmptyDecision()"))
    assert _words(chronicle, RecordedRefusal(reason, None)).startswith(ELSE)
    assert _words(chronicle) == ""


def test_one_honest_refusal_among_others_is_repeated(chronicle: Any) -> None:
    honest = Submission.of(chronicle.bundles["unused"])
    first = decode_revert(_revert("EmptyDecision()"))
    second = decode_revert(_call_failed(b""))
    said = _words(
        chronicle,
        RecordedRefusal(first, _garbage_call(honest)),
        RecordedRefusal(second, honest),
        RecordedRefusal(first, honest),
        RecordedRefusal(first, honest),
    )
    assert said == EXACTLY + "EmptyDecision."


@pytest.fixture
def later(chronicle: Any) -> Iterator[Any]:
    """The world, put back after the test."""
    rpc = chronicle.world.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    yield chronicle.world
    rpc.request("evm_revert", snapshot)


def _unused(chronicle: Any) -> Any:
    report = chronicle.audit()
    assert report.verdict is Verdict.ACCEPTED
    (audit,) = [item for item in report.decisions if item.kind is Kind.UNUSED]
    assert audit.steps[9].status is Status.PASS
    return audit


@pytest.mark.parametrize(
    ("edit", "says"),
    [(lambda sent: sent, EXACTLY + "SlotNotNewest."), (_garbage_call, ELSE)],
    ids=["honest", "garbage calls"],
)
def test_recorded_refusals_are_read_again_from_the_chain(
    chronicle: Any, later: Any, edit: Edit, says: str
) -> None:
    bundle = chronicle.bundles["unused"]
    receipt = later.gate.try_execute(
        edit(Submission.of(bundle)), operator=later.operator
    )
    (event,) = later.gate.refused_in(receipt)
    assert event.digest == bundle.digest
    assert says in _unused(chronicle).steps[9].detail


# A mandate under which nothing was done.


def test_nothing_decided_is_not_accepted_as_reproduced(
    later: Any, tmp_path: Any
) -> None:
    mandate = later.mandate_for(salt=keccak256(b"idle"))
    later.grant(mandate)

    def audit() -> Any:
        return audit_mandate(
            later.chain,
            gate=later.book.gate,
            mandate=mandate.id,
            store=EvidenceStore(str(tmp_path / "nothing")),
            required="signed",
        )

    early = audit()
    assert early.completeness.total == 0
    assert early.verdict is Verdict.ACCEPTED
    assert early.headline == "Nothing was decided, and no slot is unexplained."
    for _ in range(3):
        later.scenario.next_slot(mandate.cadence)
    late = audit()
    assert late.completeness.unexplained
    assert late.verdict is Verdict.INCOMPLETE
    assert late.headline.startswith("Nothing was decided: incomplete, ")
