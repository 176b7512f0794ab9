"""`make bench-fingerprint`: which numbers tell cheats from honest differences best.

Per token a trace could hold the candidates' logits (the first 4, 8, 16 or all 64, 8
bytes each), an image of the last hidden state (16 float16 numbers, 32 bytes), or both.
The same inferences, from honest and from altered weights, are replayed by another
engine, and each is measured. What counts is how far the cheats lie from the honest ones
in standard deviations (d'), and how many lie beyond all honest ones. ADR 9 rests on it.

    python bench/fingerprint.py [--count N]
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detection import ELSEWHERE, Kind, vllm
from numpy.typing import NDArray
from rich.console import Console
from table import Row, matrix, publish
from text_model import TEXT, early_folder, model_folder
from weights import altered

from affiant.encoding import keccak256
from affiant.inference.calibrate import generate
from affiant.inference.candidates import offer
from affiant.inference.engine import Prefill, PrefillJob
from affiant.inference.fingerprint import BYTES, distances, fingerprint_key, images
from affiant.inference.infer import Inference
from affiant.inference.receipt import tokens_hash
from affiant.inference.sampler_reference import TOP_K, UNITS
from affiant.inference.transformers_engine import TransformersEngine

KEPT = (4, 8, 16, TOP_K)
"""How many candidates a trace could keep."""
CHEATS = ("int8", "noise", "int4", "early")
"""Whose inferences are compared with the honest ones."""
PAIR_BYTES = 8
"""Bytes of one candidate: id and quantised logit."""

log = Console(stderr=True)


@dataclass(frozen=True)
class Sworn:
    """One inference, and what its node computed in the canonical prefill."""

    done: Inference
    found: Prefill


def distances_of(sworn: Sworn, replayed: Prefill) -> dict[str, float]:
    """Return every statistic of one inference: medians over its tokens."""
    offered = offer(sworn.found.logits).in_order()
    found: dict[str, float] = {}
    for kept in KEPT:
        per_token = []
        for row, candidates in enumerate(offered):
            ids, units = np.array(candidates[:kept]).T
            off = replayed.logits[row, ids].astype(np.float64) - units / UNITS
            # What all logits of a row share changes no probability.
            per_token.append(float(np.abs(off - off.mean()).mean()))
        found[f"logits of {kept}"] = float(np.median(per_token))
    key = fingerprint_key(
        tokens_hash(sworn.done.prompt_ids), tokens_hash(sworn.done.output_ids)
    )
    said = tuple(entry.fingerprint for entry in sworn.done.trace.entries)
    far = distances(said, ours=images(replayed.hidden, key=key))
    found["fingerprint"] = float(np.median(far))
    return found


def bytes_of(name: str, *, candidates: float) -> float:
    """Return the bytes per token that a statistic needs in the trace."""
    if name == "fingerprint":
        return BYTES
    if name == "both":
        return BYTES + PAIR_BYTES * KEPT[0]
    return PAIR_BYTES * min(float(name.rsplit(" ", 1)[1]), candidates)


def both(honest: Sequence[dict[str, float]], item: dict[str, float]) -> float:
    """Return fingerprint and four logits together, each in honest deviations."""
    total = 0.0
    for name in ("fingerprint", f"logits of {KEPT[0]}"):
        values = [other[name] for other in honest]
        total += (item[name] - np.mean(values)) / max(float(np.std(values)), 1e-12)
    return total


def separation(
    honest: NDArray[np.float64], cheat: NDArray[np.float64]
) -> tuple[float, float]:
    """Return d', and the share in % that lies beyond every honest one."""
    spread = np.sqrt((honest.var() + cheat.var()) / 2)
    return float((cheat.mean() - honest.mean()) / spread), float(
        100 * (cheat > honest.max()).mean()
    )


def collect(kind: Kind, dtype: str, *, count: int) -> dict[str, list[Sworn]]:
    """Return honest inferences and each cheat's, to the same questions."""
    questions = kind.questions(count, seed=5)
    found: dict[str, list[Sworn]] = {}
    for name, folder in kind.folders.items():
        with vllm(folder, dtype) as engine:
            done = generate(engine, questions, model=keccak256(b"bench"))
            found[name] = [
                Sworn(item, engine.prefill(item.prompt_ids, item.output_ids))
                for item in done
            ]
    return found


def measure(
    kind: Kind, dtype: str, other: str, sworn: dict[str, list[Sworn]]
) -> list[Row]:
    """Replay everything in transformers, print a table, return its rows."""
    engine = TransformersEngine.load(kind.folders["honest"], dtype=other)
    seen: dict[str, list[dict[str, float]]] = {}
    for name, items in sworn.items():
        jobs = [
            PrefillJob(item.done.prompt_ids, item.done.output_ids) for item in items
        ]
        prefills = engine.prefill_many(jobs)
        seen[name] = [
            distances_of(item, found)
            for item, found in zip(items, prefills, strict=True)
        ]
    engine.close()
    for item in itertools.chain.from_iterable(seen.values()):
        item["both"] = both(seen["honest"], item)
    candidates = float(
        np.mean(
            [
                len(row)
                for item in sworn["honest"]
                for row in offer(item.found.logits).in_order()
            ]
        )
    )
    title = f"vLLM {dtype}, replayed by transformers {other}"
    rows, lines = [], []
    for statistic in ("fingerprint", *(f"logits of {kept}" for kept in KEPT), "both"):
        size = bytes_of(statistic, candidates=candidates)
        line = [statistic, f"{size:.0f}"]
        honest = np.array([item[statistic] for item in seen["honest"]])
        for cheat in CHEATS:
            away, beyond = separation(
                honest, np.array([item[statistic] for item in seen[cheat]])
            )
            line.append(f"{away:.1f} ({beyond:.0f} %)")
            rows.append(
                Row(f"{title}: {statistic}, {cheat}", away, "d'", None, "higher")
            )
        rows.append(Row(f"{title}: {statistic}", size, "bytes/token"))
        lines.append(line)
    columns = ["statistic", "bytes/token", *(f"{name}: d' (beyond)" for name in CHEATS)]
    matrix(columns, lines, title=title)
    return rows


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=150)
    options = parser.parse_args()
    text: Path = model_folder(TEXT)
    folders = {"honest": text, "early": early_folder(TEXT)}
    folders |= {name: altered(text, name) for name in ("int8", "noise", "int4")}
    kind = Kind("text", folders)
    rows: list[Row] = []
    for dtype, others in ELSEWHERE.items():
        with log.status(f"generating in {dtype}"):
            sworn = collect(kind, dtype, count=options.count)
        for other in others:
            with log.status(f"replaying in {other}"):
                rows += measure(kind, dtype, other, sworn)
    publish("fingerprint", rows, title="", show=False)


if __name__ == "__main__":
    main()
