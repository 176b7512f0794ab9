"""OpenAI's official client, unchanged, against the real service on a real model."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, ConfigDict

from affiant.inference.chat.completion import Completion, text_hash
from affiant.inference.chat.request import ChatRequest
from affiant.inference.chat.serve import ChatServer
from affiant.inference.replay import replay
from affiant.inference.transformers_engine import TransformersEngine

MESSAGES: list[Any] = [{"role": "user", "content": "what now? WETH 1500 USDC hold"}]
ASKED: dict[str, Any] = {
    "model": "tiny",
    "messages": MESSAGES,
    "max_completion_tokens": 24,
    "seed": 7,
}


class Answer(BaseModel):
    """What structured outputs are asked for."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["swap", "hold"]
    share: int


def sworn(answer: Any) -> Completion:
    """Return the completion that rides along."""
    return Completion.from_json(answer.model_extra["affiant"])


def test_completes_and_swears(
    client: openai.OpenAI, server: ChatServer, engine: TransformersEngine
) -> None:
    answer = client.chat.completions.create(**ASKED)
    completion = sworn(answer)
    completion.check()
    choice = answer.choices[0]
    assert answer.object == "chat.completion"
    assert (answer.id, answer.created) == (completion.name, completion.created)
    assert completion.key == server.node.address
    assert choice.message.content is not None
    assert completion.text == text_hash(choice.message.content)
    assert choice.finish_reason == ("stop" if completion.finished else "length")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(completion.prompt_ids)
    assert answer.usage.completion_tokens == len(completion.output_ids) <= 24
    request = ChatRequest.from_json(ASKED)
    assert completion.receipt.request == request.hash
    assert completion.receipt.model == server.node.model
    assert completion.seed == request.seed(prompt=completion.receipt.prompt)
    assert completion.prompt_ids == tuple(engine.encode(MESSAGES[0]["content"]))
    # Anybody with the model finds every token again.
    verdict = replay(engine, completion.sworn, model=server.node.model)
    assert verdict.grade == "exact"


def test_same_seed_same_answer_streamed_or_not(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(**ASKED)
    again = client.chat.completions.create(**ASKED, user="somebody else")
    other = client.chat.completions.create(**{**ASKED, "seed": 8})
    stream = client.chat.completions.create(**ASKED, stream=True)
    text = "".join(
        chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices
    )
    assert answer.choices[0].message.content == again.choices[0].message.content == text
    assert other.choices[0].message.content != text
    assert answer.id != again.id


@pytest.mark.parametrize("window", [None, 5])
def test_streams_end_with_the_completion(
    client: openai.OpenAI, engine: TransformersEngine, window: int | None
) -> None:
    extra = {} if window is None else {"extra_body": {"affiant": {"release": window}}}
    chunks = list(
        client.chat.completions.create(
            **ASKED, stream=True, stream_options={"include_usage": True}, **extra
        )
    )
    *texts, last, usage = chunks
    assert texts[0].choices[0].delta.role == "assistant"
    assert all("affiant" not in (chunk.model_extra or {}) for chunk in [*texts, usage])
    completion = sworn(last)
    completion.check()
    assert {chunk.id for chunk in chunks} == {completion.name}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in texts)
    assert completion.text == text_hash(text)
    assert completion.self_check.window == window
    assert last.choices[0].finish_reason == (
        "stop" if completion.finished else "length"
    )
    assert usage.choices == [] and usage.usage is not None
    assert usage.usage.completion_tokens == len(completion.output_ids)
    if window is not None:
        # Role, windows, and sometimes a letter that was still unfinished.
        assert len(texts) > 3
    assert replay(engine, completion.sworn).grade == "exact"


def test_greedy_needs_no_seed(client: openai.OpenAI) -> None:
    asked = {**ASKED, "temperature": 0}
    completion = sworn(client.chat.completions.create(**asked))
    assert completion.seed is None and completion.sampling.temperature is None


def test_structured_outputs(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="tiny",
        messages=MESSAGES,
        response_format=Answer,
        temperature=0,
        max_completion_tokens=80,
    )
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Answer)
    completion = sworn(answer)
    assert completion.schema is not None
    assert set(completion.schema["properties"]) == {"action", "share"}


def test_json_objects(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        **{**ASKED, "max_completion_tokens": 180, "temperature": 0},
        response_format={"type": "json_object"},
    )
    completion = sworn(answer)
    content = answer.choices[0].message.content or ""
    assert content.startswith("{")
    if completion.finished:
        assert isinstance(json.loads(content), dict)


def test_an_answer_cut_short_says_so(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(**{**ASKED, "max_completion_tokens": 2})
    assert answer.choices[0].finish_reason == "length"
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="tiny",
            messages=MESSAGES,
            response_format=Answer,
            max_tokens=2,
        )


def test_stream_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="tiny",
        messages=MESSAGES,
        response_format=Answer,
        temperature=0,
        max_tokens=80,
    ) as stream:
        chunks = [event.chunk for event in stream if event.type == "chunk"]
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Answer)
    completion = sworn(chunks[-1])
    assert completion.text == text_hash(final.choices[0].message.content or "")


def test_models(client: openai.OpenAI, server: ChatServer) -> None:
    (model,) = client.models.list()
    assert model.id == "tiny" and model.owned_by == "affiant"
    assert (model.model_extra or {})["affiant"]["key"] == server.node.address
    assert client.models.retrieve("tiny") == model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_errors_are_of_openais_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(**{**ASKED, "model": "gpt-9"})
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as uncovered:
        client.chat.completions.create(**ASKED, top_p=0.5)
    assert uncovered.value.param == "top_p"
    assert uncovered.value.type == "invalid_request_error"
    body: Any = uncovered.value.body
    assert body["affiant"]["got"] == "0.5" and body["affiant"]["expected"]
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(
            **{**ASKED, "messages": [{"role": "user", "content": "word " * 800}]}
        )
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as limited:
        client.chat.completions.create(**{**ASKED, "max_completion_tokens": 201})
    assert limited.value.param == "max_completion_tokens"
    with pytest.raises(openai.BadRequestError) as streamed:
        client.chat.completions.create(**ASKED, stream=True, stop=["x"])
    assert streamed.value.param == "stop"


def test_async_client(server: ChatServer) -> None:
    async def ask() -> tuple[str, str]:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="unused", max_retries=0
        ) as client:
            whole = await client.chat.completions.create(**ASKED)
            parts = [
                chunk.choices[0].delta.content or ""
                async for chunk in await client.chat.completions.create(
                    **ASKED, stream=True
                )
                if chunk.choices
            ]
        return whole.choices[0].message.content or "", "".join(parts)

    whole, streamed = asyncio.run(ask())
    assert whole == streamed
