"""Text from outside on one line of a prompt, unable to forge another or end the turn.

It decides how text is made harmless as *layout*: what it says is not filtered.
"""

from __future__ import annotations

import re
import unicodedata

_CONTROL_TOKEN_START = re.compile(r"<(?=[^\s\d=<])|\[(?=[A-Z/])|｜")
"""Where tokenizers' control tokens begin: <s>, <|end|>, [INST], <｜User｜>."""


def one_line(text: str) -> str:
    """Return `text` on one line, without controls, and unable to spell a control token.

    Unicode categories C (controls, bidirectional overrides, surrogates) and Z
    (separators) become single spaces.
    """
    plain = "".join(
        " " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text
    )
    apart = _CONTROL_TOKEN_START.sub(lambda found: f"{found[0]} ", plain)
    return " ".join(apart.split())
