"""`docs/openai.md`: its examples are run as they stand, its tables are the code's.

The service is the command on the page, in a process of its own, on the planner model;
only its port and engine are the test's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import openai
import pytest

from affiant.encoding import Digest, to_hex
from affiant.inference.chat import answer, errors, request
from affiant.inference.chat.attestation import Attestation
from affiant.inference.chat.client import ChatClient, open_tokenizer
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.parameters import HARMLESS, NEUTRAL, READ
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import verify_kept
from affiant.inference.commitment import commit_model

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "openai.md").read_text()
PLANNER = ROOT / "examples" / "planner" / "model"
PASSWORD = "for a test"
URL = "http://127.0.0.1:8000/v1"


def blocks(language: str) -> list[str]:
    """Return the page's examples in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[list[str]]:
    """Return the page's commands as arguments."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("affiant ")]


def affiant(arguments: list[str]) -> list[str]:
    """Return how to run a command of the page."""
    return [sys.executable, "-m", "affiant.cli", *arguments[1:]]


@contextmanager
def serving(folder: Path, *, engine: str) -> Iterator[dict[str, Any]]:
    """Make the key and run the service as the page says; yield what it tells."""
    (folder / "examples").symlink_to(ROOT / "examples")
    new_key, serve = commands()[:2]
    assert new_key[1:3] == ["key", "new"] and serve[1] == "serve"
    environment = {**os.environ, "AFFIANT_NODE_PASSWORD": PASSWORD}
    subprocess.run(
        affiant(new_key), cwd=folder, env=environment, check=True, timeout=600
    )
    serve[serve.index("--port") + 1] = "0"
    with subprocess.Popen(
        [*affiant(serve), "--engine", engine, "--json"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's reader is."""
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[dict[str, Any]]:
    """What the service on the planner says of itself."""
    with serving(folder, engine="transformers") as found:
        yield found


QUESTION: dict[str, Any] = {
    "model": "planner",
    "messages": [{"role": "user", "content": "WETH 60 %, USDC 40 %: hold or swap?"}],
    "temperature": 0.7,
    "seed": 7,
    "max_completion_tokens": 24,
}


@pytest.mark.model
@pytest.mark.process
def test_the_command_answers_openais_client_and_ours_verifies(
    told: dict[str, Any],
) -> None:
    model = commit_model(PLANNER).root
    assert (told["name"], told["model"]) == ("planner", to_hex(model))
    trust = Trust.parse(key=told["key"], model=told["model"], engine=told["engine"])
    tokenizer = open_tokenizer(PLANNER, model=model)
    ours = {"affiant": {"nonce": "0x" + "07" * 32}}
    with openai.OpenAI(
        base_url=told["url"], api_key="-", max_retries=0, timeout=600
    ) as client:
        whole = client.chat.completions.create(**QUESTION, extra_body=ours)
        streamed = list(
            client.chat.completions.create(
                **QUESTION, stream=True, extra_body={"affiant": {"release": 4}}
            )
        )
        (listed,) = client.models.list()
        assert client.models.retrieve("planner") == listed
        nonce = Digest(bytes(range(32)))
        stated = client.get(
            f"/attestation?nonce={to_hex(nonce)}", cast_to=dict[str, Any]
        )
    text = whole.choices[0].message.content
    assert text and whole.model_extra
    found = verify_kept(
        text,
        request={**QUESTION, **ours},
        completion=whole.model_extra["affiant"],
        trust=trust,
        tokenizer=tokenizer,
    )
    assert found.key == told["key"] and found.receipt.model == model
    # Streamed: the same text, in several pieces, under a completion of its own.
    pieces = [c.choices[0].delta.content or "" for c in streamed]
    assert "".join(pieces) == text and len([p for p in pieces if p]) > 2
    last = verify_kept(
        text,
        request={**QUESTION, "stream": True, "affiant": {"release": 4}},
        completion=(streamed[-1].model_extra or {})["affiant"],
        trust=trust,
        tokenizer=tokenizer,
    )
    assert last.self_check.window == 4 and last.id != found.id
    assert last.output_ids == found.output_ids and last.trace == found.trace
    # What the service lists is what it swears with.
    ours_listed = (listed.model_extra or {})["affiant"]
    assert {name: ours_listed[name] for name in ("key", "model", "engine")} == {
        name: told[name] for name in ("key", "model", "engine")
    }
    attestation = Attestation.from_json(stated)
    attestation.check(nonce=nonce)
    assert attestation.key == found.key and attestation.manifest == found.manifest
    # And our own client, which believes nobody by itself.
    with ChatClient(told["url"], trust=trust, timeout=600, tokenizer=tokenizer) as mine:
        for body in (QUESTION, {**QUESTION, "stream": True}):
            answered = mine.complete(body)
            assert (answered.text, answered.derived) == (text, True)
        assert mine.attestation().key == found.key


@pytest.mark.model
@pytest.mark.process
def test_the_pages_examples_run(
    told: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "trusted.json").write_text(
        json.dumps({name: told[name] for name in ("key", "model", "engine")})
    )
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "page"}
    said = []
    for source in blocks("python"):
        assert "http://" not in source.replace(URL, "")
        with redirect_stdout(StringIO()) as out:
            exec(compile(source.replace(URL, told["url"]), "openai.md", "exec"), names)
        said.append(out.getvalue())
    asked, streamed, checked, derived, kept, langchain = said
    assert "request" in asked
    assert streamed.startswith("True ")
    assert checked.startswith(told["key"])
    assert derived.endswith("True\nTrue\n")
    assert kept == ""
    assert langchain.startswith(told["key"]) and "hold=" in langchain
    names["client"].close()
    names["llm"]._client.close()
    replay = commands()[-1]
    assert replay[1:3] == ["replay", "answer.json"] and len(commands()) == 3
    done = subprocess.run(
        affiant(replay), cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exact, same profile" in done.stdout and told["key"] in done.stdout


@pytest.mark.vllm
@pytest.mark.process
def test_the_command_as_it_stands_serves_with_vllm(tmp_path: Path) -> None:
    with serving(tmp_path, engine="vllm") as told:
        trust = Trust.parse(key=told["key"], model=told["model"], engine=told["engine"])
        tokenizer = open_tokenizer(PLANNER, model=commit_model(PLANNER).root)
        with openai.OpenAI(
            base_url=told["url"], api_key="-", max_retries=0, timeout=600
        ) as client:
            whole = client.chat.completions.create(**QUESTION)
            *_, last = client.chat.completions.create(**QUESTION, stream=True)
        text = whole.choices[0].message.content
        assert text
        for answered, more in ((whole, {}), (last, {"stream": True})):
            completion = verify_kept(
                text,
                request={**QUESTION, **more},
                completion=(answered.model_extra or {})["affiant"],
                trust=trust,
                tokenizer=tokenizer,
            )
            assert completion.manifest.engine == "vllm"


def rows(section: str) -> list[list[str]]:
    """Return the cells of all tables of a section, without headings."""
    body = re.split(r"\n## ", PAGE.split(f"\n## {section}\n")[1])[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if not set(row[0]) <= {"-", ""}]


def named(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_explains_every_field() -> None:
    fields = [name for row in rows("The field `affiant`") for name in named(row[0])]
    example = json.loads((ROOT / "docs" / "formats-completion.json").read_bytes())
    assert Completion.from_json(example["completion"])
    assert sorted(fields) == sorted(["nonce", "release", *example["completion"]])


def test_the_page_names_every_parameter_once() -> None:
    stated = [name for row in rows("Parameters") for name in named(row[0])]
    assert sorted(stated) == sorted([*READ, *HARMLESS, *NEUTRAL])
    assert f"1 to {request.MAX_MESSAGES} of" in PAGE
    assert f"1 to {request.MAX_WINDOW} tokens" in PAGE


def test_the_page_names_every_error() -> None:
    service: set[tuple[int, str]] = set()
    client: set[str] = set()
    for row in rows("Errors"):
        if row[0].isdigit():
            service |= {(int(row[0]), code) for code in named(row[1])}
        else:
            client |= set(named(row[0]))
    kinds = {(kind.status, kind.code) for _, kind in answer._KINDS}
    others = {(404, "unknown_url"), (405, "unknown_url"), (500, "internal_error")}
    assert service == kinds | others
    raised = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.CompletionError)
    } - {"CompletionError"}
    assert raised | {"ServiceRefusedError", "StreamCutError"} <= client
