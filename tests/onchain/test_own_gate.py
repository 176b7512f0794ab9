"""Nothing is granted to a gate that is not ours: addresses, code, a book's facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import affiant_here

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.encoding import canonical_json, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.book_sections import ChainEntry, CodeHashes
from affiant.onchain.deploy import DeploymentError, deploy_contract
from affiant.onchain.mandate import Address
from affiant.onchain.own_gate import ForeignGateError, require_our_gate

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with scripted_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    with shared.undone() as fresh:
        yield fresh


def granted_with(lab: Lab, book: AddressBook, folder: Path) -> str:
    """Try to grant under a book; return what the command says is wrong."""
    mandate = replace(lab.mandate, salt=keccak256(b"another"))
    (folder / "mandate.json").write_bytes(canonical_json(mandate.to_json()))
    (folder / "book.json").write_bytes(canonical_json(book.to_json()))
    done = affiant_here(
        *("mandate", "grant", folder / "mandate.json"),
        *("--book", folder / "book.json", "--chain-url", lab.devnet.url),
        *("--chain-id", str(lab.devnet.chain_id)),
    )
    return "" if done.returncode == 0 else done.stderr


def test_our_gate_is_ours(lab: Lab, tmp_path: Path) -> None:
    found = require_our_gate(lab.chain, lab.devnet.book)
    assert found.gate == keccak256(lab.chain.code(lab.devnet.book.gate))
    assert granted_with(lab, lab.devnet.book, tmp_path) == ""


def test_the_same_code_at_another_address_is_not_our_gate(
    lab: Lab, tmp_path: Path
) -> None:
    """Its immutables are whatever whoever made it wanted: other registries, say."""
    book = lab.devnet.book
    twin = Address("0x" + "66" * 20)
    lab.devnet.rpc.request("anvil_setCode", twin, to_hex(lab.chain.code(book.gate)))
    with pytest.raises(ForeignGateError, match=book.gate):
        require_our_gate(lab.chain, replace(book, gate=twin))
    assert "ForeignGateError" in granted_with(lab, replace(book, gate=twin), tmp_path)


def test_a_registry_of_somebody_elses_beside_our_gate_is_refused(lab: Lab) -> None:
    book = replace(lab.devnet.book, node_registry=Address("0x" + "66" * 20))
    with pytest.raises(ForeignGateError, match="node registry"):
        require_our_gate(lab.chain, book)


def test_an_endpoint_that_tells_other_code_is_refused(lab: Lab) -> None:
    book = lab.devnet.book
    code = bytearray(lab.chain.code(book.gate))
    code[-1] ^= 1
    lab.devnet.rpc.request("anvil_setCode", book.gate, to_hex(bytes(code)))
    with pytest.raises(DeploymentError, match="DecisionGate"):
        require_our_gate(lab.chain, book)
    lab.devnet.rpc.request("anvil_setCode", book.gate, "0x")
    with pytest.raises(ForeignGateError, match="no code"):
        require_our_gate(lab.chain, book)


def test_code_is_compared_in_every_byte_but_the_immutables(lab: Lab) -> None:
    """A zero byte of the artifact is no wildcard: `PUSH1 0` is not `PUSH1 1`."""
    ours = load_artifact("DecisionGate")
    code = lab.chain.code(lab.devnet.book.gate)
    masked = {
        at for start, length in ours.immutables for at in range(start, start + length)
    }
    assert ours.is_code(code) and ours.immutables
    assert code != ours.deployed_bytecode
    zeros = [
        at
        for at, byte in enumerate(ours.deployed_bytecode)
        if byte == 0 and at not in masked
    ]
    assert len(zeros) > 100
    for at in zeros:
        assert not ours.is_code(code[:at] + b"\x01" + code[at + 1 :]), at
    for at in masked:
        assert ours.is_code(code[:at] + b"\x01" + code[at + 1 :]), at
    assert not ours.is_code(code + b"\x00") and not ours.is_code(code[:-1])


def test_contracts_without_immutables_are_compared_in_every_byte(lab: Lab) -> None:
    place = deploy_contract(lab.chain, lab.owner, name="ModelRegistry")
    ours, code = load_artifact("ModelRegistry"), lab.chain.code(place)
    assert ours.immutables == () and code == ours.deployed_bytecode


# What a book states


def test_the_book_of_a_deployment_states_the_chains_facts(
    lab: Lab, tmp_path: Path
) -> None:
    path = tmp_path / "book.json"
    chain = ("--chain-url", lab.devnet.url, "--chain-id", str(lab.devnet.chain_id))
    done = affiant_here("deploy", *chain, "--book", path)
    assert done.returncode == 0, done.stderr
    book = AddressBook.parse(path.read_bytes())
    assert book.chain is not None
    assert book.chain.block_milliseconds == 12_000
    assert book.chain.hash_reach in (256, 8191)
    assert book.chain.code_hashes == require_our_gate(lab.chain, book)
    assert AddressBook.from_json(book.to_json()) == book


def test_no_book_is_written_of_contracts_that_are_not_there(
    lab: Lab, tmp_path: Path
) -> None:
    lab.devnet.rpc.request("anvil_setCode", lab.devnet.book.model_registry, "0x")
    path = tmp_path / "book.json"
    chain = ("--chain-url", lab.devnet.url, "--chain-id", str(lab.devnet.chain_id))
    done = affiant_here("deploy", *chain, "--book", path)
    assert done.returncode == 1 and "no book" in done.stderr
    assert not path.exists()


def test_stated_code_that_is_not_there_is_refused(lab: Lab) -> None:
    found = require_our_gate(lab.chain, lab.devnet.book)
    for stated, refused in (
        (found, False),
        (replace(found, gate=keccak256(b"other code")), True),
    ):
        book = replace(lab.devnet.book, chain=ChainEntry(12_000, 256, stated))
        if refused:
            with pytest.raises(ForeignGateError, match="code hashes"):
                require_our_gate(lab.chain, book)
        else:
            require_our_gate(lab.chain, book)


@pytest.mark.parametrize(
    "change",
    [
        {"blockMilliseconds": 0},
        {"blockMilliseconds": "12000"},
        {"blockMilliseconds": True},
        {"hashReach": 2**32},
        {"codeHashes": {}},
        {"codeHashes": {"gate": "0x", "nodeRegistry": "0x", "modelRegistry": "0x"}},
        {"more": 1},
    ],
    ids=str,
)
def test_hostile_facts_are_refused(change: dict[str, object]) -> None:
    digest = keccak256(b"code")
    entry = ChainEntry(12_000, 256, CodeHashes(digest, digest, digest))
    assert ChainEntry.from_json(entry.to_json()) == entry
    with pytest.raises(MalformedError):
        ChainEntry.from_json({**entry.to_json(), **change})  # type: ignore[dict-item]


def test_a_slow_pace_in_a_book_makes_no_day_look_better(
    lab: Lab, tmp_path: Path
) -> None:
    """12 seconds are known of this chain; the book says an hour."""
    digest = keccak256(b"code")
    entry = ChainEntry(3_600_000, 256, CodeHashes(digest, digest, digest))
    mandate, told = tmp_path / "mandate.json", []
    mandate.write_bytes(canonical_json(lab.mandate.to_json()))
    for book in (lab.devnet.book, replace(lab.devnet.book, chain=entry)):
        path = tmp_path / "book.json"
        path.write_bytes(canonical_json(book.to_json()))
        done = affiant_here("mandate", "worst-case", mandate, "--book", path, "--json")
        told.append(json.loads(done.stdout))
    assert told[0] == told[1]
