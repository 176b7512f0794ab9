"""Putting a chat service together: model, commitment, engine, node, server.

It decides nothing but that a model may be served at all: one whose chat template marks
turns in plain text is refused, because a message could imitate them, unless the
operator insists. It trusts its operator's files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from affiant.app_server import AppServer
from affiant.inference.chat.http_service import create_app
from affiant.inference.chat.node import ChatLimits, ChatNode
from affiant.inference.commitment import commit_model
from affiant.inference.keys import NodeKey
from affiant.inference.load import EngineName, load_engine
from affiant.inference.model_folder import model_folder
from affiant.inference.tokenizer import ModelTokenizer


@dataclass(frozen=True)
class ServeSettings:
    """What a service's operator says on the command line."""

    model: str
    """A folder, or a hub id."""
    revision: str | None = None
    """Commit of the hub repository; needed for a hub id."""
    name: str | None = None
    """What the model is called in requests; the folder's name or the id if `None`."""
    engine: EngineName = "vllm"
    """What runs it."""
    dtype: str | None = None
    """float32 on a CPU and bfloat16 on a GPU where not given."""
    max_context: int | None = None
    """Most tokens of prompt and answer; the model's own where not given."""
    limits: ChatLimits = field(default_factory=ChatLimits)
    """How much is taken on."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """0 takes a free one."""
    unsafe_template: bool = False
    """Serve also a chat template whose turns a message can imitate."""


class ChatServer:
    """A chat node and the server in front of it."""

    def __init__(
        self,
        node: ChatNode,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        app: object = None,
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Args:
            node: what answers; closed with the server.
            host: address to listen on.
            port: port to listen on.
            app: the application over `node`; the usual one if `None`.

        Raises:
            OSError: the address is taken.
        """
        self.node = node
        self._server = AppServer(
            app or create_app(node), name="affiant-chat", host=host, port=port
        )
        self.url = self._server.url
        """Where it answers; clients add `/v1`."""

    def wait(self) -> None:
        """Serve until `stop` is called."""
        self._server.wait()

    def stop(self) -> None:
        """Give up what runs, then stop answering; the engine stays usable."""
        self.node.close()
        self._server.stop()

    def __enter__(self) -> Self:
        """Start; returns when the server listens."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


def open_service(
    settings: ServeSettings,
    *,
    key: NodeKey,
    say: Callable[[str], None] = lambda _text: None,
) -> ChatServer:
    """Return the server of a chat node, ready to be started.

    Args:
        settings: the operator's.
        key: what swears.
        say: told each step that may take long.

    Raises:
        ModelFilesError: the model cannot be committed to.
        ChatTemplateError: a message could imitate a turn.
        EngineUnavailableError: the engine is not installed or did not start.
        OSError: the address is taken.
    """
    folder = model_folder(settings.model, revision=settings.revision)
    if not settings.unsafe_template:
        check_template(folder)
    say(f"committing to {folder.name}")
    commitment = commit_model(folder)
    say(f"loading {folder.name} into {settings.engine}")
    engine = load_engine(
        folder,
        name=settings.engine,
        dtype=settings.dtype,
        max_context=settings.max_context,
        max_batch=settings.limits.running,
    )
    is_folder = Path(settings.model).is_dir()
    node = ChatNode(
        engine,
        model=commitment.root,
        key=key,
        name=settings.name or (folder.name if is_folder else settings.model),
        limits=settings.limits,
    )
    return ChatServer(node, host=settings.host, port=settings.port)


def check_template(folder: Path) -> None:
    """Refuse a model whose chat template cannot keep its turns apart.

    Raises:
        ChatTemplateError: it cannot.
        EngineUnavailableError: the tokenizer cannot be read.
    """
    template = ModelTokenizer(folder).template
    if template is not None:
        template.check_turns()
