"""What the request held, and where each field of it came from.

It words what `agents.reach` found out by changing every recorded word; no origin in
here was written down by hand. Names of reads and words are the address book's and the
contracts' own.
"""

from __future__ import annotations

from affiant.agents.deciding.reach import (
    WORD,
    FieldOrigin,
    Reach,
    Situation,
    WordReach,
    find_reach,
)
from affiant.agents.programs.prompt import render_prompt
from affiant.audit.explain.opened import Opened
from affiant.audit.explain.views import (
    FieldView,
    LineView,
    ReadView,
    RequestView,
    WordView,
)
from affiant.encoding import JsonValue, to_hex
from affiant.onchain.abi_names import RETURNED
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_names import book_names
from affiant.onchain.facts import READ_TYPES
from affiant.onchain.mandate import Address
from affiant.onchain.observation import RecordedRead


def explain_request(opened: Opened) -> tuple[RequestView, Reach]:
    """Return what the plan's request held, and what every recorded word reaches.

    Raises:
        AuditUnavailableError: the request cannot be rebuilt.
        RejectedError: the recorded reads make no request.
    """
    situation = opened.need_situation()
    reach = find_reach(situation)
    words = {(item.read, item.word): item for item in reach.words}
    labels = read_labels(situation)
    lines = render_prompt(opened.asked[-1].request).split("\n")
    view = RequestView(
        reads=tuple(
            ReadView(
                label=labels[index],
                target=read.target,
                words=tuple(
                    _word(words[index, word], read=read)
                    for word in range(len(read.returndata) // WORD)
                ),
            )
            for index, read in enumerate(situation.observation.reads)
        ),
        fields=tuple(
            _field(field, reach=reach, labels=labels) for field in reach.fields
        ),
        prompt=tuple(
            LineView(
                text=line,
                origins=_line_origins(number, reach=reach),
            )
            for number, line in enumerate(lines)
            if line
        ),
        idle=sum(item.idle for item in reach.words),
        words=len(reach.words),
    )
    return view, reach


def _line_origins(number: int, *, reach: Reach) -> tuple[str, ...]:
    facts = (
        fact for word in reach.words if number in word.prompt for fact in word.facts
    )
    others = (name for name, lines in reach.lines.items() if number in lines)
    return (*dict.fromkeys(facts), *others)


def read_labels(situation: Situation) -> tuple[str, ...]:
    """Return what each recorded read reads, by the address book's names."""
    names = book_names(situation.book)
    labels = []
    for read in situation.observation.reads:
        function, _ = RETURNED[read.calldata[:4]]
        where = names.get(read.target, read.target)
        asked = _argument(read, book=situation.book, account=situation.mandate.account)
        labels.append(f"{function}({asked}) of {where}")
    return tuple(labels)


def _argument(read: RecordedRead, *, book: AddressBook, account: Address) -> str:
    if len(read.calldata) <= 4:
        return ""
    last = read.calldata[-20:]
    if last == bytes.fromhex(account[2:]):
        return "account"
    names = {bytes.fromhex(token.address[2:]): n for n, token in book.tokens.items()}
    return names.get(last, to_hex(last))


def _word(item: WordReach, *, read: RecordedRead) -> WordView:
    selector = read.calldata[:4]
    signed = READ_TYPES[selector][item.word].startswith("int")
    return WordView(
        name=RETURNED[selector][1][item.word],
        value=str(int.from_bytes(item.value, "big", signed=signed)),
        facts=item.facts,
        request=item.request,
        lines=tuple(number + 1 for number in item.prompt),
        calls=item.calls,
        refused=item.refused,
        refuses_plan=item.refuses_plan,
        idle=item.idle,
    )


def _field(field: FieldOrigin, *, reach: Reach, labels: tuple[str, ...]) -> FieldView:
    facts = {(item.read, item.word): item.facts for item in reach.words}
    origins: dict[str, None] = {}
    for read, word in field.words:
        for name in facts[read, word] or (f"word {word + 1} of {labels[read]}",):
            origins[name] = None
    return FieldView(
        path=field.path,
        value=_value(field.value),
        origins=(*origins, *field.others),
        shown=field.shown,
    )


def _value(value: JsonValue) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else str(value)
