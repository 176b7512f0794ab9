"""Text that spells a control token stays text."""

from __future__ import annotations

from pathlib import Path

import pytest

from affiant.inference.errors import EngineUnavailableError
from affiant.inference.tokenizer import ModelTokenizer


@pytest.mark.parametrize("spelled", ["<eos>", "<pad>", "<eos><eos>", "a<eos>b"])
def test_text_never_becomes_a_control_token(tiny_model: Path, spelled: str) -> None:
    tokenizer = ModelTokenizer(tiny_model)
    ids = tokenizer.encode(spelled)
    special = set(tokenizer.tokenizer.all_special_ids)
    assert special >= {tokenizer.eos_id}
    assert not special & set(ids)
    assert tokenizer.decode(ids) == spelled


def test_refuses_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="tokenizer"):
        ModelTokenizer(tmp_path)
