"""The LangChain model: verified by default, and the receipt survives everything."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from langchain_core._api import LangChainBetaWarning
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import LLMResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel, ConfigDict, Field

from affiant.encoding import to_hex
from affiant.errors import MalformedError
from affiant.inference.chat.errors import (
    AlteredAnswerError,
    ChatRequestError,
    ParameterUnsupportedError,
    UnswornError,
    UntrustedError,
)
from affiant.inference.chat.langchain_messages import verify_message
from affiant.inference.chat.langchain_model import VerifiedChatModel
from affiant.inference.chat.serve import ChatServer
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import check_replay
from affiant.inference.transformers_engine import TransformersEngine

ASKED = "what now? WETH 1500 USDC hold"


class Step(BaseModel):
    """One step."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["swap", "hold"]
    share: int = Field(ge=0, le=100)


class StepDict(TypedDict):
    """One step."""

    action: Literal["swap", "hold"]
    share: int


def roots(server: ChatServer) -> dict[str, str]:
    """Return the trust root that fits `server`."""
    node = server.node
    return {
        "key": node.address,
        "model_root": to_hex(node.model),
        "engine": to_hex(node.engine.manifest.hash),
    }


def model_of(server: ChatServer, **changes: Any) -> VerifiedChatModel:
    """Return a model that trusts `server`."""
    asked: dict[str, Any] = {
        "base_url": f"{server.url}/v1",
        "model": "tiny",
        "seed": 7,
        "max_tokens": 16,
        "timeout": 60,
        **roots(server),
    }
    found = VerifiedChatModel(**{**asked, **changes})
    OPENED.append(found)
    return found


OPENED: list[VerifiedChatModel] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close every connection at the end of its test."""
    yield
    while OPENED:
        client = OPENED.pop()._client
        if client is not None:
            client.close()


@pytest.fixture
def model(server: ChatServer) -> VerifiedChatModel:
    """A model that trusts the usual service."""
    return model_of(server)


@pytest.fixture
def trust(server: ChatServer) -> Trust:
    """Whom the tests believe."""
    found = roots(server)
    return Trust.parse(
        key=found["key"], model=found["model_root"], engine=found["engine"]
    )


def test_invoke_keeps_the_completion(
    model: VerifiedChatModel,
    trust: Trust,
    server: ChatServer,
    engine: TransformersEngine,
) -> None:
    message = model.invoke([SystemMessage("be brief"), HumanMessage(ASKED)])
    completion = verify_message(message, trust=trust)
    assert message.id == completion.name
    assert message.response_metadata["model_name"] == "tiny"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == len(completion.output_ids)
    verdict = check_replay(completion, engine=engine, model=server.node.model)
    assert verdict.grade == "exact"


@pytest.mark.parametrize("release", [None, 4])
def test_chunks_add_up_to_a_message_with_the_completion(
    server: ChatServer, trust: Trust, release: int | None
) -> None:
    model = model_of(server, unsafe_release=release)
    chunks = list(model.stream(ASKED))
    if release is not None:
        assert len(chunks) > 4
    message: AIMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        message += chunk
    assert verify_message(message, trust=trust).self_check.window == release
    assert message.content == model_of(server).invoke(ASKED).content
    assert message.usage_metadata is not None


def test_asynchronously(model: VerifiedChatModel, trust: Trust) -> None:
    async def ask() -> tuple[AIMessage, AIMessageChunk, list[AIMessage]]:
        whole = await model.ainvoke(ASKED)
        streamed: AIMessageChunk | None = None
        async for chunk in model.astream(ASKED):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed is not None
        return whole, streamed, await model.abatch([ASKED, "and now?"])

    whole, streamed, several = asyncio.run(ask())
    assert whole.content == streamed.content == several[0].content
    for message in (whole, streamed, *several):
        verify_message(message, trust=trust)


class Seen(BaseCallbackHandler):
    """Keeps what callbacks are told."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.errors: list[BaseException] = []

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        for row in response.generations:
            self.messages += [generation.message for generation in row]  # type: ignore[union-attr]

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.errors.append(error)


@pytest.mark.parametrize("form", [Step, StepDict, Step.model_json_schema()])
def test_structured_output_with_and_without_the_message(
    server: ChatServer, trust: Trust, form: Any
) -> None:
    model = model_of(server, temperature=0, max_tokens=120)
    both = model.with_structured_output(form).invoke(ASKED)
    assert both["parsing_error"] is None
    completion = verify_message(both["raw"], trust=trust)
    assert completion.schema is not None
    seen = Seen()
    alone = model.with_structured_output(
        form, include_raw=False, unsafe_drop_receipt=True
    )
    parsed = alone.invoke(ASKED, config={"callbacks": [seen]})
    assert parsed == both["parsed"]
    assert isinstance(parsed, Step) == (form is Step)
    # Also where only the parsed value is returned, callbacks get the evidence.
    (message,) = seen.messages
    assert verify_message(message, trust=trust).text == completion.text


def test_half_an_answer_is_not_parsed(server: ChatServer, trust: Trust) -> None:
    model = model_of(server, max_tokens=3)
    with pytest.raises(OutputParserException, match="length"):
        model.with_structured_output(
            Step, include_raw=False, unsafe_drop_receipt=True
        ).invoke(ASKED)
    both = model.with_structured_output(Step, include_raw=True).invoke(ASKED)
    assert both["parsed"] is None
    assert isinstance(both["parsing_error"], OutputParserException)
    verify_message(both["raw"], trust=trust)


def test_survives_pickling_and_dumping(model: VerifiedChatModel, trust: Trust) -> None:
    message = model.invoke(ASKED)
    completion = verify_message(message, trust=trust)
    with pytest.warns(LangChainBetaWarning):
        loaded = loads(dumps(message), allowed_objects="messages")
    for kept in (
        pickle.loads(pickle.dumps(message)),
        loaded,
        AIMessage.model_validate_json(message.model_dump_json()),
    ):
        assert verify_message(kept, trust=trust) == completion
    again: VerifiedChatModel = pickle.loads(pickle.dumps(model))
    OPENED.append(again)
    assert again.invoke(ASKED).content == message.content


def test_survives_a_graphs_checkpoints(model: VerifiedChatModel, trust: Trust) -> None:
    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    compiled.invoke({"messages": [HumanMessage(ASKED)]}, config)
    compiled.invoke({"messages": [HumanMessage("and then?")]}, config)
    messages = compiled.get_state(config).values["messages"]
    answers = [message for message in messages if message.type == "ai"]
    assert len(messages) == 4 and len(answers) == 2
    digests = {verify_message(answer, trust=trust).digest for answer in answers}
    assert len(digests) == 2


def test_a_message_that_was_changed_is_refused(
    model: VerifiedChatModel, trust: Trust
) -> None:
    message = model.invoke(ASKED)
    for changed, expected in (
        (message.model_copy(update={"content": "buy now"}), AlteredAnswerError),
        (message.model_copy(update={"response_metadata": {}}), UnswornError),
        (message.model_copy(update={"content": ["buy now"]}), UnswornError),
        (AIMessage("buy now"), UnswornError),
    ):
        with pytest.raises(expected):
            verify_message(changed, trust=trust)


@pytest.mark.parametrize("how", ["invoke", "stream", "release", "ainvoke", "parsed"])
def test_a_failed_check_raises_and_returns_no_text(
    server: ChatServer, how: str
) -> None:
    release = 4 if how == "release" else None
    model = model_of(server, key="0x" + "11" * 20, unsafe_release=release)
    seen = Seen()
    config: Any = {"callbacks": [seen]}
    with pytest.raises(UntrustedError, match="key"):
        if how in ("stream", "release"):
            for chunk in model.stream(ASKED, config=config):
                # Only what was spelled unsafe comes out before the check.
                assert how == "release" or not chunk.content
        elif how == "ainvoke":
            asyncio.run(model.ainvoke(ASKED, config=config))
        elif how == "parsed":
            model.with_structured_output(Step, include_raw=True).invoke(
                ASKED, config=config
            )
        else:
            model.invoke(ASKED, config=config)
    assert len(seen.errors) == 1 and not seen.messages


def test_with_the_model_at_hand(
    server: ChatServer, tiny_model: Path, other_model: Path, trust: Trust
) -> None:
    model = model_of(server, model_folder=str(tiny_model))
    verify_message(model.invoke(ASKED), trust=trust)
    with pytest.raises(UntrustedError, match="model folder"):
        model_of(server, model_folder=str(other_model)).invoke(ASKED)


def test_nobody_is_believed_by_default(server: ChatServer) -> None:
    known = {"base_url": server.url, "model": "tiny", **roots(server)}
    for name in roots(server):
        with pytest.raises(ValueError, match="trusted"):
            VerifiedChatModel(**{**known, name: ""})
        with pytest.raises(MalformedError, match="trusted"):
            VerifiedChatModel(**{**known, name: "anybody"})
        with pytest.raises(ValueError, match=name):
            VerifiedChatModel(**{k: v for k, v in known.items() if k != name})
    assert model_of(server, key="unsafe-any").invoke(ASKED).content


def test_there_is_no_cache_of_unverified_text(server: ChatServer) -> None:
    for cache in (True, None, InMemoryCache()):
        with pytest.raises(ValueError, match="cache"):
            model_of(server, cache=cache)
    # Not even a global one.
    cache = InMemoryCache()
    set_llm_cache(cache)
    try:
        model_of(server).invoke(ASKED)
        assert not cache._cache
    finally:
        set_llm_cache(None)


def test_refuses_what_is_not_replayed(model: VerifiedChatModel) -> None:
    with pytest.raises(ParameterUnsupportedError, match="stop"):
        model.invoke(ASKED, stop=["\n"])
    with pytest.raises(ParameterUnsupportedError, match="top_p"):
        model.invoke(ASKED, top_p=0.5)
    with pytest.raises(ParameterUnsupportedError, match="tools"):
        model.invoke(ASKED, tools=[{}])
    with pytest.raises(ChatRequestError, match="role"):
        model.invoke([ToolMessage("x", tool_call_id="1")])
    with pytest.raises(ParameterUnsupportedError, match="name"):
        model.invoke([HumanMessage("x", name="Bob")])
    with pytest.raises(ParameterUnsupportedError, match="tool_calls"):
        call = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
        model.invoke([AIMessage("x", tool_calls=[call])])
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    with pytest.raises(ParameterUnsupportedError, match="content"):
        model.invoke([HumanMessage([image])])
    with pytest.raises(NotImplementedError):
        model.bind_tools([Step])
    with pytest.raises(ValueError, match="json_schema"):
        model.with_structured_output(Step, method="function_calling")
    # Neither dropping the receipt unasked, nor asking for two things at once.
    for include_raw, drop in ((False, False), (True, True)):
        with pytest.raises(ValueError, match="receipt"):
            model.with_structured_output(
                Step, include_raw=include_raw, unsafe_drop_receipt=drop
            )


def test_options_of_one_call(model: VerifiedChatModel, trust: Trust) -> None:
    message = model.invoke(
        [HumanMessage([{"type": "text", "text": "a"}, "b"]), AIMessage("x", name="n")],
        max_tokens=4,
        seed=3,
        temperature=0.5,
    )
    completion = verify_message(message, trust=trust)
    assert completion.max_tokens == 4
    assert completion.sampling.to_json() == {"temperature": [1, 2]}
    request = message.response_metadata["affiant"]["request"]
    assert request["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert request["seed"] == 3
