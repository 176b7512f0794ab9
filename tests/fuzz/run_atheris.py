"""Coverage-guided fuzzing of one target with atheris, for some seconds.

    python tests/fuzz/run_atheris.py TARGET SECONDS FOLDER

FOLDER takes the corpus (made here from the seed, by code) and what crashes. Exit 0
means that nothing was found. A crash becomes a case in `test_parsers.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["affiant", "json", "rfc8785"]):
    import fuzz_targets

from fuzz_mutations import mutate

MAX_LENGTH = 32_768
"""Longest input, in bytes."""
CORPUS = 40
"""Inputs made from the seed, besides the seed itself."""


def main() -> None:
    """Fuzz until the time is over or something leaks."""
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    target = next(item for item in fuzz_targets.targets() if item.name == name)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "seed").write_bytes(target.seed)
    for number in range(CORPUS):
        made = mutate(target.seed, Random(number), json_text=target.json_text)
        (corpus / f"{number}").write_bytes(made[:MAX_LENGTH])

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        # Half of the time atheris' own, which knows what it has not seen.
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutate(data, random, json_text=target.json_text)[:most]

    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            f"-max_len={MAX_LENGTH}",
            "-timeout=20",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={folder}/",
            "-verbosity=1",
            "-print_final_stats=1",
            str(corpus),
        ],
        target.check,
        custom_mutator=mutator,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
