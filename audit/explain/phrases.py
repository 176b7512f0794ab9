"""Words that terminal and page share. Pure; every text may hold hostile parts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from affiant.audit.explain.result import Explanation
from affiant.audit.explain.views import (
    AlternativeView,
    FieldSurprise,
    InferenceView,
    RequestView,
    SensitivityView,
    TokenView,
)

CLOSEST = 6
"""Closest calls that are shown first."""

NOT_SWORN = (
    "NOT SWORN: nobody decided this. It was generated here and now, and is no evidence."
)
"""Stands over everything imagined."""

NOT_OFFLINE = (
    "Not looked at: whether the reads are the chain's, whether the key was permitted, "
    "and what was executed. An audit with a chain looks at that."
)
"""What no explanation shows."""

EFFECTS = {
    "actions": "other actions",
    "no plan": "no plan comes out",
    "shares": "the same actions, other numbers",
    "words": "only the reason's words",
    "same": "nothing at all",
    "not shown": "nothing: the prompt does not show it",
    "not tried": "not tried: no generations left",
}
"""What a changed field does to the plan, gravest first."""

QUIET = ("same", "not shown", "not tried")
"""Effects of which only the fields are listed."""

_ARGUMENTS = {
    "action": "which action it is",
    "sell": "what the {0} sells",
    "buy": "what the {0} buys",
    "asset": "the token of the {0}",
    "share_bps": "the share of the {0}",
    "max_slippage_bps": "the slippage of the {0}",
}


def headline(explanation: Explanation) -> str:
    """Return what this decision is, in one line."""
    count = len(explanation.calls.calls) if explanation.calls is not None else None
    what = "a hold"
    if not explanation.held:
        calls = "calls" if count is None else f"{count} call" + "s" * (count != 1)
        what = f"a decision with {calls}"
    return (
        f"slot {explanation.slot}, anchored at block {explanation.anchor}: {what}, "
        f"signed by {explanation.node}"
    )


def share(probability: float) -> str:
    """Return a probability as people read it: `34 %`, `>99.9 %`, `<0.1 %`."""
    hundredths = 100 * probability
    if 0 < hundredths < 0.1:
        return "<0.1 %"
    if 99.9 < hundredths < 100:
        return ">99.9 %"
    if 1 <= hundredths <= 99 or hundredths in (0, 100):
        return f"{hundredths:.0f} %"
    return f"{hundredths:.1f} %"


def logits(value: float | None) -> str:
    """Return a number of logits; `–` for none."""
    if value is None:
        return "–"
    return f"{value:.2f}" if math.isfinite(value) else "∞".rjust(2, "−")


def bits(value: float) -> str:
    """Return a number of bits."""
    return f"{value:.2f} bits" if math.isfinite(value) else "∞ bits"


def asked_in_words(view: InferenceView) -> str:
    """Return what an inference was for."""
    return f"The answer to “{view.asks}”" if view.asks else "The plan"


def field_in_words(field: str, *, actions: Sequence[str] = ()) -> str:
    """Return a field of the plan as people say it, as "the share of the swap".

    Args:
        actions: names of the plan's actions, where they are known.
    """
    found = re.fullmatch(r"actions\[(\d+)\]\.(\w+)", field)
    if field == "why":
        return "the reason's words"
    if found is None or found[2] not in _ARGUMENTS:
        return f"`{field}`" if field else "how the plan is put together"
    number = int(found[1])
    name = actions[number] if number < len(actions) else f"action {number + 1}"
    return _ARGUMENTS[found[2]].format(name)


def close_call(token: TokenView, *, actions: Sequence[str] = ()) -> str:
    """Return one close call in words, what hung on it included."""
    shown = ", ".join(
        f"'{item.text}' {share(item.probability)}" for item in _first(token, most=3)
    )
    hung = " and ".join(field_in_words(name, actions=actions) for name in token.fields)
    if token.forbidden:
        return (
            f"'{token.text}' is forbidden by the grammar, which allows {token.allowed} "
            f"tokens here: {shown}"
        )
    after = f"; on it hung {hung}" if hung else ""
    return f"{shown}; margin {logits(token.margin)} logits{_drawn(token)}{after}"


def _drawn(token: TokenView) -> str:
    """Say what the noise did, where there was any."""
    if token.token != token.canonical:
        return ": this engine would have chosen otherwise"
    if token.noise is None:
        return ""
    others = {item.token: item.text for item in token.alternatives}
    said = f", of which the noise gave {token.noise:+.2f}"
    if token.greedy == token.token:
        return said
    name = others.get(token.greedy, f"token {token.greedy}")
    return f"{said}: without it, '{name}' would have won"


def _first(token: TokenView, *, most: int) -> list[AlternativeView]:
    """Return the chosen alternative first, then the most probable others."""
    own = [item for item in token.alternatives if item.token == token.token]
    rest = [item for item in token.alternatives if item.token != token.token]
    return [*own, *rest][:most]


def surprise_in_words(item: FieldSurprise) -> str:
    """Return one field's surprise in words."""
    shared = f", {item.shared} of other fields too" if item.shared else ""
    tokens = "token" if item.tokens == 1 else "tokens"
    return f"{bits(item.bits)} in {item.tokens} {tokens}{shared}"


def quiet_paths(view: SensitivityView, *, effect: str) -> tuple[str, ...]:
    """Return the fields whose every change has this effect or one less grave."""
    order = list(EFFECTS)
    gravest: dict[str, int] = {}
    for trial in view.trials:
        rank = order.index(trial.effect)
        gravest[trial.path] = min(gravest.get(trial.path, rank), rank)
    return tuple(path for path, rank in gravest.items() if order[rank] == effect)


def unshown(view: RequestView) -> tuple[str, ...]:
    """Return the request's fields that came from reads and that no prompt shows."""
    return tuple(
        field.path
        for field in view.fields
        if not field.shown and any("." in origin for origin in field.origins)
    )


def idle_words(view: RequestView) -> tuple[tuple[str, str], ...]:
    """Return (read, words) of recorded words that reach neither request nor calls."""
    return tuple(
        (read.label, ", ".join(word.name for word in read.words if word.idle))
        for read in view.reads
        if any(word.idle for word in read.words)
    )
