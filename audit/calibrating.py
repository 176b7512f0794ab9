"""What `affiant calibrate` does: two engines, honest questions, and a profile of them.

It decides nothing about limits (`affiant.inference.calibrate` does). Questions come
from a file, or from evidence, whose prompts are asked again on engines of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from affiant.agents.programs.program import Program
from affiant.audit.check_evidence import section
from affiant.audit.evidence_file import read_evidence_file
from affiant.encoding import to_hex
from affiant.errors import MalformedError
from affiant.inference.calibrate import (
    CalibrationQuestion,
    Progress,
    calibrate,
    vary,
)
from affiant.inference.commitment import commit_model
from affiant.inference.engine import Engine
from affiant.inference.load import GPU_SHARE, EngineName, load_engine
from affiant.inference.manifest import EngineManifest
from affiant.inference.profile import Profile
from affiant.inference.prompt_file import MAX_BYTES, parse_prompt_file
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence

ReplayerName = Literal["vllm", "transformers", "none"]
"""The other engine; `none` measures exactness alone."""


@dataclass(frozen=True)
class CalibrationSettings:
    """What is calibrated, on which questions."""

    model: Path
    """The model's folder."""
    engine: EngineName
    """What generates."""
    dtype: str | None
    replayer: ReplayerName
    """What replays."""
    replayer_dtype: str | None
    prompts: Path | None
    """A file of questions; or else evidence."""
    evidence: Sequence[Path]
    """Evidence files whose prompts are asked."""
    count: int
    """How many inferences; prompts are asked again at temperature 1 to fill up."""
    out: Path
    """Folder in which the profile is written, named by its hash."""
    max_context: int | None = None
    """Most tokens of prompt and output; the model's own where not given."""


def run_calibration(
    settings: CalibrationSettings,
    *,
    progress: Progress,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Profile, Path]:
    """Calibrate and write the profile; return it and where it lies.

    Raises:
        MalformedError: no questions, or ones that are none.
        ModelFilesError, EngineUnavailableError: the model does not load.
        RejectedError, UnavailableError: an engine refuses a question or breaks down.
        OSError: the profile cannot be written.
    """
    say(f"committing to {settings.model.name}")
    model = commit_model(settings.model).root
    say(f"loading {settings.model.name} into {settings.engine}")
    # Both are loaded at once, and vLLM takes its share of a GPU as it starts.
    share = GPU_SHARE if settings.replayer == "none" else GPU_SHARE / 2
    generator = load_engine(
        settings.model,
        name=settings.engine,
        dtype=settings.dtype,
        max_context=settings.max_context,
        gpu_share=share,
    )
    replayer: Engine | None = None
    try:
        if settings.replayer != "none":
            say(f"loading {settings.model.name} into {settings.replayer}")
            replayer = load_engine(
                settings.model,
                name=settings.replayer,
                dtype=settings.replayer_dtype,
                max_context=settings.max_context,
                gpu_share=share,
            )
        questions = vary(_questions(settings, generator), count=settings.count)
        profile = calibrate(
            generator, replayer, model=model, questions=questions, progress=progress
        )
    finally:
        generator.close()
        if replayer is not None:
            replayer.close()
    settings.out.mkdir(parents=True, exist_ok=True)
    path = settings.out / f"{to_hex(profile.hash)[2:]}.json"
    path.write_bytes(profile.to_bytes())
    return profile, path


def read_profiles(paths: Sequence[Path]) -> tuple[Profile, ...]:
    """Read profiles, from files or from folders of them.

    Raises:
        MalformedError: a file is no profile, or named after another hash.
        OSError: it cannot be read.
    """
    found = []
    for path in paths:
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                profile = Profile.from_bytes(stream.read(MAX_BYTES + 1))
            named = file.stem
            if len(named) == 64 and named != profile.hash.hex():
                raise MalformedError(
                    f"name of profile {file.name}",
                    got=f"0x{named}",
                    expected=to_hex(profile.hash),
                )
            found.append(profile)
    return tuple(found)


def profile_in_words(profile: Profile) -> tuple[str, ...]:
    """Return what a profile says, in lines."""
    exactness = profile.exactness
    lines = [
        f"profile {to_hex(profile.hash)}",
        f"model {to_hex(profile.model)}",
        f"generated by {_engine(profile.generator)}",
        f"in the same profile {exactness.exact} of {exactness.inferences} inferences "
        f"came out exactly ({exactness.tokens} tokens, {exactness.rollbacks} "
        "corrected by the self-check)",
    ]
    if profile.generator != profile.replayer:
        lines.append(f"replayed by {_engine(profile.replayer)}")
    for item in profile.classes:
        lines.append(
            f"{item.least} to {item.most} tokens: limits from {item.calibrated} "
            f"inferences, beyond them {item.exceeded} of {item.judged} others (at most "
            f"{100 * item.false_positives:.3g} %, with 95 % confidence)"
        )
    if profile.generator != profile.replayer and not profile.classes:
        lines.append("too few inferences of like length for any limit")
    return tuple(lines)


def _engine(manifest: EngineManifest) -> str:
    return f"{manifest.engine_version}, {manifest.dtype}, {manifest.device}"


def _questions(
    settings: CalibrationSettings, engine: Engine
) -> tuple[CalibrationQuestion, ...]:
    if settings.prompts is not None:
        with settings.prompts.open("rb") as file:
            return parse_prompt_file(file.read(MAX_BYTES + 1), encoder=engine)
    found: list[CalibrationQuestion] = []
    for path in settings.evidence:
        bundle = EvidenceBundle.from_bytes(read_evidence_file(path))
        verify_evidence(bundle)
        program = Program.from_manifest(section(bundle, "manifests")["program"])
        for index, tokens in enumerate(section(bundle, "tokens")):
            terms = program.terms(index)
            found.append(
                CalibrationQuestion(
                    prompt_ids=tuple(tokens["prompt"]),
                    schema=terms.schema,
                    sampling=program.sampling,
                    # A drawn question of evidence has its own seed; any will do.
                    seed=None
                    if program.sampling.temperature is None
                    else bundle.digest,
                    max_tokens=terms.max_tokens,
                )
            )
    if not found:
        raise MalformedError(
            "questions", got="none", expected="a prompt file or evidence"
        )
    return tuple(found)
