"""The plan: typed actions out of hostile model text, and the grammar that asks for it.

It decides whether a text is a plan of this program. It does not decide whether the plan
is wise, affordable or permitted: kits compile it, and the gate's allow-list, bounds and
loss limit hold whatever it says. It trusts the kits' schemas and the address book; the
text it does not trust, also when a grammar produced it, because a peer may claim any.

    {"why": "<1 to 120 printable ASCII characters, no quote or backslash>",
     "actions": [{"action": "swap", "sell": "WETH", "buy": "USDC", ...}]}

`why` comes first, so that a model compares before it chooses. A hold stands alone.
Shares and names only: no address and no base unit is ever read from a plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from affiant.agents.programs.plan_errors import (
    PlanActionCountError,
    PlanActionUnknownError,
    PlanArgumentError,
    PlanDuplicateError,
    PlanFieldsError,
    PlanSyntaxError,
    PlanTooLargeError,
    PlanWhyError,
)
from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.kits import Kit, KitParams

MAX_PLAN_BYTES = 4096
"""Longest plan text read, in bytes of UTF-8."""

MAX_ACTIONS = 4
"""Most actions in one plan."""

WHY_PATTERN = r"^[ !#-\[\]-~]{1,120}$"
"""What a reason may be: printable ASCII without quote and backslash, so that its JSON
has one spelling. 120, because xgrammar 0.2.8 cannot compile a bounded repetition beyond
128."""

HOLD = "hold"
"""Name of the kit that must stand alone."""

_WHY = re.compile(WHY_PATTERN.removeprefix("^").removesuffix("$"))


@dataclass(frozen=True)
class Plan:
    """What a model proposes for one slot: parsed, typed, not yet compiled."""

    why: str
    """The model's reason, printable ASCII; shown to people, never interpreted."""
    actions: tuple[KitParams, ...]
    """Parameters of the kits, in the order in which they are to be compiled."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, in order."""
        return tuple(action.action for action in self.actions)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the plan as JSON, as the evidence section `plan` holds it."""
        return {
            "why": self.why,
            "actions": [action.model_dump() for action in self.actions],
        }


def plan_schema(kits: Sequence[Kit], book: AddressBook) -> dict[str, JsonValue]:
    """Return the JSON schema of a program's plans, for the grammar and the manifest.

    Composed of each kit's own schema: either one hold, or one to `MAX_ACTIONS` of the
    other actions. The order of properties is the order in which they are generated.

    Args:
        kits: the program's kits; their order is the order of the alternatives.
        book: names that may be mentioned.

    Raises:
        ValueError: no kits, or two of one name.
    """
    names = [kit.name for kit in kits]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"kits must be some, each name once: {names}")
    holds = [kit.schema(book) for kit in kits if kit.name == HOLD]
    others = [kit.schema(book) for kit in kits if kit.name != HOLD]
    shapes = []
    if others:
        item = others[0] if len(others) == 1 else {"anyOf": others}
        shapes.append(
            {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_ACTIONS}
        )
    if holds:
        shapes.append(
            {"type": "array", "items": holds[0], "minItems": 1, "maxItems": 1}
        )
    return {
        "type": "object",
        "properties": {
            "why": {"type": "string", "pattern": WHY_PATTERN},
            "actions": shapes[0] if len(shapes) == 1 else {"anyOf": shapes},
        },
        "required": ["why", "actions"],
        "additionalProperties": False,
    }


def parse_plan(text: str, kits: Sequence[Kit], book: AddressBook) -> Plan:
    """Parse hostile text into a plan of the program that has these kits.

    1. size; 2. JSON without duplicate keys; 3. exactly the two fields; 4. the reason;
    5. number of actions; 6. each action: known, exactly its fields, in range, names of
    the book; 7. hold alone, nothing twice.

    Raises:
        PlanError: a subclass for each of the above, with what was got and expected.
    """
    # 1. Before anything is parsed. Characters first: encoding costs as much as they do.
    if len(text) > MAX_PLAN_BYTES or len(text.encode(errors="replace")) > (
        MAX_PLAN_BYTES
    ):
        raise PlanTooLargeError(
            "plan",
            got=f"{len(text)} characters",
            expected=f"at most {MAX_PLAN_BYTES} bytes",
        )
    # 2.
    try:
        value = parse_json(
            text.encode(errors="surrogatepass"), what="plan", max_bytes=MAX_PLAN_BYTES
        )
    except MalformedError as error:
        raise PlanSyntaxError("plan", got=error.got, expected=error.expected) from error
    # 3.
    fields = _fields(value, what="plan", names=("why", "actions"))
    # 4.
    why = fields["why"]
    if not isinstance(why, str):
        raise PlanFieldsError("plan.why", got=_shown(why), expected="a string")
    if not _WHY.fullmatch(why):
        raise PlanWhyError(
            "plan.why",
            got=f"{len(why)} characters: {_shown(why)}",
            expected="1 to 120 printable ASCII characters without quote and backslash",
        )
    # 5.
    actions = fields["actions"]
    if not isinstance(actions, list):
        raise PlanFieldsError("plan.actions", got=_shown(actions), expected="a list")
    if not 1 <= len(actions) <= MAX_ACTIONS:
        raise PlanActionCountError(
            "plan.actions", got=str(len(actions)), expected=f"1 to {MAX_ACTIONS}"
        )
    # 6.
    by_name = {kit.name: kit for kit in kits}
    parsed = tuple(
        _parse_action(action, by_name, book, what=f"plan.actions[{index}]")
        for index, action in enumerate(actions)
    )
    # 7.
    _refuse_repeats(actions, by_name, book)
    return Plan(why=why, actions=parsed)


def _parse_action(
    value: JsonValue, kits: Mapping[str, Kit], book: AddressBook, *, what: str
) -> KitParams:
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        raise PlanFieldsError(
            what, got=_shown(value), expected="an object with a string `action`"
        )
    kit = kits.get(value["action"])
    if kit is None:
        raise PlanActionUnknownError(
            f"{what}.action",
            got=_shown(value["action"]),
            expected=f"one of {[*kits]}",
        )
    schema = kit.schema(book)["properties"]
    _fields(value, what=what, names=tuple(schema))
    # The kit's model knows types and ranges, not the book: names are checked against
    # the schema that the grammar was built from.
    for name, rule in schema.items():
        allowed = rule.get("enum")
        if allowed is not None and value[name] not in allowed:
            raise PlanArgumentError(
                f"{what}.{name}", got=_shown(value[name]), expected=f"one of {allowed}"
            )
    try:
        return kit.params.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join([what, *(str(part) for part in first["loc"])])
        raise PlanArgumentError(
            place, got=_shown(first["input"]), expected=first["msg"]
        ) from error


def _refuse_repeats(
    actions: list[dict[str, JsonValue]], kits: Mapping[str, Kit], book: AddressBook
) -> None:
    if len(actions) > 1 and any(action["action"] == HOLD for action in actions):
        raise PlanActionCountError(
            "plan.actions",
            got=f"`{HOLD}` among {len(actions)} actions",
            expected=f"`{HOLD}` alone",
        )
    seen = set()
    for action in actions:
        schema = kits[action["action"]].schema(book)["properties"]
        key = (
            action["action"],
            *(action[name] for name, rule in schema.items() if "enum" in rule),
        )
        if key in seen:
            raise PlanDuplicateError(
                "plan.actions", got=f"{' '.join(key)} twice", expected="it once"
            )
        seen.add(key)


def _fields(
    value: JsonValue, *, what: str, names: tuple[str, ...]
) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or set(value) != set(names):
        got = f"fields {sorted(value)}" if isinstance(value, dict) else _shown(value)
        raise PlanFieldsError(what, got=got[:160], expected=f"exactly {[*names]}")
    return value


def _shown(value: JsonValue) -> str:
    """Return hostile text as a short ASCII literal, fit for an error message."""
    return ascii(value)[:80]
