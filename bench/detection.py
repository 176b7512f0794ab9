"""`make bench-detection`: how surely a replay tells cheats from honest inferences.

Real vLLM generates; the verdicts are those that `affiant replay` gives. Limits come
from one set of questions, rates from another. Two kinds of inferences:

- *text*: 96 tokens at temperature 4/5 from a model trained here on Python, with real
  entropy; those that must break a grammar are bound by one;
- *plans*: what agents send, 20 to 60 tokens, greedy and grammar-bound.

Replayed in the same profile, and with transformers as another engine, in the same type
of numbers and across types. *Pooled*: ten inferences of one node together, any of them
inconsistent or the cumulative test over its alarm.

    python bench/detection.py [--honest 3000] [--cheats 200] [--only text|plans]
                              [--dtype float32|bfloat16]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cheats import CHEATS, MODEL, Cheat, House
from rich.console import Console
from table import Row, matrix, publish
from text_model import SMALL, TEXT, early_folder, model_folder, prompts
from weights import altered

from affiant.agents.programs.plan import plan_schema
from affiant.agents.programs.prompt import render_prompt
from affiant.encoding import keccak256
from affiant.errors import RejectedError
from affiant.inference.calibrate import (
    CalibrationQuestion,
    calibrate,
    generate,
    sworn_of,
    upper_bound,
)
from affiant.inference.drift import drift_of
from affiant.inference.engine import Engine
from affiant.inference.profile import Profile
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    replay,
    replay_many,
)
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.tokenizer import ModelTokenizer
from affiant.inference.transformers_engine import TransformersEngine
from affiant.inference.vllm_engine import VllmEngine
from affiant.inference.vllm_process import VllmSettings
from affiant.onchain.kits import KITS

PLANNER = Path(__file__).resolve().parent.parent / "examples" / "planner"
"""The reference planner and its scenarios."""
POOL = 10
"""Inferences that are looked at together."""
CALIBRATION = 800
"""Questions of a calibration."""
LINES = {
    "type": "object",
    "properties": {
        "lines": {"type": "array", "items": {"type": "string"}, "minItems": 12}
    },
    "required": ["lines"],
    "additionalProperties": False,
}
"""A grammar for long outputs."""
ELSEWHERE = {"float32": ("float32",), "bfloat16": ("bfloat16", "float32")}
"""Types in which transformers replays what vLLM generated in one."""

log = Console(stderr=True)


@dataclass(frozen=True)
class Kind:
    """One kind of inferences: models, and questions without end."""

    name: str
    folders: dict[str, Path]
    """The honest model and its relatives."""

    def questions(
        self, count: int, *, seed: int, constrained: bool = False, draws: bool = False
    ) -> list[CalibrationQuestion]:
        """Return `count` questions; another seed gives other ones."""
        if self.name == "plans":
            asked = plan_questions(count, first=seed * 100_000)
            return [drawn(item) for item in asked] if draws else asked
        schema = LINES if constrained else None
        # Limits for other lengths too: whoever cheats chooses the length.
        lengths = (96, 40, 72, 120) if seed == 1 else (96,)
        found = prompts(count, seed=seed, tokens=48, folder=self.folders["honest"])
        return [
            CalibrationQuestion(
                prompt_ids=tuple(ids),
                schema=schema,
                sampling=Sampling(Fraction(4, 5)),
                seed=keccak256(f"{seed} {index}".encode()),
                max_tokens=lengths[index % len(lengths)],
            )
            for index, ids in enumerate(found)
        ]


def drawn(question: CalibrationQuestion) -> CalibrationQuestion:
    """Return a greedy question as one that is drawn at temperature 4/5."""
    seed = keccak256(repr(question.prompt_ids).encode())
    return replace(question, sampling=Sampling(Fraction(4, 5)), seed=seed)


def plan_questions(count: int, *, first: int) -> list[CalibrationQuestion]:
    """Return requests of held-out scenarios, to be answered by a plan."""
    from scenarios import BOOK, draw

    tokenizer = ModelTokenizer(PLANNER / "model")
    found = []
    for index in range(first, first + count):
        request = draw("held-out", index)
        kits = [KITS[name] for name in request["actions"]]
        found.append(
            CalibrationQuestion(
                prompt_ids=tuple(tokenizer.encode(render_prompt(request))),
                schema=plan_schema(kits, BOOK),
                sampling=GREEDY,
                seed=None,
                max_tokens=256,
            )
        )
    return found


def kinds(only: str | None) -> Iterator[Kind]:
    """Yield what is measured, training models where they are not there yet."""
    if only in (None, "text"):
        text = model_folder(TEXT)
        relatives = {name: altered(text, name) for name in ("int8", "int4", "noise")}
        relatives |= {"small": model_folder(SMALL), "early": early_folder(TEXT)}
        yield Kind("text", {"honest": text, **relatives})
    if only in (None, "plans"):
        sys.path.insert(0, str(PLANNER))
        from text_model import CACHE
        from train import train

        other = CACHE / "planner-300"
        if not (other / "model.safetensors").exists():
            train(other, steps=300)
        planner = CACHE / "planner"
        if not planner.is_dir():
            planner.symlink_to(PLANNER / "model")
        relatives = {name: altered(planner, name) for name in ("int8", "int4", "noise")}
        yield Kind("plans", {"honest": planner, "small": other, **relatives})


@contextmanager
def vllm(folder: Path, dtype: str) -> Iterator[VllmEngine]:
    """Serve `folder` for a while, with no more memory than the questions need."""
    settings = VllmSettings(dtype=dtype, kv_blocks=128)
    engine = VllmEngine.load(folder, settings=settings)
    try:
        yield engine
    finally:
        engine.close()


@dataclass
class Judge:
    """Replays in the same profile and in others, with their calibrations."""

    engine: Engine
    """The honest node's own profile."""
    others: dict[str, Engine]
    """Other engines by name."""
    profiles: dict[str, Profile]
    """Calibrations of the others, by name."""

    def same(self, sworn: Sequence[SwornInference]) -> list[bool]:
        """Return for each whether the same profile finds it out."""
        found = []
        for item in sworn:
            try:
                found.append(replay(self.engine, item, model=MODEL).grade != "exact")
            except RejectedError:
                found.append(True)
        return found

    def other(self, name: str, sworn: Sequence[SwornInference]) -> list[ReplayVerdict]:
        """Return the verdicts of another engine; what it refuses is left out."""
        engine, verdicts = self.others[name], []
        for start in range(0, len(sworn), 32):
            batch = list(sworn[start : start + 32])
            try:
                verdicts += self._many(engine, batch, name)
            except RejectedError:
                for item in batch:
                    try:
                        verdicts += self._many(engine, [item], name)
                    except RejectedError:
                        continue
        return verdicts

    def _many(
        self, engine: Engine, sworn: Sequence[SwornInference], name: str
    ) -> list[ReplayVerdict]:
        profiles = [self.profiles[name]]
        return replay_many(engine, sworn, model=MODEL, profiles=profiles)

    def pooled(self, name: str, verdicts: Sequence[ReplayVerdict]) -> list[bool]:
        """Return for each group of ten whether it is found out."""
        profiles = [self.profiles[name]]
        groups = [
            verdicts[start : start + POOL]
            for start in range(0, len(verdicts) - POOL + 1, POOL)
        ]
        return [
            any(verdict.grade == "inconsistent" for verdict in group)
            or drift_of(group, profiles=profiles).alarm is not None
            for group in groups
        ]


def share(found: Sequence[bool]) -> float:
    """Return per cent; not a number where nothing was there to be found."""
    return 100 * sum(found) / len(found) if found else math.nan


def measure(kind: Kind, dtype: str, *, honest_count: int, cheats: int) -> list[Row]:
    """Measure one kind in one type of numbers: print a table, return its rows."""
    title = f"{kind.name}, generated by vLLM in {dtype}"
    others = {
        f"transformers {other}": TransformersEngine.load(
            kind.folders["honest"], dtype=other
        )
        for other in ELSEWHERE[dtype]
    }
    with vllm(kind.folders["honest"], dtype) as engine, log.status(title) as status:
        judge = Judge(engine, dict(others), {})
        questions = kind.questions(CALIBRATION, seed=1)
        for name, other in others.items():
            status.update(f"{title}: calibrating {name}")
            judge.profiles[name] = calibrate(
                engine, other, model=MODEL, questions=questions
            )
        # Honest ones that no limit has seen.
        status.update(f"{title}: {honest_count} honest inferences")
        asked = kind.questions(honest_count, seed=2)
        done = generate(engine, asked, model=MODEL)
        sworn = [sworn_of(item, told) for item, told in zip(done, asked, strict=True)]
        results = [honest_result(judge, sworn)]
        house = House(engine)
        for cheat in CHEATS:
            if not cheats or cheat.serves not in kind.folders:
                continue
            status.update(f"{title}: {cheat.name}")
            results.append(
                cheat_result(judge, house, cheat, kind, dtype=dtype, count=cheats)
            )
    for other in others.values():
        other.close()
    rows = honest_rows(kind, dtype, results[0], sworn)
    for result in results[1:]:
        rows += result_rows(kind, dtype, result)
    show(title, results, list(others))
    return rows


@dataclass(frozen=True)
class Result:
    """How one way of acting fared."""

    name: str
    words: str
    changed: float
    """Share whose text is not the honest one, in %."""
    same: Sequence[bool]
    """Found out in the same profile, per inference."""
    other: dict[str, Sequence[bool]]
    """Found out by another engine, per inference."""
    pooled: dict[str, Sequence[bool]]
    """Found out among ten, per group."""


def honest_result(judge: Judge, sworn: Sequence[SwornInference]) -> Result:
    """Return how honest inferences fare."""
    return _result(judge, sworn, name="honest", words="", changed=0.0)


def cheat_result(
    judge: Judge, house: House, cheat: Cheat, kind: Kind, *, dtype: str, count: int
) -> Result:
    """Return how surely one cheat is found out."""
    questions = kind.questions(
        count, seed=3, constrained=cheat.constrained, draws=cheat.draws
    )
    if cheat.serves == "honest":
        sworn = cheat.tell(house, house.engine, questions)
    else:
        with vllm(kind.folders[cheat.serves], dtype) as serving:
            sworn = cheat.tell(house, serving, questions)
    said = {
        question.prompt_ids: output
        for question, output in zip(questions, house.outputs(questions), strict=True)
    }
    other = [item for item in sworn if item.output_ids != said[item.prompt_ids]]
    if cheat.proves_honestly:
        # Where the text is the honest one, so is the proof: nothing was gained.
        sworn_for = other
    else:
        sworn_for = sworn
    return _result(
        judge,
        sworn_for,
        name=cheat.name,
        words=cheat.words,
        changed=100 * len(other) / max(len(sworn), 1),
    )


def _result(
    judge: Judge,
    sworn: Sequence[SwornInference],
    *,
    name: str,
    words: str,
    changed: float,
) -> Result:
    singles: dict[str, Sequence[bool]] = {}
    pooled: dict[str, Sequence[bool]] = {}
    for engine in judge.others:
        verdicts = judge.other(engine, sworn)
        refused = len(sworn) - len(verdicts)
        singles[engine] = [True] * refused + [
            verdict.grade == "inconsistent" for verdict in verdicts
        ]
        pooled[engine] = judge.pooled(engine, verdicts) or [True] * bool(refused)
    return Result(name, words, changed, judge.same(sworn), singles, pooled)


def honest_rows(
    kind: Kind, dtype: str, result: Result, sworn: Sequence[SwornInference]
) -> list[Row]:
    """Return the rows of honest inferences, with the bound of false positives."""
    title, wrong, count = f"{kind.name}, {dtype}: honest", sum(result.same), len(sworn)
    lengths = sorted(len(item.output_ids) for item in sworn)
    goal = 1 / 10_000 if count >= 30_000 else 1 / 1_000
    return [
        Row(f"{title}, inferences", count, "inferences"),
        Row(f"{title}, tokens", sum(lengths), "tokens"),
        Row(f"{title}, median length", lengths[count // 2], "tokens"),
        Row(f"{title}, same profile, not exact", wrong, "inferences", 0),
        Row(
            f"{title}, same profile, false positives at most (95 %)",
            upper_bound(wrong, of=count),
            "share",
            goal if dtype == "float32" else None,
        ),
        *(
            Row(f"{title}, {name}, inconsistent", share(found), "%")
            for name, found in result.other.items()
        ),
        *(
            Row(f"{title}, {name}, tens flagged", share(found), "%")
            for name, found in result.pooled.items()
        ),
    ]


def result_rows(kind: Kind, dtype: str, result: Result) -> list[Row]:
    """Return the rows of one cheat."""
    title = f"{kind.name}, {dtype}: {result.name}"
    # Goals are for outputs of 96 tokens, all of which were changed.
    if not result.same:
        return []  # no question gave it an opening
    must = kind.name == "text" and result.name != "int8, one in three"
    subtle = kind.name == "text" and result.name in ("int8 weights", "1 % weight noise")
    return [
        Row(f"{title}, another text than the honest", result.changed, "%"),
        Row(
            f"{title}, same profile",
            share(result.same),
            "%",
            100.0 if must else None,
            "higher",
        ),
        *(
            Row(f"{title}, {name}", share(found), "%", None, "higher")
            for name, found in result.other.items()
        ),
        *(
            Row(
                f"{title}, {name}, ten pooled",
                share(found),
                "%",
                99.0 if subtle else None,
                "higher",
            )
            for name, found in result.pooled.items()
        ),
    ]


def show(title: str, results: Sequence[Result], others: Sequence[str]) -> None:
    """Print one line per way of acting."""
    columns = ["found out, in %", "other text", "of", "same profile"]
    for name in others:
        columns += [name, "ten pooled"]
    lines = []
    for result in results:
        line = [
            result.name + (f" ({result.words})" if result.words else ""),
            f"{result.changed:.0f}",
            str(len(result.same)),
            _shown(result.same),
        ]
        for name in others:
            line += [_shown(result.other[name]), _shown(result.pooled[name])]
        lines.append(line)
    matrix(columns, lines, title=title)


def _shown(found: Sequence[bool]) -> str:
    return f"{share(found):.4g}" if found else "-"


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", type=int, default=3000)
    parser.add_argument("--cheats", type=int, default=200)
    parser.add_argument("--only", choices=["text", "plans"])
    parser.add_argument("--dtype", choices=list(ELSEWHERE))
    options = parser.parse_args()
    rows: list[Row] = []
    for kind in kinds(options.only):
        for dtype in [options.dtype] if options.dtype else list(ELSEWHERE):
            count = options.honest if dtype == "float32" else min(options.honest, 1000)
            rows += measure(kind, dtype, honest_count=count, cheats=options.cheats)
            # After each: it takes long, and what is measured is measured.
            publish("detection", rows, title="", show=False)


if __name__ == "__main__":
    main()
