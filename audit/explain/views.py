"""The parts of an explanation, as plain values.

Pure. What is hostile (model text, program text, names) is marked so; whoever shows it
escapes it. Numbers are numbers here: rounding is for the eye, in terminal and page.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.onchain.mandate import Address

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AlternativeView:
    """A token that could have stood somewhere."""

    token: int
    text: str
    """What it would have added; hostile."""
    probability: float
    logit: float
    noise: float | None
    """What the public noise added, in logits."""


@dataclass(frozen=True)
class TokenView:
    """How one token came about; the fields are those of `inference.explain.Choice`."""

    position: int
    token: int
    text: str
    """What it adds to the output; hostile."""
    fields: tuple[str, ...]
    """The plan's fields that it is of, as `actions[0].share_bps`; nothing for the end,
    for free text, and where the output is no JSON any more."""
    allowed: int
    forced: bool
    forbidden: bool
    probability: float
    surprise: float
    margin: float | None
    runner_up: int | None
    greedy: int
    canonical: int
    noise: float | None
    beyond: float
    alternatives: tuple[AlternativeView, ...]


@dataclass(frozen=True)
class FieldSurprise:
    """How much the tokens of one field of the plan surprise, given what is before."""

    field: str
    tokens: int
    bits: float
    """A token that is of several fields counts in full for each of them."""
    shared: int
    """How many of the tokens are of other fields too."""


@dataclass(frozen=True)
class InferenceView:
    """How one answer came about."""

    index: int
    """From 0; the last is the plan's."""
    asks: str
    """The question; empty for the plan. Hostile."""
    engine: str
    """What computed the probabilities, and whether it is the sworn profile."""
    grade: str
    """The replay's; empty where there was no trace to compare with."""
    sampling: str
    """How tokens were chosen, and what the probabilities are, in words."""
    prompt_tokens: int
    output_tokens: int
    text: str
    """Hostile."""
    tokens: tuple[TokenView, ...]
    """Up to the first that breaks the grammar."""
    closest: tuple[int, ...]
    """Positions of tokens that were a choice, the closest call first."""
    fields: tuple[FieldSurprise, ...]
    bits: float
    """Surprise of all tokens, each counted once."""
    violation: int | None
    """Position of the token that breaks the grammar; None if none does."""
    others: int
    """How many tokens this engine would have chosen otherwise."""


@dataclass(frozen=True)
class WordView:
    """What one recorded word reaches."""

    name: str
    """What the contract calls it."""
    value: str
    """As a number."""
    facts: tuple[str, ...]
    request: tuple[str, ...]
    lines: tuple[int, ...]
    """Lines of the prompt, from 1."""
    calls: tuple[str, ...]
    refused: str
    refuses_plan: str
    idle: bool


@dataclass(frozen=True)
class ReadView:
    """One recorded read."""

    label: str
    """What was read, by the address book's names."""
    target: Address
    words: tuple[WordView, ...]


@dataclass(frozen=True)
class FieldView:
    """One field of the request, and where it comes from."""

    path: str
    value: str
    """Hostile."""
    origins: tuple[str, ...]
    """In words; nothing where format and address book fix it."""
    shown: bool
    """Whether the prompt shows it."""


@dataclass(frozen=True)
class LineView:
    """One line of the prompt."""

    text: str
    """Hostile."""
    origins: tuple[str, ...]
    """Facts, and what else, that it moves with."""


@dataclass(frozen=True)
class RequestView:
    """What was asked, and where it comes from."""

    reads: tuple[ReadView, ...]
    fields: tuple[FieldView, ...]
    prompt: tuple[LineView, ...]
    idle: int
    """Recorded words that reach neither request nor calls."""
    words: int


@dataclass(frozen=True)
class ArgumentView:
    """One part of a call."""

    name: str
    value: str
    follows: tuple[str, ...]
    """Fields of the plan, facts, the anchor's time; nothing where kit and address book
    fix it."""


@dataclass(frozen=True)
class CallView:
    """One call, and what it follows from."""

    action: int
    """Number of the plan's action, from 0."""
    sentence: str
    arguments: tuple[ArgumentView, ...]
    minimum: str
    """Where its least yield comes from, with the feeds' prices; empty where it has
    none."""


@dataclass(frozen=True)
class BoundView:
    """One bound that is not nothing."""

    name: str
    amount: str
    follows: tuple[str, ...]


@dataclass(frozen=True)
class CallsView:
    """What the plan comes to."""

    actions: tuple[str, ...]
    """Names of the plan's actions."""
    plan: tuple[str, ...]
    """The actions in words."""
    why: str
    """Hostile."""
    calls: tuple[CallView, ...]
    bounds: tuple[BoundView, ...]
    at_risk: int | None
    """Value at risk at the observed prices, 8 decimals; None where one is missing."""


@dataclass(frozen=True)
class TrialView:
    """One field of the request, changed a little."""

    path: str
    old: str
    new: str
    effect: str
    """As `agents.sensitivity.Effect`."""
    plan: str
    """What was planned then, where it differs; hostile."""


@dataclass(frozen=True)
class SensitivityView:
    """Which fields the plan depends on."""

    trials: tuple[TrialView, ...]
    generations: int
    reproduces: bool
    """Whether this engine answers the request as it was as was sworn."""


@dataclass(frozen=True)
class DecisionView:
    """One side of a comparison."""

    why: str
    """Hostile."""
    answers: Pairs
    """Question and answer; hostile."""
    plan: tuple[str, ...]
    calls: tuple[str, ...]
    bounds: Pairs
    """Token and least change, where there is any."""
    at_risk: int | None
    refused: str
    """Why nothing could be sworn; empty otherwise."""


@dataclass(frozen=True)
class Difference:
    """Something that is not the same on both sides."""

    what: str
    sworn: str
    imagined: str


@dataclass(frozen=True)
class ImaginedView:
    """The sworn decision and one that was never made, side by side."""

    settings: tuple[str, ...]
    facts: tuple[Difference, ...]
    request: tuple[Difference, ...]
    prompt: tuple[Difference, ...]
    sworn: DecisionView
    imagined: DecisionView
    same: bool
    """Whether plan, calls and bounds are the same."""
    reproduces: bool
    """Whether this engine answers the unchanged observation as was sworn: if not, a
    difference may be the engine's."""


@dataclass(frozen=True)
class PointView:
    """One value of a sweep."""

    value: str
    plan: str
    """Actions in words, or "refused"."""
    kind: str
    """Actions and what they are of, without numbers: where it changes, the decision
    flips."""
    at_risk: int | None
    refused: str


@dataclass(frozen=True)
class SweepView:
    """The decision over a range of one fact."""

    fact: str
    points: tuple[PointView, ...]
    recorded: str
    """The fact as it was recorded, in words."""

    @property
    def flips(self) -> tuple[int, ...]:
        """Positions of points whose decision is of another kind than the one before."""
        return tuple(
            index
            for index in range(1, len(self.points))
            if self.points[index].kind != self.points[index - 1].kind
        )
