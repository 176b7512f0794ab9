"""`make bench-commitment`: how fast a model is committed to, beside plain hashing.

A made-up model of about 2 GB in shards, written to `.cache` and removed afterwards.
Every contender hashes all of its files from a warm page cache, in turns: a round runs
all of them once, beginning with another one each time, and the median of the rounds
counts. Ours and those marked so use two threads. GB are 10^9 bytes.

    python bench/commitment.py [--gigabytes X] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from blake3 import blake3
from rich.progress import track
from table import Row, publish

from affiant.inference.commitment import commit_model
from affiant.inference.model_proof import prove_chunk, read_chunk

CACHE = Path(__file__).resolve().parent.parent / ".cache"
"""Where the model lies meanwhile."""
THREADS = 2
"""Of our commitment, and of contenders that can be told."""
GOAL = 1.0
"""GB/s that our commitment must reach."""
LAYER = (
    *((f"self_attn.{name}_proj.weight", (2048, 2048)) for name in "qkvo"),
    *((f"mlp.{name}_proj.weight", (5632, 2048)) for name in ("gate", "up", "down")),
    ("input_layernorm.weight", (2048,)),
    ("post_attention_layernorm.weight", (2048,)),
)
"""Tensors of one layer, bfloat16: as in a model of a billion parameters."""
SMALL = tuple((f"experts.{number}.scale", (2048,)) for number in range(20_000))
"""Many tensors of 4 KiB, as mixtures of experts have them."""

Contender = Callable[[Path], object]
"""Hashes every file of a folder."""


def write_shard(path: Path, tensors: list[tuple[str, tuple[int, ...]]]) -> None:
    """Write a safetensors file of random bfloat16 tensors."""
    header, end = {}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        offsets = [end, end + size]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
        end += size
    encoded = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for start in range(0, end, 1 << 24):
            file.write(random.bytes(min(1 << 24, end - start)))


@contextmanager
def made_up_model(gigabytes: float) -> Iterator[Path]:
    """Yield a folder with a model of about `gigabytes`, and remove it afterwards."""
    folder = CACHE / "bench-commitment"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        layer_bytes = sum(2 * int(np.prod(shape)) for _, shape in LAYER)
        layers = max(1, round(gigabytes * 1e9 / layer_bytes))
        for start in track(
            range(0, layers, 4), description="writing a model", transient=True
        ):
            write_shard(
                folder / f"model-{start:05}.safetensors",
                [
                    (f"model.layers.{layer}.{name}", shape)
                    for layer in range(start, min(start + 4, layers))
                    for name, shape in LAYER
                ],
            )
        (folder / "config.json").write_text('{"model_type": "llama"}')
        (folder / "tokenizer.json").write_bytes(b" " * 4_000_000)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ours(folder: Path) -> None:
    """Commit to the model, as a node does."""
    commit_model(folder, threads=THREADS).root  # noqa: B018 - the root is the work


def sha256(folder: Path) -> None:
    """SHA-256 over each file, one after the other."""
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256").digest()


def sha256_threads(folder: Path) -> None:
    """SHA-256 over each file, two at a time."""

    def digest(path: Path) -> bytes:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(digest, sorted(folder.iterdir())))


def blake3_single(folder: Path) -> None:
    """BLAKE3 over each file, memory-mapped, in one thread."""
    for path in sorted(folder.iterdir()):
        blake3(max_threads=1).update_mmap(path).digest()


def blake3_threads(folder: Path) -> None:
    """BLAKE3 over each file, memory-mapped, with its own two threads."""
    for path in sorted(folder.iterdir()):
        blake3(max_threads=THREADS).update_mmap(path).digest()


def model_signing_sha256(folder: Path) -> None:
    """What OpenSSF model-signing hashes before it signs, as it does by default."""
    from model_signing import hashing

    hashing.Config().hash(folder)


def model_signing_blake3(folder: Path) -> None:
    """The same with BLAKE3."""
    from model_signing import hashing

    hashing.Config().use_file_serialization(hashing_algorithm="blake3").hash(folder)


RIVALS: dict[str, Contender] = {
    "SHA-256 of files, 1 thread": sha256,
    "SHA-256 of files, 2 threads": sha256_threads,
    "BLAKE3 of mapped files, 1 thread": blake3_single,
    "BLAKE3 of mapped files, 2 threads": blake3_threads,
    "model-signing, SHA-256": model_signing_sha256,
    "model-signing, BLAKE3": model_signing_blake3,
}
"""What else hashes a model, by name."""


def throughput(
    contenders: dict[str, Contender], folder: Path, *, rounds: int
) -> dict[str, float]:
    """Return the median throughput of each contender, in GB/s."""
    total = sum(path.stat().st_size for path in folder.iterdir())
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    blake3_single(folder)  # Warms the page cache.
    for number in track(range(rounds), description="hashing", transient=True):
        # Begin with another one each time: none shall always follow the same.
        at = number % len(names)
        for name in names[at:] + names[:at]:
            begin = time.perf_counter()
            contenders[name](folder)
            taken[name].append(time.perf_counter() - begin)
    return {
        name: total / statistics.median(seconds) / 1e9
        for name, seconds in taken.items()
    }


def memory_mebibytes(folder: Path) -> float:
    """Return what committing adds to the memory of a fresh process, in MiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def print_memory(folder: Path) -> None:
    """Commit to `folder` and print by how many MiB memory rose (Linux)."""
    process = Path("/proc/self")

    def mebibytes(field: str) -> float:
        for line in (process / "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no {field} of this process")

    # Forgets the peak so far: https://docs.kernel.org/filesystems/proc.html
    (process / "clear_refs").write_text("5")
    before = mebibytes("VmRSS")
    ours(folder)
    print(mebibytes("VmHWM") - before)


def measure_proof(folder: Path) -> list[Row]:
    """Return what it takes to prove and to check one chunk."""
    commitment = commit_model(folder, threads=THREADS)
    label = max(commitment.entries, key=lambda entry: entry.part.size).part.label
    proof = prove_chunk(commitment, label, chunk=1)
    data = read_chunk(folder, proof)
    timed: dict[str, Callable[[], object]] = {
        "prove one chunk": lambda: prove_chunk(commitment, label, chunk=1),
        "check that proof": lambda: proof.check(root=commitment.root, data=data),
    }
    rows = []
    for name, run in timed.items():
        seconds = []
        for _ in range(9):
            begin = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begin)
        rows.append(Row(name, statistics.median(seconds) * 1000, "ms"))
    rows.append(Row("size of that proof", len(proof.to_bytes()), "bytes"))
    return rows


def measure_small_tensors(rounds: int) -> Row:
    """Return how many small tensors are committed to in a second."""
    folder = CACHE / "bench-commitment-small"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        write_shard(folder / "model.safetensors", list(SMALL))
        seconds = []
        for _ in range(rounds):
            begin = time.perf_counter()
            ours(folder)
            seconds.append(time.perf_counter() - begin)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    speed = len(SMALL) / statistics.median(seconds)
    return Row("tensors of 4 KiB", speed, "tensors/s", better="higher")


def measure_commitment(
    *, gigabytes: float = 2.0, rounds: int = 5, rivals: bool = True
) -> list[Row]:
    """Measure the commitment on a made-up model; other benches call this.

    Args:
        gigabytes: size of the model; as much is free on the disk and in memory.
        rounds: how often each contender runs.
        rivals: measure the others beside ours.
    """
    name = "affiant's commitment, 2 threads"
    contenders: dict[str, Contender] = {name: ours} | (RIVALS if rivals else {})
    with made_up_model(gigabytes) as folder:
        speeds = throughput(contenders, folder, rounds=rounds)
        rows = [Row(name, speeds.pop(name), "GB/s", goal=GOAL, better="higher")]
        rows += [
            Row(rival, speed, "GB/s", better="higher")
            for rival, speed in speeds.items()
        ]
        rows += [
            Row(f"ours ÷ {rival}", rows[0].value / speed, "×", better="higher")
            for rival, speed in speeds.items()
        ]
        if rivals:
            rows.append(
                Row("memory that committing adds", memory_mebibytes(folder), "MiB")
            )
            rows += measure_proof(folder)
    if rivals:
        rows.append(measure_small_tensors(rounds))
    return rows


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of is not None:
        print_memory(options.memory_of)
        return
    rows = measure_commitment(gigabytes=options.gigabytes, rounds=options.rounds)
    title = f"Committing to {options.gigabytes:g} GB from a warm page cache (medians)"
    publish("commitment", rows, title=title)


if __name__ == "__main__":
    main()
