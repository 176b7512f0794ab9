"""Kept chat answers: replayed from a file, and refused where anything was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner

from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replay_files import ReplayedFile, replay_files
from affiant.audit.replayer import FolderReplayer
from affiant.cli.main import app
from affiant.encoding import keccak256, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.chat.completion import Completion, text_hash
from affiant.inference.chat.errors import (
    AlteredAnswerError,
    UnderivedError,
    WrongCompletionError,
)
from affiant.inference.chat.kept import kept_answer
from affiant.inference.chat.node import ChatNode
from affiant.inference.commitment import commit_model
from affiant.inference.errors import ReceiptMismatchError
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import tokens_hash
from affiant.inference.trace import Trace, TraceEntry
from affiant.inference.transformers_engine import TransformersEngine

PLANNER = Path(__file__).resolve().parents[2] / "examples" / "planner" / "model"
KEY = NodeKey(Account.from_key(keccak256(b"affiant kept answers: key; never use it")))
BODY: dict[str, Any] = {
    "model": "planner",
    "messages": [{"role": "user", "content": "what now? WETH 1500 USDC hold"}],
    "max_completion_tokens": 24,
    "seed": 7,
    "affiant": {"nonce": "0x" + "ab" * 32},
}

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """An honest answer of the planner, as a file holds it."""
    engine = TransformersEngine.load(PLANNER)
    node = ChatNode(engine, model=commit_model(PLANNER).root, key=KEY, name="planner")
    try:
        answered = node.submit(node.read(BODY)).result(120)
    finally:
        node.close()
        engine.close()
    return {
        "request": BODY,
        "text": answered.text,
        "completion": answered.completion.to_json(),
    }


@pytest.fixture(scope="module")
def replayer() -> Any:
    """The auditor's own folder of the planner."""
    found = FolderReplayer(PLANNER)
    yield found
    found.close()


@pytest.fixture
def look(tmp_path: Path, replayer: FolderReplayer) -> Callable[..., ReplayedFile]:
    """Write a file and replay it."""

    def found(value: Any, *, with_replayer: Any = None) -> ReplayedFile:
        path = tmp_path / "answer.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        (file,) = replay_files([path], replayer=with_replayer or replayer).files
        return file

    return found


def test_an_honest_answer_replays_exactly(
    kept: dict[str, Any], look: Callable[..., ReplayedFile]
) -> None:
    file = look(kept)
    assert file.error is None and not file.rejected and not file.undecided
    assert [verdict.grade for verdict in file.verdicts] == ["exact"]
    completion = Completion.from_json(kept["completion"])
    assert (file.answer, file.node) == (completion, KEY.address)
    assert file.digest == completion.digest and file.slot is None
    assert file.to_json()["answer"] == completion.name


Change = Callable[[dict[str, Any]], Any]
CHANGES: dict[str, tuple[Change, type[AffiantError], str]] = {
    "the text": (lambda k: k.update(text="buy now"), AlteredAnswerError, "text"),
    "the question": (
        lambda k: k["request"]["messages"][0].update(content="what else?"),
        WrongCompletionError,
        "request",
    ),
    "the nonce": (
        lambda k: k["request"].pop("affiant"),
        WrongCompletionError,
        "request",
    ),
    "a token": (
        lambda k: k["completion"]["outputIds"].__setitem__(0, 3),
        ReceiptMismatchError,
        "output",
    ),
    "the limit": (
        lambda k: k["completion"].update(maxTokens=25),
        WrongCompletionError,
        "maxTokens",
    ),
    "the key": (
        lambda k: k["completion"].update(key="0x" + "11" * 20),
        MalformedError,
        "signature",
    ),
    "the signature": (
        lambda k: k["completion"].update(signature="0x" + "11" * 65),
        MalformedError,
        "signature",
    ),
    "no text": (lambda k: k.pop("text"), MalformedError, "kept answer"),
    "text that is none": (lambda k: k.update(text=1), MalformedError, "text"),
    "something more": (lambda k: k.update(note=""), MalformedError, "kept answer"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_an_edited_answer_is_refused_and_not_replayed(
    kept: dict[str, Any], look: Callable[..., ReplayedFile], case: str
) -> None:
    change, error, name = CHANGES[case]
    value = deepcopy(kept)
    change(value)
    file = look(value)
    assert file.rejected and file.verdicts == () and file.node is None
    assert type(file.error) is error and name in str(file.error)


def test_rubbish_is_refused_before_any_model_is_asked(
    look: Callable[..., ReplayedFile],
) -> None:
    for rubbish in ("{", '{"text":NaN}', '{"text":"","text":""}', '{"a":' * 99):
        assert isinstance(look(rubbish, with_replayer=object()).error, MalformedError)
    with pytest.raises(MalformedError, match="kept answer"):
        kept_answer(b"[]")


def resworn(kept: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what the key's holder can make of an answer: other words, well signed."""
    changed = replace(Completion.from_json(kept["completion"]), **changes)
    signed = changed.signed(KEY.sign(changed.digest))
    return {**kept, "completion": signed.to_json()}


def test_well_signed_tokens_that_the_model_did_not_choose_are_inconsistent(
    kept: dict[str, Any], look: Callable[..., ReplayedFile]
) -> None:
    honest = Completion.from_json(kept["completion"])
    first, *rest = honest.output_ids
    ids = (first ^ 1 or 9, *rest)
    head, *tail = honest.trace.entries
    trace = Trace((TraceEntry(ids[0], head.fingerprint), *tail))
    receipt = replace(honest.receipt, output=tokens_hash(ids), trace=trace.root)
    file = look(resworn(kept, output_ids=ids, trace=trace, receipt=receipt))
    assert file.rejected
    assert [verdict.grade for verdict in file.verdicts] == ["inconsistent"]


def test_a_well_signed_text_that_the_tokens_do_not_spell_is_refused(
    kept: dict[str, Any], look: Callable[..., ReplayedFile]
) -> None:
    file = look(resworn({**kept, "text": "buy now"}, text=text_hash("buy now")))
    assert file.rejected and isinstance(file.error, UnderivedError)
    assert file.error.field == "text"


def test_another_model_is_not_held_against_it(
    kept: dict[str, Any], look: Callable[..., ReplayedFile]
) -> None:
    honest = Completion.from_json(kept["completion"])
    receipt = replace(honest.receipt, model=keccak256(b"another"))
    file = look(resworn(kept, receipt=receipt))
    assert not file.rejected and file.undecided
    assert isinstance(file.error, AuditUnavailableError)


def test_the_command_takes_answers(kept: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(kept))
    arguments = ["replay", str(path), "--model", str(PLANNER)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    completion = Completion.from_json(kept["completion"])
    for said in (completion.name, completion.key, "exact, same profile"):
        assert said in done.stdout
    done = CliRunner().invoke(app, [*arguments, "--json"])
    (file,) = json.loads(done.stdout)["files"]
    assert file["digest"] == to_hex(completion.digest)
    # What this machine is not given room for is told as that, not as a lie.
    for option, words in (
        ("--max-context=9", "context of 9"),
        ("--memory-gib=0.1", ""),
    ):
        done = CliRunner().invoke(app, [*arguments, option])
        assert done.exit_code == (3 if words else 0) and words in done.stdout
    path.write_text(json.dumps({**kept, "text": "buy now"}))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "AlteredAnswerError" in done.stdout
