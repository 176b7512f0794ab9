"""Programs: what a class means, and manifests from strangers."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import pytest

from affiant.agents import Hold, Program, Sampling, Swap, VerifiedAgent
from affiant.agents.errors import NotServedError, ProgramDefinitionError
from affiant.encoding import canonical_json, keccak256
from affiant.errors import RejectedError
from affiant.onchain.address_book import (
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.kits.errors import KitMissingError
from affiant.onchain.kits.kit import Kit
from affiant.onchain.mandate import Address
from affiant.onchain.observation import ChainView

MODEL, ENGINE = keccak256(b"model"), keccak256(b"engine")


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


def make_book(**changes: Any) -> AddressBook:
    parts: dict[str, Any] = {
        "chain_id": 31337,
        "gate": address(100),
        "node_registry": address(101),
        "model_registry": address(102),
        "tokens": {
            "WETH": TokenEntry(address(1), 18, address(11), 8, 3600),
            "USDC": TokenEntry(address(2), 6, address(12), 8, 3600),
        },
        "uniswap": UniswapEntry(
            address(103),
            address(104),
            address(105),
            address(106),
            {"WETH/USDC": PoolEntry(address(107), 500, address(1), address(2))},
        ),
    }
    return AddressBook(**{**parts, **changes})


BOOK = make_book()


class Rebalancer(VerifiedAgent):
    objective = "Keep WETH between 55 % and 65 %."
    actions = (Swap, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")


def program_of(cls: type[VerifiedAgent], book: AddressBook = BOOK) -> Program:
    return cls.program(book=book, model=MODEL, engine=ENGINE)


def changed(**attributes: Any) -> type[VerifiedAgent]:
    return type("Changed", (Rebalancer,), attributes)


def test_the_hash_is_of_the_canonical_manifest():
    program = program_of(Rebalancer)
    manifest = program.to_manifest()
    assert program.hash == keccak256(canonical_json(manifest))
    assert manifest["format"] == "affiant-program/2"
    assert manifest["observes"] == ["balances", "prices", "pool:WETH/USDC"]
    assert manifest["actions"] == [
        {"name": "swap", "version": Swap.version},
        {"name": "hold", "version": Hold.version},
    ]
    assert manifest["sampling"] == {"temperature": None}


def test_the_manifest_alone_is_the_program():
    program = program_of(Rebalancer)
    again = Program.from_manifest(program.to_manifest())
    assert again == program
    assert again.hash == program.hash
    again.require_book(BOOK)


def observe_less(view: ChainView) -> None:
    view.balances()
    view.prices()


DIFFERENCES = {
    "objective": {"objective": "Keep WETH between 55 % and 66 %."},
    "order of actions": {"actions": (Hold, Swap)},
    "sampling": {"sampling": Sampling(Fraction(7, 10))},
    "length": {"max_tokens": 128},
    "validity": {"validity_seconds": 60},
    "observations": {"observe": lambda self, view: observe_less(view)},
}


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES)
def test_every_difference_is_another_program(difference: dict[str, Any]):
    assert program_of(changed(**difference)).hash != program_of(Rebalancer).hash


def test_what_a_kit_needs_must_be_observed():
    with pytest.raises(ProgramDefinitionError, match="`prices`.*`swap` needs"):
        program_of(changed(observe=lambda self, view: view.balances()))


def test_a_kit_or_version_that_is_not_here_is_named():
    manifest = program_of(Rebalancer).to_manifest()
    for entry, said in (
        ({"name": "swap", "version": 3}, "`swap` version 3.*version 2.*`affiant`"),
        ({"name": "brew", "version": 1}, "'brew' version 1.*swap 2, supply 1"),
    ):
        with pytest.raises(KitMissingError, match=said):
            Program.from_manifest({**manifest, "actions": [entry]})


def test_model_engine_and_book_are_part_of_it():
    hashes = {
        Rebalancer.program(book=book, model=model, engine=engine).hash
        for book, model, engine in (
            (BOOK, MODEL, ENGINE),
            (BOOK, ENGINE, ENGINE),
            (BOOK, MODEL, MODEL),
            (make_book(gate=address(200)), MODEL, ENGINE),
        )
    }
    assert len(hashes) == 4


def test_the_classes_name_and_hooks_are_not():
    same = changed(on_executed=lambda self, result: None, __doc__="x")
    assert program_of(same).hash == program_of(Rebalancer).hash


def _unknown_kit() -> Kit:
    unknown = copy.copy(Swap)
    object.__setattr__(unknown, "name", "drain")
    return unknown


MISUSES = {
    "observes nothing": {"observe": lambda self, view: None},
    "an unknown pool": {"observe": lambda self, view: view.pool("WETH/DOGE")},
    "an unknown reserve": {"observe": lambda self, view: view.lending("WETH")},
    "no objective": {"objective": " "},
    "too long an objective": {"objective": "x" * 5000},
    "an objective that is no text": {"objective": 7},
    "no actions": {"actions": ()},
    "a kit twice": {"actions": (Swap, Swap)},
    "a kit of nobody's": {"actions": (_unknown_kit(),)},
    "a string for a kit": {"actions": ("swap",)},
    "no tokens": {"max_tokens": 0},
    "too many tokens": {"max_tokens": 10**6},
    "no validity": {"validity_seconds": 0},
    "a validity of years": {"validity_seconds": 10**9},
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_a_class_that_is_no_program_is_a_misuse(misuse: dict[str, Any]):
    with pytest.raises(ProgramDefinitionError):
        program_of(changed(**misuse))


def test_a_class_without_objective_or_observe_is_a_misuse():
    class Empty(VerifiedAgent):
        actions = (Hold,)

    with pytest.raises(ProgramDefinitionError, match="objective"):
        program_of(Empty)

    class Blind(VerifiedAgent):
        objective = "x"
        actions = (Hold,)

    with pytest.raises(ProgramDefinitionError, match="observe"):
        program_of(Blind)


HOSTILE: dict[str, Any] = {
    "another version": {"format": "affiant-program/1"},
    "no text objective": {"objective": None},
    "an empty objective": {"objective": ""},
    "no actions": {"actions": []},
    "actions as text": {"actions": "swap"},
    "an unknown kit": {"actions": [{"name": "drain", "version": 1}]},
    "another kit version": {"actions": [{"name": "swap", "version": 99}]},
    "a kit version in words": {"actions": [{"name": "swap", "version": "1"}]},
    "a kit with more": {"actions": [{"name": "swap", "version": 1, "x": 1}]},
    "a kit twice": {"actions": [{"name": "hold", "version": 1}] * 2},
    "a list for a name": {"actions": [{"name": [], "version": 1}]},
    "observes nothing": {"observes": []},
    "observes a thing twice": {"observes": ["balances", "balances"]},
    "observes numbers": {"observes": [1]},
    "another template": {"template": "evil"},
    "another template version": {"templateVersion": 1},
    "a template version that is true": {"templateVersion": True},
    "a schema that is none": {"schema": []},
    "top_p": {"sampling": {"temperature": None, "top_p": 1}},
    "a temperature as a float": {"sampling": {"temperature": 0.7}},
    "a length in words": {"maxTokens": "100"},
    "a length of true": {"maxTokens": True},
    "no length": {"maxTokens": 0},
    "a short model": {"model": "0x00"},
    "an engine in capitals": {"engine": "0x" + "AA" * 32},
    "a number for a book": {"book": 7},
    "a negative validity": {"validitySeconds": -1},
    "one field more": {"prompt": "x"},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_manifest_is_refused(change: dict[str, Any]):
    manifest = program_of(Rebalancer).to_manifest()
    with pytest.raises(RejectedError):
        Program.from_manifest({**manifest, **change})


@pytest.mark.parametrize("name", list(program_of(Rebalancer).to_manifest()))
def test_a_manifest_needs_every_field(name: str):
    manifest = program_of(Rebalancer).to_manifest()
    del manifest[name]
    with pytest.raises(RejectedError, match="program"):
        Program.from_manifest(manifest)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_what_is_no_manifest_is_refused(value: Any):
    with pytest.raises(RejectedError):
        Program.from_manifest(value)


def test_refuses_another_book_and_another_schema():
    program = program_of(Rebalancer)
    with pytest.raises(NotServedError, match="book"):
        program.require_book(make_book(chain_id=1))
    manifest = program.to_manifest()
    manifest["schema"] = {"type": "object"}
    with pytest.raises(NotServedError, match="schema"):
        Program.from_manifest(manifest).require_book(BOOK)
