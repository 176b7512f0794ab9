"""The program: what an agent asks, as one manifest with one hash.

It decides what a program *is*, and nothing about whether it is wise. The hash is what
an owner grants in a mandate; the manifest alone is enough for a node, the agent and an
auditor to rebuild every request and every call, so nobody needs the Python class that
it was made from. Manifests from outside are hostile: names, kits, template and schema
must be exactly ones that this version knows.

    hash = keccak256(canonical JSON of
        {"format": "affiant-program/2", "objective", "actions": [{"name", "version"}],
         "observes": [name], "questions": [{"ask", "maxTokens"}], "template",
         "templateVersion", "schema", "sampling": {"temperature"}, "maxTokens",
         "model", "engine", "book", "validitySeconds"})

A program that computes features has them in one field more, `features`; one that does
not has no such field, so that its hash is what it always was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from affiant.agents.errors import NotServedError, ProgramDefinitionError
from affiant.agents.programs.features import Feature, check_observed, parse_features
from affiant.agents.programs.plan import plan_schema
from affiant.agents.programs.prompt import TEMPLATE, TEMPLATE_VERSION
from affiant.agents.programs.questions import Question, parse_questions
from affiant.agents.programs.request import MAX_OBJECTIVE_CHARS
from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.errors import SchemaLimitError
from affiant.inference.sampling import Sampling
from affiant.inference.schema_limits import check_schema
from affiant.onchain.address_book import AddressBook
from affiant.onchain.kits import Kit, find_kit, installed_kits
from affiant.onchain.mandate import NATIVE, object_fields, parse_integer
from affiant.onchain.observation import planned_reads

FORMAT = "affiant-program/2"
"""Version tag of the manifest."""

MAX_KITS = 32
"""Most kits in one program."""

MAX_OBSERVES = 64
"""Most observation names in one program."""

MAX_TOKENS_LIMIT = 4096
"""Largest `maxTokens`: plans are short."""

MAX_VALIDITY_SECONDS = 7 * 24 * 3600
"""Longest time for which a decision may stay executable, in seconds."""

_FIELDS = (
    "format objective actions observes questions template templateVersion schema "
    "sampling maxTokens model engine book validitySeconds"
).split()


@dataclass(frozen=True)
class Terms:
    """How one inference of a program is generated."""

    schema: JsonValue | None
    """What masks the output; None for free text."""
    max_tokens: int
    """Most tokens of the output."""


@dataclass(frozen=True)
class Program:
    """What an agent asks. Equal programs have equal hashes."""

    objective: str
    """The owner's words; data to the model, authority to nobody."""
    kits: tuple[Kit, ...]
    """Action kits that a plan may use, in the order of the manifest."""
    observes: tuple[str, ...]
    """Names of what is read at the anchor, in order."""
    questions: tuple[Question, ...]
    """What the model is asked before the plan, in order."""
    schema: JsonValue
    """JSON schema of a plan, by which the model's grammar is made."""
    sampling: Sampling
    max_tokens: int
    """Most tokens of one answer."""
    model: Digest
    """Root of the model commitment."""
    engine: Digest
    """Hash of the engine manifest."""
    book: Digest
    """Hash of the address book."""
    validity_seconds: int
    """A decision is executable until the anchor's timestamp plus this."""
    features: tuple[Feature, ...] = ()
    """Numbers computed from facts that its requests hold, in order."""

    @cached_property
    def hash(self) -> Digest:
        """keccak256 of the canonical manifest; what a mandate names."""
        return keccak256(canonical_json(self.to_manifest()))

    def to_manifest(self) -> dict[str, JsonValue]:
        """Return the manifest as JSON."""
        return {
            "format": FORMAT,
            "objective": self.objective,
            "actions": [
                {"name": kit.name, "version": kit.version} for kit in self.kits
            ],
            "observes": list(self.observes),
            "questions": [question.to_json() for question in self.questions],
            "template": TEMPLATE,
            "templateVersion": TEMPLATE_VERSION,
            "schema": self.schema,
            "sampling": self.sampling.to_json(),
            "maxTokens": self.max_tokens,
            "model": to_hex(self.model),
            "engine": to_hex(self.engine),
            "book": to_hex(self.book),
            "validitySeconds": self.validity_seconds,
            **(
                {"features": [feature.to_json() for feature in self.features]}
                if self.features
                else {}
            ),
        }

    @classmethod
    def define(
        cls,
        *,
        objective: str,
        kits: Sequence[Kit],
        observes: Sequence[str],
        book: AddressBook,
        model: Digest,
        engine: Digest,
        sampling: Sampling,
        max_tokens: int,
        validity_seconds: int,
        questions: Sequence[Question] = (),
        features: Sequence[Feature] = (),
    ) -> Program:
        """Make a program from what a `VerifiedAgent` subclass says.

        Raises:
            ProgramDefinitionError: something is missing, unknown or out of range.
        """
        try:
            _check_kits(kits)
            planned_reads(observes, book=book, account=NATIVE)  # refuses unknown names
            _check_required(kits, observes)
            program = cls(
                objective=objective,
                kits=tuple(kits),
                observes=tuple(observes),
                questions=tuple(questions),
                schema=plan_schema(kits, book),
                sampling=sampling,
                max_tokens=max_tokens,
                model=model,
                engine=engine,
                book=book.hash,
                validity_seconds=validity_seconds,
                features=tuple(features),
            )
            check_observed(features, observes=observes, book=book)
            # One door for both: what a class defines must survive as a manifest.
            cls.from_manifest(program.to_manifest())
        except (MalformedError, SchemaLimitError) as error:
            raise ProgramDefinitionError(str(error)) from error
        return program

    @classmethod
    def from_manifest(cls, value: JsonValue) -> Program:
        """Parse a hostile manifest.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range, or
                names a kit, template or format that this version does not have.
            SamplingUnsupportedError: a sampling that the sampler does not have.
            SchemaLimitError: a schema that no program of this version needs.
        """
        stated = value.get("format") if isinstance(value, dict) else None
        if isinstance(value, dict) and stated != FORMAT:
            # Before the fields: another version has other ones.
            raise MalformedError(
                "program.format", got=repr(stated)[:80], expected=repr(FORMAT)
            )
        computes = isinstance(value, dict) and "features" in value
        item = object_fields(
            value, what="program", names=[*_FIELDS, *(["features"] if computes else [])]
        )
        for field, expected in (
            ("template", TEMPLATE),
            ("templateVersion", TEMPLATE_VERSION),
        ):
            if item[field] != expected or isinstance(item[field], bool):
                raise MalformedError(
                    f"program.{field}",
                    got=repr(item[field])[:80],
                    expected=repr(expected),
                )
        if not isinstance(item["schema"], dict):
            raise MalformedError(
                "program.schema", got=repr(item["schema"])[:80], expected="an object"
            )
        # Before anybody compiles it: a liar can commit to any schema.
        check_schema(item["schema"])
        return cls(
            objective=_objective(item["objective"]),
            kits=_kits(item["actions"]),
            observes=_observes(item["observes"]),
            questions=parse_questions(item["questions"]),
            schema=item["schema"],
            sampling=Sampling.from_json(item["sampling"]),
            max_tokens=_within(
                item["maxTokens"], what="program.maxTokens", limit=MAX_TOKENS_LIMIT
            ),
            model=digest_from_hex(item["model"], what="program.model"),
            engine=digest_from_hex(item["engine"], what="program.engine"),
            book=digest_from_hex(item["book"], what="program.book"),
            validity_seconds=_within(
                item["validitySeconds"],
                what="program.validitySeconds",
                limit=MAX_VALIDITY_SECONDS,
            ),
            features=parse_features(item["features"]) if computes else (),
        )

    @property
    def inferences(self) -> int:
        """How often the model is asked in one slot: every question, and the plan."""
        return len(self.questions) + 1

    def terms(self, index: int) -> Terms:
        """Return the terms of inference number `index`, from 0; the last is the plan's.

        Raises:
            ValueError: there is no such inference.
        """
        if not 0 <= index < self.inferences:
            raise ValueError(f"inference {index} of {self.inferences}")
        if index == len(self.questions):
            return Terms(schema=self.schema, max_tokens=self.max_tokens)
        return Terms(schema=None, max_tokens=self.questions[index].max_tokens)

    def require_book(self, book: AddressBook) -> None:
        """Refuse an address book that is not this program's.

        Raises:
            NotServedError: another book, or the manifest's schema is not the one that
                this version makes from it.
        """
        if book.hash != self.book:
            raise NotServedError(
                "program.book", got=to_hex(self.book), expected=to_hex(book.hash)
            )
        schema = canonical_json(plan_schema(self.kits, book))
        if canonical_json(self.schema) != schema:
            raise NotServedError(
                "program.schema",
                got=to_hex(keccak256(canonical_json(self.schema))),
                expected=to_hex(keccak256(schema)),
            )


def _check_kits(kits: Sequence[Kit]) -> None:
    if not kits or any(kits.count(kit) > 1 for kit in kits):
        raise MalformedError(
            "program.actions", got=repr(kits)[:120], expected="kits, each once"
        )
    known = installed_kits()
    for kit in kits:
        entry = known.get(str(getattr(kit, "name", None)))
        if entry is None or entry.kit is not kit:
            raise MalformedError(
                "program.actions",
                got=repr(kit)[:120],
                expected=f"kits that are installed, among {sorted(known)}",
            )


def _check_required(kits: Sequence[Kit], observes: Sequence[str]) -> None:
    for kit in kits:
        for needed in kit.required:
            if not any(
                name == needed or (needed.endswith(":") and name.startswith(needed))
                for name in observes
            ):
                raise MalformedError(
                    "program.observes",
                    got=f"{[*observes]}"[:200],
                    expected=f"`{needed}`, which the kit `{kit.name}` needs",
                )


def _objective(value: JsonValue) -> str:
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > MAX_OBJECTIVE_CHARS
    ):
        raise MalformedError(
            "program.objective",
            got=repr(value)[:80],
            expected=f"text of 1 to {MAX_OBJECTIVE_CHARS} characters",
        )
    return value


def _kits(value: JsonValue) -> tuple[Kit, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_KITS:
        raise MalformedError(
            "program.actions",
            got=repr(value)[:80],
            expected=f"a list of 1 to {MAX_KITS} kits",
        )
    found: list[Kit] = []
    for entry in value:
        item = object_fields(entry, what="program.actions", names=["name", "version"])
        name, version = item["name"], item["version"]
        # True is 1 to Python, and another manifest to everybody else.
        if not isinstance(name, str) or type(version) is not int:
            raise MalformedError(
                "program.actions",
                got=f"{name!r} {version!r}"[:80],
                expected="a kit's name and version",
            )
        kit = find_kit(name, version=version)
        if kit in found:
            raise MalformedError(
                "program.actions", got=f"{name!r} twice"[:80], expected="each once"
            )
        found.append(kit)
    return tuple(found)


def _observes(value: JsonValue) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MAX_OBSERVES
        or not all(isinstance(name, str) and 0 < len(name) <= 64 for name in value)
        or len(set(value)) != len(value)
    ):
        raise MalformedError(
            "program.observes",
            got=repr(value)[:120],
            expected="what `observe` declared: at least one name, each once",
        )
    return tuple(value)


def _within(value: JsonValue, *, what: str, limit: int) -> int:
    if isinstance(value, str):
        raise MalformedError(what, got=repr(value)[:80], expected="a number")
    number = parse_integer(value, what=what, bits=53)
    if not 1 <= number <= limit:
        raise MalformedError(what, got=str(number), expected=f"1 to {limit}")
    return number
