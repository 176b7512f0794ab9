"""The page's section about one inference. Pure; escapes by construction."""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.explain import phrases
from affiant.audit.explain.views import InferenceView, TokenView
from affiant.audit.markup import Markup, element, wide_table

HEAT = (0.05, 0.5, 2.0)
"""Bits from which on a token's surprise is coloured a step deeper."""


def inference_section(view: InferenceView, *, actions: Sequence[str]) -> Markup:
    """Return how one answer came about.

    Args:
        actions: names of the plan's actions, where they are known.
    """
    tokens = {token.position: token for token in view.tokens}
    close = [tokens[position] for position in view.closest[: phrases.CLOSEST]]
    return element(
        "section",
        element("h2", f"{phrases.asked_in_words(view)}, token by token"),
        element(
            "p",
            f"{view.output_tokens} tokens after a prompt of {view.prompt_tokens}; "
            f"{phrases.bits(view.bits)} of surprise. The deeper a colour, the more a "
            "token surprises after what stands before it.",
        ),
        element("p", *(_span(token) for token in view.tokens), class_="tokens"),
        element(
            "p",
            f"The grammar forbids token {view.violation}; what stands behind it is not "
            "explained.",
            class_="verdict rejected",
        )
        if view.violation is not None
        else None,
        element("p", f"{view.others} tokens are not what this engine chooses.")
        if view.others
        else None,
        element("h3", "Closest calls"),
        element(
            "ol",
            *(
                element(
                    "li",
                    element("b", f"token {token.position}: "),
                    phrases.close_call(token, actions=actions),
                )
                for token in close
            ),
            class_="plain",
        )
        if close
        else element("p", "None: nothing was ever a choice.", class_="quiet"),
        _surprise(view, actions=actions) if view.fields else None,
        element(
            "details",
            element("summary", "Every token, with what could have stood there"),
            _tokenwide_table(view.tokens),
        ),
        element("p", f"{view.engine}. {view.sampling}", class_="quiet fine"),
    )


def _span(token: TokenView) -> Markup:
    heat = sum(token.surprise >= step for step in HEAT)
    kind = "forbidden" if token.forbidden else "forced" if token.forced else f"h{heat}"
    title = (
        f"token {token.position}: {phrases.share(token.probability)}, margin "
        f"{phrases.logits(token.margin)} logits, {token.allowed} allowed"
    )
    return element("span", token.text, class_=f"tok {kind}", title=title)


def _surprise(view: InferenceView, *, actions: Sequence[str]) -> Markup:
    most = max((item.bits for item in view.fields), default=0.0)
    rows = []
    for item in view.fields:
        width = 100 * item.bits / most if 0 < most < float("inf") else 0.0
        bar = element("rect", x=0, y=5, width=width, height=10, class_="bar gain")
        rows.append(
            element(
                "tr",
                element(
                    "th",
                    phrases.field_in_words(item.field, actions=actions),
                    element("small", f" {item.field}"),
                    scope="row",
                ),
                element("td", phrases.surprise_in_words(item), data_label="surprise"),
                element(
                    "td",
                    element(
                        "svg",
                        bar,
                        viewBox="0 0 100 20",
                        preserveAspectRatio="none",
                        role="img",
                        aria_label=phrases.bits(item.bits),
                        class_="bars",
                    ),
                    class_="picture",
                ),
            )
        )
    return wide_table(
        "Surprise by field of the plan; a token of several fields counts in each",
        ("field", "surprise", ""),
        rows,
    )


def _tokenwide_table(tokens: Sequence[TokenView]) -> Markup:
    rows = []
    for token in tokens:
        others = ", ".join(
            f"'{item.text}' {phrases.share(item.probability)}"
            for item in token.alternatives
            if item.token != token.token
        )
        share = "forbidden" if token.forbidden else phrases.share(token.probability)
        rows.append(
            element(
                "tr",
                element("td", str(token.position), class_="number", data_label="token"),
                element("th", element("code", token.text), scope="row"),
                element(
                    "td",
                    "forced" if token.forced else share,
                    class_="number",
                    data_label="probability",
                ),
                element(
                    "td",
                    phrases.logits(token.margin),
                    class_="number",
                    data_label="margin",
                ),
                element(
                    "td", str(token.allowed), class_="number", data_label="allowed"
                ),
                element("td", ", ".join(token.fields), data_label="field"),
                element("td", others or "–", data_label="instead of"),
            )
        )
    columns = (
        "no.",
        "token",
        "probability",
        "margin",
        "allowed",
        "field",
        "instead of",
    )
    return wide_table("Margins are in logits", columns, rows)
