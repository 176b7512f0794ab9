"""A short run of `make chaos`: ten kills, and journal and chain agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos import chaos

pytestmark = [pytest.mark.anvil, pytest.mark.process]


def test_ten_kills_lose_and_repeat_nothing(tmp_path: Path):
    tally = chaos(tmp_path, kills=10, seed=1, say=lambda _: None)
    assert tally.found == [], "\n".join(tally.rows())
    assert tally.kills == 10
