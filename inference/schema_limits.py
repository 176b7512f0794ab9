"""Which schemas may come from outside: what the grammar enforces, and can bear.

The grammar backend compiles in this process and cannot be interrupted; what it does not
know it ignores. So a schema from a stranger is looked at before anything is compiled:

1. its size, depth, and number of subschemas, alternatives and values are bounded;
2. only keywords that the grammar really enforces may stand in it, each where it means
   something: a schema that would be bent is refused, with the keyword's name;
3. what the backend unrolls (bounded strings, patterns) has a budget, from compile times
   measured once by hand over a vocabulary of 128 000 tokens;
4. every subschema can be finished: a grammar without a way out allows no token at all.

It is asked wherever a schema comes in: with a chat request, a program's manifest (a
liar commits to whatever they like), a prompt file, sworn evidence that is replayed.
The schema of the largest address book with every kit lies within the limits.
"""

from __future__ import annotations

from collections.abc import Mapping

from affiant.encoding import JsonValue, canonical_json
from affiant.inference.schema_patterns import pattern_cost
from affiant.inference.schema_values import (
    check_bound,
    check_only,
    check_types,
    kind_of,
    natural,
    refuse,
)

MAX_BYTES = 16 * 1024
"""Largest schema as canonical JSON, in bytes."""
MAX_DEPTH = 16
"""Deepest nesting of subschemas."""
MAX_SUBSCHEMAS = 256
"""Most subschemas."""
MAX_VALUES = 512
"""Most values in all `enum` lists together."""
MAX_ITEMS = 1024
"""Largest `minItems` or `maxItems`."""
MAX_LENGTH = 512
"""Largest `minLength` or `maxLength`, in characters."""
MAX_COST = 640
"""Budget of what is unrolled: about 4 s on one core over 128 000 tokens."""
LENGTH_COST = 4
"""Cost of one character of a bounded string; of one step of a pattern it is 1."""
LENGTH_COUNTED = 160
"""Characters of a bounded string that count; the backend needs no longer for more."""
FORMAT_COST = 12
"""Cost of a `format`, and of a subschema that allows anything."""

_NOTES = frozenset(
    "title description default examples deprecated readOnly writeOnly $comment".split()
)
_DEFINITIONS = ("$defs", "definitions")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_KEYWORDS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "integer": frozenset(_BOUNDS),
    "number": frozenset(_BOUNDS),
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
_KNOWN = frozenset({"$ref", "anyOf", "allOf", "enum", "const", "type"}).union(
    *_KEYWORDS.values()
)
_FORMATS = frozenset(
    "date time date-time duration email hostname ipv4 ipv6 uri uri-reference "
    "uri-template json-pointer relative-json-pointer uuid".split()
)


def check_schema(schema: JsonValue) -> None:
    """Refuse a schema from outside that is too much work, or would be bent.

    Raises:
        SchemaLimitError: names the place, what is there and what may be.
        MalformedError: it cannot be written as canonical JSON.
    """
    # 1.
    if not isinstance(schema, dict):
        refuse("schema", got=kind_of(schema), expected="a JSON object")
    size = len(canonical_json(schema))
    if size > MAX_BYTES:
        refuse("schema", got=f"{size} bytes", expected=f"at most {MAX_BYTES}")
    # 2. and 3.
    walk = _Walk(schema)
    walk.visit(schema, where="schema", depth=0, is_root=True)
    # 4.
    walk.check_ends()


class _Walk:
    """One walk through a schema, counting."""

    def __init__(self, root: Mapping[str, JsonValue]) -> None:
        self._root = root
        self._subschemas = self._values = self._cost = 0
        self._unrolled: set[object] = set()
        self._seen: list[tuple[str, JsonValue]] = []

    def visit(
        self, schema: JsonValue, *, where: str, depth: int, is_root: bool = False
    ) -> None:
        self._subschemas += 1
        if depth > MAX_DEPTH:
            refuse(where, got="deeper nesting", expected=f"at most {MAX_DEPTH} levels")
        if self._subschemas > MAX_SUBSCHEMAS:
            refuse(where, got="more subschemas", expected=f"at most {MAX_SUBSCHEMAS}")
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            refuse(where, got=kind_of(schema), expected="a schema")
        self._seen.append((where, schema))
        stated = {
            name
            for name in schema
            if name not in _NOTES
            and not (is_root and name in (*_DEFINITIONS, "$schema", "$id"))
        }
        check_only(stated, _KNOWN, where=where)
        for name in _DEFINITIONS if is_root else ():
            self._children(
                schema.get(name, {}), where=f"{where}.{name}", depth=depth + 1
            )
        if "$ref" in stated:
            check_only(stated, {"$ref"}, where=where)
            self._target(schema["$ref"], where=where)
        elif "anyOf" in stated or "allOf" in stated:
            self._alternatives(schema, stated, where=where, depth=depth)
        elif "enum" in stated or "const" in stated:
            self._given(schema, stated, where=where)
        else:
            self._typed(schema, stated, where=where, depth=depth)

    def check_ends(self) -> None:
        """Refuse subschemas of which no value is ever finished.

        Raises:
            SchemaLimitError: names the first.
        """
        ending: set[int] = set()
        grown = True
        while grown:
            found = {id(s) for _, s in self._seen if self._ends(s, ending)}
            grown = found != ending
            ending = found
        for where, schema in self._seen:
            if id(schema) not in ending:
                refuse(where, got="no value that ends", expected="a way out")

    def _ends(self, schema: JsonValue, ending: set[int]) -> bool:
        def ends(inner: JsonValue) -> bool:
            return not isinstance(inner, dict) or id(inner) in ending

        if "$ref" in schema:
            return ends(self._target(schema["$ref"], where="schema"))
        if "anyOf" in schema:
            return any(ends(option) for option in schema["anyOf"])
        if "allOf" in schema:
            return ends(schema["allOf"][0])
        properties = schema.get("properties", {})
        needed = [properties[name] for name in schema.get("required", [])]
        if schema.get("minItems", 0) > 0:
            prefix = schema.get("prefixItems", [])[: schema["minItems"]]
            needed += prefix
            if schema["minItems"] > len(prefix):
                needed.append(schema.get("items", True))
        return all(ends(inner) for inner in needed)

    def _target(self, name: JsonValue, *, where: str) -> JsonValue:
        if name == "#":
            return self._root
        for place in _DEFINITIONS:
            known = self._root.get(place)
            prefix = f"#/{place}/"
            if isinstance(name, str) and name.startswith(prefix):
                inner = name.removeprefix(prefix)
                if isinstance(known, dict) and inner in known and "~" not in inner:
                    return known[inner]
        refuse(where, got=f"$ref {name!r}"[:80], expected="# or a known #/$defs/NAME")

    def _alternatives(
        self, schema: JsonValue, stated: set[str], *, where: str, depth: int
    ) -> None:
        keyword = "anyOf" if "anyOf" in stated else "allOf"
        check_only(stated, {keyword}, where=where)
        options = schema[keyword]
        if not isinstance(options, list) or not options:
            refuse(where, got=f"an empty {keyword}", expected="a list of schemas")
        if keyword == "allOf" and len(options) > 1:
            refuse(where, got="allOf of several", expected="allOf of one")
        for index, option in enumerate(options):
            self.visit(option, where=f"{where}.{keyword}[{index}]", depth=depth + 1)

    def _given(self, schema: JsonValue, stated: set[str], *, where: str) -> None:
        keyword = "enum" if "enum" in stated else "const"
        check_only(stated, {keyword, "type"}, where=where)
        values = schema["enum"] if keyword == "enum" else [schema["const"]]
        if not isinstance(values, list) or not values:
            refuse(where, got="an empty enum", expected="a list of values")
        self._values += len(values)
        if self._values > MAX_VALUES:
            refuse(where, got="more values", expected=f"at most {MAX_VALUES}")
        check_types(values, schema.get("type"), where=where)

    def _typed(
        self, schema: JsonValue, stated: set[str], *, where: str, depth: int
    ) -> None:
        if not stated:
            self._spend(FORMAT_COST, where=where)
            return
        types = schema.get("type")
        types = types if isinstance(types, list) else [types]
        if not types or not all(isinstance(t, str) and t in _KEYWORDS for t in types):
            refuse(
                f"{where}.type",
                got=repr(schema.get("type"))[:80],
                expected=f"of {', '.join(_KEYWORDS)}",
            )
        check_only(stated, {"type"}.union(*(_KEYWORDS[t] for t in types)), where=where)
        if "string" in types:
            self._string(schema, where=where)
        for keyword in _BOUNDS:
            if keyword in schema:
                check_bound(schema[keyword], where=f"{where}.{keyword}")
        if "array" in types:
            self._array(schema, where=where, depth=depth)
        if "object" in types:
            self._object(schema, where=where, depth=depth)

    def _string(self, schema: JsonValue, *, where: str) -> None:
        lengths = [
            natural(schema[name], most=MAX_LENGTH, where=f"{where}.{name}")
            for name in ("minLength", "maxLength")
            if name in schema
        ]
        if sum((bool(lengths), "pattern" in schema, "format" in schema)) > 1:
            refuse(where, got="a string bounded twice", expected="one kind of bound")
        if lengths:
            counted = min(max(lengths), LENGTH_COUNTED)
            key = ("length", schema.get("minLength"), schema.get("maxLength"))
            self._spend_once(key, LENGTH_COST * counted, where=where)
        if "pattern" in schema:
            if not isinstance(schema["pattern"], str):
                refuse(where, got=kind_of(schema["pattern"]), expected="a pattern")
            cost = pattern_cost(schema["pattern"], where=f"{where}.pattern")
            self._spend_once(("pattern", schema["pattern"]), cost, where=where)
        if "format" in schema:
            if schema["format"] not in _FORMATS:
                got = repr(schema["format"])[:60]
                refuse(f"{where}.format", got=got, expected=f"of {sorted(_FORMATS)}")
            self._spend(FORMAT_COST, where=where)

    def _array(self, schema: JsonValue, *, where: str, depth: int) -> None:
        for name in ("minItems", "maxItems"):
            if name in schema:
                natural(schema[name], most=MAX_ITEMS, where=f"{where}.{name}")
        prefix = schema.get("prefixItems", [])
        if not isinstance(prefix, list):
            refuse(where, got=kind_of(prefix), expected="a list of prefixItems")
        for index, item in enumerate(prefix):
            self.visit(item, where=f"{where}.prefixItems[{index}]", depth=depth + 1)
        if schema.get("items") is not False:
            self.visit(
                schema.get("items", True), where=f"{where}.items", depth=depth + 1
            )
        elif schema.get("minItems", 0) > len(prefix):
            refuse(where, got="more minItems than items", expected="a way out")

    def _object(self, schema: JsonValue, *, where: str, depth: int) -> None:
        properties = schema.get("properties", {})
        self._children(properties, where=f"{where}.properties", depth=depth + 1)
        required = schema.get("required", [])
        if not isinstance(required, list) or not all(
            isinstance(name, str) and name in properties for name in required
        ):
            refuse(
                f"{where}.required",
                got=repr(required)[:80],
                expected="names of its properties",
            )
        more = schema.get("additionalProperties", not properties)
        if more is not False:
            name = f"{where}.additionalProperties"
            self.visit(more, where=name, depth=depth + 1)

    def _children(self, named: JsonValue, *, where: str, depth: int) -> None:
        if not isinstance(named, dict):
            refuse(where, got=kind_of(named), expected="schemas by name")
        for name, inner in named.items():
            self.visit(inner, where=f"{where}.{name}"[:200], depth=depth)

    def _spend_once(self, key: object, cost: int, *, where: str) -> None:
        if key not in self._unrolled:
            self._unrolled.add(key)
            self._spend(cost, where=where)

    def _spend(self, cost: int, *, where: str) -> None:
        self._cost += cost
        if self._cost > MAX_COST:
            refuse(
                where,
                got=f"a cost of {self._cost} so far",
                expected=f"at most {MAX_COST} for strings, patterns and formats",
            )
