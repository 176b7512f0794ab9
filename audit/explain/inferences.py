"""Every inference, token by token, from one prefill each. The audit's step 8.

The same prefill gives the replay's verdict and the explanation, so that they cannot be
about different numbers. The probabilities are the auditor's engine's: in the sworn
profile they are the node's own, bit for bit; in another they lie close, and the view
says which it is. A token that the grammar forbids is explained as that; what stands
behind it has no explanation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from affiant.agents.programs.program import Program
from affiant.audit.check_chain import same
from affiant.audit.check_evidence import section
from affiant.audit.check_inference import sworn_inference, verdicts_in_words
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.explain.opened import Opened
from affiant.audit.explain.result import Gap
from affiant.audit.explain.views import (
    AlternativeView,
    FieldSurprise,
    InferenceView,
    TokenView,
)
from affiant.audit.result import Step
from affiant.audit.steps import take
from affiant.encoding import to_hex
from affiant.errors import RejectedError, UnavailableError
from affiant.inference.engine import Engine, check_prefill
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.explain import (
    ALTERNATIVES,
    Choice,
    closest_calls,
    explain_choices,
)
from affiant.inference.json_places import fields_of, json_places
from affiant.inference.receipt import tokens_hash
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    check_sworn,
    judge,
)
from affiant.inference.replay_memory import check_replay_memory
from affiant.inference.retrace import retrace
from affiant.inference.sampler_reference import TOP_K
from affiant.inference.token_texts import text_after, token_texts


@dataclass(frozen=True)
class Explained:
    """What came of step 8."""

    step: Step
    views: tuple[InferenceView, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class _Looked:
    """One inference and its prefill."""

    engine: Engine
    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    choices: tuple[Choice, ...]
    violation: int | None
    others: int
    verdict: ReplayVerdict | None
    """None where there is no trace to compare with, or `error`."""
    error: RejectedError | None
    """Why the inference cannot be the model's, whatever its tokens are."""


def explain_inferences(opened: Opened, *, detail: int | None = None) -> Explained:
    """Explain every inference of a decision.

    Args:
        detail: position of a token of which every candidate is kept.
    """
    views: list[InferenceView] = []
    verdicts: list[ReplayVerdict] = []
    gaps: list[Gap] = []
    errors: list[RejectedError | UnavailableError] = []
    for index in range(len(opened.bundle.receipts)):
        try:
            looked = _look(opened, index=index)
        except (RejectedError, UnavailableError) as error:
            errors.append(error)
            rejected = isinstance(error, RejectedError)
            gaps.append(Gap(f"inference {index + 1}", str(error), rejected=rejected))
            continue
        if looked.verdict is not None:
            verdicts.append(looked.verdict)
        if looked.error is not None:
            errors.append(looked.error)
        views.append(_view(opened, looked, index=index, detail=detail))

    def check() -> str:
        for error in errors:
            raise error
        if len(verdicts) < len(views):
            raise AuditUnavailableError("traces", reason="withheld")
        return verdicts_in_words(
            verdicts, lengths=[view.output_tokens for view in views]
        )

    return Explained(step=take(8, check), views=tuple(views), gaps=tuple(gaps))


def _look(opened: Opened, *, index: int) -> _Looked:
    """Prefill once, judge, and explain.

    Raises:
        RejectedError: nothing can be computed on what is there.
        UnavailableError: withheld, no such model folder, no engine.
    """
    bundle, program = opened.bundle, opened.need_manifests().program
    receipts = len(bundle.receipts)
    same("inferences of the program", got=receipts, expected=program.inferences)
    tokens, receipt = section(bundle, "tokens")[index], bundle.receipts[index]
    prompt_ids, output_ids = tuple(tokens["prompt"]), tuple(tokens["output"])
    same("prompt", got=tokens_hash(prompt_ids), expected=receipt.prompt)
    same("output", got=tokens_hash(output_ids), expected=receipt.output)
    engine = opened.engine(index=index, tokens=len(prompt_ids) + len(output_ids))
    check_prefill(
        prompt_ids,
        output_ids,
        vocab_size=engine.vocab_size,
        max_context=engine.max_context,
    )
    sworn, refused = _sworn(opened, index=index, engine=engine)
    check_replay_memory(
        len(output_ids),
        vocab_size=engine.vocab_size,
        most_bytes=opened.limits.memory_bytes,
    )
    found = engine.prefill(prompt_ids, output_ids)
    schema, seed = program.terms(index).schema, opened.seeds[index]
    try:
        again = retrace(
            found.logits,
            output_ids=output_ids,
            grammar=None if schema is None else engine.compile_grammar(schema),
            sampling=program.sampling,
            seed=seed,
        )
    except LogitsInvalidError as error:
        if engine.manifest.hash == receipt.engine:
            raise
        # The engine's own failure, unless something else contradicts.
        if refused is not None:
            raise refused from error
        if sworn is not None:
            verdicts_in_words(
                [judge(engine, sworn, found=found)], lengths=[len(output_ids)]
            )
        raise AuditUnavailableError(
            "tokens", reason=f"inconclusive: {error}"
        ) from error
    verdict = None
    if sworn is not None and opened.replayer is not None:
        profiles = opened.replayer.profiles
        verdict = judge(engine, sworn, found=found, profiles=profiles)
    return _Looked(
        engine=engine,
        prompt_ids=prompt_ids,
        output_ids=output_ids,
        choices=explain_choices(
            found.logits,
            output_ids=output_ids,
            again=again,
            sampling=program.sampling,
            seed=seed,
            most=TOP_K,
        ),
        violation=again.violation,
        others=len(again.mismatches),
        verdict=verdict,
        error=refused,
    )


def _sworn(
    opened: Opened, *, index: int, engine: Engine
) -> tuple[SwornInference | None, RejectedError | None]:
    """Return what is to be judged; else None, and why it cannot be what was sworn to.

    Neither where traces are withheld.
    """
    bundle = opened.bundle
    try:
        sworn = sworn_inference(
            bundle,
            program=opened.need_manifests().program,
            index=index,
            seed=opened.seeds[index],
        )
        check_sworn(
            engine,
            sworn,
            model=bundle.receipts[index].model,
            most_bytes=opened.limits.memory_bytes,
        )
    except AuditUnavailableError:
        return None, None
    except RejectedError as error:
        return None, error
    return sworn, None


def _view(
    opened: Opened, looked: _Looked, *, index: int, detail: int | None
) -> InferenceView:
    program, engine = opened.need_manifests().program, looked.engine
    texts = token_texts(looked.output_ids, decode=engine.decode)
    text = "".join(texts)
    masked = program.terms(index).schema is not None
    places = json_places(text) if masked else (None,) * len(text)
    tokens = []
    end = 0
    for choice, added in zip(looked.choices, texts, strict=False):
        start, end = end, end + len(added)
        most = TOP_K if choice.position == detail else ALTERNATIVES
        tokens.append(
            _token(
                choice,
                text=added,
                fields=fields_of(places[start:end]),
                before=looked.output_ids[: choice.position],
                engine=engine,
                most=most,
            )
        )
    last = index == program.inferences - 1
    return InferenceView(
        index=index,
        asks="" if last else program.questions[index].ask,
        engine=_engine_words(engine, opened=opened, index=index),
        grade="" if looked.verdict is None else looked.verdict.grade,
        sampling=_sampling_words(program, seed=opened.seeds[index], masked=masked),
        prompt_tokens=len(looked.prompt_ids),
        output_tokens=len(looked.output_ids),
        text=text,
        tokens=tuple(tokens),
        closest=tuple(item.position for item in closest_calls(looked.choices)),
        fields=_surprises(tokens),
        bits=math.fsum(token.surprise for token in tokens),
        violation=looked.violation,
        others=looked.others,
    )


def _token(
    choice: Choice,
    *,
    text: str,
    fields: tuple[str, ...],
    before: Sequence[int],
    engine: Engine,
    most: int,
) -> TokenView:
    kept = list(choice.alternatives[:most])
    if not choice.forbidden and all(item.token != choice.token for item in kept):
        kept += [item for item in choice.alternatives if item.token == choice.token]
    return TokenView(
        position=choice.position,
        token=choice.token,
        text=text or _unspoken(choice.token, engine=engine),
        fields=fields,
        allowed=choice.allowed,
        forced=choice.forced,
        forbidden=choice.forbidden,
        probability=choice.probability,
        surprise=choice.surprise,
        margin=choice.margin,
        runner_up=choice.runner_up,
        greedy=choice.greedy,
        canonical=choice.canonical,
        noise=choice.noise,
        beyond=choice.beyond,
        alternatives=tuple(
            AlternativeView(
                token=item.token,
                text=text_after(before, item.token, decode=engine.decode)
                or _unspoken(item.token, engine=engine),
                probability=item.probability,
                logit=item.logit,
                noise=item.noise,
            )
            for item in kept
        ),
    )


def _unspoken(token: int, *, engine: Engine) -> str:
    """Return what stands for a token that adds no text of its own."""
    return "⟨end⟩" if token in engine.stop_ids else f"⟨token {token}⟩"


def _surprises(tokens: Sequence[TokenView]) -> tuple[FieldSurprise, ...]:
    names = dict.fromkeys(name for token in tokens for name in token.fields)
    found = []
    for name in names:
        of_it = [token for token in tokens if name in token.fields]
        found.append(
            FieldSurprise(
                field=name,
                tokens=len(of_it),
                bits=math.fsum(token.surprise for token in of_it),
                shared=sum(len(token.fields) > 1 for token in of_it),
            )
        )
    return tuple(found)


def _engine_words(engine: Engine, *, opened: Opened, index: int) -> str:
    manifest = engine.manifest
    name = f"{manifest.engine_version} on {manifest.device}, {manifest.dtype}"
    if manifest.hash == opened.bundle.receipts[index].engine:
        return f"{name}: the sworn profile, so these are the node's own numbers"
    sworn = opened.need_manifests().engine
    return (
        f"{name}: not the sworn profile ({sworn.engine_version} on {sworn.device}, "
        f"{sworn.dtype}), so the node's numbers differ from these in the last digits"
    )


def _sampling_words(program: Program, *, seed: bytes | None, masked: bool) -> str:
    over = "the tokens that the grammar allows" if masked else "the whole vocabulary"
    temperature = program.sampling.temperature
    if temperature is None or seed is None:
        return (
            "Greedy: the largest logit is taken, and nothing is drawn. Probabilities "
            f"are the softmax of the raw logits over {over}."
        )
    return (
        f"Sampled at temperature {temperature} with public noise from the seed "
        f"{to_hex(seed)}: the largest sum of logit and noise is taken. Probabilities "
        f"are the softmax at that temperature over {over}."
    )
