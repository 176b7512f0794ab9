"""Steps 7, 8, 9: sampling, tokens, and what follows from them.

The model is not asked again: one prefill of prompt and output says for every token
whether the canonical sampler chooses it. It trusts the auditor's own model folder and
engine; it does not say that another answer would have been worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from affiant.agents.deciding.derive import (
    Asked,
    derive_consequences,
    derive_plan,
    derive_seed,
)
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.refused_plan import plan_section, plan_text, stated_refusal
from affiant.audit.check_chain import same
from affiant.audit.check_evidence import Manifests, require_model, section
from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.replayer import Replayer, ReplayJob, replay_jobs
from affiant.encoding import Digest, canonical_json, to_hex
from affiant.errors import AffiantError
from affiant.inference.receipt import tokens_hash
from affiant.inference.replay import ReplayVerdict, SwornInference
from affiant.inference.trace import Trace
from affiant.onchain.decision import bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.mandate import Mandate


def check_sampling(
    bundle: EvidenceBundle, *, manifests: Manifests, mandate: Mandate
) -> tuple[tuple[Digest | None, ...], str]:
    """Step 7: how tokens were to be chosen; return each inference's seed, if any.

    1. prompts and outputs are those sworn to, and within the program's lengths;
    2. each seed follows from chain, mandate, head, anchor and the inference's number.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: the tokens are withheld.
    """
    # 1.
    program = manifests.program
    expected = program.inferences
    same("inferences of the program", got=len(bundle.receipts), expected=expected)
    pairs = zip(section(bundle, "tokens"), bundle.receipts, strict=True)
    for index, (tokens, receipt) in enumerate(pairs):
        same("prompt", got=tokens_hash(tokens["prompt"]), expected=receipt.prompt)
        same("output", got=tokens_hash(tokens["output"]), expected=receipt.output)
        length, limit = len(tokens["output"]), program.terms(index).max_tokens
        if not 0 < length <= limit:
            raise AuditRejectedError(
                "output", got=f"{length} tokens", expected=f"1 to {limit}"
            )
    # 2.
    seeds = seeds_of(bundle, program=program, mandate=mandate)
    said = [to_hex(seed) for seed in seeds if seed is not None]
    if not said:
        words = "The program is greedy: there is no draw, and no seed to choose."
    elif len(said) == 1:
        words = f"The seed {said[0]} follows from head and anchor."
    else:
        words = f"The {len(said)} seeds follow from head, anchor and number."
    return seeds, words


def seeds_of(
    bundle: EvidenceBundle, *, program: Program, mandate: Mandate
) -> tuple[Digest | None, ...]:
    """Return the seed of each inference of a program; None where it is greedy."""
    return tuple(
        derive_seed(
            program.sampling,
            chain_id=bundle.chain_id,
            gate=bundle.gate,
            mandate=mandate,
            previous=bundle.decision.previous,
            anchor_hash=bundle.decision.anchor_hash,
            index=index,
        )
        for index in range(program.inferences)
    )


def check_tokens(
    bundle: EvidenceBundle,
    *,
    manifests: Manifests,
    seeds: Sequence[Digest | None],
    replayer: Replayer | None,
) -> tuple[tuple[ReplayVerdict, ...], str]:
    """Step 8: every token of every inference, from one prefill each; and how it was.

    1. the auditor's folder commits to the sworn model;
    2. the traces are the sworn ones;
    3. every token is what the canonical sampler chooses: in the same profile exactly,
       in another within what a calibration allows.

    Raises:
        RejectedError: the tokens are not the model's.
        AuditUnavailableError: no such folder, tokens withheld, or the replay cannot
            tell (inconclusive).
    """
    # 1.
    model = require_model(replayer, model=bundle.receipts[0].model, what="tokens")
    # 2.
    sworn = sworn_inferences(bundle, program=manifests.program, seeds=seeds)
    # 3.
    verdicts = []
    jobs = [ReplayJob(item, manifests.engine) for item in sworn]
    for found in replay_jobs(model, jobs):
        if isinstance(found, AffiantError):
            raise found
        verdicts.append(found)
    lengths = [len(item.output_ids) for item in sworn]
    return tuple(verdicts), verdicts_in_words(verdicts, lengths=lengths)


def verdicts_in_words(
    verdicts: Iterable[ReplayVerdict], *, lengths: Sequence[int]
) -> str:
    """Return in one sentence that all replays agree.

    Args:
        verdicts: one per inference; none is asked for after one that does not agree.
        lengths: output tokens of each inference.

    Raises:
        AuditRejectedError: one is inconsistent.
        AuditUnavailableError: one cannot tell.
    """
    grades = set()
    for index, verdict in enumerate(verdicts):
        grades.add(verdict.grade)
        what = "tokens" if len(lengths) == 1 else f"tokens of inference {index + 1}"
        reasons = "; ".join(verdict.reasons) or "no reason given"
        if verdict.grade == "inconclusive":
            raise AuditUnavailableError(what, reason=f"inconclusive: {reasons}")
        if verdict.grade == "inconsistent":
            raise AuditRejectedError(
                what, got=f"inconsistent: {reasons}", expected="the model's own tokens"
            )
    inferences = "" if len(lengths) == 1 else f" of {len(lengths)} inferences"
    if grades == {"exact"}:
        return (
            f"All {sum(lengths)} tokens{inferences} and their fingerprints come out "
            "exactly the same, in the same profile."
        )
    return (
        f"All {sum(lengths)} tokens{inferences} are consistent with this model in an "
        "independent engine, within its calibration."
    )


def sworn_inferences(
    bundle: EvidenceBundle, *, program: Program, seeds: Sequence[Digest | None]
) -> tuple[SwornInference, ...]:
    """Return what evidence states of each inference, to be replayed.

    Raises:
        AuditUnavailableError: tokens or traces are withheld.
        AuditRejectedError, MalformedError: a trace is not the sworn one, or none.
    """
    return tuple(
        sworn_inference(bundle, program=program, index=index, seed=seed)
        for index, seed in enumerate(seeds)
    )


def sworn_inference(
    bundle: EvidenceBundle, *, program: Program, index: int, seed: Digest | None
) -> SwornInference:
    """Return what evidence states of inference number `index`.

    Raises:
        AuditUnavailableError: tokens or traces are withheld.
        AuditRejectedError, MalformedError: the trace is not the sworn one, or none.
    """
    tokens, receipt = section(bundle, "tokens")[index], bundle.receipts[index]
    trace = Trace.from_json(section(bundle, "traces")[index])
    same("trace", got=trace.root, expected=receipt.trace)
    length = len(tokens["output"])
    same("tokens in the trace", got=len(trace.entries), expected=length)
    terms = program.terms(index)
    return SwornInference(
        receipt=receipt,
        prompt_ids=tuple(tokens["prompt"]),
        output_ids=tuple(tokens["output"]),
        trace=trace,
        schema=terms.schema,
        sampling=program.sampling,
        seed=seed,
        max_tokens=terms.max_tokens,
    )


def check_consequences(
    bundle: EvidenceBundle,
    *,
    manifests: Manifests,
    asked: Asked,
    mandate: Mandate,
    replayer: Replayer | None,
) -> str:
    """Step 9: plan out of the output tokens, calls and bounds out of the plan.

    1. the stated plan gives exactly the sworn calls and bounds; where it does not
       compile, none, for exactly the stated reason;
    2. the output tokens give exactly the stated plan.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: plan or tokens withheld, or no tokenizer of the sworn
            model; the first part is checked all the same.
    """
    # 1.
    stated = stated_plan(bundle, manifests=manifests)
    follows = derive_consequences(
        stated, found=asked.facts, book=manifests.book, mandate=mandate
    )
    calls, bounds = follows.calls, follows.bounds
    same(
        "refusal",
        got=stated_refusal(section(bundle, "plan")),
        expected=follows.refused,
    )
    same("calls", got=bundle.decision.calls, expected=calls_hash(calls))
    same("bounds", got=bundle.decision.bounds, expected=bounds_hash(bounds))
    # 2.
    tokenizer = require_model(
        replayer,
        model=bundle.receipts[-1].model,
        what="plan out of the tokens (calls and bounds follow from the stated plan)",
    )
    text = tokenizer.decode(section(bundle, "tokens")[-1]["output"])
    plan = derive_plan(text, program=manifests.program, book=manifests.book)
    same(
        "plan",
        got=canonical_json(stated.to_json()).decode(),
        expected=canonical_json(plan.to_json()).decode(),
    )
    if follows.refused:
        return (
            "The output tokens are the plan; it could not be carried out, for the "
            f"reason stated ({follows.refused}), and no call follows from it."
        )
    if not calls:
        return "The output tokens are the plan, and no call follows from it."
    follow = "call follows" if len(calls) == 1 else "calls follow"
    return f"The output tokens are the plan, and {len(calls)} {follow} from it."


def stated_plan(bundle: EvidenceBundle, *, manifests: Manifests) -> Plan:
    """Return the plan that the evidence states, parsed as the program parses it.

    Raises:
        RejectedError: it is no plan of the program.
        AuditUnavailableError: withheld.
    """
    content = section(bundle, "plan")
    plan = derive_plan(
        plan_text(content), program=manifests.program, book=manifests.book
    )
    spelled = plan_section(plan, refused=stated_refusal(content))
    if canonical_json(spelled) != canonical_json(content):
        raise AuditRejectedError(
            "plan section", got="another spelling", expected="the plan as parsed"
        )
    return plan
