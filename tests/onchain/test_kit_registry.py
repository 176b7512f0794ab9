"""Which kits are installed: found by entry points, refused rather than guessed at."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from affiant.onchain.kits import KITS, find_kit, installed_kits
from affiant.onchain.kits.errors import (
    KitImportError,
    KitInvalidError,
    KitMissingError,
    KitNameTakenError,
)
from affiant.onchain.kits.registry import GROUP, load_kits

KIT = """
from dataclasses import replace
from typing import Literal
from affiant.onchain.kits import Hold, KitParams

class Params(KitParams):
    action: Literal["{name}"]

Mine = replace(Hold, name="{name}", version={version}, params=Params)
"""

Package = Callable[..., None]


@pytest.fixture
def package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Install a package of one module beside the others, for one test."""

    def install(name: str, code: str, *, offers: str, distribution: str = "") -> None:
        module = name.replace("-", "_")
        folder = tmp_path / name
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{offers}\n")
        monkeypatch.syspath_prepend(str(folder))

    installed_kits.cache_clear()
    yield install
    monkeypatch.undo()
    installed_kits.cache_clear()


def test_what_comes_with_affiant_is_offered_as_entry_points() -> None:
    project = tomllib.loads(
        (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    offered = [
        EntryPoint(name, value, GROUP)
        for name, value in project["entry-points"][GROUP].items()
    ]
    assert {entry.name: entry.load() for entry in offered} == dict(KITS)
    # The same kit twice is one kit.
    assert {name: item.kit for name, item in load_kits(offered).items()} == dict(KITS)
    assert {item.distribution for item in load_kits(offered).values()} == {"affiant"}


def test_a_package_brings_a_kit_that_programs_can_name(package: Package) -> None:
    package(
        "tea-kits-a",
        KIT.format(name="brew", version=3),
        offers="brew = tea_kits_a:Mine",
    )
    entry = installed_kits()["brew"]
    assert (entry.kit.version, entry.distribution) == (3, "tea-kits-a")
    assert find_kit("brew", version=3) is entry.kit
    assert [*installed_kits()][: len(KITS)] == [*KITS]


def test_kits_are_loaded_once(package: Package, tmp_path: Path) -> None:
    count = tmp_path / "loads"
    code = KIT.format(name="brew", version=1) + (
        f"\nwith open({str(count)!r}, 'a') as file:\n    file.write('x')\n"
    )
    package("tea-kits-b", code, offers="brew = tea_kits_b:Mine")
    assert installed_kits() is installed_kits()
    find_kit("brew", version=1)
    assert count.read_text() == "x"


@pytest.mark.parametrize("taken", ["swap", "hold"])
def test_nobody_takes_the_name_of_a_kit(package: Package, taken: str) -> None:
    package(
        f"tea-thief-{taken}",
        KIT.format(name=taken, version=1),
        offers=f"{taken} = tea_thief_{taken}:Mine",
    )
    with pytest.raises(KitNameTakenError, match=f"tea-thief-{taken}.*`affiant`"):
        installed_kits()


def test_two_packages_of_one_name_are_refused_by_name(package: Package) -> None:
    for name in ("tea-one", "tea-two"):
        package(
            name,
            KIT.format(name="brew", version=1),
            offers=f"brew = {name.replace('-', '_')}:Mine",
        )
    with pytest.raises(KitNameTakenError) as caught:
        installed_kits()
    assert "tea-one" in str(caught.value) and "tea-two" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "offers", "reason"),
    [
        ("raise RuntimeError('boiled over')", "brew = {}:Mine", "boiled over"),
        ("def", "brew = {}:Mine", "SyntaxError"),
        ("import not_installed_anywhere", "brew = {}:Mine", "ModuleNotFoundError"),
        ("", "brew = {}:Mine", "AttributeError"),
        ("", "brew = {}_elsewhere:Mine", "ModuleNotFoundError"),
    ],
    ids=["raises", "is no Python", "lacks a module", "lacks the kit", "is elsewhere"],
)
def test_a_kit_that_does_not_load_stops_everything(
    package: Package,
    request: pytest.FixtureRequest,
    code: str,
    offers: str,
    reason: str,
) -> None:
    name = f"tea-broken-{abs(hash(request.node.name))}"
    package(name, code, offers=offers.format(name.replace("-", "_")))
    with pytest.raises(KitImportError, match=reason) as caught:
        installed_kits()
    assert name in caught.value.what


@pytest.mark.parametrize(
    ("attribute", "change"),
    [
        ("brew", "Mine = lambda: None"),
        ("brew", "Mine = type(Mine)"),
        ("stew", ""),
        ("Brew", "Mine = replace(Mine, name='Brew')"),
        ("brew", "Mine = replace(Mine, version=0)"),
        ("brew", "Mine = replace(Mine, version=True)"),
        ("brew", "Mine = replace(Mine, version='1')"),
        ("brew", "Mine = replace(Mine, params=dict)"),
        ("brew", "Mine = replace(Mine, params=KitParams)"),
        ("brew", "Mine = replace(Mine, params=Hold.params)"),
    ],
    ids=[
        "a function",
        "a class",
        "another name than its entry point's",
        "a name in capitals",
        "version 0",
        "version true",
        "version text",
        "parameters of another kind",
        "parameters of any action",
        "parameters of another action",
    ],
)
def test_what_is_no_kit_is_refused(
    package: Package, request: pytest.FixtureRequest, attribute: str, change: str
) -> None:
    name = f"tea-odd-{abs(hash(request.node.name))}"
    package(
        name,
        KIT.format(name="brew", version=1) + change,
        offers=f"{attribute} = {name.replace('-', '_')}:Mine",
    )
    with pytest.raises(KitInvalidError) as caught:
        installed_kits()
    assert name in caught.value.what


def test_a_missing_kit_or_version_is_named() -> None:
    with pytest.raises(KitMissingError, match=r"'brew' version 1.*swap 2, supply 1"):
        find_kit("brew", version=1)
    with pytest.raises(KitMissingError) as caught:
        find_kit("swap", version=1)
    assert caught.value.got == "`swap` version 1"
    assert caught.value.expected == "version 2, which `affiant` has"


def test_every_kit_has_what_a_program_and_a_model_need() -> None:
    for name, kit in KITS.items():
        assert kit.name == name and kit.version >= 1
        assert f'"action": "{name}"' in kit.line
        assert kit.params.model_fields["action"].annotation.__args__ == (name,)
        for field in kit.params.model_fields:
            assert f'"{field}"' in kit.line, (name, field)
