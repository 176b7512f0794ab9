"""Engine manifests: every field changes the hash, hostile JSON is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from affiant.encoding import canonical_json, keccak256
from affiant.errors import MalformedError
from affiant.inference.manifest import (
    EngineManifest,
    FingerprintManifest,
    GrammarManifest,
    SamplerManifest,
)

MANIFEST = EngineManifest(
    engine="vllm",
    engine_version="vllm 0.32.0",
    torch_version="2.13.0",
    dtype="float32",
    kv_dtype="float32",
    attention="CPU_ATTN",
    tensor_parallel=1,
    pipeline_parallel=1,
    threads=2,
    execution="eager",
    batch_invariant=False,
    grammar=GrammarManifest(backend="xgrammar", version="0.2.8", any_whitespace=False),
    sampler=SamplerManifest(
        name="affiant-gumbel", version=1, grid_bits=8, top_k=64, gap_units=2048
    ),
    fingerprint=FingerprintManifest(name="affiant-fingerprint/1", dimensions=16),
    device="cpu-x86_64-avx512",
)


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every leaf of nested objects."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    return [path]


def changed(path: tuple[str, ...], value: Any) -> Any:
    """Return the manifest's JSON with `value` at `path`; ... removes it."""
    result: Any = copy.deepcopy(MANIFEST.to_json())
    place = result
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value + "x"


def test_hash_is_of_canonical_json_and_json_comes_back() -> None:
    assert MANIFEST.hash == keccak256(canonical_json(MANIFEST.to_json()))
    assert EngineManifest.from_json(json.loads(json.dumps(MANIFEST.to_json()))) == (
        MANIFEST
    )


@pytest.mark.parametrize("path", leaves(MANIFEST.to_json()), ids=".".join)
def test_every_field_is_bound_and_checked(path: tuple[str, ...]) -> None:
    value: Any = MANIFEST.to_json()
    for step in path:
        value = value[step]
    if path != ("format",):
        parsed = EngineManifest.from_json(changed(path, other(value)))
        assert parsed.hash != MANIFEST.hash
    for bad in (..., None, [], 1.5, "" if isinstance(value, str) else "x"):
        with pytest.raises(MalformedError):
            EngineManifest.from_json(changed(path, bad))


@pytest.mark.parametrize(
    "value", [None, [], "x", {}, {**MANIFEST.to_json(), "more": 1}], ids=repr
)
def test_rejects_what_is_no_manifest(value: Any) -> None:
    with pytest.raises(MalformedError):
        EngineManifest.from_json(value)


def test_rejects_another_format() -> None:
    with pytest.raises(MalformedError):
        EngineManifest.from_json(changed(("format",), "affiant-engine/2"))
