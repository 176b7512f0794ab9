"""A chain with verifiers, and quotes to give them: development's and Intel's.

Nothing here decides whether a quote is good: every verdict is the contract's, asked in
simulated blocks, so that any moment can be asked without moving the chain's clock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.address import to_checksum_address

from affiant.encoding import from_hex, keccak256, to_hex
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevStatement, DevTd
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain.abi import encode_call
from affiant.onchain.attestation.deploy import deploy_tdx_verifier
from affiant.onchain.attestation.verifier import (
    VERDICT_ABI,
    TdxVerifierClient,
    Verdict,
    certificate_id,
    parse_verdict,
)
from affiant.onchain.chain import Chain
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.devnet.accounts import DEPLOYER as DEPLOYER_ACCOUNT
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.mandate import Address
from affiant.onchain.reverts import ContractError

GENESIS = 1_672_531_200
"""2023-01-01: before every vector."""
NOW = 1_763_700_000
"""When development's collateral is issued."""
SEED = bytes(range(32))
CALL_GAS = 6_000_000

RECORD = "AFFIANT_RECORD_CALLS"
"""Names the file to which every simulated call is written down."""

_RECORDED: set[bytes] = set()

Call = tuple[str, Sequence[object]]
"""A function's signature and its arguments."""


@dataclass(frozen=True)
class Vector:
    """A quote that Intel's hardware signed, with collateral for it."""

    name: str
    file: bytes
    collateral: Collateral

    @property
    def quote(self) -> TdxQuote:
        return TdxQuote.cut(self.file)

    @property
    def machine(self) -> bytes:
        """DER of the PCK certificate."""
        return machine_of(self.quote, self.collateral)


def machine_of(quote: TdxQuote, collateral: Collateral) -> bytes:
    if quote.certificates:
        return quote.certificates[0]
    assert collateral.machine is not None
    return collateral.machine


class Bench:
    """One verifier, asked in simulated blocks on top of nothing."""

    def __init__(
        self, client: TdxVerifierClient, *, root: bytes | None = None, part: str = ""
    ) -> None:
        self.client = client
        self.root = client.root_key_hash() if root is None else root
        self.part = part

    @staticmethod
    def setting_up(collateral: Collateral, machine: bytes | None) -> list[Call]:
        """Return everything that a fresh verifier must be told, in order."""
        root, signer = (
            certificate_id(collateral.root),
            certificate_id(collateral.signer),
        )
        authority = certificate_id(collateral.authority)
        calls: list[Call] = [
            ("addRoot(bytes)", [collateral.root]),
            ("addRevocationList(bytes,bytes32)", [collateral.root_list, root]),
            ("addAuthority(bytes)", [collateral.authority]),
            ("addAuthority(bytes)", [collateral.signer]),
            ("addRevocationList(bytes,bytes32)", [collateral.machine_list, authority]),
            (
                "addTcbInfo(bytes,bytes,bytes32)",
                [collateral.tcb_info, collateral.tcb_info_signature, signer],
            ),
            (
                "addQeIdentity(bytes,bytes,bytes32)",
                [collateral.qe_identity, collateral.qe_identity_signature, signer],
            ),
        ]
        if machine is not None:
            calls.append(("addMachine(bytes,bytes32)", [machine, authority]))
        return calls

    @staticmethod
    def verifying(quote: TdxQuote, machine: bytes) -> Call:
        """Return the call that verifies `quote`."""
        return (
            "verify(bytes,bytes,bytes32)",
            [quote.signed, quote.signatures, certificate_id(machine)],
        )

    def run(self, *blocks: tuple[int, Sequence[Call]]) -> list[bytes | ContractError]:
        """Return what every call of every block returned, or how it was refused.

        Args:
            blocks: unix second and calls of each.
        """
        chain = self.client.chain
        parent = chain.latest_block()
        state_calls = [
            {
                "blockOverrides": {
                    "number": hex(parent.number + 1 + index),
                    "time": hex(when),
                    "gasLimit": hex(10**10),
                },
                "calls": [
                    {
                        "to": self.client.address,
                        "data": to_hex(encode_call(signature, arguments)),
                        "gas": hex(CALL_GAS),
                    }
                    for signature, arguments in calls
                ],
            }
            for index, (when, calls) in enumerate(blocks)
        ]
        answer = chain.request(
            "eth_simulateV1", {"blockStateCalls": state_calls}, to_hex(parent.hash)
        )
        self._record(state_calls, answer)
        return [outcome_of(call) for block in answer for call in block["calls"]]

    def _record(self, asked: Any, answer: Any) -> None:
        """Write what was asked and answered down, where `make coverage` asks for it.

        One line each: (verifier's root, which contract, unix seconds, calls, whether
        each succeeded, what it returned), ABI-encoded, hexadecimal.
        """
        file = os.environ.get(RECORD)
        if not file:
            return
        calls = [call for block in asked for call in block["calls"]]
        outcomes = [call for block in answer for call in block["calls"]]
        times = [
            int(block["blockOverrides"]["time"], 16)
            for block in asked
            for _ in block["calls"]
        ]
        line = encode(
            ["bytes32", "string", "uint64[]", "bytes[]", "bool[]", "bytes[]"],
            [
                self.root,
                self.part,
                times,
                [from_hex(call["data"], what="data") for call in calls],
                [outcome["status"] == "0x1" for outcome in outcomes],
                [raw_outcome(outcome) for outcome in outcomes],
            ],
        )
        # What is asked twice is replayed once.
        if keccak256(line) not in _RECORDED:
            _RECORDED.add(keccak256(line))
            with Path(file).open("a") as lines:
                lines.write(line.hex() + "\n")

    def run_readers(
        self, calls: Sequence[Call], *, reader: str
    ) -> list[bytes | ContractError]:
        """Ask the verifier's own reader of certificates or collateral."""
        data = encode_call(f"{reader}Reader()")
        (address,) = decode(
            ["address"], self.client.chain.call(self.client.address, data)
        )
        return Bench(
            TdxVerifierClient(self.client.chain, Address(to_checksum_address(address))),
            root=self.root,
            part=reader,
        ).run((NOW, calls))

    def judge(
        self,
        quote: TdxQuote,
        collateral: Collateral,
        *,
        at: int,
        told_at: int | None = None,
        machine: bytes | None = None,
    ) -> Verdict | ContractError:
        """Return the verdict at unix second `at`, or the first refusal.

        Args:
            told_at: when the verifier was told certificates and collateral.
        """
        der = machine or machine_of(quote, collateral)
        *told, last = self.run(
            (told_at or at, self.setting_up(collateral, der)),
            (at, [self.verifying(quote, der)]),
        )
        for outcome in (*told, last):
            if isinstance(outcome, ContractError):
                return outcome
        assert isinstance(last, bytes)
        return verdict_of(last)


def outcome_of(call: dict[str, object]) -> bytes | ContractError:
    data = raw_outcome(call)
    return data if call["status"] == "0x1" else decode_revert(data)


def raw_outcome(call: dict[str, object]) -> bytes:
    """Return what a simulated call returned or reverted with."""
    data = call["returnData"]
    error = call.get("error")
    refused = call["status"] != "0x1"
    if refused and isinstance(error, dict) and isinstance(error.get("data"), str):
        data = error["data"]
    return from_hex(data, what="returned")


def verdict_of(data: bytes) -> Verdict:
    (said,) = decode([VERDICT_ABI], data)
    return parse_verdict(said)


@dataclass(frozen=True)
class Lab:
    """The development root and its verifier."""

    root: DevRoot
    bench: Bench

    def judge(
        self,
        *,
        td: DevTd | None = None,
        machine: Machine | None = None,
        statement: DevStatement | None = None,
        at: int = NOW + 60,
        told_at: int | None = None,
        qe_svn: int = 4,
    ) -> Verdict | ContractError:
        """Judge one development quote."""
        quote = self.root.quote(bytes(64), td=td, machine=machine, qe_svn=qe_svn)
        collateral = self.root.collateral(now=NOW, machine=machine, statement=statement)
        return self.bench.judge(TdxQuote.cut(quote), collateral, at=at, told_at=told_at)

    def said(self, **changes: object) -> DevStatement:
        return replace(DevStatement(), **changes)


@pytest.fixture(scope="session")
def chain() -> Iterator[Chain]:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=[
            *("--chain-id", "31337", "--hardfork", "osaka"),
            *("--timestamp", str(GENESIS)),
        ],
    )
    try:
        with closing(Chain.connect(anvil.url, expected_chain_id=31337)) as connected:
            yield connected
    finally:
        anvil.stop()


@pytest.fixture(scope="session")
def lab(chain: Chain) -> Lab:
    root = DevRoot(SEED)
    deployer = Account.from_key(DEPLOYER_ACCOUNT.key)
    client = deploy_tdx_verifier(chain, deployer, root_key_hash=root.pki.root_key_hash)
    return Lab(root=root, bench=Bench(client))


@pytest.fixture(scope="session")
def intel(chain: Chain) -> Bench:
    """A verifier under Intel's root."""
    deployer = Account.from_key(DEPLOYER_ACCOUNT.key)
    return Bench(deploy_tdx_verifier(chain, deployer))


@pytest.fixture(scope="session")
def vectors(vendor_folders: list[Path]) -> list[Vector]:
    """Every quote beside whose file lies its collateral; TDX alone."""
    found: dict[bytes, Vector] = {}
    for folder in vendor_folders:
        for path in sorted(folder.glob("*_collateral.json")):
            file = path.with_name(path.name.removesuffix("_collateral.json"))
            content = file.read_bytes()
            if content[4:8] == bytes.fromhex("81000000"):
                collateral = Collateral.parse(path.read_bytes())
                found.setdefault(content, Vector(file.name, content, collateral))
    if not found:
        pytest.skip("no vendor-signed TDX data found")
    return list(found.values())
