"""`affiant serve`: a process of its own, with vLLM, and OpenAI's client to ask it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from affiant.encoding import to_hex
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.serve import check_template
from affiant.inference.commitment import ModelCommitment
from affiant.inference.errors import ChatTemplateError
from affiant.inference.keys import create_keystore
from affiant.inference.replay import replay

PASSWORD = "for a test"
ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def serving(
    folder: Path, model: Path, *options: str
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """Run the command; yield what it says of itself, and the process."""
    keystore = folder / "key.json"
    create_keystore(keystore, PASSWORD, iterations=1000)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "affiant.cli", "serve", "--model", str(model)),
            *("--keystore", str(keystore), "--port", "0", "--json", *options),
        ],
        cwd=ROOT,
        env={**os.environ, "AFFIANT_NODE_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.vllm
def test_serves_with_vllm_many_at_once(
    tmp_path: Path, tiny_model: Path, tiny_commitment: ModelCommitment, vllm_engine: Any
) -> None:
    with (
        serving(tmp_path, tiny_model, "--max-running", "8", "--name", "tiny") as (
            told,
            _,
        ),
        openai.OpenAI(base_url=told["url"], api_key="-", max_retries=0) as client,
    ):
        assert told["model"] == to_hex(tiny_commitment.root)
        assert told["name"] == "tiny"

        def ask(seed: int) -> Any:
            return client.chat.completions.create(
                model="tiny",
                messages=[{"role": "user", "content": f"what now? {seed % 4}"}],
                max_completion_tokens=32,
                seed=seed % 4,
            )

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(ask, range(12)))
        texts = [answer.choices[0].message.content for answer in answers]
        assert texts[:4] * 3 == texts
        for answer in answers[:4]:
            completion = Completion.from_json(answer.model_extra["affiant"])
            completion.check()
            assert completion.key == told["key"]
            assert completion.manifest == vllm_engine.manifest
            # An engine of ours, in another process: the same to the last bit.
            assert replay(vllm_engine, completion.sworn).grade == "exact"


def test_serves_with_transformers_and_stops(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, tiny_model, "--engine", "transformers") as (told, process):
        with openai.OpenAI(base_url=told["url"], api_key="-") as client:
            (model,) = client.models.list()
            assert model.id == tiny_model.name
        process.terminate()
        assert process.wait(30) is not None


@pytest.mark.parametrize(
    "options, said",
    [
        (("--engine", "llama"), "llama"),
        (("--max-tokens", "0"), "--max-tokens"),
        (("--keystore", "no-such-key"), "no-such-key"),
    ],
)
def test_is_called_wrongly(
    tmp_path: Path, tiny_model: Path, options: tuple[str, ...], said: str
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "affiant.cli", "serve", "--model", str(tiny_model)),
            *("--keystore", str(tmp_path / "none"), *options),
        ],
        cwd=ROOT,
        env={**os.environ, "AFFIANT_NODE_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (1, 2)
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_template_that_messages_can_imitate_is_not_served(
    tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "spoken"
    shutil.copytree(tiny_model, folder)
    check_template(folder)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    )
    with pytest.raises(ChatTemplateError):
        check_template(folder)
