"""A Safe as the account: what it is set to, and batches for its owners to sign.

It covers Safe 1.3.0 to 1.5.0. Owners of a Safe act with their own tools, so nothing
here holds their keys: `transaction_batch` writes what Safe's own Transaction Builder
reads. It decides nothing; it trusts the endpoint behind `chain`.

Up to 1.4.1 a Safe's guard does not see what modules do, and a second module acts
without the gate: `safe_cautions` says so before a grant, and the rule `SafeSettings`
refuses it on chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from affiant.encoding import JsonValue, to_hex
from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.mandate import NATIVE, Address, parse_address

SENTINEL = Address("0x0000000000000000000000000000000000000001")
"""Before the first of a Safe's modules."""

GUARD_SLOT = 0x4A204F620C8C5CCDCA3FD54D003BADD85BA500436A431F0CBDA4F558C93C34C8
"""keccak256("guard_manager.guard.address"): where a Safe keeps its guard."""

MAX_MODULES = 64
"""Most modules that are looked at."""


@dataclass(frozen=True)
class SafeSettings:
    """What a Safe is set to."""

    version: str
    owners: tuple[Address, ...]
    threshold: int
    modules: tuple[Address, ...]
    guard: Address
    """Zero where there is none."""


def read_safe(chain: Chain, account: Address) -> SafeSettings | None:
    """Return the settings of the Safe at `account`; None where it is none.

    Raises:
        ChainUnavailableError.
    """
    if not chain.code(account):
        return None
    try:
        version = _one(chain, account, "VERSION()", "string")
        owners = _one(chain, account, "getOwners()", "address[]")
        threshold = _one(chain, account, "getThreshold()", "uint256")
        modules, _ = _values(
            chain,
            account,
            encode_call(
                "getModulesPaginated(address,uint256)", [SENTINEL, MAX_MODULES]
            ),
            ["address[]", "address"],
        )
        stored = _values(
            chain,
            account,
            encode_call("getStorageAt(uint256,uint256)", [GUARD_SLOT, 1]),
            ["bytes"],
        )[0]
    except (CallRevertedError, MalformedError):
        return None
    return SafeSettings(
        version=str(version)[:32],
        owners=tuple(parse_address(o, what="owner") for o in owners),
        threshold=int(threshold),
        modules=tuple(parse_address(m, what="module") for m in modules),
        guard=parse_address("0x" + bytes(stored)[12:32].hex(), what="guard"),
    )


def safe_cautions(settings: SafeSettings, *, gate: Address) -> Iterator[str]:
    """Yield what the owners of a Safe should know before a grant."""
    if gate not in settings.modules:
        yield (
            "THE GATE IS NOT A MODULE OF THIS SAFE: nothing executes until its owners "
            "call enableModule."
        )
    for module in settings.modules:
        if module != gate:
            yield (
                f"THE SAFE HAS ANOTHER MODULE, {module}: it can move all its money "
                "without gate and mandate. The rule SafeSettings refuses decisions "
                "while it is enabled."
            )
    if settings.guard != NATIVE:
        yield (
            f"THE SAFE HAS A GUARD, {settings.guard}, WHICH DOES NOT SEE DECISIONS: up "
            "to Safe 1.4.1 guards are not asked about modules. The rule SafeSettings "
            "refuses guards that its terms do not name."
        )


def transaction_batch(
    calls: Sequence[CallRequest], *, chain_id: int, safe: Address, name: str
) -> dict[str, JsonValue]:
    """Return the JSON that Safe's Transaction Builder imports."""
    return {
        "version": "1.0",
        "chainId": str(chain_id),
        "createdAt": 0,
        "meta": {"name": name, "createdFromSafeAddress": safe},
        "transactions": [
            {
                "to": call.target,
                "value": str(call.value),
                "data": to_hex(call.data),
                "contractMethod": None,
                "contractInputsValues": None,
            }
            for call in calls
        ],
    }


def _one(chain: Chain, account: Address, signature: str, type_: str) -> Any:
    return _values(chain, account, encode_call(signature), [type_])[0]


def _values(chain: Chain, account: Address, data: bytes, types: list[str]) -> Any:
    return decode_exactly(types, chain.call(account, data), what="Safe")
