"""A real chat service on a tiny real model, and OpenAI's own client to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import openai
import pytest
from eth_account import Account

from affiant.encoding import keccak256
from affiant.inference.chat.http_service import create_app
from affiant.inference.chat.node import ChatLimits, ChatNode
from affiant.inference.chat.serve import ChatServer
from affiant.inference.commitment import ModelCommitment
from affiant.inference.keys import NodeKey
from affiant.inference.transformers_engine import TransformersEngine

NAME = "tiny"
SECRET = keccak256(b"affiant chat tests: node key; never use it")
OTHER_SECRET = keccak256(b"affiant chat tests: another key; never use it")


@pytest.fixture(scope="session")
def node_key() -> NodeKey:
    """The key that swears."""
    return NodeKey(Account.from_key(SECRET))


@pytest.fixture(scope="session")
def other_key() -> NodeKey:
    """A key that nobody trusts."""
    return NodeKey(Account.from_key(OTHER_SECRET))


Serve = Callable[..., ChatServer]


@contextmanager
def serving(
    engine: Any, commitment: ModelCommitment, node_key: NodeKey
) -> Iterator[Serve]:
    """Start services on the tiny model; all are stopped at the end."""
    with ExitStack() as stack:

        def start(
            *,
            engine: Any = engine,
            key: NodeKey = node_key,
            limits: ChatLimits | None = None,
            **options: Any,
        ) -> ChatServer:
            node = ChatNode(
                engine,
                model=commitment.root,
                key=key,
                name=NAME,
                limits=limits or ChatLimits(max_tokens=200),
            )
            return stack.enter_context(
                ChatServer(node, app=create_app(node, **options))
            )

        yield start


@pytest.fixture
def serve(
    engine: TransformersEngine, tiny_commitment: ModelCommitment, node_key: NodeKey
) -> Iterator[Serve]:
    """Start services of the test's own."""
    with serving(engine, tiny_commitment, node_key) as start:
        yield start


@pytest.fixture(scope="session")
def server(
    engine: TransformersEngine, tiny_commitment: ModelCommitment, node_key: NodeKey
) -> Iterator[ChatServer]:
    """The usual service."""
    with serving(engine, tiny_commitment, node_key) as start:
        yield start()


@pytest.fixture
def client(server: ChatServer) -> Iterator[openai.OpenAI]:
    """OpenAI's client, as it is."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="unused", max_retries=0, timeout=600
    ) as found:
        yield found
