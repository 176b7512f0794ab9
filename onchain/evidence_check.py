"""Is this bundle what its decision swears, and did the named node sign it?

Pure. It decides integrity and authorship from the bundle alone. It does not decide that
the node was permitted, that the observation is the chain's, that the calls follow from
the plan, or that the tokens are the model's: those are the auditor's. It trusts nobody.
"""

from __future__ import annotations

from affiant.encoding import Digest, JsonValue, canonical_json, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.receipt import receipts_hash, tokens_hash
from affiant.onchain.decision import bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import (
    EvidenceBoundsMismatchError,
    EvidenceCallsMismatchError,
    EvidenceInferenceMismatchError,
    EvidenceMandateMismatchError,
    EvidenceMismatchError,
    EvidenceObservationMismatchError,
    EvidenceProgramMismatchError,
    EvidenceReceiptsMismatchError,
    EvidenceRootMismatchError,
    EvidenceSectionMismatchError,
    EvidenceSignatureError,
)
from affiant.onchain.evidence_sections import evidence_root
from affiant.signature import recover_signer


def verify_evidence(bundle: EvidenceBundle) -> Digest:
    """Check that `bundle` is intact and signed; return the decision's digest.

    1. every disclosed section hashes to its stated leaf;
    2. the leaves give the root that the decision swears;
    3. the mandate is the decision's, and its program too;
    4. receipts, calls and bounds hash to what the decision swears;
    5. the disclosed observation, requests and tokens are those sworn to;
    6. `node` signed the decision's digest.

    What is withheld cannot be checked: callers say so (`bundle.withheld`).

    Raises:
        EvidenceMismatchError: the subclass names what failed, with got and expected.
        MalformedError: a content cannot be written as canonical JSON.
    """
    decision = bundle.decision
    # 1.
    for name, section in bundle.sections.items():
        leaf = section.leaf(name)
        if leaf != bundle.leaves[name]:
            raise EvidenceSectionMismatchError(
                name, got=to_hex(leaf), expected=to_hex(bundle.leaves[name])
            )
    # 2.
    root = evidence_root(bundle.leaves)
    _same(root, decision.evidence, EvidenceRootMismatchError)
    # 3.
    _same(bundle.mandate.id, decision.mandate, EvidenceMandateMismatchError)
    _same(decision.program, bundle.mandate.program, EvidenceProgramMismatchError)
    # 4.
    receipts = receipts_hash(bundle.receipts)
    _same(receipts, decision.receipts, EvidenceReceiptsMismatchError)
    _same(calls_hash(bundle.calls), decision.calls, EvidenceCallsMismatchError)
    _same(bounds_hash(bundle.bounds), decision.bounds, EvidenceBoundsMismatchError)
    # 5.
    _check_contents(bundle)
    # 6.
    return _check_signature(bundle)


def _check_contents(bundle: EvidenceBundle) -> None:
    disclosed = {name: section.content for name, section in bundle.sections.items()}
    if "observation" in disclosed:
        _same(
            _json_hash(disclosed["observation"]),
            bundle.decision.observation,
            EvidenceObservationMismatchError,
        )
    for name in ("requests", "tokens", "traces"):
        if name in disclosed and len(disclosed[name]) != len(bundle.receipts):
            raise EvidenceInferenceMismatchError(
                f"count of {name}",
                index=0,
                got=str(len(disclosed[name])),
                expected=f"{len(bundle.receipts)}, one per receipt",
            )
    for index, receipt in enumerate(bundle.receipts):
        found = []
        if "requests" in disclosed:
            request = _json_hash(disclosed["requests"][index])
            found.append(("request", request, receipt.request))
        if "tokens" in disclosed:
            tokens = disclosed["tokens"][index]
            found += [
                ("prompt", tokens_hash(tokens["prompt"]), receipt.prompt),
                ("output", tokens_hash(tokens["output"]), receipt.output),
            ]
        for what, got, expected in found:
            if got != expected:
                raise EvidenceInferenceMismatchError(
                    what, index=index, got=to_hex(got), expected=to_hex(expected)
                )


def _check_signature(bundle: EvidenceBundle) -> Digest:
    digest = bundle.digest
    try:
        signer = recover_signer(digest, signature=bundle.signature)
    except MalformedError as error:
        raise EvidenceSignatureError(
            got=f"{error.what} {error.got}", expected=error.expected
        ) from error
    if signer != bundle.node:
        raise EvidenceSignatureError(
            got=f"a signature by {signer}", expected=f"one by {bundle.node}"
        )
    return digest


def _json_hash(content: JsonValue) -> Digest:
    return keccak256(canonical_json(content))


def _same(got: Digest, expected: Digest, error: type[EvidenceMismatchError]) -> None:
    if got != expected:
        raise error(got=to_hex(got), expected=to_hex(expected))
