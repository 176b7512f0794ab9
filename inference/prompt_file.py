"""Questions for a calibration, one JSON object a line.

    {"prompt": "text", "maxTokens": 96}
    {"ids": [1, 5, 9], "schema": {...}, "temperature": [4, 5], "maxTokens": 256}

`prompt` is tokenised as it stands, without a chat template; `ids` are taken as they
are. `schema` and `temperature` may be left out. A drawn question's seed follows from
its line's number: what is calibrated does not depend on it.
"""

from __future__ import annotations

from typing import Protocol

from affiant.encoding import JsonValue, keccak256, parse_json
from affiant.errors import MalformedError
from affiant.inference.calibrate import CalibrationQuestion
from affiant.inference.engine import check_token_ids
from affiant.inference.sampling import Sampling
from affiant.inference.schema_limits import check_schema

MAX_BYTES = 64 * 2**20
"""Largest file accepted."""
MAX_LINE_BYTES = 2**20
"""Longest line accepted."""
MAX_QUESTIONS = 100_000
"""Most questions in a file."""
MAX_TOKENS = 65_536
"""Largest `maxTokens` accepted."""


class Encoder(Protocol):
    """What turns text into token ids; an engine is one."""

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return token ids of `text`."""
        ...


def parse_prompt_file(
    content: bytes, *, encoder: Encoder
) -> tuple[CalibrationQuestion, ...]:
    """Parse a file of questions; empty lines are skipped.

    Raises:
        MalformedError: names the line that is not one.
        SamplingUnsupportedError: a temperature that the sampler does not have.
        SchemaLimitError: a schema that is too much, or would be bent.
    """
    if len(content) > MAX_BYTES:
        raise MalformedError(
            "prompt file", got=f"{len(content)} bytes", expected=f"at most {MAX_BYTES}"
        )
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= MAX_QUESTIONS:
        raise MalformedError(
            "prompt file",
            got=f"{len(lines)} lines",
            expected=f"1 to {MAX_QUESTIONS}",
        )
    return tuple(
        _parse(line, number=number, encoder=encoder)
        for number, line in enumerate(lines, start=1)
    )


def _parse(line: bytes, *, number: int, encoder: Encoder) -> CalibrationQuestion:
    what = f"prompt file, question {number}"
    value = parse_json(line, what=what, max_bytes=MAX_LINE_BYTES)
    optional = {"schema", "temperature"}
    if not isinstance(value, dict) or set(value) - optional not in (
        {"prompt", "maxTokens"},
        {"ids", "maxTokens"},
    ):
        raise MalformedError(
            what, got=repr(value)[:80], expected="prompt or ids, and maxTokens"
        )
    tokens = value["maxTokens"]
    if type(tokens) is not int or not 1 <= tokens <= MAX_TOKENS:
        raise MalformedError(
            f"{what}: maxTokens", got=repr(tokens)[:40], expected=f"1 to {MAX_TOKENS}"
        )
    schema = value.get("schema")
    if schema is not None and not isinstance(schema, dict):
        raise MalformedError(
            f"{what}: schema", got=repr(schema)[:80], expected="an object or null"
        )
    if schema is not None:
        check_schema(schema)
    sampling = Sampling.from_json({"temperature": value.get("temperature")})
    return CalibrationQuestion(
        prompt_ids=_ids(value, what=what, encoder=encoder),
        schema=schema,
        sampling=sampling,
        seed=None
        if sampling.temperature is None
        else keccak256(b"affiant prompt file" + number.to_bytes(4, "big")),
        max_tokens=tokens,
    )


def _ids(
    value: dict[str, JsonValue], *, what: str, encoder: Encoder
) -> tuple[int, ...]:
    if "ids" not in value:
        if not isinstance(value["prompt"], str):
            raise MalformedError(
                f"{what}: prompt", got=repr(value["prompt"])[:80], expected="text"
            )
        ids = encoder.encode(value["prompt"])
    elif isinstance(value["ids"], list):
        ids = value["ids"]
    else:
        raise MalformedError(
            f"{what}: ids", got=repr(value["ids"])[:80], expected="a list of ids"
        )
    check_token_ids(ids, what=what, vocab_size=encoder.vocab_size, least=1)
    return tuple(ids)
