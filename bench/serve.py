"""`make bench-serve`: what sworn chat answers cost, beside vLLM's own server.

`affiant serve` and vLLM's own OpenAI-compatible server, each a process with the same
model, numbers, threads and batch size; asked the same questions over HTTP, greedily, in
turns, while the other one idles. Plain is vLLM as it comes: no sampler of ours, no
trace, no self-check, no signature, nothing riding along. Figures are medians of rounds;
a round is all requests of a batch at once, until the last one is answered.

    python bench/serve.py [--rounds N] [--tokens N] [--batches 1 8]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from table import Row, publish
from text_model import CONTEXT, TEXT, model_folder, prompts
from tokenizers import Tokenizer

from affiant.inference.keys import create_keystore

PASSWORD = "for a benchmark"
NAME = "text"
THREADS = 2
"""CPU threads of each server; the other one idles meanwhile."""
KV_GIB = 1
RUNNING = 8
"""Most requests that each server batches."""
START_SECONDS = 300.0
PLAIN_TEMPLATE = "{{ messages[0]['content'] }}"
"""What ours gives a model without a template: one question is the prompt."""

log = Console(stderr=True)


@dataclass
class Timing:
    """What one server did in the rounds of one batch size."""

    rates: list[float] = field(default_factory=list)
    """Tokens per second, per round."""
    seconds: list[float] = field(default_factory=list)
    """Seconds per round."""
    sizes: list[float] = field(default_factory=list)
    """Bytes of an answer per token, per round."""


def environment() -> dict[str, str]:
    """Return what both servers are told about this machine."""
    return {
        **os.environ,
        "AFFIANT_NODE_PASSWORD": PASSWORD,
        "OMP_NUM_THREADS": str(THREADS),
        "VLLM_CPU_KVCACHE_SPACE": str(KV_GIB),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def sworn(model: Path, folder: Path) -> Iterator[str]:
    """Run `affiant serve`; yield its URL."""
    keystore = folder / "key.json"
    create_keystore(keystore, PASSWORD, iterations=1000)
    command = [
        *(sys.executable, "-m", "affiant.cli", "serve", "--model", str(model)),
        *("--name", NAME, "--keystore", str(keystore), "--port", "0", "--json"),
        *("--max-running", str(RUNNING)),
    ]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def plain(model: Path, folder: Path) -> Iterator[str]:
    """Run vLLM's own server on the same model; yield its URL."""
    template = folder / "template.jinja"
    template.write_text(PLAIN_TEMPLATE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        # Not `vllm serve`: that command looks for a package called vllm, and the CPU
        # build is called vllm-cpu.
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--served-model-name", NAME),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"),
        *("--chat-template", str(template), "--generation-config", "vllm"),
        *("--enforce-eager", "--max-model-len", str(CONTEXT), "--seed", "0"),
        *("--max-num-batched-tokens", str(CONTEXT), "--max-num-seqs", str(RUNNING)),
        *("--disable-log-stats",),
    ]
    url = f"http://127.0.0.1:{port}/v1"
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"vLLM's server ended with {process.returncode}")
        try:
            httpx.get(f"{url}/models", timeout=5, trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise RuntimeError(f"vLLM's server: not up after {START_SECONDS:g} s")


def ask(
    client: httpx.Client, pool: ThreadPoolExecutor, asked: Sequence[str], tokens: int
) -> tuple[int, float, int]:
    """Ask all questions at once; return tokens, seconds and bytes."""

    def one(text: str) -> httpx.Response:
        return client.post(
            "/chat/completions",
            json={
                "model": NAME,
                "messages": [{"role": "user", "content": text}],
                "temperature": 0,
                "max_completion_tokens": tokens,
            },
        ).raise_for_status()

    started = time.perf_counter()
    answers = list(pool.map(one, asked))
    taken = time.perf_counter() - started
    count = sum(answer.json()["usage"]["completion_tokens"] for answer in answers)
    return count, taken, sum(len(answer.content) for answer in answers)


def measure(rounds: int, tokens: int, batches: Sequence[int]) -> list[Row]:
    """Measure every batch size on both servers, in turns, and return the rows."""
    model = model_folder(TEXT)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        log.status("starting both servers"),
        plain(model, Path(folder)) as plain_url,
        sworn(model, Path(folder)) as sworn_url,
        httpx.Client(base_url=plain_url, trust_env=False, timeout=600) as without,
        httpx.Client(base_url=sworn_url, trust_env=False, timeout=600) as under_oath,
        ThreadPoolExecutor(max(batches)) as pool,
    ):
        ways = [("plain", without), ("sworn", under_oath)]
        for batch in batches:
            found = {name: Timing() for name, _ in ways}
            for number in range(rounds + 1):
                asked = [
                    tokenizer.decode(ids)
                    for ids in prompts(batch, seed=number, tokens=48, folder=model)
                ]
                # In turns, each time the other first; the first round warms up.
                for name, client in ways if number % 2 else ways[::-1]:
                    count, taken, size = ask(client, pool, asked, tokens)
                    if number:
                        found[name].rates.append(count / taken)
                        found[name].seconds.append(taken)
                        found[name].sizes.append(size / count)
            rows += _rows(batch, found)
    return rows


def _rows(batch: int, found: dict[str, Timing]) -> list[Row]:
    median = statistics.median
    bare, oath = found["plain"], found["sworn"]
    title = f"batch {batch}"
    return [
        Row(f"{title}: plain vLLM", median(bare.rates), "tokens/s", None, "higher"),
        Row(f"{title}: sworn", median(oath.rates), "tokens/s", None, "higher"),
        Row(
            f"{title}: sworn, throughput",
            median(oath.rates) / median(bare.rates),
            "of plain",
            None,
            "higher",
        ),
        Row(f"{title}: plain vLLM, until the last answer", median(bare.seconds), "s"),
        Row(f"{title}: sworn, until the last answer", median(oath.seconds), "s"),
        Row(f"{title}: plain vLLM, size of answers", median(bare.sizes), "bytes/token"),
        Row(f"{title}: sworn, size of answers", median(oath.sizes), "bytes/token"),
    ]


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    rows = measure(options.rounds, options.tokens, options.batches)
    publish("serve", rows, title="Sworn chat answers, beside plain vLLM")


if __name__ == "__main__":
    main()
