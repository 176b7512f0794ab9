"""The engine manifest: everything about an engine that can change a logit's last bit.

Its hash names the *profile*. Two engines with one hash must produce the same canonical
prefill, bit for bit; that is a claim which replay tests, and not proved here.
It reads nothing from the machine: engines fill it in.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import Digest, JsonValue, canonical_json, keccak256
from affiant.errors import MalformedError

FORMAT = "affiant-engine/1"
"""Format tag of the manifest."""

TEST_DOUBLE = "scripted-test-double"
"""Engine name of the double that tests of agents run on: it runs no model. Auditors and
endorsers refuse it by this name."""


@dataclass(frozen=True)
class SamplerManifest:
    """The canonical sampler's name and parameters (`docs/sampler.md`)."""

    name: str
    """Name of the sampler's specification."""
    version: int
    """Version of the specification."""
    grid_bits: int
    """Logits are rounded to multiples of 2^-grid_bits."""
    top_k: int
    """Largest number of candidates."""
    gap_units: int
    """Widest distance of a candidate from the largest logit, in grid units."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the sampler's part of the manifest."""
        return {
            "name": self.name,
            "version": self.version,
            "gridBits": self.grid_bits,
            "topK": self.top_k,
            "gapUnits": self.gap_units,
        }


@dataclass(frozen=True)
class GrammarManifest:
    """The grammar backend whose masks are applied before the sampler."""

    backend: str
    """Name of the backend, `xgrammar`."""
    version: str
    """Version of the backend; masks are its integer work."""
    any_whitespace: bool
    """Whether free whitespace is allowed between JSON tokens (a steering channel)."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the grammar's part of the manifest."""
        return {
            "backend": self.backend,
            "version": self.version,
            "anyWhitespace": self.any_whitespace,
        }


@dataclass(frozen=True)
class FingerprintManifest:
    """The activation fingerprint in the trace's leaves."""

    name: str
    """Name and version of its specification."""
    dimensions: int
    """Numbers per token."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fingerprint's part of the manifest."""
        return {"name": self.name, "dimensions": self.dimensions}


@dataclass(frozen=True)
class EngineManifest:
    """One engine configuration; equal hashes claim equal logits."""

    engine: str
    """Engine name, `vllm` or `transformers`."""
    engine_version: str
    """Version of the engine's distribution."""
    torch_version: str
    """Version of torch, with its build tag (`2.13.0+cpu`)."""
    dtype: str
    """Type of weights and activations, as torch spells it without the prefix."""
    kv_dtype: str
    """Type of the key-value cache; `none` where the prefill uses no cache."""
    attention: str
    """Name of the attention backend."""
    tensor_parallel: int
    """Number of devices that share each layer."""
    pipeline_parallel: int
    """Number of devices that share the layers."""
    threads: int
    """CPU threads of the engine; 0 on an accelerator, where they change nothing."""
    execution: str
    """`eager` or `graph`."""
    batch_invariant: bool
    """Whether kernels promise the same bits for every batch size."""
    grammar: GrammarManifest
    """The grammar backend."""
    sampler: SamplerManifest
    """The canonical sampler."""
    fingerprint: FingerprintManifest
    """The trace's fingerprint."""
    device: str
    """Device class, such as `cpu-x86_64-avx512` or `cuda-sm90-nvidia-h200`."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the manifest as JSON."""
        return {
            "format": FORMAT,
            "engine": {"name": self.engine, "version": self.engine_version},
            "torch": self.torch_version,
            "dtype": self.dtype,
            "kvDtype": self.kv_dtype,
            "attention": self.attention,
            "parallelism": {
                "tensor": self.tensor_parallel,
                "pipeline": self.pipeline_parallel,
                "threads": self.threads,
            },
            "execution": self.execution,
            "batchInvariant": self.batch_invariant,
            "grammar": self.grammar.to_json(),
            "sampler": self.sampler.to_json(),
            "fingerprint": self.fingerprint.to_json(),
            "device": self.device,
        }

    @property
    def hash(self) -> Digest:
        """keccak256 of the canonical JSON; the receipt's `engine`."""
        return keccak256(canonical_json(self.to_json()))

    @classmethod
    def from_json(cls, value: JsonValue) -> EngineManifest:
        """Parse a manifest from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown or of another type.
        """
        try:
            manifest = cls(
                engine=_text(value["engine"]["name"]),
                engine_version=_text(value["engine"]["version"]),
                torch_version=_text(value["torch"]),
                dtype=_text(value["dtype"]),
                kv_dtype=_text(value["kvDtype"]),
                attention=_text(value["attention"]),
                tensor_parallel=_count(value["parallelism"]["tensor"]),
                pipeline_parallel=_count(value["parallelism"]["pipeline"]),
                threads=_count(value["parallelism"]["threads"]),
                execution=_text(value["execution"]),
                batch_invariant=_flag(value["batchInvariant"]),
                grammar=GrammarManifest(
                    backend=_text(value["grammar"]["backend"]),
                    version=_text(value["grammar"]["version"]),
                    any_whitespace=_flag(value["grammar"]["anyWhitespace"]),
                ),
                sampler=SamplerManifest(
                    name=_text(value["sampler"]["name"]),
                    version=_count(value["sampler"]["version"]),
                    grid_bits=_count(value["sampler"]["gridBits"]),
                    top_k=_count(value["sampler"]["topK"]),
                    gap_units=_count(value["sampler"]["gapUnits"]),
                ),
                fingerprint=FingerprintManifest(
                    name=_text(value["fingerprint"]["name"]),
                    dimensions=_count(value["fingerprint"]["dimensions"]),
                ),
                device=_text(value["device"]),
            )
            same = manifest.to_json() == value
        except (KeyError, TypeError, IndexError) as error:
            raise MalformedError(
                "engine manifest", got=str(error)[:200], expected=FORMAT
            ) from error
        if not same:
            raise MalformedError(
                "engine manifest", got="unknown fields", expected=FORMAT
            )
        return manifest


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise TypeError(f"{value!r} is not a short string")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise TypeError(f"{value!r} is not a small natural number")
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{value!r} is not a boolean")
    return value
