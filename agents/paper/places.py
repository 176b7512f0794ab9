"""Where paper mode reads and writes, out of a live agent's configuration.

It decides nothing but that paper has places of its own, and endpoints that only read.
"""

from __future__ import annotations

from pathlib import Path

from affiant.agents.deciding.derive import Tokenizer
from affiant.agents.errors import ConfigError
from affiant.agents.settings.config import AgentConfig
from affiant.onchain.chain import Chain


def paper_places(config: AgentConfig) -> tuple[Path, str]:
    """Return where a configuration's paper journal and evidence are.

    Beside the live ones and never they: `[paper]` may say where.

    Raises:
        ConfigError: the live journal is no file, and `[paper]` does not say.
    """
    if config.paper is not None:
        return Path(config.paper.journal), config.paper.evidence
    if "://" in config.journal.url:
        raise ConfigError(
            "paper.journal", got="nothing", expected="a file for the paper journal"
        )
    live = Path(config.journal.url)
    journal = live.with_name(f"{live.name}.paper")
    return journal, str(live.with_name(f"{live.name}.paper-evidence"))


def connected_to_read(config: AgentConfig) -> Chain:
    """Connect to a configuration's endpoints, for nothing but reads.

    Raises:
        ChainIdMismatchError, ChainUnavailableError: they do not serve the chain.
    """
    return Chain.connect(
        config.chain.endpoints,
        expected_chain_id=config.chain.id,
        timeout=config.chain.timeout_seconds,
        budget=config.chain.operation_seconds,
        per_second=config.chain.requests_per_second,
        read_only=True,
    )


def load_tokenizer(folder: str | None) -> Tokenizer | None:
    """Load a model's tokenizer; only then the `audit` extra is needed."""
    if folder is None:
        return None
    from affiant.inference.tokenizer import ModelTokenizer

    return ModelTokenizer(Path(folder))
