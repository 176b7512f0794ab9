"""The kit that does nothing, said on purpose. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook
from affiant.onchain.kits.kit import (
    Kit,
    KitContext,
    KitParams,
    KitStep,
    object_schema,
)
from affiant.onchain.mandate import Permission

NAME = "hold"
"""The plan's `action`."""


class HoldParams(KitParams):
    """A hold has no parameters."""

    action: Literal["hold"]


def _schema(book: AddressBook) -> dict[str, JsonValue]:
    del book
    return object_schema(NAME, {})


def _permissions(book: AddressBook) -> tuple[Permission, ...]:
    del book
    return ()


def _compile(params: BaseModel, *, context: KitContext) -> KitStep:
    del params, context
    return KitStep(calls=(), deltas={})


Hold = Kit(
    name=NAME,
    version=1,
    required=(),
    line='{"action": "hold"}, alone: change nothing',
    params=HoldParams,
    schema=_schema,
    permissions=_permissions,
    compile=_compile,
)
"""No calls. It stands alone in its plan, which `compile_plan` sees to."""
