"""How hostile bytes are made out of valid ones: by bytes, and by the JSON in them.

Everything is drawn from one `random.Random`, so that hypothesis can shrink it and
atheris can drive it. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

GIANT = 20_000
"""Characters of a long text: far over every name, far under every limit of size."""
ROOM = 50_000
"""Characters that copies of one value may take together."""
NUMBERS = (
    "-1 -0 -0.0 0.5 1e0 1e21 1e22 1e308 1e309 -1e309 1e-400 NaN Infinity -Infinity "
    "2147483647 2147483648 4294967295 4294967296 9007199254740991 9007199254740992 "
    "18446744073709551615 18446744073709551616 01 0x10 1_000 ٣"
).split()
"""Numbers at and beyond what somebody's type holds, and what is none."""
TEXTS = (
    "",
    " ",
    "\0",
    "0x",
    "0x0",
    "0X00",
    "0x" + "00" * 32,
    "0x" + "FF" * 32,
    "0x" + "gg" * 32,
    "0x" + "00" * 20,
    "-1",
    "1e5",
    "٣",
    "9" * 78,
    "1" * 90,
    "999999999999.99999999999999999999",
    "a" * GIANT,
    "\u202e\u2028\x1b[2J",
    "K" * 65,
    "../../etc/passwd",
    "<|im_end|>",
)
"""Texts that take something for what it is not; surrogates are spelled below."""
SPELLINGS = (r'"\ud800"', r'"\udfff\ud800"', r'"\u0000"', '"\\u0061"', r'"\q"')
"""Texts as JSON writes them, some of them badly."""


_MARK = "raw text number "


class Raw(str):
    """A JSON text that stands for itself."""


def mutate(seed: bytes, random: Random, *, json_text: bool) -> bytes:
    """Return `seed` changed in one to three ways."""
    data = seed
    for _ in range(random.randint(1, 3)):
        if json_text and random.random() < 0.7:
            data = mutate_json(data, random)
        else:
            data = mutate_bytes(data, random)
    return data


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Return `data` with some bytes changed, cut, repeated or moved."""
    at = random.randint(0, max(len(data) - 1, 0))
    end = min(len(data), at + random.choice((1, 2, 8, 64, 512)))
    kind = random.randint(0, 6)
    if kind == 0 and data:
        flipped = data[at] ^ 1 << random.randint(0, 7)
        return data[:at] + bytes([flipped]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:end] * random.randint(1, 3) + data[end:]
    if kind == 4:
        noise = bytes(random.randint(0, 255) for _ in range(random.randint(1, 8)))
        return data[:at] + noise + data[at:]
    if kind == 5:
        return data[:at] + bytes(end - at) + data[end:]
    return data[at:] + data[:at]


def mutate_json(data: bytes, random: Random) -> bytes:
    """Return the JSON in `data` with one place changed; other bytes as they are.

    Where there is no JSON (any more), bytes are changed instead. A text of several
    lines has one of them changed.
    """
    lines = data.split(b"\n")
    at = random.randint(0, len(lines) - 1)
    prefix = b"data: " if lines[at].startswith(b"data: ") else b""
    try:
        value = json.loads(lines[at].removeprefix(prefix))
    except (ValueError, RecursionError):
        return mutate_bytes(data, random)
    changed = change_place(value, random)
    lines[at] = prefix + spell(changed, random).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def change_place(value: Any, random: Random) -> Any:
    """Return `value` with one random place of it replaced, dropped, added or moved."""
    here = not isinstance(value, (dict, list)) or not value or random.random() < 0.15
    if here:
        return replacement(value, random)
    if isinstance(value, list):
        items = list(value)
        at = random.randint(0, len(items) - 1)
        kind = random.randint(0, 9)
        if kind == 0:
            del items[at]
        elif kind == 1:
            items.insert(at, items[at])
        elif kind == 2:
            items *= _times(items, random.choice((2, 3, 64, 300)))
        elif kind == 3:
            items.reverse()
        else:
            items[at] = change_place(items[at], random)
        return items
    fields = dict(value)
    name = random.choice(sorted(fields))
    kind = random.randint(0, 11)
    if kind == 0:
        del fields[name]
    elif kind == 1:
        fields[random.choice((*TEXTS, name + "2"))] = fields[name]
    elif kind == 2:
        fields[random.choice((name.upper(), "x"))] = fields.pop(name)
    elif kind == 3:
        other = random.choice(sorted(fields))
        fields[name], fields[other] = fields[other], fields[name]
    elif kind == 4:
        # Twice under one name.
        inner = json.dumps(fields, separators=(",", ":"))
        twice = json.dumps({name: fields[name]}, separators=(",", ":"))
        return Raw(inner[:-1] + "," + twice[1:])
    else:
        fields[name] = change_place(fields[name], random)
    return fields


def replacement(value: Any, random: Random) -> Any:
    """Return something else in the place of `value`: another type, size or depth."""
    choices: tuple[Callable[[], Any], ...] = (
        lambda: Raw(random.choice(NUMBERS)),
        lambda: Raw("9" * random.choice((16, 80, 400, 4299, 4301))),
        lambda: Raw(random.choice(SPELLINGS)),
        lambda: random.choice(TEXTS),
        lambda: random.choice((None, True, False, [], {}, [[]], [None])),
        lambda: {"a": value},
        lambda: [value],
        lambda: [value] * _times(value, random.choice((2, 17, 257, 2000))),
        lambda: nested(value, random.choice((8, 17, 50, 63, 64, 65, 2000)), random),
        lambda: {
            f"k{n}": value for n in range(_times(value, random.choice((1, 65, 300))))
        },
        lambda: str(value),
        lambda: _nudged(value, random),
        lambda: _nudged(value, random),
        lambda: _nudged(value, random),
    )
    return random.choice(choices)()


def _times(value: Any, most: int) -> int:
    """Return how often `value` may stand in one text, at most `most` times."""
    size = len(json.dumps(value, default=str))
    return max(1, min(most, ROOM // size))


def nested(value: Any, levels: int, random: Random) -> Raw:
    """Return `value` inside of so many lists or objects."""
    before, after = random.choice((("[", "]"), ('{"a":', "}")))
    return Raw(before * levels + spell(value, random) + after * levels)


def _nudged(value: Any, random: Random) -> Any:
    """Return `value` a little different, of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) and abs(value) < 1 << 4096:
        near = (value + 1, value - 1, -value, value << 8, value << 32)
        return random.choice((*near, Raw(f"{value}.0")))
    if isinstance(value, float):
        return random.choice((value * 2, -value, 1e300, 5e-324))
    if isinstance(value, str) and value:
        at = random.randint(0, len(value) - 1)
        letter = random.choice("0fF9 .-_é\0")
        return random.choice(
            (
                value[:at] + letter + value[at + 1 :],
                value[:at] + value[at + 1 :],
                value + letter,
                value.upper(),
                value.lower(),
                value * 2,
            )
        )
    return random.choice((0, 1, -1, "0"))


def spell(value: Any, random: Random) -> str:
    """Return JSON text: canonical most of the time, else another spelling of it."""
    loose = random.random() < 0.1
    raw: list[str] = []

    def marked(inner: Any) -> Any:
        if isinstance(inner, Raw):
            raw.append(str(inner))
            return f"{_MARK}{len(raw) - 1}"
        if isinstance(inner, dict):
            return {name: marked(item) for name, item in inner.items()}
        return [marked(item) for item in inner] if isinstance(inner, list) else inner

    text = json.dumps(
        marked(value),
        ensure_ascii=loose,
        sort_keys=not loose,
        separators=(", ", ":") if loose else (",", ":"),
    )
    for at, stated in enumerate(raw):
        text = text.replace(json.dumps(f"{_MARK}{at}"), stated, 1)
    return text
