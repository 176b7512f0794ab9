"""Step 11: the attestation behind a decision, verified again as of its time.

It starts from what the chain recorded at registration and believes none of it: the
quote is verified by `dcap-qvl`, which is not our contract, at the decision's own time,
with the collateral that was on chain by then. It trusts `dcap-qvl`, Intel's root (any
other proves nothing and gives tier 0), and the auditor's endpoint for the past.
"""

from __future__ import annotations

from affiant.audit.check_chain import at_most, same
from affiant.audit.errors import AuditRejectedError
from affiant.audit.history import History
from affiant.encoding import to_hex
from affiant.inference.attestation.verify import machine_names
from affiant.onchain.attestation.attesting import require_measured, second_opinion
from affiant.onchain.attestation.binding import gpu_endorsement_digest
from affiant.onchain.attestation.deploy import INTEL_ROOT_KEY_HASH
from affiant.onchain.attestation.record import AttestationRecord
from affiant.onchain.attestation.verifier import certificate_id
from affiant.onchain.chain_types import Block
from affiant.onchain.mandate import Address, Mandate
from affiant.signature import SIGNATURE_BYTES, recover_signer

HARDWARE_TIER = 2
"""Tier of a key in a TDX TD."""
GPU_TIER = 3
"""The same with GPU evidence that endorsers vouch for."""


def check_attestation(
    record: AttestationRecord,
    *,
    node: Address,
    mandate: Mandate,
    block: Block,
    history: History,
) -> tuple[int, str]:
    """Verify again what gives `node` its tier; return the tier and a sentence.

    1. the registration is of this key, and of what the mandate asks for: program,
       model, engine;
    2. the key signed the binding, on this chain, for this contract, and it lasts;
    3. the TD's report carries key and binding;
    4. the TD runs what the workload measures;
    5. the quote verifies at the block's time, under the root that the verifier is
       pinned to, at a status and recovery event that the workload accepts;
    6. no guard has refused the machine;
    7. Intel's root gives tier 2, or 3 while endorsers of the workload vouch for the
       GPUs; any other gives 0;
    8. the contract said the same at that block.

    Args:
        record: as of `block`'s state.
        block: whose time counts.

    Raises:
        RejectedError: one of them does not hold.
    """
    now = block.timestamp
    registered = record.registration
    binding, workload = registered.binding, registered.workload
    # 1.
    same("attested key", got=registered.key, expected=node)
    same("key of the binding", got=binding.key, expected=node)
    same("id of the workload", got=workload.id, expected=registered.workload_id)
    same("model of the binding", got=binding.model, expected=mandate.model)
    same("engine of the binding", got=binding.engine, expected=mandate.engine)
    if any(binding.program):
        same("program of the binding", got=binding.program, expected=mandate.program)
    if any(workload.program):
        same("program of the workload", got=binding.program, expected=workload.program)
    if any(workload.model):
        same("model of the workload", got=binding.model, expected=workload.model)
    if binding.engine not in workload.engines:
        listed = ", ".join(map(to_hex, workload.engines))
        raise AuditRejectedError(
            "engine", got=to_hex(binding.engine), expected=f"one of {listed}"
        )
    # 2.
    chain_id, contract = history.chain_id, record.contract
    digest = binding.digest(chain_id=chain_id, contract=contract)
    signer = recover_signer(digest, signature=registered.signature)
    same("signer of the binding", got=signer, expected=node)
    at_most("attested from", registered.valid_from, limit=now)
    at_most("time of the block", now, limit=binding.valid_until - 1)
    bound_to = history.block(binding.block_number)
    same("block of the binding", got=binding.block_hash, expected=bound_to.hash)
    # 3.
    report = record.quote.report
    expected = binding.report_data(chain_id=chain_id, contract=contract)
    same("report data", got=report.report_data, expected=expected)
    # 4.
    require_measured(record.quote, workload)
    # 5.
    machine = record.quote.certificates[0]
    same("machine", got=certificate_id(machine), expected=registered.machine)
    verdict = second_opinion(
        record.quote,
        record.collateral,
        now=now,
        workload=workload,
        root_key_hash=record.root_key_hash,
    )
    real = record.root_key_hash == INTEL_ROOT_KEY_HASH
    # 6.
    ppid = machine_names(machine).ppid
    if ppid in record.refused_ppids:
        raise AuditRejectedError(
            "machine", got=f"{ppid.hex()}, refused by a guard", expected="no refusal"
        )
    # 7.
    answer, tier = record.answer, HARDWARE_TIER if real else 0
    # Asked only where the contract says so: it forgets endorsements of other GPUs.
    if real and answer.tier == GPU_TIER:
        endorsed = _endorsed(record, node=node, now=now, chain_id=chain_id)
        tier = GPU_TIER if endorsed else HARDWARE_TIER
    # 8.
    same("tier that the contract told", got=answer.tier, expected=tier)
    same("whether the contract took the key", got=answer.holds(now), expected=True)
    root = "Intel's root" if real else "A DEVELOPMENT ROOT, WHICH PROVES NOTHING,"
    return tier, (
        f"{root} vouches at that block for a TD ({verdict.status}, recovery event "
        f"{verdict.evaluation_number}) that runs what workload "
        f"{to_hex(registered.workload_id)} measures and bound this key: tier {tier}."
    )


def _endorsed(
    record: AttestationRecord, *, node: Address, now: int, chain_id: int
) -> bool:
    """Whether endorsers of the workload vouch now for the GPUs of the binding."""
    registered = record.registration
    workload = registered.workload
    for said in reversed(record.endorsements):
        if said.gpu_evidence != registered.binding.gpu_evidence:
            continue
        if now >= said.valid_until:
            continue
        digest = gpu_endorsement_digest(
            chain_id=chain_id,
            contract=record.contract,
            key=node,
            workload=registered.workload_id,
            gpu_evidence=said.gpu_evidence,
            valid_until=said.valid_until,
        )
        signers = {
            recover_signer(digest, signature=said.signatures[at : at + SIGNATURE_BYTES])
            for at in range(0, len(said.signatures), SIGNATURE_BYTES)
        }
        if (
            workload.quorum
            and len(signers & set(workload.endorsers)) >= workload.quorum
        ):
            return True
    return False
