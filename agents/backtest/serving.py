"""Who decides in a backtest: a real node, which a source starts and stops.

A source is given where the chain is and which agent is served, and hands over a node
that listens on loopback and swears with the local chain's well-known node key. Ours
starts `affiant node` in a process of its own; tests of agents bring a double
(`affiant.testing`), which names itself one under every hash that it swears to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from affiant.agents.agent import VerifiedAgent
from affiant.agents.deciding.derive import Tokenizer
from affiant.agents.nodes.node_process import start_node
from affiant.agents.settings.loading import reference_to
from affiant.encoding import Digest
from affiant.inference.load import EngineName
from affiant.inference.model_folder import model_folder
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet.accounts import NODE


@dataclass(frozen=True)
class Place:
    """Where a node is to serve what."""

    chain_url: str
    book: AddressBook
    agent_class: type[VerifiedAgent]
    folder: Path
    """For the node's own files."""


@dataclass(frozen=True)
class ServingNode:
    """A node that listens."""

    url: str
    model: Digest
    engine: Digest
    device: str
    """What it runs on, for people."""
    tokenizer: Tokenizer | None = None
    """The model's, so that the agent checks prompt and plan tokens too."""
    model_folder: Path | None = None
    """Where the model is; None where there is none."""


NodeSource = Callable[[Place], AbstractContextManager[ServingNode]]
"""Starts a node and stops it. It MUST swear with the key of `devnet.accounts.NODE`."""


def model_node(
    model: str | Path, *, revision: str | None = None, engine: EngineName = "vllm"
) -> NodeSource:
    """Return a source that serves a model with `affiant node`.

    Args:
        model: a folder, or a hub id.
        revision: commit of the hub repository.
        engine: "vllm" or "transformers".
    """

    @contextmanager
    def serve(place: Place) -> Iterator[ServingNode]:
        folder = model_folder(str(model), revision=revision)
        started = start_node(
            place.folder,
            chain_url=place.chain_url,
            book=place.book,
            key=NODE.key,
            model=str(folder),
            revision=None,
            agent=reference_to(place.agent_class),
            engine=engine,
        )
        try:
            listening = started.wait()
            yield ServingNode(
                url=listening.url,
                model=listening.model,
                engine=listening.engine,
                device=listening.device,
                tokenizer=_tokenizer(folder),
                model_folder=folder,
            )
        finally:
            started.stop()

    return serve


def _tokenizer(folder: Path) -> Tokenizer | None:
    """Load the model's tokenizer, where transformers is installed."""
    if find_spec("transformers") is None:
        return None
    from affiant.inference.tokenizer import ModelTokenizer

    return ModelTokenizer(folder)
