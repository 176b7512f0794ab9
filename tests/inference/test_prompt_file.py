"""Files of questions: what they may say, and which line is named when they do not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from affiant.errors import MalformedError
from affiant.inference.errors import SamplingUnsupportedError
from affiant.inference.prompt_file import MAX_LINE_BYTES, parse_prompt_file


class Letters:
    """Every byte is a token."""

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def parse(content: bytes) -> list[object]:
    return list(parse_prompt_file(content, encoder=Letters()))


def test_reads_prompts_and_ids() -> None:
    one, two = parse_prompt_file(
        b'{"prompt":"hi","maxTokens":9}\n\n'
        b'{"ids":[1,2],"schema":{"type":"object"},"temperature":[4,5],"maxTokens":3}\n',
        encoder=Letters(),
    )
    assert (one.prompt_ids, one.max_tokens, one.schema) == ((104, 105), 9, None)
    assert one.sampling.temperature is None and one.seed is None
    assert two.prompt_ids == (1, 2) and two.schema == {"type": "object"}
    assert two.sampling.temperature == Fraction(4, 5)
    assert two.seed is not None and len(two.seed) == 32


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n \n",
        b"hi",
        b"[]",
        b"{}",
        b'{"prompt":"hi"}',
        b'{"maxTokens":3}',
        b'{"prompt":"hi","ids":[1],"maxTokens":3}',
        b'{"prompt":1,"maxTokens":3}',
        b'{"prompt":"","maxTokens":3}',
        b'{"prompt":"hi","maxTokens":0}',
        b'{"prompt":"hi","maxTokens":true}',
        b'{"prompt":"hi","maxTokens":1e9}',
        b'{"prompt":"hi","maxTokens":3,"top_p":1}',
        b'{"prompt":"hi","maxTokens":3,"schema":[]}',
        b'{"ids":[],"maxTokens":3}',
        b'{"ids":"12","maxTokens":3}',
        b'{"ids":[256],"maxTokens":3}',
        b'{"ids":[-1],"maxTokens":3}',
        b'{"ids":[true],"maxTokens":3}',
        b'{"ids":[1.5],"maxTokens":3}',
        b'{"prompt":"hi","prompt":"ho","maxTokens":3}',
        b'{"prompt":"' + b"x" * MAX_LINE_BYTES + b'","maxTokens":3}',
    ],
    ids=lambda line: repr(line)[:50],
)
def test_refuses(line: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(line)


def test_names_the_question() -> None:
    good = b'{"prompt":"hi","maxTokens":9}\n'
    with pytest.raises(MalformedError, match="question 3"):
        parse(good + good + b'{"prompt":"hi","maxTokens":-9}\n')
    with pytest.raises(SamplingUnsupportedError):
        parse(b'{"prompt":"hi","maxTokens":9,"temperature":[0,1]}')
