"""Writes `sampler.json`: vectors of sampler, fingerprint and trace, for every language.

Run as `python tests/vectors/make_sampler.py`. `tests/inference/test_sampler.py` fails
when the file is not what this would write.
"""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

from affiant.encoding import to_hex
from affiant.inference.fingerprint import fingerprint_key, fingerprint_reference
from affiant.inference.receipt import tokens_hash
from affiant.inference.sampler_reference import (
    candidates_reference,
    choose_reference,
    gumbel_reference,
    noise_key,
)
from affiant.inference.sampling import Sampling
from affiant.inference.trace import Trace

TARGET = Path(__file__).with_name("sampler.json")
"""Where the vectors lie."""


FAR = (
    # Below 2^24 grid units, where the end of the gap is no float32: one unit within,
    # one unit beyond, and a step of the grid of float32 either side.
    [-65535.99609375, -65544.0, -65543.9921875, -65544.0078125],
    [-65536.0, -65544.0, -65544.0078125, -65536.0078125],
    [65536.0, 65528.0, 65527.99609375, 65528.00390625],
)
"""Rows of logits far from zero."""


def choice(
    logits: list[float], *, allowed: list[bool], position: int, seed: bytes
) -> dict[str, Any]:
    """Return a row, its candidates and what is chosen from them."""
    offered = candidates_reference(logits, allowed=allowed, position=position)
    return {
        "position": position,
        "logits": logits,
        "allowed": allowed,
        "candidates": [list(pair) for pair in offered],
        "greedy": offered[0][0],
        "sampled": [
            {
                "temperature": [numerator, denominator],
                "token": choose_reference(
                    offered,
                    sampling=Sampling(Fraction(numerator, denominator)),
                    seed=seed,
                    position=position,
                ),
            }
            for numerator, denominator in ((1, 1), (7, 10), (3, 2))
        ],
    }


def vectors() -> dict[str, Any]:
    """Return the vectors, computed by the plain reference."""
    draw = random.Random(20_260_101)
    seed = bytes(range(32))
    noise = []
    for position in (0, 1, 2**32 - 1):
        key = noise_key(seed, position=position)
        noise.append(
            {
                "position": position,
                "key": str(key),
                "gumbel": [
                    [token, gumbel_reference(key, token=token)]
                    for token in (0, 1, 255, 151_935, 2**32 - 1)
                ],
            }
        )
    choices = []
    for position in range(8):
        # Multiples of 1/1024: exact in JSON and float32, and halves of the grid occur.
        logits = [draw.randrange(-4096, 4096) / 1024 for _ in range(16)]
        allowed = [draw.random() < 0.7 for _ in range(16)]
        allowed[draw.randrange(16)] = True
        choices.append(choice(logits, allowed=allowed, position=position, seed=seed))
    prompt, output = [1, 5, 9], [made["greedy"] for made in choices]
    key = fingerprint_key(tokens_hash(prompt), tokens_hash(output))
    states = [[draw.randrange(-4096, 4096) / 256 for _ in range(24)] for _ in output]
    images = [fingerprint_reference(state, key=key) for state in states]
    trace = Trace.of(output, images)
    return {
        "format": "affiant-sampler-vectors/1",
        "seed": to_hex(seed),
        "noise": noise,
        "choices": [
            *choices,
            *(
                choice(row, allowed=[True] * len(row), position=8 + at, seed=seed)
                for at, row in enumerate(FAR)
            ),
        ],
        "trace": {
            "prompt": prompt,
            "output": output,
            "key": to_hex(key),
            "states": states,
            "fingerprints": [to_hex(image) for image in images],
            "leaves": [
                to_hex(entry.leaf(position=index))
                for index, entry in enumerate(trace.entries)
            ],
            "root": to_hex(trace.root),
        },
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
