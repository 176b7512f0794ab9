"""`docs/kits.md`: its kit in one file, installed and run as the page says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from affiant.onchain.abi import encode_call
from affiant.onchain.account import AccountClient
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.kits import KITS, installed_kits
from affiant.onchain.kits.errors import KitMissingError
from affiant.onchain.mandate import Address

PAGE = Path(__file__).parents[2] / "docs" / "kits.md"


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def agent_class(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Any]]:
    """The page's agent, with the page's package installed beside Affiant."""
    kit, agent = blocks("python")
    (project,) = (tomllib.loads(text) for text in blocks("toml"))
    folder = tmp_path_factory.mktemp("my-kits")
    (folder / "my_kits.py").write_text(kit, encoding="utf-8")
    info = folder / "my_kits-1.0.dist-info"
    info.mkdir()
    name, version = project["project"]["name"], project["project"]["version"]
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    lines = []
    for group, entries in project["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))
    installed_kits.cache_clear()
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(agent, "docs/kits.md", "exec", dont_inherit=True), namespace)
    yield namespace["Deleverage"]
    patch.undo()
    installed_kits.cache_clear()


@pytest.fixture(scope="module")
def _settled(
    agent_class: type[Any], _devnet: Any, settling: Callable[..., Any]
) -> Iterator[Any]:
    """An account that lends 1 ether and 5000 USDC, and owes 1000 USDC."""
    permissions = installed_kits()["repay_from_deposit"].kit.permissions(_devnet.book)
    world = settling(keeper=agent_class, allow_list=permissions)
    aave, tokens = world.book.aave, world.book.tokens
    account = AccountClient(world.chain, world.mandate.account)

    def do(target: Address, function: str, *arguments: object) -> None:
        call = CallRequest(target, encode_call(function, arguments))
        account.execute(call, owner=world.owner)

    lend = "supply(address,uint256,address,uint16)"
    for name, amount in (("WETH", 10**18), ("USDC", 5_000 * 10**6)):
        do(tokens[name].address, "approve(address,uint256)", aave.pool, amount)
        do(aave.pool, lend, tokens[name].address, amount, account.address, 0)
    do(
        aave.pool,
        "borrow(address,uint256,uint256,uint16,address)",
        tokens["USDC"].address,
        1_000 * 10**6,
        2,
        0,
        account.address,
    )
    yield world
    world.chain.close()


def said(share: int) -> str:
    action = {"action": "repay_from_deposit", "asset": "USDC", "share_bps": share}
    return json.dumps({"why": "less debt", "actions": [action]})


@pytest.mark.anvil
def test_the_pages_kit_pays_a_debt_through_the_real_gate(
    world: Any, node_url: str, tmp_path: Path
):
    manifest = world.program().to_manifest()
    assert manifest["actions"][0] == {"name": "repay_from_deposit", "version": 1}
    agent = world.agent(tmp_path, url=node_url)
    world.engine.text = said(5000)
    result = agent.run_once()
    assert result.error is None, result.error
    assert result.outcome == "executed"
    changes = dict(
        zip(
            (entry.token for entry in world.mandate.tracked),
            result.executed.changes,
            strict=True,
        )
    )
    usdc = world.book.tokens["USDC"]
    assert abs(changes[usdc.variable_debt] - 500 * 10**6) < 10**4
    assert abs(changes[usdc.a_token] + changes[usdc.variable_debt]) <= 4
    assert changes[usdc.address] == 0


@pytest.mark.anvil
def test_the_pages_kit_refuses_what_cannot_be(
    world: Any, node_url: str, tmp_path: Path
):
    world.engine.text = said(1).replace("USDC", "WETH")
    result = world.agent(tmp_path, url=node_url).run_once()
    assert result.outcome == "held"
    assert result.bundle.content("plan")["refused"].startswith(
        "PlanAmountZeroError: repay_from_deposit.share_bps: got 1 bps of 0"
    )


def test_without_the_package_its_program_is_refused_by_name(
    agent_class: type[Any],
):
    from affiant.onchain.kits.registry import find_kit, load_kits

    assert find_kit("repay_from_deposit", version=1)
    with pytest.raises(KitMissingError, match="version 2.*version 1.*my-kits"):
        find_kit("repay_from_deposit", version=2)
    assert "repay_from_deposit" not in load_kits([])


def test_the_page_lists_every_kit_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE.read_text(), flags=re.MULTILINE)
    assert {name for name, _ in rows} == set(KITS)
    for name, fields in rows:
        stated = re.findall(r"`(\w+)`", fields)
        known = [field for field in KITS[name].params.model_fields if field != "action"]
        assert sorted(stated) == sorted(known) or fields in ("none", "the same"), name
