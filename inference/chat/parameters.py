"""OpenAI's parameters of a chat completion: which mean something here, and which not.

Three kinds. Some are read (`affiant.inference.chat.request`). Some change nothing about
what is generated, and are accepted. Every other one must be absent or neutral: what a
replay cannot cover is refused by name, and so is what nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from affiant.encoding import JsonValue, canonical_json
from affiant.errors import MalformedError
from affiant.inference.chat.errors import ChatRequestError, ParameterUnsupportedError
from affiant.inference.errors import SamplingUnsupportedError
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.schema_limits import check_schema

READ = frozenset(
    "model messages temperature seed max_tokens max_completion_tokens response_format "
    "stream stream_options affiant".split()
)
"""Parameters that `ChatRequest` reads."""
HARMLESS = frozenset(
    "user metadata store safety_identifier prompt_cache_key prompt_cache_options "
    "prompt_cache_retention".split()
)
"""Parameters that change nothing about what is generated; accepted, and sworn to as
part of the request."""
NEUTRAL: Mapping[str, tuple[JsonValue, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "parallel_tool_calls": (),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "service_tier": ("auto", "default"),
    "stop": ([],),
    "tool_choice": ("none",),
    "tools": ([],),
    "top_logprobs": (),
    "top_p": (1,),
    "verbosity": (),
    "web_search_options": (),
}
"""Parameters that replay cannot cover, and the values besides null that ask nothing."""
ANY_OBJECT: Mapping[str, JsonValue] = {"type": "object"}
"""The schema of `response_format: json_object`."""
DEFAULT_TEMPERATURE = Fraction(1)
"""OpenAI's default."""
MAX_TEMPERATURE = Fraction(2)
"""OpenAI's limit."""


def check_parameters(value: Mapping[str, JsonValue]) -> None:
    """Refuse every parameter that would have to be ignored.

    Raises:
        ParameterUnsupportedError: names the first.
    """
    for name in sorted(value):
        if name in READ or name in HARMLESS or value[name] is None:
            continue
        neutral = NEUTRAL.get(name)
        if neutral is None:
            raise ParameterUnsupportedError(
                name[:80], got="an unknown parameter", expected="none"
            )
        if not any(_same(value[name], known) for known in neutral):
            shown = " or ".join(
                ["none at all", *(canonical_json(v).decode() for v in neutral)]
            )
            raise ParameterUnsupportedError(
                name,
                got=repr(value[name])[:80],
                expected=f"{shown}: it is not replayed",
            )


def parse_sampling(value: JsonValue) -> Sampling:
    """Return how to sample at OpenAI's `temperature`; 0 is greedy.

    Raises:
        ChatRequestError: not a number from 0 to 2.
        SamplingUnsupportedError: more decimals than the sampler computes exactly.
    """
    if value is None:
        return Sampling(DEFAULT_TEMPERATURE)
    if type(value) not in (int, float) or not 0 <= value <= MAX_TEMPERATURE:
        raise ChatRequestError(
            "temperature", got=repr(value)[:80], expected="a number from 0 to 2"
        )
    # The shortest decimal that gives the number: 0.7 is 7/10, whatever its bits.
    exact = Fraction(str(value))
    try:
        return GREEDY if exact == 0 else Sampling(exact)
    except SamplingUnsupportedError as error:
        raise SamplingUnsupportedError(
            "temperature",
            got=repr(value)[:80],
            expected="at most three decimals, or numerator and denominator to 1000",
        ) from error


def parse_max_tokens(value: Mapping[str, JsonValue]) -> int | None:
    """Return the most tokens of the answer; `None` where the request does not say.

    Raises:
        ChatRequestError: not a positive integer, or its two names say two things.
    """
    found: int | None = None
    for name in ("max_completion_tokens", "max_tokens"):
        stated = value.get(name)
        if stated is None:
            continue
        if type(stated) is not int or not 0 < stated < 2**31:
            raise ChatRequestError(
                name, got=repr(stated)[:80], expected="a positive integer"
            )
        if found is not None and stated != found:
            raise ChatRequestError(
                name, got=str(stated), expected=f"max_completion_tokens, {found}"
            )
        found = stated
    return found


def parse_response_format(value: JsonValue) -> JsonValue | None:
    """Return the schema that the answer must have; `None` for free text.

    Raises:
        ChatRequestError: not OpenAI's form.
        SchemaLimitError: the schema is too much, or would be bent.
    """
    where = "response_format"
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ChatRequestError(
            where, got=repr(value)[:80], expected="an object with a type"
        )
    kind = value["type"]
    if kind in ("text", "json_object") and set(value) == {"type"}:
        return None if kind == "text" else dict(ANY_OBJECT)
    if kind != "json_schema" or set(value) != {"type", "json_schema"}:
        raise ParameterUnsupportedError(
            where,
            got=repr(value)[:80],
            expected="text, json_object or json_schema and nothing else",
        )
    stated = value["json_schema"]
    if not isinstance(stated, dict) or not isinstance(stated.get("schema"), dict):
        raise ChatRequestError(
            f"{where}.json_schema", got=repr(stated)[:80], expected="a schema in it"
        )
    for name in sorted(stated):
        if name not in ("name", "description", "schema", "strict"):
            raise ParameterUnsupportedError(
                f"{where}.json_schema.{name}"[:120],
                got="an unknown field",
                expected="name, description, schema and strict",
            )
    check_schema(stated["schema"])
    return stated["schema"]


def _same(value: JsonValue, known: JsonValue) -> bool:
    """Whether two values are the same JSON: 1 and 1.0 are, 1 and true are not."""
    try:
        return canonical_json(value) == canonical_json(known)
    except MalformedError:
        return False
