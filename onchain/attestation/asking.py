"""Making a workload: which measurements, and whether what is asked makes sense.

Pure. It decides what an owner cannot have meant: what `TdxAttestation` would refuse
always, or what no TD could ever fulfil. Whether the measured code is good is for the
owner to know. It trusts whoever hands over measurements; a quote's are read, not
verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from affiant.encoding import ZERO_DIGEST, Digest, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.attestation.quote import TdReport
from affiant.inference.attestation.verify import STATUSES, UP_TO_DATE
from affiant.onchain.attestation.binding import MAX_LIST, NOBODY, TdxWorkload
from affiant.onchain.mandate import Address

REGISTERS: Mapping[str, int] = MappingProxyType(
    {
        "attributes": 8,
        "xfam": 8,
        "mrTd": 48,
        "mrConfigId": 48,
        "mrOwner": 48,
        "mrOwnerConfig": 48,
        "rtmr0": 48,
        "rtmr1": 48,
        "rtmr2": 48,
        "rtmr3": 48,
    }
)
"""What is measured, with its bytes, in the report's order; names as `affiant attest
show` prints them."""

LAST = "rtmr3"
"""The register that only `allRegisters` covers."""

PERMITTED_ATTRIBUTES = bytes.fromhex("00007dd8000000c0")
"""TD attributes that may be set; `PERMITTED_ATTRIBUTES` of `TdxQuote.sol`."""

SEPT_VE_DISABLE = bytes.fromhex("0000001000000000")
"""The TD attribute that must be set."""


def registers_of(report: TdReport) -> dict[str, bytes]:
    """Return what a TD's report says was measured, by name."""
    values = (
        report.attributes,
        report.xfam,
        report.mr_td,
        report.mr_config_id,
        report.mr_owner,
        report.mr_owner_config,
        *report.rtmr,
    )
    return dict(zip(REGISTERS, values, strict=True))


def parse_registers(texts: Sequence[str]) -> dict[str, bytes]:
    """Return registers given as `name=hexadecimal`.

    Raises:
        MalformedError: a name is unknown or given twice, or a value has another length.
    """
    registers: dict[str, bytes] = {}
    for text in texts:
        name, _, digits = text.partition("=")
        if name not in REGISTERS or name in registers:
            raise MalformedError(
                "register", got=repr(name)[:40], expected=f"one of {[*REGISTERS]}, once"
            )
        try:
            value = bytes.fromhex(digits.removeprefix("0x"))
        except ValueError:
            value = b""
        if len(value) != REGISTERS[name]:
            raise MalformedError(
                f"register {name}",
                got=repr(digits)[:110],
                expected=f"{2 * REGISTERS[name]} hexadecimal digits",
            )
        registers[name] = value
    return registers


def measure(registers: Mapping[str, bytes], *, whole: bool) -> Digest:
    """Return the hash of what is measured, as the contract computes it.

    Args:
        whole: RTMR3 as well.

    Raises:
        MalformedError: a register is missing, or the contract refuses every TD with
            these attributes.
    """
    needed = [name for name in REGISTERS if whole or name != LAST]
    missing = [name for name in needed if name not in registers]
    if missing:
        raise MalformedError(
            "registers", got=f"no {', '.join(missing)}", expected=f"all of {needed}"
        )
    attributes = int.from_bytes(registers["attributes"], "big")
    permitted = int.from_bytes(PERMITTED_ATTRIBUTES, "big")
    if attributes & ~permitted or not attributes & int.from_bytes(
        SEPT_VE_DISABLE, "big"
    ):
        raise MalformedError(
            "register attributes",
            got=registers["attributes"].hex(),
            expected=f"{SEPT_VE_DISABLE.hex()} set and nothing outside "
            f"{PERMITTED_ATTRIBUTES.hex()}: no debugging, profiling or migration",
        )
    if not any(registers["mrTd"]):
        raise MalformedError(
            "register mrTd", got="zeros", expected="the measurement of a firmware"
        )
    return keccak256(b"".join(registers[name] for name in needed))


def require_sensible(workload: TdxWorkload) -> None:
    """Refuse a workload that no key can ever be attested for.

    Raises:
        MalformedError: names the first field that cannot be meant.
    """
    for name, got, expected in _nonsense(workload):
        raise MalformedError(f"workload `{name}`", got=got, expected=expected)


def _nonsense(workload: TdxWorkload) -> Iterator[tuple[str, str, str]]:
    if workload.measurements == ZERO_DIGEST:
        yield "measurements", "zero", "a hash of registers"
    engines, statuses = workload.engines, workload.statuses
    if not 1 <= len(engines) <= MAX_LIST:
        yield "engines", f"{len(engines)}", f"1 to {MAX_LIST}"
    if len(set(engines)) != len(engines) or ZERO_DIGEST in engines:
        yield "engines", str([*map(to_hex, engines)]), "each once, and none zero"
    if not statuses or len(set(statuses)) != len(statuses):
        yield "statuses", str(list(statuses)), "at least one, each once"
    for status in statuses:
        if status not in STATUSES:
            yield "statuses", repr(status)[:60], f"one of {list(STATUSES)}"
    if not 0 <= workload.evaluation_floor < 1 << 16:
        yield "evaluationFloor", f"{workload.evaluation_floor}", f"0 to {2**16 - 1}"
    endorsers, guards = workload.endorsers, workload.guards
    for name, people in (("endorsers", endorsers), ("guards", guards)):
        if len(people) > MAX_LIST:
            yield name, f"{len(people)} entries", f"at most {MAX_LIST}"
        if len(set(people)) != len(people) or NOBODY in people:
            yield name, str(list(people)), "each once, and none zero"
    if list(endorsers) != ascending(endorsers):
        yield "endorsers", str(list(endorsers)), "ascending"
    least = 1 if endorsers else 0
    if not least <= workload.quorum <= len(endorsers):
        yield "quorum", f"{workload.quorum}", f"{least} to {len(endorsers)}"


def ascending(addresses: Sequence[Address]) -> list[Address]:
    """Return addresses in the contract's order."""
    return sorted(addresses, key=lambda address: int(address, 16))


def workload_in_words(workload: TdxWorkload) -> list[str]:
    """Return what `workload` asks, one statement per line, its id first."""
    last = "RTMR3 included" if workload.all_registers else "whatever RTMR3 is"
    people = f"{workload.quorum} of {', '.join(workload.endorsers)}"
    return [
        f"Workload {to_hex(workload.id)}: name this id in a mandate's workloads.",
        f"Code: a TD with measurements {to_hex(workload.measurements)}, {last}.",
        f"Engine: {' or '.join(map(to_hex, workload.engines))}.",
        _bound("Model", workload.model),
        _bound("Program", workload.program),
        f"Machines: {', '.join(workload.statuses)}, by collateral of "
        f"{_recoveries(workload.evaluation_floor)}.",
        *(
            f"A MACHINE THAT IS {status} IS ACCEPTED: known holes may be open on it."
            for status in workload.statuses
            if status != UP_TO_DATE
        ),
        "GPUs: nobody vouches for them, so that no key gets above tier 2."
        if not workload.endorsers
        else f"GPUs: a key gets tier 3 while {people} vouch for their evidence.",
        "Guards: nobody can refuse a machine."
        if not workload.guards
        else f"Guards: {', '.join(workload.guards)} may refuse a machine, for good.",
    ]


def _recoveries(floor: int) -> str:
    return f"TCB recovery {floor} or later" if floor else "any TCB recovery"


def _bound(what: str, digest: Digest) -> str:
    if digest == ZERO_DIGEST:
        return f"{what}: any that the measured code serves."
    return f"{what}: {to_hex(digest)}."
