"""Text that stays text: no control token comes out of what somebody else wrote.

Control tokens are those that a tokenizer finds by their spelling instead of learning
them (its *added* tokens), and those that end an output. Runs of spaces, which some
tokenizers add, are text. It decides nothing about what the text says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from affiant.inference.errors import EngineUnavailableError, TextRefusedError


class PlainText:
    """A tokenizer as it would be without its control tokens."""

    def __init__(self, tokenizer: Any, *, stop_ids: frozenset[int]) -> None:
        """Look at what the tokenizer adds.

        Args:
            tokenizer: a transformers tokenizer.
            stop_ids: tokens that end an output.
        """
        self._tokenizer = tokenizer
        self._bare: Any = None
        self.spellings: dict[str, int] = {
            text: token
            for text, token in tokenizer.get_added_vocab().items()
            if text.strip() or token in stop_ids
        }
        """Ids of the control tokens by how they are spelled."""
        self._ids = stop_ids | frozenset(self.spellings.values())
        longest_first = sorted(self.spellings, key=lambda text: (-len(text), text))
        self.spelled = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        """Finds every control token that a text spells."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; what spells a control token comes out as letters.

        Raises:
            TextRefusedError: a control token comes out nevertheless.
            EngineUnavailableError: the tokenizer cannot be had without them.
        """
        ids = self._tokenizer.encode(
            text, add_special_tokens=False, split_special_tokens=True
        )
        if not self.controls(ids):
            return list(ids)
        if self._bare is None:
            self._bare = self._without_control_tokens()
        ids = self._bare.encode(text, add_special_tokens=False).ids
        if self.controls(ids):
            raise TextRefusedError(
                "text", got="letters that become a control token", expected="text"
            )
        return list(ids)

    def controls(self, ids: Sequence[int]) -> list[int]:
        """Return the control tokens among `ids`, in order."""
        return [token for token in ids if token in self._ids]

    def _without_control_tokens(self) -> Any:
        from tokenizers import Tokenizer

        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EngineUnavailableError(
                "tokenizer",
                got=type(self._tokenizer).__name__,
                expected="one of the `tokenizers` library, to take text as text",
            )
        stated = json.loads(backend.to_str())
        stated["added_tokens"] = [
            token
            for token in stated["added_tokens"]
            if token["content"] not in self.spellings
        ]
        stated["truncation"] = stated["padding"] = None
        return Tokenizer.from_str(json.dumps(stated))
