"""An explanation on a terminal: what was close first, then every token.

It only shows. Whatever came from a model, a program or a chain is stripped of control
characters and never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from affiant.audit.explain import phrases
from affiant.audit.explain.result import Explanation
from affiant.audit.explain.views import (
    CallsView,
    DecisionView,
    Difference,
    ImaginedView,
    InferenceView,
    RequestView,
    SensitivityView,
    SweepView,
    TokenView,
)
from affiant.audit.figures import money
from affiant.audit.result import Status
from affiant.audit.terminal import MARKS, plain_text
from affiant.encoding import to_hex

Line = tuple[str, str]
"""A line and its style; the line may hold hostile text."""

SHOWN = 0.001
"""Least probability of an alternative that is shown behind a token."""

BAR = 24
"""Characters of the longest bar of a chart."""

_STYLES = {Status.PASS: "green", Status.FAIL: "bold red", Status.SKIPPED: "yellow"}


def print_explanation(
    explanation: Explanation, console: Console, *, token: int | None = None
) -> None:
    """Print an explanation.

    Args:
        token: position of a token of the plan whose every candidate is printed too.
    """
    for line, style in _lines(explanation, token=token):
        console.print(Text(plain_text(line), style=style), soft_wrap=True)


def _lines(explanation: Explanation, *, token: int | None) -> Iterator[Line]:
    calls = explanation.calls
    yield f"decision {to_hex(explanation.digest)}", "bold"
    yield phrases.headline(explanation), ""
    if explanation.objective:
        yield f"objective: {explanation.objective}", ""
    if calls is not None:
        yield f"plan: {'; '.join(calls.plan)}", ""
        yield f"why: “{calls.why}”", ""
    yield "", ""
    yield "what was checked first", "bold"
    for step in explanation.steps:
        line = f"  {MARKS[step.status]} {step.number:2d} {step.name}: {step.detail}"
        yield line, _STYLES[step.status]
    yield f"    {phrases.NOT_OFFLINE}", "dim"
    for gap in explanation.gaps:
        style = "bold red" if gap.rejected else "yellow"
        yield f"  ! {gap.what} is not explained: {gap.reason}", style
    actions = () if calls is None else calls.actions
    for view in explanation.inferences:
        yield from _inference(view, actions=actions)
    if token is not None and explanation.inferences:
        yield from _detail(explanation.inferences[-1], position=token)
    if explanation.request is not None:
        yield from _request(explanation.request)
    if calls is not None:
        yield from _calls(calls)
    if explanation.sensitivity is not None:
        yield from _sensitivity(explanation.sensitivity)
    if explanation.imagined is not None:
        yield from _imagined(explanation.imagined)
    if explanation.sweep is not None:
        yield from _sweep(explanation.sweep)


def _inference(view: InferenceView, *, actions: Sequence[str]) -> Iterator[Line]:
    yield "", ""
    title = phrases.asked_in_words(view)
    yield (
        f"{title}, token by token: {view.output_tokens} tokens after a prompt of "
        f"{view.prompt_tokens}, {phrases.bits(view.bits)} of surprise",
        "bold",
    )
    yield f"  {view.engine}.", "dim"
    yield f"  {view.sampling}", "dim"
    if view.others:
        yield f"  {view.others} tokens are not what this engine chooses.", "yellow"
    by_position = {item.position: item for item in view.tokens}
    if view.closest:
        yield "  closest calls", "bold"
    for position in view.closest[: phrases.CLOSEST]:
        item = by_position[position]
        style = "bold red" if item.forbidden else ""
        yield (
            f"    token {position}: {phrases.close_call(item, actions=actions)}",
            style,
        )
    if view.fields:
        yield "  surprise by field", "bold"
    for field in view.fields:
        name = field.field or "(between fields)"
        yield f"    {name:<28} {phrases.surprise_in_words(field)}", ""
    yield "  every token", "bold"
    yield from _tokens(view.tokens)
    if view.violation is not None:
        left = view.output_tokens - len(view.tokens)
        yield (
            f"    The grammar forbids token {view.violation}; {left} behind it are "
            "not explained.",
            "bold red",
        )


def _tokens(tokens: Sequence[TokenView]) -> Iterator[Line]:
    folded: list[TokenView] = []
    for token in tokens:
        if token.forced:
            folded.append(token)
            continue
        yield from _folded(folded)
        folded = []
        best = ", ".join(
            f"'{item.text}' {phrases.share(item.probability)}"
            for item in token.alternatives
            if item.token != token.token and item.probability >= SHOWN
        )
        share = "forbidden" if token.forbidden else phrases.share(token.probability)
        yield (
            f"    {token.position:>4} {share:>8}  margin "
            f"{phrases.logits(token.margin):>6}  of {token.allowed:<6} '{token.text}'"
            + (f"  ({', '.join(token.fields)})" if token.fields else "")
            + (f"  not {best}" if best else ""),
            "bold red" if token.forbidden else "",
        )
    yield from _folded(folded)


def _folded(tokens: Sequence[TokenView]) -> Iterator[Line]:
    if tokens:
        text = "".join(token.text for token in tokens)
        first, last = tokens[0].position, tokens[-1].position
        where = f"{first}" if first == last else f"{first}-{last}"
        yield f"    {where:>4}   forced  '{text}'", "dim"


def _detail(view: InferenceView, *, position: int) -> Iterator[Line]:
    token = next((item for item in view.tokens if item.position == position), None)
    yield "", ""
    if token is None:
        yield f"token {position} stands behind one that the grammar forbids", "yellow"
        return
    yield f"token {position}, candidate by candidate", "bold"
    undrawn = f", of which {phrases.share(token.beyond)} could not be drawn"
    yield (
        f"  {token.allowed} tokens were allowed{undrawn if token.beyond else ''}",
        "",
    )
    for item in token.alternatives:
        noise = "" if item.noise is None else f"  noise {item.noise:+.4f}"
        mark = "→" if item.token == token.token else " "
        yield (
            f"  {mark} {item.token:>7}  {phrases.share(item.probability):>8}  logit "
            f"{item.logit:9.4f}{noise}  '{item.text}'",
            "bold" if item.token == token.token else "",
        )


def _request(view: RequestView) -> Iterator[Line]:
    yield "", ""
    yield "what the model was asked, and where each line comes from", "bold"
    for line in view.prompt:
        origin = f"   ← {', '.join(line.origins)}" if line.origins else ""
        yield f"  {line.text}{origin}", ""
    unshown = phrases.unshown(view)
    if unshown:
        yield f"  in the request, but not in the prompt: {', '.join(unshown)}", "dim"
    yield (
        f"  {view.idle} of {view.words} recorded words reach neither request nor "
        "calls:",
        "dim",
    )
    for label, words in phrases.idle_words(view):
        yield f"    {label}: {words}", "dim"


def _calls(view: CallsView) -> Iterator[Line]:
    yield "", ""
    yield "from the plan to the calls", "bold"
    if not view.calls:
        yield "  no call follows from the plan", ""
    for number, call in enumerate(view.calls, start=1):
        yield f"  {number}. {call.sentence}", ""
        if call.minimum:
            yield f"     {call.minimum}", ""
        for argument in call.arguments:
            if argument.follows:
                origin = ", ".join(argument.follows)
                yield f"     {argument.name} {argument.value}   ← {origin}", "dim"
    for bound in view.bounds:
        origin = ", ".join(bound.follows)
        yield f"  bound: {bound.name} at least {bound.amount}   ← {origin}", ""
    if view.at_risk is not None:
        yield f"  value at risk: {money(view.at_risk)}", ""


def _sensitivity(view: SensitivityView) -> Iterator[Line]:
    yield "", ""
    yield (
        "what the plan depends on: each field of the request changed a little "
        f"({view.generations} answers generated)",
        "bold",
    )
    yield from _not_sworn(view.reproduces)
    for effect, words in phrases.EFFECTS.items():
        if effect in phrases.QUIET:
            paths = phrases.quiet_paths(view, effect=effect)
            if paths:
                yield f"  {words}", "bold"
                yield f"    {', '.join(paths)}", "dim"
            continue
        trials = [trial for trial in view.trials if trial.effect == effect]
        if trials:
            yield f"  {words}", "bold"
        for trial in trials:
            then = f": {trial.plan}" if trial.plan else ""
            yield f"    {trial.path} {trial.old} → {trial.new}{then}", ""


def _imagined(view: ImaginedView) -> Iterator[Line]:
    yield "", ""
    yield f"what if {' and '.join(view.settings)}", "bold"
    yield from _not_sworn(view.reproduces)
    for title, rows in (("seen", view.facts), ("prompt", view.prompt)):
        yield from _differences(title, rows)
    yield "  decided" + (": the same" if view.same else ""), "bold"
    for name, side in (("sworn", view.sworn), ("what if", view.imagined)):
        for line in _side(side):
            yield f"    {name:<8} {line}", "" if name == "sworn" else "cyan"


def _side(side: DecisionView) -> Iterator[str]:
    for question, answer in side.answers:
        yield f"asked “{question}”: “{answer}”"
    yield "; ".join(side.plan) or "no plan"
    if side.why:
        yield f"because “{side.why}”"
    if side.refused:
        yield f"NOTHING WOULD BE SWORN: {side.refused}"
    yield from side.calls
    if side.bounds:
        yield "at least " + ", ".join(f"{name} {least}" for name, least in side.bounds)
    if side.at_risk is not None:
        yield f"value at risk {money(side.at_risk)}"


def _differences(title: str, rows: Sequence[Difference]) -> Iterator[Line]:
    if rows:
        yield f"  {title}", "bold"
    for row in rows:
        yield f"    {row.what}", "dim"
        yield f"      sworn    {row.sworn}", ""
        yield f"      what if  {row.imagined}", "cyan"


def _sweep(view: SweepView) -> Iterator[Line]:
    yield "", ""
    recorded = f" (recorded: {view.recorded})" if view.recorded else ""
    yield f"the decision over {view.fact}{recorded}", "bold"
    yield f"  {phrases.NOT_SWORN}", "bold yellow"
    most = max((point.at_risk or 0 for point in view.points), default=0)
    width = max(len(point.value) for point in view.points)
    for index, point in enumerate(view.points):
        if index in view.flips:
            yield f"  {'─' * width}── the decision flips", "yellow"
        risk = point.at_risk or 0
        bar = "█" * max(round(BAR * risk / most), 1) if risk and most else ""
        shown = f" {money(risk)}" if risk else ""
        yield f"  {point.value:>{width}}  {bar}{shown}  {point.plan}", ""
        if point.refused:
            yield f"  {' ' * width}  {point.refused}", "dim"


def _not_sworn(reproduces: bool) -> Iterator[Line]:
    yield f"  {phrases.NOT_SWORN}", "bold yellow"
    if not reproduces:
        yield (
            "  This engine does not answer the unchanged request as was sworn: a "
            "difference may be the engine's.",
            "yellow",
        )
