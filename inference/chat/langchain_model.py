"""A LangChain chat model that returns nothing that was not verified.

The only module that imports langchain_core. It turns messages into a chat request, and
a verified answer into a message that keeps its evidence: `response_metadata["affiant"]`
holds the request and the completion, so that whoever gets the message later can check
it again (`langchain_messages.verify_message`). What failed a check raises, and is never
text.

    model = VerifiedChatModel(
        base_url="http://127.0.0.1:8000/v1", model="planner", max_tokens=200,
        key="0x…", model_root="0x…", engine="0x…",   # whom to believe
    )
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Self

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import BaseGenerationOutputParser
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, PrivateAttr, ValidationError, model_validator

from affiant.encoding import JsonValue
from affiant.inference.chat.client import ChatClient, open_tokenizer
from affiant.inference.chat.langchain_messages import kept_of, said
from affiant.inference.chat.request import EXTENSION
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import AnswerTokenizer


class VerifiedChatModel(BaseChatModel):
    """Completions of one chat service, verified before they are returned."""

    base_url: str
    """The service, such as `http://127.0.0.1:8000/v1`."""
    model: str
    """What the model is called there."""
    key: str
    """Address of the key to believe, or `unsafe-any`."""
    model_root: str
    """Root of the model commitment to believe, or `unsafe-any`."""
    engine: str
    """Hash of the engine manifest to believe, or `unsafe-any`."""
    model_folder: str | None = None
    """The model's files, where they are at hand: prompt and text are derived again."""
    temperature: float = 1.0
    """0 is greedy."""
    seed: int | None = None
    """Where given, the same messages get the same answer."""
    max_tokens: int = 1024
    """Most tokens of an answer."""
    timeout: float = 300.0
    """Longest wait for an answer, in seconds."""
    unsafe_release: int | None = None
    """Stream text every so many tokens, before anybody has sworn to it; `None`: text
    comes when all of it is verified."""
    cache: Any = False
    """A cache would return text that nobody verifies: it stays off."""

    _client: ChatClient | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def check_settings(self) -> Self:
        """Refuse a model that would believe anybody, or return unverified text."""
        self._trust()
        if self.cache is not False:
            raise ValueError("cache: got one, expected False: it is not verified")
        return self

    @property
    def _llm_type(self) -> str:
        return "affiant-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "key": self.key,
            "model_root": self.model_root,
            "engine": self.engine,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }

    def __getstate__(self) -> dict[Any, Any]:
        """Leave connections and tokenizer behind; they are opened anew."""
        state = dict(super().__getstate__())
        state["__pydantic_private__"] = {"_client": None}
        return state

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = True,
        method: str = "json_schema",
        strict: bool | None = True,
        unsafe_drop_receipt: bool = False,
        **more: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers have the form of `schema`, by the grammar.

        It returns `raw`, `parsed` and `parsing_error`: the message, and so the
        completion, stays with the value.

        Args:
            schema: a pydantic class, a TypedDict or a JSON schema.
            include_raw: false returns the parsed value alone, which nobody can check
                later; it takes `unsafe_drop_receipt` as well.
            method: `json_schema`, the only one.
            strict: true; the grammar leaves no choice.
            unsafe_drop_receipt: the value alone will do; only callbacks see the
                completion.
            more: nothing.

        Raises:
            ValueError: another method, further arguments, or a receipt that would be
                dropped unasked.
        """
        if method != "json_schema" or strict is False or more:
            raise ValueError(
                f"structured output: got method={method!r}, strict={strict}, {more}, "
                "expected method='json_schema', strict=True and nothing else"
            )
        if include_raw == unsafe_drop_receipt:
            raise ValueError(
                f"structured output: got include_raw={include_raw} and "
                f"unsafe_drop_receipt={unsafe_drop_receipt}, expected one of them: the "
                "parsed value alone carries no receipt"
            )
        wanted = convert_to_json_schema(schema)
        llm = self.bind(
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": str(wanted.get("title", "answer"))[:64],
                    "schema": wanted,
                    "strict": True,
                },
            },
            ls_structured_output_format={
                "kwargs": {"method": method},
                "schema": wanted,
            },
        )
        is_class = isinstance(schema, type) and issubclass(schema, BaseModel)
        parser = SwornJsonParser(form=schema if is_class else None)
        if not include_raw:
            return llm | parser
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=llm) | parsed.with_fallbacks(
            [unparsed],
            exceptions_to_handle=(OutputParserException,),
            exception_key="parsing_error",
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        body = self._body(messages, stop=stop, options=options)
        answer = self._opened().complete(body)
        message = AIMessage(content=answer.text, **kept_of(answer))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        body = self._body(messages, stop=stop, options=options) | {"stream": True}
        if self.unsafe_release is None:
            answer = self._opened().complete(body)
            yield _chunk(answer.text)
        else:
            ours = {**body.get(EXTENSION, {}), "release": self.unsafe_release}
            pieces = self._opened().unsafe_stream({**body, EXTENSION: ours})
            while True:
                try:
                    yield _chunk(next(pieces))
                except StopIteration as over:
                    answer = over.value
                    break
        # The evidence rides on one chunk, so that adding chunks up keeps it as it is.
        yield _chunk("", chunk_position="last", **kept_of(answer))

    def _body(
        self,
        messages: Sequence[BaseMessage],
        *,
        stop: list[str] | None,
        options: dict[str, Any],
    ) -> dict[str, JsonValue]:
        """Return the request; what the service would not replay, it refuses."""
        body: dict[str, JsonValue] = {
            "model": self.model,
            "messages": [said(message, at=at) for at, message in enumerate(messages)],
            "temperature": self.temperature,
            "max_completion_tokens": self.max_tokens,
        }
        if self.seed is not None:
            body["seed"] = self.seed
        if "max_tokens" in options:
            body.pop("max_completion_tokens")
        if stop:
            body["stop"] = stop
        return {**body, **options}

    def _trust(self) -> Trust:
        return Trust.parse(key=self.key, model=self.model_root, engine=self.engine)

    def _opened(self) -> ChatClient:
        if self._client is None:
            trust = self._trust()
            tokenizer: AnswerTokenizer | None = None
            if self.model_folder is not None:
                tokenizer = open_tokenizer(self.model_folder, model=trust.model)
            self._client = ChatClient(
                self.base_url, trust=trust, timeout=self.timeout, tokenizer=tokenizer
            )
        return self._client


class SwornJsonParser(BaseGenerationOutputParser[Any]):
    """Reads the JSON of a whole answer; half an answer is none."""

    form: Any = None
    """A pydantic class; `None`: JSON as it is."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Return the answer's JSON, in its form.

        Raises:
            OutputParserException: cut short, no JSON, or not of the form.
        """
        (generation,) = result
        message = getattr(generation, "message", None)
        reason = getattr(message, "response_metadata", {}).get("finish_reason")
        if reason != "stop":
            raise OutputParserException(
                f"answer: got one that ends for {reason!r}, expected a finished one",
                llm_output=generation.text,
            )
        try:
            # Bounded strings may hold raw control characters (docs/openai.md).
            value = json.loads(generation.text, strict=False)
            return value if self.form is None else self.form.model_validate(value)
        except (ValueError, ValidationError) as error:
            raise OutputParserException(
                f"answer: got {error}"[:600], llm_output=generation.text
            ) from error


def _chunk(text: str, **more: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **more))
