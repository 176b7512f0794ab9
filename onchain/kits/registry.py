"""Which kits there are: those that come with Affiant, and those of other packages.

A package offers a kit as an entry point, under the kit's own name:

    [project.entry-points."affiant.kits"]
    repay_from_deposit = "my_kits.repay:RepayFromDeposit"

It decides that every name stands for one kit, that what was loaded is a kit, and which
distribution brought it; it refuses everything rather than guess. It does NOT decide
whether a kit is good: its code runs in node, agent and auditor, as the rest of what was
installed does. Kits are loaded once per process, when one is first asked for; what is
installed later counts from the next start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from affiant.onchain.kits.borrowing import Borrow, Repay
from affiant.onchain.kits.errors import (
    KitImportError,
    KitInvalidError,
    KitMissingError,
    KitNameTakenError,
)
from affiant.onchain.kits.hold import Hold
from affiant.onchain.kits.kit import Kit, KitParams
from affiant.onchain.kits.lending import Supply, Withdraw
from affiant.onchain.kits.native import Unwrap, Wrap
from affiant.onchain.kits.swap import Swap
from affiant.onchain.kits.swap_path import SwapExactOut, SwapPath
from affiant.onchain.kits.transfer import Transfer
from affiant.onchain.kits.vault import Deposit, Redeem

GROUP = "affiant.kits"
"""Group of entry points under which packages offer kits."""

OWN = "affiant"
"""What the distribution of the kits below is called."""

KITS: Mapping[str, Kit] = MappingProxyType(
    {
        kit.name: kit
        for kit in (
            Swap,
            Supply,
            Withdraw,
            Hold,
            Borrow,
            Repay,
            Wrap,
            Unwrap,
            Transfer,
            SwapPath,
            SwapExactOut,
            Deposit,
            Redeem,
        )
    }
)
"""Every kit that comes with Affiant, by name. They are offered as entry points too;
being listed here, a checkout that is not installed has them as well."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class InstalledKit:
    """A kit, and who brought it."""

    kit: Kit
    distribution: str
    """Name of the distribution that offers it."""


@cache
def installed_kits() -> Mapping[str, InstalledKit]:
    """Return every kit of this installation, by name.

    Raises:
        KitInstallationError: a package offers one that cannot be taken.
    """
    return load_kits(entry_points(group=GROUP))


def find_kit(name: str, *, version: int) -> Kit:
    """Return the kit that a program names.

    Raises:
        KitMissingError: there is none of that name, or only of another version.
        KitInstallationError: as `installed_kits`.
    """
    installed = installed_kits()
    entry = installed.get(name)
    if entry is None:
        raise KitMissingError(
            "kit",
            got=f"{name!r} version {version}"[:80],
            expected=f"one that is installed: {_listed(installed)}",
        )
    if entry.kit.version != version:
        raise KitMissingError(
            "kit",
            got=f"`{name}` version {version}"[:80],
            expected=f"version {entry.kit.version}, which `{entry.distribution}` has",
        )
    return entry.kit


def load_kits(offered: Iterable[EntryPoint]) -> Mapping[str, InstalledKit]:
    """Load kits, those of Affiant first.

    1. the code loads; 2. it is a kit under its own name; 3. nobody else has the name.

    Args:
        offered: entry points of the group.

    Raises:
        KitImportError, KitInvalidError, KitNameTakenError: step 1, 2, 3.
    """
    found = {name: InstalledKit(kit, OWN) for name, kit in KITS.items()}
    for entry in sorted(offered, key=lambda item: (item.name, item.value)):
        by = entry.dist.name if entry.dist is not None else "an unknown distribution"
        what = f"kit `{entry.name}` of `{by}`"
        # 1.
        try:
            loaded = entry.load()
        except Exception as error:  # Anything may go wrong in somebody's module.
            raise KitImportError(
                what, got=f"{type(error).__name__}: {error}", expected=entry.value
            ) from error
        # 2.
        kit = _checked(loaded, name=entry.name, what=what)
        # 3.
        known = found.get(kit.name)
        if known is not None and known.kit is not kit:
            raise KitNameTakenError(
                what,
                got=f"a name that `{known.distribution}` has taken",
                expected="another name, or one of the two packages",
            )
        found.setdefault(kit.name, InstalledKit(kit, by))
    return MappingProxyType(found)


def _checked(loaded: object, *, name: str, what: str) -> Kit:
    if not isinstance(loaded, Kit):
        raise KitInvalidError(what, got=type(loaded).__name__, expected="a Kit")
    if loaded.name != name or not _NAME.fullmatch(name):
        raise KitInvalidError(
            what,
            got=f"the name {loaded.name!r}"[:80],
            expected=f"the entry point's, of the form {_NAME.pattern}",
        )
    if type(loaded.version) is not int or not 1 <= loaded.version < 2**31:
        raise KitInvalidError(
            what,
            got=f"version {loaded.version!r}"[:80],
            expected="a whole number from 1 on",
        )
    params = loaded.params
    if not (isinstance(params, type) and issubclass(params, KitParams)):
        raise KitInvalidError(
            what, got=f"parameters {params!r}"[:120], expected="a KitParams class"
        )
    literal = params.model_fields["action"].annotation
    if getattr(literal, "__args__", ()) != (name,):
        raise KitInvalidError(
            what,
            got=f"`action` of type {literal!r}"[:120],
            expected=f"Literal[{name!r}]",
        )
    return loaded


def _listed(installed: Mapping[str, InstalledKit]) -> str:
    return ", ".join(f"{name} {entry.kit.version}" for name, entry in installed.items())
