"""HTML that escapes by construction.

Pure. A `Markup` is text that is safe to put into a page; every other string becomes
one by escaping. The only way to build a `Markup` from a hostile string is `text` or
`element`, so that a forgotten call cannot open a hole. Control and direction-changing
characters are made visible: a model's words cannot reorder what stands beside them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence


class Markup(str):
    """Text that is already safe HTML."""


Child = str | Markup | None
"""What an element may contain; None is left out."""

VOID = frozenset({"meta", "br", "hr", "rect", "line", "path"})
"""Elements written without an end tag; all of ours without children."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def text(value: str, *, limit: int = 4_000) -> Markup:
    """Return `value` escaped, unprintable characters shown, cut after `limit`."""
    shown = visible(value[:limit])
    if len(value) > limit:
        shown += f" … [{len(value) - limit} more characters]"
    return Markup(html.escape(shown, quote=True))


def visible(value: str) -> str:
    """Return `value` with unprintable characters shown; it is not escaped yet."""
    return "".join(_visible(character) for character in value)


def element(tag: str, *children: Child, **attributes: str | int | float) -> Markup:
    """Return an element; plain strings among children and attributes are escaped.

    A trailing underscore of an attribute's name is dropped (`class_`), other
    underscores become hyphens (`aria_label`).

    Raises:
        ValueError: a tag or attribute name is not a plain name (our bug).
    """
    if not _NAME.fullmatch(tag):
        raise ValueError(f"tag `{tag}`")
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if not _NAME.fullmatch(name) or name.lower().startswith("on"):
            raise ValueError(f"attribute `{name}`")
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        parts.append(f' {name}="{text(shown)}"')
    parts.append(">")
    if tag in VOID and not children:
        if tag in ("rect", "line", "path"):
            parts[-1] = "/>"
        return Markup("".join(parts))
    parts.append(join(*children))
    parts.append(f"</{tag}>")
    return Markup("".join(parts))


def join(*children: Child) -> Markup:
    """Return the children one after the other, plain strings escaped."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else text(child)
            for child in children
            if child is not None
        )
    )


def wide_table(caption: str, columns: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """Return a table that becomes one column on a phone.

    Args:
        rows: `tr` elements whose cells say their column as `data_label`.
    """
    return element(
        "table",
        element("caption", caption),
        element(
            "thead",
            element("tr", *(element("th", name, scope="col") for name in columns)),
        ),
        element("tbody", *rows),
        class_="wide",
    )


def _visible(character: str) -> str:
    if character in "\n\t":
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"\\u{ord(character):04x}"
    return character
