"""Which node keys a mandate permits: by name, or by the workload that they run.

Pure. A key that is not named has to be attested for a workload of the mandate; whether
it is, the gate asks at execution and an auditor verifies again.
"""

from __future__ import annotations

from affiant.encoding import Digest
from affiant.onchain.mandate import Address, Mandate


def names_key(mandate: Mandate, key: Address) -> bool:
    """Whether `mandate` permits `key` by name."""
    return key in [permit.key for permit in mandate.nodes]


def may_permit(mandate: Mandate, key: Address) -> bool:
    """Whether `mandate` names `key`, or leaves it to attestation."""
    return names_key(mandate, key) or bool(mandate.workloads)


def names_workload(mandate: Mandate, *, contract: Address, workload: Digest) -> bool:
    """Whether `mandate` permits keys that `contract` attests for `workload`."""
    return any(
        permitted.measurement == workload
        and permitted.attestation.lower() == contract.lower()
        for permitted in mandate.workloads
    )
