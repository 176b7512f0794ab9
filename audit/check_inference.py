"""Steps 7, 8, 9: sampling, tokens, and what follows from them.

The model is not asked again: one prefill of prompt and output says for every token
whether the canonical sampler chooses it. It trusts the auditor's own model folder and
engine; it does not say that another answer would have been worse.
"""

from __future__ import annotations

from affiant.agents.derive import (
    Asked,
    derive_calls,
    derive_plan,
    derive_seed,
    plan_text,
)
from affiant.agents.plan import Plan
from affiant.audit.check_chain import same
from affiant.audit.check_evidence import Manifests, require_model, section
from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.replayer import Replayer
from affiant.encoding import Digest, canonical_json, to_hex
from affiant.inference.receipt import tokens_hash
from affiant.inference.replay import SwornInference
from affiant.inference.trace import Trace
from affiant.onchain.decision import bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.mandate import Mandate


def check_sampling(
    bundle: EvidenceBundle, *, manifests: Manifests, mandate: Mandate
) -> tuple[Digest | None, str]:
    """Step 7: how tokens were to be chosen; return the seed, None where greedy.

    1. prompt and output are those sworn to, and within the program's length;
    2. the seed follows from chain, mandate, head and anchor.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: the tokens are withheld.
    """
    # 1.
    tokens, receipt = section(bundle, "tokens")[0], bundle.receipts[0]
    same("prompt", got=tokens_hash(tokens["prompt"]), expected=receipt.prompt)
    same("output", got=tokens_hash(tokens["output"]), expected=receipt.output)
    length, limit = len(tokens["output"]), manifests.program.max_tokens
    if not 0 < length <= limit:
        raise AuditRejectedError(
            "output", got=f"{length} tokens", expected=f"1 to {limit}"
        )
    # 2.
    seed = derive_seed(
        manifests.program.sampling,
        chain_id=bundle.chain_id,
        gate=bundle.gate,
        mandate=mandate,
        previous=bundle.decision.previous,
        anchor_hash=bundle.decision.anchor_hash,
        index=0,
    )
    if seed is None:
        return None, "The program is greedy: there is no draw, and no seed to choose."
    return seed, f"The seed {to_hex(seed)} follows from head and anchor."


def check_tokens(
    bundle: EvidenceBundle,
    *,
    manifests: Manifests,
    seed: Digest | None,
    replayer: Replayer | None,
) -> str:
    """Step 8: grammar masks and every token, from one prefill.

    1. the auditor's folder commits to the sworn model;
    2. the trace is the sworn one;
    3. every token is what the canonical sampler chooses, within the stated
       tolerance of another engine.

    Raises:
        RejectedError: the tokens are not the model's.
        AuditUnavailableError: no such folder, tokens withheld, or the replay cannot
            tell (inconclusive).
    """
    # 1.
    receipt = bundle.receipts[0]
    model = require_model(replayer, model=receipt.model, what="tokens")
    # 2.
    tokens = section(bundle, "tokens")[0]
    trace = Trace.from_json(section(bundle, "traces")[0])
    same("trace", got=trace.root, expected=receipt.trace)
    # 3.
    verdict = model.replay(
        SwornInference(
            receipt=receipt,
            prompt_ids=tuple(tokens["prompt"]),
            output_ids=tuple(tokens["output"]),
            trace=trace,
            schema=manifests.program.schema,
            sampling=manifests.program.sampling,
            seed=seed,
            max_tokens=manifests.program.max_tokens,
        ),
        manifest=manifests.engine,
    )
    count = len(tokens["output"])
    if verdict.grade == "exact":
        return f"All {count} tokens, candidates and logits come out exactly the same."
    if verdict.grade == "consistent":
        return (
            f"All {count} tokens are consistent with this model in an independent "
            "engine, within the stated tolerance."
        )
    reasons = "; ".join(verdict.reasons) or "no reason given"
    if verdict.grade == "inconclusive":
        raise AuditUnavailableError("tokens", reason=f"inconclusive: {reasons}")
    raise AuditRejectedError(
        "tokens", got=f"{verdict.grade}: {reasons}", expected="the model's own tokens"
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

    1. the stated plan gives exactly the sworn calls and bounds;
    2. the output tokens give exactly the stated plan.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: plan or tokens withheld, or no tokenizer of the sworn
            model; the first part is checked all the same.
    """
    # 1.
    stated = stated_plan(bundle, manifests=manifests)
    calls, bounds = derive_calls(
        stated, found=asked.facts, book=manifests.book, mandate=mandate
    )
    same("calls", got=bundle.decision.calls, expected=calls_hash(calls))
    same("bounds", got=bundle.decision.bounds, expected=bounds_hash(bounds))
    # 2.
    tokenizer = require_model(
        replayer,
        model=bundle.receipts[0].model,
        what="plan out of the tokens (calls and bounds follow from the stated plan)",
    )
    text = tokenizer.decode(section(bundle, "tokens")[0]["output"])
    plan = derive_plan(text, program=manifests.program, book=manifests.book)
    same(
        "plan",
        got=canonical_json(stated.to_json()).decode(),
        expected=canonical_json(plan.to_json()).decode(),
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
    if canonical_json(plan.to_json()) != canonical_json(content):
        raise AuditRejectedError(
            "plan section", got="another spelling", expected="the plan as parsed"
        )
    return plan
