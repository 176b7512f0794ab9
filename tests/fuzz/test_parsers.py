"""Hostile input to every parser: taken as what it says, or refused by type.

Bounded too: no input of a few kilobytes takes seconds, and none of a size that a format
would refuse takes much more memory than itself. What was once found stands below by
name.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import fuzz_targets
import pytest
from fuzz_mutations import mutate
from fuzz_targets import Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affiant.encoding import canonical_json

TARGETS = fuzz_targets.targets()
BY_NAME = {target.name: target for target in TARGETS}
SECONDS = 3.0
"""Longest for one input, in seconds of this process; the usual is a millisecond."""
HUGE = 40_000
"""Bytes of the inputs that ask for much."""

every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda item: item.name)


def try_on(target: Target, data: bytes) -> None:
    started = time.process_time()
    target.check(data)
    took = time.process_time() - started
    assert took < SECONDS, f"{target.name} took {took:.1f} s for {len(data)} bytes"


def mutated(target: Target, *, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def one(random: Random) -> None:
        try_on(target, mutate(target.seed, random, json_text=target.json_text))

    one()


@every_target
def test_takes_its_seed(target: Target) -> None:
    assert target.check(target.seed) == target.seed


@every_target
def test_mutations_are_taken_at_their_word_or_refused(target: Target) -> None:
    mutated(target, examples=30)


@pytest.mark.slow
@every_target
def test_many_mutations_are_taken_at_their_word_or_refused(target: Target) -> None:
    # Not hypothesis: its own bookkeeping costs more than the parsers.
    for number in range(10_000):
        random = Random(f"{target.name} {number}")
        try_on(target, mutate(target.seed, random, json_text=target.json_text))


@every_target
def test_every_prefix_is_taken_at_its_word_or_refused(target: Target) -> None:
    step = max(1, len(target.seed) // 100)
    for length in range(0, len(target.seed), step):
        try_on(target, target.seed[:length])


GREEDY: dict[str, Callable[[], bytes]] = {
    "lists in lists": lambda: b"[" * HUGE,
    "objects in objects": lambda: b'{"a":' * (HUGE // 5),
    "one long text": lambda: b'"' + b"a" * HUGE + b'"',
    "one long number": lambda: b"9" * HUGE,
    "many numbers": lambda: b"[" + b"0," * (HUGE // 2) + b"0]",
    "many lists": lambda: b"[" + b"[]," * (HUGE // 3) + b"[]]",
    "many names": lambda: b"{%s}" % b",".join(b'"%d":0' % n for n in range(HUGE // 9)),
    "zeros": lambda: bytes(HUGE),
}


@every_target
def test_greedy_input_gets_little(target: Target) -> None:
    for name, make in GREEDY.items():
        data = make()
        try_on(target, data)
        if name == "many lists":
            # Values cost the most memory: some hundred bytes for each that has three.
            tracemalloc.start()
            target.check(data)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 200 * HUGE, f"{target.name}, {name}: {peak} bytes"


# What was found, by name.


@dataclass(frozen=True)
class Found:
    """An input that once leaked, or was taken for something else."""

    id: str
    target: str
    change: Callable[[Any], Any]


def _set(*path: str | int, to: Any) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        place = value
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return value

    return change


FOUND = [
    Found(
        "a limit that rounds up to what cannot be stored leaked ValueError",
        "profile",
        _set("classes", 0, "limits", "worst_margin", to="999999999999." + "9" * 20),
    ),
    Found(
        "true was taken for version 1 of a kit",
        "program",
        _set("actions", 0, "version", to=True),
    ),
    Found(
        "a fingerprint in capitals was another spelling of the same trace",
        "trace",
        _set("tokens", 0, 1, to="0x" + "AB" * 32),
    ),
    Found(
        "a schema that no grammar can bear was taken for a program's",
        "program",
        _set("schema", to={"type": "string", "pattern": "^(a{1,9}){1,128}$"}),
    ),
]


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.id)
def test_refuses_what_was_found(found: Found) -> None:
    target = BY_NAME[found.target]
    changed = canonical_json(found.change(json.loads(target.seed)))
    assert target.check(changed) is None


def test_a_long_name_is_not_repeated_for_every_item_below_it() -> None:
    text = ('{"' + "k" * 20_000 + '":[' + "1," * 10_000 + "1]}").encode()
    tracemalloc.start()
    assert BY_NAME["places of JSON"].check(text) == text
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20, peak
