"""Fields of a request: named, nudged, and shown or not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.prompt import render_prompt
from affiant.agents.programs.request_fields import nudges, request_fields, shown_fields
from affiant.encoding import canonical_json

SHARE = {"total": 66, "wallet": 66, "supplied": 0, "debt": 0}
REQUEST: dict[str, Any] = {
    "format": "affiant-request/2",
    "mandate": "0x11",
    "slot": 0,
    "block": 100,
    "objective": "Keep WETH between 55 % and 65 %.",
    "actions": ["swap", "hold"],
    "portfolio": {
        "total": "12345.67",
        "debt": "0",
        "tokens": [
            {
                "token": "WETH",
                "wallet": "1.5",
                "supplied": "0",
                "debt": "0",
                "price": None,
                "share": SHARE,
            }
        ],
    },
    "pools": [{"pool": "WETH/USDC", "price": "2500", "feeBps": "5", "deviationBps": 0}],
    "lending": [],
    "previous": {"slot": 3, "actions": ["swap"]},
    "question": None,
    "answers": [],
}


def test_fields_are_named_after_what_they_are_of() -> None:
    fields = {field.path: field.value for field in request_fields(REQUEST)}
    assert fields["portfolio.tokens.WETH.share.total"] == 66
    assert fields["pools.WETH/USDC.feeBps"] == "5"
    assert fields["actions[1]"] == "hold"
    assert fields["lending"] == []
    assert len(fields) == 27


def test_nudges_are_small_and_leave_the_rest_alone() -> None:
    before = copy.deepcopy(REQUEST)
    found = [(nudge.path, nudge.old, nudge.new) for nudge in nudges(REQUEST)]
    assert before == REQUEST, "a nudge changed the request itself"
    assert ("portfolio.tokens.WETH.share.total", "66", "67") in found
    assert ("portfolio.tokens.WETH.share.total", "66", "65") in found
    assert ("portfolio.total", "12345.67", "12469.1267") in found
    assert ("portfolio.total", "12345.67", "12222.2133") in found
    assert ("portfolio.debt", "0", "1") in found
    assert ("pools.WETH/USDC.deviationBps", "0", "-1") in found
    assert ("objective, number 2", "65", "64") in found
    assert ("previous.actions[0]", "swap", "hold") in found
    # No share below nothing; names, formats and absent values have no small change.
    paths = [path for path, _, new in found if new.startswith("-")]
    assert paths == ["pools.WETH/USDC.deviationBps"]
    assert not {"format", "actions[0]", "portfolio.tokens.WETH.price", "lending"} & {
        path for path, _, _ in found
    }
    for nudge in nudges(REQUEST):
        ours = {field.path: field.value for field in request_fields(REQUEST)}
        theirs = {field.path: field.value for field in request_fields(nudge.request)}
        moved = [path for path in ours if ours[path] != theirs[path]]
        assert moved == [nudge.path.partition(",")[0]]


def test_shown_is_what_the_prompt_changes_with() -> None:
    shown = shown_fields(REQUEST)
    assert {
        "objective",
        "actions[0]",
        "portfolio.tokens.WETH.token",
        "portfolio.tokens.WETH.price",
        "portfolio.tokens.WETH.debt",
        "previous.actions[0]",
    } <= shown
    assert not shown & {
        "format",
        "mandate",
        "slot",
        "previous.slot",
        "pools.WETH/USDC.price",
    }
    # Without debts the prompt does not say their share.
    assert "portfolio.tokens.WETH.share.debt" not in shown


def test_a_request_of_another_format_is_refused() -> None:
    with pytest.raises(RequestError):
        shown_fields({**REQUEST, "format": "affiant-request/0"})


@given(
    st.text(max_size=80),
    st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True),
)
def test_any_objective_and_any_decimal_can_be_nudged(text: str, decimal: str) -> None:
    request = copy.deepcopy(REQUEST)
    request["objective"], request["portfolio"]["total"] = text, decimal
    for nudge in nudges(request):
        canonical_json(nudge.request)
        if nudge.path != "portfolio.total":
            render_prompt(nudge.request)
