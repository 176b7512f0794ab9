"""The prompt: a fixed, compact rendering of a request, as text or as chat messages.

It decides the words that a model sees and nothing else: no number is computed here that
the request does not hold. Short lines with whole percents first, so that a very small
model can read them. The objective and names are data from outside: they are put on one
line each, stripped of control characters, and kept from spelling a control token, so
they cannot forge another line or end the turn. What they *say* is not filtered; a
hostile objective can ask for anything, and the grammar, allow-list and bounds still
hold.

The template is part of the program: `TEMPLATE` and `TEMPLATE_VERSION` stand in its
manifest, and a change of wording is a new version.

    Objective: Keep WETH between 55 % and 65 % of the portfolio; ...
    WETH: 68% = wallet 68% + lent 0%; price 3120.5
    USDC: 32% = wallet 12% + lent 20%; price 1
    Total 12345
    Pool WETH/USDC: +3 bps from feed
    Lending USDC: earns 412 bps
    Last: swap
    Actions: swap, supply, withdraw, hold
    Plan:

Where a program computes features, each has a line before `Last:`, as

    Feature weth_worth: 20123.5

Where a program asks questions first, each ends its prompt with

    Question: Is WETH above its band?
    Answer:

and every later prompt holds it, with its answer, before `Actions:`, as

    Asked: Is WETH above its band?
    Answered: It is, by 3 %.

A program that observes more has more lines before `Last:`, and a plan that was refused
says why:

    Lending USDC: earns 412 bps, costs 538
    Borrowing: health 15210 bps; 812.5 left
    Vault vUSDC: 1.05 USDC
    Last: borrow, refused: PlanHealthError: borrow.min_health_bps: got 10900 bps, ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from affiant.agents.programs.one_line import one_line
from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.refused_plan import FIELD
from affiant.agents.programs.request import REQUEST_FORMAT
from affiant.encoding import JsonValue
from affiant.onchain.kits import installed_kits

TEMPLATE = "affiant-plan"
"""Name of the template, for the program's manifest."""

TEMPLATE_VERSION = 2
"""Version of its wording, for the program's manifest."""

MAX_PROMPT_CHARS = 16_000
"""Longest prompt rendered, in characters."""

SYSTEM_TEXT = (
    "You plan one step for an on-chain portfolio. Answer with one JSON object: "
    '{"why": "<one short plain sentence that compares the numbers>", "actions": '
    "[...]}. Use only the actions listed. Do nothing (hold) unless the objective "
    "calls for an action. Amounts are shares in basis points (10000 is all):\n"
)
"""First part of the system message for instruct models; one line per action follows."""

QUESTION_TEXT = (
    "You advise on an on-chain portfolio. Answer the question at the end in one or two "
    "short plain sentences, from the numbers given."
)
"""System message of a question, for instruct models."""

_MAX_NAME_CHARS = 32
_SIGNIFICANT_DIGITS = 6

_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9./_-]")


def render_prompt(request: Mapping[str, JsonValue]) -> str:
    """Return the prompt of `request` for a model without a chat template.

    Raises:
        RequestError: another request format, or the text would be too long.
    """
    if request.get("format") != REQUEST_FORMAT:
        raise RequestError(
            "request.format",
            got=repr(request.get("format"))[:80],
            expected=REQUEST_FORMAT,
        )
    portfolio = request["portfolio"]
    previous = request["previous"]
    lines = [
        f"Objective: {one_line(request['objective'])}",
        *(_token_line(token) for token in portfolio["tokens"]),
        f"Total {portfolio['total'].partition('.')[0]}",
        *(_pool_line(pool) for pool in request["pools"]),
        *(_market_line(market, request) for market in request["lending"]),
        *_standing_lines(request),
        *(
            f"Feature {_name(item['feature'])}: {_shortened(item['value'])}"
            for item in request.get("features", ())
        ),
        "Last: " + ("none" if previous is None else _last(previous)),
        *(
            line
            for item in request["answers"]
            for line in (
                f"Asked: {one_line(item['question'])}",
                f"Answered: {one_line(item['answer'])}",
            )
        ),
        *_closing(request),
    ]
    text = "\n".join(lines)
    if len(text) > MAX_PROMPT_CHARS:
        raise RequestError(
            "prompt",
            got=f"{len(text)} characters",
            expected=f"at most {MAX_PROMPT_CHARS}",
        )
    return text


def chat_messages(request: Mapping[str, JsonValue]) -> list[dict[str, str]]:
    """Return the same request as messages for a model that has a chat template.

    Raises:
        RequestError: as `render_prompt`.
    """
    prompt = render_prompt(request)
    if request["question"] is not None:
        return [
            {"role": "system", "content": QUESTION_TEXT},
            {"role": "user", "content": prompt},
        ]
    actions = [_action_line(name) for name in request["actions"]]
    return [
        {"role": "system", "content": SYSTEM_TEXT + "\n".join(actions)},
        {"role": "user", "content": prompt},
    ]


def _action_line(name: JsonValue) -> str:
    known = installed_kits()
    if isinstance(name, str) and name in known:
        return known[name].kit.line
    return f'{{"action": "{_name(name)}", ...}}'


def _closing(request: Mapping[str, JsonValue]) -> list[str]:
    if request["question"] is not None:
        return [f"Question: {one_line(request['question'])}", "Answer:\n"]
    return [f"Actions: {_names(request['actions'])}", "Plan:\n"]


def _token_line(token: Mapping[str, JsonValue]) -> str:
    share = token["share"]
    owed = f" - owed {share['debt']}%" if token["debt"] != "0" else ""
    price = "none" if token["price"] is None else _shortened(token["price"])
    return (
        f"{_name(token['token'])}: {share['total']}% = wallet {share['wallet']}% + "
        f"lent {share['supplied']}%{owed}; price {price}"
    )


def _pool_line(pool: Mapping[str, JsonValue]) -> str:
    deviation = pool["deviationBps"]
    distance = "no feed" if deviation is None else f"{deviation:+d} bps from feed"
    return f"Pool {_name(pool['pool'])}: {distance}"


def _market_line(
    market: Mapping[str, JsonValue], request: Mapping[str, JsonValue]
) -> str:
    line = f"Lending {_name(market['token'])}: earns {market['supplyBps']} bps"
    return f"{line}, costs {market['borrowBps']}" if "borrowing" in request else line


def _standing_lines(request: Mapping[str, JsonValue]) -> list[str]:
    """Return lines on what only some programs observe."""
    lines = []
    if "borrowing" in request:
        standing = request["borrowing"]
        health = standing["healthBps"]
        owed = "no debt" if health is None else f"health {health} bps"
        lines.append(f"Borrowing: {owed}; {_shortened(standing['available'])} left")
    for vault in request.get("vaults", ()):
        rate = _shortened(vault["assetsPerShare"])
        lines.append(f"Vault {_name(vault['vault'])}: {rate} {_name(vault['asset'])}")
    return lines


def _last(previous: Mapping[str, JsonValue]) -> str:
    actions = _names(previous["actions"])
    if FIELD not in previous:
        return actions
    return f"{actions}, refused: {one_line(previous[FIELD])}"


def _names(names: list[JsonValue]) -> str:
    return ", ".join(_name(name) for name in names)


def _name(name: JsonValue) -> str:
    """Return a name as letters, digits and `._/-`; anything else is percent-escaped."""
    safe = _UNSAFE_IN_NAME.sub(
        lambda found: "".join(
            f"%{byte:02X}" for byte in found[0].encode(errors="replace")
        ),
        str(name),
    )
    return safe[:_MAX_NAME_CHARS]


def _shortened(decimal: str) -> str:
    """Cut a decimal string after six significant digits, whole part always kept."""
    whole, _, fraction = decimal.partition(".")
    if whole.strip("-0"):
        kept = max(0, _SIGNIFICANT_DIGITS - len(whole.strip("-")))
    else:
        kept = len(fraction) - len(fraction.lstrip("0")) + _SIGNIFICANT_DIGITS
    cut = fraction[:kept].rstrip("0")
    return f"{whole}.{cut}" if cut else whole
