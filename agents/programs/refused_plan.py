"""A plan that does not compile, as a decision swears to it.

Such a decision has no calls, and bounds of which none may worsen. Its section `plan`
holds the plan and, as `refused`, why it is none that can be carried out:

    {"why": ..., "actions": [...], "refused": "PlanHealthError: borrow.min_health_bps:
     got 10900 bps, expected at least 15000"}

Pure. It decides how a refusal is worded, and nothing else. Whether a plan is refused is
found by compiling it: the stated words are compared by agent, endorser and auditor, and
the next request's are compiled anew from the evidence, never copied (ADR 42).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affiant.encoding import JsonValue, canonical_json
from affiant.errors import MalformedError
from affiant.onchain.errors import KitError

if TYPE_CHECKING:
    from affiant.agents.programs.plan import Plan

FIELD = "refused"
"""Name of the field in the section `plan` and in a request's `previous`."""

MAX_REFUSAL_CHARS = 240
"""Longest refusal in words, in printable ASCII characters; the rest is cut off."""


def refusal_words(error: KitError) -> str:
    """Return one line that says why a plan does not compile."""
    text = f"{type(error).__name__}: {error}"
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain[:MAX_REFUSAL_CHARS]


def plan_section(plan: Plan, *, refused: str) -> dict[str, JsonValue]:
    """Return the evidence section `plan`; `refused` is empty where it compiles."""
    content = plan.to_json()
    return {**content, FIELD: refused} if refused else content


def plan_text(section: JsonValue) -> str:
    """Return the text that the evidence section `plan` stands for, to be parsed again.

    The order of fields does not count to `parse_plan`, so canonical JSON will do.
    """
    if isinstance(section, Mapping):
        section = {name: item for name, item in section.items() if name != FIELD}
    return canonical_json(section).decode("utf-8")


def stated_refusal(section: JsonValue) -> str:
    """Return the refusal that a section `plan` states; empty where it states none.

    Raises:
        MalformedError: it is none of ours.
    """
    if not isinstance(section, Mapping) or FIELD not in section:
        return ""
    stated = section[FIELD]
    if (
        not isinstance(stated, str)
        or not 1 <= len(stated) <= MAX_REFUSAL_CHARS
        or not all(" " <= letter <= "~" for letter in stated)
    ):
        raise MalformedError(
            f"plan.{FIELD}",
            got=repr(stated)[:80],
            expected=f"1 to {MAX_REFUSAL_CHARS} printable ASCII characters",
        )
    return stated
