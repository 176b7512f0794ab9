"""The tokenizer that both engines share: text to ids and back, and where outputs end.

It is convenience at the edge: ids are sworn to and replayed, text is not. The stop
tokens do matter to replay; they are read from the committed files. Text from outside
never becomes a control token (`plain_text`, `chat_template`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, GenerationConfig

from affiant.inference.chat_template import ChatTemplate
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.plain_text import PlainText


class ModelTokenizer:
    """A transformers tokenizer with the stop tokens of its model."""

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer of the model in `folder`; nothing is fetched.

        Raises:
            EngineUnavailableError: it cannot be read, or it has no end token.
        """
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises whatever its parsers raise
            raise EngineUnavailableError(
                "tokenizer", got=str(error)[:200], expected=f"a tokenizer in {folder}"
            ) from error
        eos = self.tokenizer.eos_token_id
        if type(eos) is not int:
            raise EngineUnavailableError(
                "tokenizer", got="no end token", expected="an `eos_token_id`"
            )
        self.eos_id: int = eos
        """The tokenizer's end token."""
        self.stop_ids: frozenset[int] = frozenset({eos, *_configured_stops(folder)})
        """Every token that ends an output, by tokenizer and generation config."""
        self._plain = PlainText(self.tokenizer, stop_ids=self.stop_ids)
        self.template: ChatTemplate | None = (
            ChatTemplate(self.tokenizer, plain=self._plain)
            if self.tokenizer.chat_template
            else None
        )
        """The committed chat template; `None` where there is none."""

    def encode(self, text: str) -> list[int]:
        """Return token ids of `text`: no special token is added, and none is read.

        Text that spells a control token stays text, whatever the tokenizer's own
        configuration says: what a request holds must not end a turn.

        Raises:
            TextRefusedError: a control token would come out nevertheless.
        """
        return self._plain.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return str(
            self.tokenizer.decode(
                list(ids),
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            )
        )

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int] | None:
        """Return ids of `messages` in the chat template; `None` where there is none.

        Raises:
            TextRefusedError: the template does not take them.
        """
        return None if self.template is None else self.template.encode(messages)


def _configured_stops(folder: Path) -> list[int]:
    # vLLM reads the end tokens of the generation config even where it ignores the rest.
    if not (folder / "generation_config.json").is_file():
        return []
    stops = GenerationConfig.from_pretrained(folder).eos_token_id
    if stops is None:
        return []
    return [stops] if isinstance(stops, int) else [int(stop) for stop in stops]
