"""An endorser never contradicts itself: not at once, not after a restart."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.audit.endorser_errors import AlreadySignedError, SignedUnavailableError
from affiant.audit.signed import SignedMemory
from affiant.encoding import Digest, keccak256
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.decision import Decision
from affiant.onchain.mandate import Address

GATE = Address("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")
SIGNER = Address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
NODE = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
MANDATE = keccak256(b"mandate")
HEAD = keccak256(b"head")


def digest(name: str) -> Digest:
    return keccak256(name.encode())


def decision(slot: int, *, head: Digest = HEAD, mandate: Digest = MANDATE) -> Decision:
    filler = digest("filler")
    return Decision(
        mandate=mandate,
        program=filler,
        slot=slot,
        anchor_hash=filler,
        previous=head,
        observation=filler,
        receipts=filler,
        calls=filler,
        bounds=filler,
        evidence=filler,
        valid_until=1,
    )


def open_memory(path: Path | None, **changes: Any) -> SignedMemory:
    parts: dict[str, Any] = {"chain_id": 1, "gate": GATE, "signer": SIGNER}
    return SignedMemory(path, **{**parts, **changes})


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SignedMemory]:
    made = open_memory(tmp_path / "signed.sqlite")
    yield made
    made.close()


def keep(
    memory: SignedMemory,
    item: Decision,
    name: str,
    signature: bytes = b"s",
    *,
    node: Address = NODE,
) -> Any:
    return memory.keep_endorsement(
        item, node=node, digest=digest(name), signature=signature
    )


def test_the_same_decision_gets_the_same_signature_also_after_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "deep" / "signed.sqlite"
    first = open_memory(path)
    assert first.endorsement(decision(7), digest=digest("a")) is None
    assert keep(first, decision(7), "a", b"one").signature == b"one"
    assert keep(first, decision(7), "a", b"two").signature == b"one"
    first.close()
    second = open_memory(path)
    found = second.endorsement(decision(7), digest=digest("a"))
    assert found is not None
    assert (found.digest, found.endorser, found.signature) == (
        digest("a"),
        SIGNER,
        b"one",
    )
    second.close()


REFUSED: list[tuple[str, Decision, str]] = [
    ("another decision of the slot on the same head", decision(7), "slot 7"),
    (
        "another decision of the slot on another head",
        decision(7, head=digest("other head")),
        "slot 7",
    ),
    ("an earlier slot on the same head", decision(6), "one after 7"),
    (
        "an earlier slot on another head",
        decision(6, head=digest("other head")),
        "one after 7",
    ),
]


@pytest.mark.parametrize(
    ("second", "says"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_refuses_what_contradicts_an_endorsement(
    memory: SignedMemory, second: Decision, says: str
) -> None:
    keep(memory, decision(7), "a")
    for ask in (
        lambda: memory.endorsement(second, digest=digest("b")),
        lambda: keep(memory, second, "b"),
    ):
        with pytest.raises(AlreadySignedError, match=says):
            ask()
    # The first stands.
    assert memory.endorsement(decision(7), digest=digest("a")) is not None


def test_a_later_slot_may_follow_on_the_same_head(memory: SignedMemory) -> None:
    """Only one of the two can ever execute, and the first may never have."""
    keep(memory, decision(7), "a")
    keep(memory, decision(9), "b")
    assert memory.endorsement(decision(7), digest=digest("a")) is not None
    with pytest.raises(AlreadySignedError):
        keep(memory, decision(8), "c")


@pytest.mark.parametrize(
    "other",
    [{"chain_id": 2}, {"gate": NODE}, {"signer": NODE}],
    ids=["another chain", "another gate", "another key"],
)
def test_what_was_signed_elsewhere_does_not_count(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    path = tmp_path / "signed.sqlite"
    one, two = open_memory(path), open_memory(path, **other)
    keep(one, decision(7), "a")
    keep(two, decision(7), "b")
    one.close()
    two.close()


def test_mandates_do_not_mix(memory: SignedMemory) -> None:
    keep(memory, decision(7), "a")
    keep(memory, decision(7, mandate=digest("another mandate")), "b")


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "signed.sqlite"
    memories = [open_memory(path) for _ in range(4)]
    kept: list[Digest] = []
    refused: list[Exception] = []
    start = threading.Barrier(8)

    def sign(number: int) -> None:
        start.wait(20)
        try:
            item = keep(memories[number % 4], decision(7), f"decision {number}")
            kept.append(item.digest)
        except AlreadySignedError as error:
            refused.append(error)

    threads = [threading.Thread(target=sign, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept), len(refused)) == (1, 7)
    for memory in memories:
        memory.close()


def test_a_memory_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SignedUnavailableError):
        open_memory(tmp_path / "folder")
    (tmp_path / "rubbish").write_bytes(b"no database" * 100)
    with pytest.raises(SignedUnavailableError):
        open_memory(tmp_path / "rubbish")


def test_a_memory_that_breaks_is_unavailable(tmp_path: Path) -> None:
    memory = open_memory(tmp_path / "signed.sqlite")
    (tmp_path / "signed.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(SignedUnavailableError):
        keep(memory, decision(7), "a")
    memory.close()


# Checkpoints.


def checkpoint(anchor: int, *, outflow: int, fork: str = "", head: str = "h") -> Any:
    return Checkpoint(
        mandate=MANDATE,
        head=digest(head),
        outflow=outflow,
        anchor=anchor,
        anchor_hash=digest(f"block {anchor}{fork}"),
    )


def canonical(number: int, block_hash: Digest) -> bool:
    return block_hash == digest(f"block {number}")


def keep_checkpoint(
    memory: SignedMemory, item: Checkpoint, signature: bytes = b"s"
) -> bytes:
    return memory.keep_checkpoint(item, signature=signature, canonical=canonical)


CHECKPOINTS: list[tuple[str, Any, str]] = [
    ("another outflow at the same block", checkpoint(100, outflow=51), "outflow"),
    ("another head at the same block", checkpoint(100, outflow=50, head="x"), "head"),
    ("less outflow at a later block", checkpoint(110, outflow=49), "at least 50"),
    ("more outflow at an earlier block", checkpoint(90, outflow=51), "at most 50"),
]


@pytest.mark.parametrize(
    ("second", "says"),
    [case[1:] for case in CHECKPOINTS],
    ids=[case[0] for case in CHECKPOINTS],
)
def test_refuses_checkpoints_that_contradict(
    memory: SignedMemory, second: Checkpoint, says: str
) -> None:
    keep_checkpoint(memory, checkpoint(100, outflow=50))
    with pytest.raises(AlreadySignedError, match=says):
        keep_checkpoint(memory, second)


def test_checkpoints_go_on_and_repeat(memory: SignedMemory) -> None:
    first = keep_checkpoint(memory, checkpoint(100, outflow=50), b"one")
    assert keep_checkpoint(memory, checkpoint(100, outflow=50), b"two") == first
    assert keep_checkpoint(memory, checkpoint(110, outflow=50, head="hold")) == b"s"
    assert keep_checkpoint(memory, checkpoint(90, outflow=10)) == b"s"


def test_a_checkpoint_of_a_reorganised_block_binds_nobody(memory: SignedMemory) -> None:
    keep_checkpoint(memory, checkpoint(100, outflow=50, fork=" of a fork"))
    assert keep_checkpoint(memory, checkpoint(100, outflow=20)) == b"s"
    assert keep_checkpoint(memory, checkpoint(110, outflow=30)) == b"s"


# Verdicts.


def test_no_verdict_on_what_was_endorsed(memory: SignedMemory) -> None:
    keep(memory, decision(7), "a")
    with pytest.raises(AlreadySignedError, match="endorsement"):
        memory.keep_verdict(Verdict(MANDATE, NODE, digest("a")), signature=b"v")
    assert memory.verdict_on(NODE, mandate=MANDATE) is None


def test_verdicts_repeat_and_are_remembered(memory: SignedMemory) -> None:
    verdict = Verdict(MANDATE, NODE, digest("a"))
    assert memory.keep_verdict(verdict, signature=b"one") == b"one"
    assert memory.keep_verdict(verdict, signature=b"two") == b"one"
    assert memory.verdict_on(NODE, mandate=MANDATE) == digest("a")
    assert memory.verdict_on(SIGNER, mandate=MANDATE) is None
    assert memory.verdict_on(NODE, mandate=digest("another")) is None


def test_after_a_verdict_nothing_by_that_key_is_endorsed(memory: SignedMemory) -> None:
    """Also where the endorsement began before the verdict: the last look is here."""
    assert memory.verdict_on(NODE, mandate=MANDATE) is None
    memory.keep_verdict(Verdict(MANDATE, NODE, digest("a")), signature=b"v")
    for name in ("a", "b"):
        with pytest.raises(AlreadySignedError, match="none after the verdict"):
            keep(memory, decision(7), name)
    assert memory.endorsement(decision(7), digest=digest("b")) is None
    keep(memory, decision(7), "b", node=SIGNER)
    keep(memory, decision(7, mandate=digest("another")), "c")


def test_of_verdict_and_endorsement_at_once_one_is_signed(tmp_path: Path) -> None:
    """Of one decision: two processes of one endorser, as `endorser` and `verdict`."""
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        judge, sign = open_memory(path), open_memory(path)
        item = Verdict(MANDATE, NODE, digest("a"))
        outcomes = at_once(
            lambda judge=judge, item=item: judge.keep_verdict(item, signature=b"v"),
            lambda sign=sign: keep(sign, decision(7), "a"),
        )
        assert sorted(isinstance(error, AlreadySignedError) for error in outcomes) == [
            False,
            True,
        ]
        judge.close()
        sign.close()


def at_once(*tasks: Callable[[], Any]) -> list[Exception | None]:
    """Run tasks in threads that begin together; return what each raised."""
    raised: list[Exception | None] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> None:
        start.wait(20)
        try:
            task()
            raised.append(None)
        except AlreadySignedError as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


# What the disk, the power and the process may do.


def _child(path: Path, *, before: str = "", name: str = "a") -> int:
    """Keep an endorsement in a process of its own; return its exit status."""
    code = f"""
import importlib.util, os, resource, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("test_signed", {str(Path(__file__))!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
memory = tests.open_memory(Path({str(path)!r}))
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
{before}
try:
    tests.keep(memory, tests.decision(7), {name!r}, b"of the child")
except tests.SignedUnavailableError as error:
    print(error)
    sys.exit(3)
kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600
    )
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode == 3:
        told = done.stdout.lower()
        assert "memory of what was signed" in told
        assert "of the child" not in told and str(path).lower() not in told
    return done.returncode


def test_killed_between_record_and_answer_it_repeats_what_it_recorded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "signed.sqlite"
    assert _child(path) == -signal.SIGKILL
    memory = open_memory(path)
    found = memory.endorsement(decision(7), digest=digest("a"))
    assert found is not None and found.signature == b"of the child"
    with pytest.raises(AlreadySignedError):
        keep(memory, decision(7), "b")
    memory.close()


KILLED = {
    "before the record": "INSERT",
    "before the commit": "COMMIT",
}


@pytest.mark.parametrize("word", KILLED.values(), ids=KILLED)
def test_killed_before_the_record_counts_nothing_is_kept(
    tmp_path: Path, word: str
) -> None:
    """Nothing had left either, so that another decision may be signed."""
    path = tmp_path / "signed.sqlite"
    before = f"""
import sqlalchemy
def stop(_c, _cursor, statement, *_):
    if statement.startswith({word!r}):
        kill()
sqlalchemy.event.listen(memory._engine, "before_cursor_execute", stop)
"""
    assert _child(path, before=before) == -signal.SIGKILL
    memory = open_memory(path)
    assert memory.endorsement(decision(7), digest=digest("a")) is None
    keep(memory, decision(7), "b")
    memory.close()


def test_a_full_disk_keeps_nothing_and_does_not_tell_the_signature(
    tmp_path: Path,
) -> None:
    path = tmp_path / "signed.sqlite"
    open_memory(path).close()
    # No file of this process may grow beyond that: a real failure of a real write.
    before = "resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))"
    assert _child(path, before=before) == 3
    memory = open_memory(path)
    assert memory.endorsement(decision(7), digest=digest("a")) is None
    keep(memory, decision(7), "b")
    memory.close()


def test_an_older_copy_still_refuses_what_it_knows(tmp_path: Path) -> None:
    """It forgets what came after it: `docs/endorser.md` says what that is worth."""
    path, copy = tmp_path / "signed.sqlite", tmp_path / "copy.sqlite"
    memory = open_memory(path)
    keep(memory, decision(7), "a")
    memory.close()
    shutil.copy(path, copy)
    memory = open_memory(path)
    keep(memory, decision(8), "b")
    memory.close()
    shutil.copy(copy, path)
    older = open_memory(path)
    for slot, name in ((7, "x"), (6, "y")):
        with pytest.raises(AlreadySignedError):
            keep(older, decision(slot), name)
    assert older.endorsement(decision(8), digest=digest("other")) is None
    older.close()


def test_memory_without_a_file_keeps_the_same_rules() -> None:
    memory = open_memory(None)
    keep(memory, decision(7), "a")
    with pytest.raises(AlreadySignedError):
        keep(memory, replace(decision(7), valid_until=2), "b")
    memory.close()
