"""Page, terminal and JSON hold nothing but what they should, whatever anybody says."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour
from rich.console import Console

from affiant.audit.explain.command import check_output
from affiant.audit.explain.page import render_explanation
from affiant.audit.explain.phrases import NOT_SWORN
from affiant.audit.explain.result import Explanation, Gap
from affiant.audit.explain.terminal import print_explanation
from affiant.audit.explain.views import Difference, PointView, SweepView
from affiant.audit.result import Step
from affiant.errors import RejectedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_frame import pack

pytestmark = pytest.mark.model

_report = neighbour("audit/test_report.py")
HOSTILE: str = _report.HOSTILE
parse: Callable[[str], Any] = _report._parse

KEPT = {"node", "gate", "target", "effect", "grade", "status"}
"""Texts of ours alone: addresses, and words out of a fixed list."""


def poisoned(value: Any, *, name: str = "") -> Any:
    """Return a value with something hostile in place of every text in it."""
    if isinstance(value, str):
        return value if name in KEPT else HOSTILE
    if isinstance(value, Step):
        return replace(value, detail=HOSTILE, got=HOSTILE, expected=HOSTILE)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{
                field.name: poisoned(getattr(value, field.name), name=field.name)
                for field in dataclasses.fields(value)
            },
        )
    if isinstance(value, tuple):
        return tuple(poisoned(item, name=name) for item in value)
    return value


@pytest.fixture(scope="module")
def hostile(explanation: Explanation) -> Explanation:
    found = poisoned(replace(explanation, gaps=(Gap("", "", rejected=True),)))
    assert isinstance(found, Explanation)
    return found


def printed(explanation: Explanation, **options: Any) -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        print_explanation(explanation, console, **options)
    return capture.get()


def test_the_page_is_self_contained(explanation: Explanation) -> None:
    page = render_explanation(explanation)
    elements = parse(page)
    forbidden = {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    assert not forbidden & set(elements.tags)
    names = {name for name, _ in elements.attributes}
    assert not any(name.startswith("on") for name in names)
    assert not {"src", "href", "action", "style"} & names
    assert not re.search(r"https?:|url\(|@import|javascript:", page)
    assert "default-src 'none'" in page


def test_hostile_text_changes_no_element(
    explanation: Explanation, hostile: Explanation
) -> None:
    clean = replace(explanation, gaps=(Gap("x", "y", rejected=True),))
    poisoned_page = render_explanation(hostile)
    elements = parse(poisoned_page)
    assert set(elements.tags) <= set(parse(render_explanation(clean)).tags)
    assert not any(name.startswith("on") for name, _ in elements.attributes)
    assert "<script" not in poisoned_page and "<img" not in poisoned_page
    assert "\u202e" not in poisoned_page and "\x1b" not in poisoned_page
    assert poisoned_page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in poisoned_page


def test_hostile_text_cannot_steer_the_terminal(hostile: Explanation) -> None:
    shown = printed(hostile, token=19)
    assert "\x1b" not in shown and "\u202e" not in shown and "\r" not in shown
    assert "<script>" in shown


def test_the_terminal_reads_no_markup(explanation: Explanation) -> None:
    marked = replace(explanation, objective="[bold]not bold[/bold] [link=x]y[/link]")
    assert "[bold]not bold[/bold] [link=x]y[/link]" in printed(marked)


def test_page_and_terminal_say_what_matters(explanation: Explanation) -> None:
    page, shown = render_explanation(explanation), printed(explanation)
    for words in (
        "the share of the swap",
        "the sworn profile",
        "balances.USDC.wallet",
        "prices.WETH.answer",
        "27 of 44 recorded words reach neither request nor calls",
        "for at least 1.199362 WETH",
        "Not looked at: whether the reads are the chain&#x27;s",
        "price:WETH=2500",
        "market:USDC",
    ):
        assert words in page, words
        assert words.replace("&#x27;", "'") in " ".join(shown.split()), words


def test_a_token_s_candidates_are_printed_if_asked_for(
    explanation: Explanation,
) -> None:
    assert "candidate by candidate" not in printed(explanation)
    shown = printed(explanation, token=19)
    (line,) = [line for line in shown.splitlines() if "→" in line and "'67'" in line]
    assert "34 %" in line and "logit" in line


def test_whatever_is_imagined_is_stamped(explanation: Explanation) -> None:
    page, shown = render_explanation(explanation), printed(explanation)
    assert page.count(NOT_SWORN) == 3 == shown.count(NOT_SWORN)
    assert page.count('class="unsworn"') == 3
    assert explanation.to_json()["sworn"] is False


def test_an_engine_that_answers_otherwise_is_said_to(explanation: Explanation) -> None:
    imagined, sensitivity = explanation.imagined, explanation.sensitivity
    assert imagined is not None and imagined.reproduces
    assert sensitivity is not None and sensitivity.reproduces
    words = "does not answer the unchanged request as was sworn"
    assert words not in render_explanation(explanation)
    other = replace(
        explanation,
        imagined=replace(imagined, reproduces=False),
        sensitivity=replace(sensitivity, reproduces=False),
    )
    assert render_explanation(other).count(words) == 2 == printed(other).count(words)


def test_nothing_that_comes_out_can_be_taken_for_evidence(
    explanation: Explanation,
) -> None:
    """No parser of evidence takes any of it, packed or plain."""
    value = explanation.to_json()
    with pytest.raises(RejectedError):
        EvidenceBundle.from_json(value)
    text = json.dumps(value).encode()
    for data in (text, pack(text), render_explanation(explanation).encode()):
        with pytest.raises(RejectedError):
            EvidenceBundle.from_bytes(data)
    named = {key for key in re.findall(r'"(\w+)":', text.decode())}
    assert not named & {"salt", "signature", "receipts", "sections", "leaves", "trace"}


@pytest.mark.parametrize(
    "name",
    ["a.json.zst", "X.ZST", f"{'0' * 64}.json.zst", "ab" * 32, f"{'ab' * 32}.html"],
)
def test_no_page_is_named_like_evidence(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name that no evidence file has"):
        check_output(Path("somewhere") / name)


def test_json_is_stable_and_has_no_fractions(explanation: Explanation) -> None:
    assert explanation.to_json() == explanation.to_json()
    value = json.loads(json.dumps(explanation.to_json()))
    assert value["format"] == "affiant-explanation/1"

    def check(item: object) -> None:
        assert not isinstance(item, float)
        if isinstance(item, int) and not isinstance(item, bool):
            assert abs(item) < 2**53
        children: Any = item if isinstance(item, list) else ()
        if isinstance(item, dict):
            children = item.values()
            assert not any("_" in key for key in item)
        for child in children:
            check(child)

    check(value)
    token = value["inferences"][0]["tokens"][19]
    assert token["text"] == "67" and re.fullmatch(r"0\.34\d{4}", token["probability"])
    assert token["runnerUp"] == token["alternatives"][1]["token"]


def test_a_bare_explanation_can_be_shown(explanation: Explanation) -> None:
    bare = replace(
        explanation,
        objective="",
        inferences=(),
        request=None,
        calls=None,
        sensitivity=None,
        imagined=None,
        sweep=None,
        gaps=(Gap("the request", "withheld", rejected=False),),
    )
    assert "Not explained" in render_explanation(bare)
    assert "the request is not explained: withheld" in printed(bare, token=0)
    parse(render_explanation(bare))


def test_a_sweep_shows_where_the_decision_flips(explanation: Explanation) -> None:
    def point(value: str, kind: str, risk: int | None) -> PointView:
        return PointView(value, plan=kind, kind=kind, at_risk=risk, refused="")

    sweep = SweepView(
        fact="price:WETH",
        points=(
            point("1", "swap", 10**8),
            point("2", "hold", 0),
            point("3", "hold", 0),
            point("4", "refused", None),
        ),
        recorded="",
    )
    assert sweep.flips == (1, 3)
    drawn = replace(explanation, sweep=sweep)
    page = render_explanation(drawn)
    assert "flips between 1 and 2, between 3 and 4" in page
    assert page.count('class="flip"') == 2
    assert printed(drawn).count("the decision flips") == 2
    flat = replace(sweep, points=sweep.points[1:3])
    assert "never flips" in render_explanation(replace(explanation, sweep=flat))


def test_unchanged_decisions_are_called_the_same(explanation: Explanation) -> None:
    imagined = explanation.imagined
    assert imagined is not None and not imagined.same
    assert "The decision is another." in render_explanation(explanation)
    same = replace(
        imagined,
        same=True,
        facts=(),
        prompt=(),
        request=(Difference("x", "1", "2"),),
    )
    assert "are the same." in render_explanation(replace(explanation, imagined=same))
