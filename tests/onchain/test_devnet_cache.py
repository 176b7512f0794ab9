"""The cache: equal to a fresh deployment, rebuilt when damaged, and the past kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.cache import cache_key, load_snapshot
from affiant.onchain.devnet.errors import SnapshotError

pytestmark = pytest.mark.anvil


def _head(devnet: Devnet) -> str:
    return str(devnet.rpc.request("eth_getBlockByNumber", "latest", False)["hash"])


def _play(devnet: Devnet) -> str:
    scenario = Scenario(devnet)
    scenario.fund(devnet.accounts[4].address, {"USDC": 1000})
    scenario.set_price("WETH", Decimal(2345))
    scenario.next_slot(10)
    return _head(devnet)


def test_cached_deployed_and_elsewhere_are_the_same_chain(tmp_path: Path) -> None:
    heads, books, origins = [], [], []
    for folder in ("a", "a", "b"):
        with Devnet.start(cache_dir=tmp_path / folder) as devnet:
            heads.append((_head(devnet), _play(devnet)))
            books.append(devnet.book)
            origins.append(devnet.origin)
    assert origins == ["deployed", "cached", "deployed"]
    assert heads[0] == heads[1] == heads[2]
    assert books[0] == books[1] == books[2]
    assert books[0].hash == books[2].hash


def test_another_chain_id_is_another_snapshot(tmp_path: Path) -> None:
    with Devnet.start(cache_dir=tmp_path) as first:
        with Devnet.start(cache_dir=tmp_path, chain_id=4242) as second:
            assert second.origin == "deployed"
            assert second.chain_id == int(second.rpc.request("eth_chainId"), 16) == 4242
            assert first.url != second.url
            assert first.book.tokens == second.book.tokens


@dataclass(frozen=True)
class Damage:
    sentence: str
    do: Callable[[Path], object]


def _edit(folder: Path) -> None:
    book = json.loads((folder / "book.json").read_text())
    book["gate"], book["nodeRegistry"] = book["nodeRegistry"], book["gate"]
    (folder / "book.json").write_text(json.dumps(book))


def _flip(folder: Path) -> None:
    data = bytearray((folder / "state.json").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "state.json").write_bytes(data)


def _truncate(folder: Path) -> None:
    data = (folder / "state.json").read_bytes()
    (folder / "state.json").write_bytes(data[: len(data) // 2])


DAMAGES = [
    Damage("a state cut short", _truncate),
    Damage("one bit of the state", _flip),
    Damage("no state", lambda folder: (folder / "state.json").unlink()),
    Damage("an edited book", _edit),
    Damage("no sums", lambda folder: (folder / "sum.json").unlink()),
    Damage(
        "sums of another kind", lambda folder: (folder / "sum.json").write_text("[]")
    ),
    Damage(
        "sums that are no JSON",
        lambda folder: (folder / "sum.json").write_bytes(b"\xff"),
    ),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    Devnet.start(cache_dir=folder).stop()
    return folder


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.sentence)
def test_a_damaged_snapshot_counts_as_absent(
    cache: Path, tmp_path: Path, damage: Damage
) -> None:
    (snapshot,) = cache.iterdir()
    copy = Path(shutil.copytree(snapshot, tmp_path / "copy"))
    assert load_snapshot(copy) is not None
    damage.do(copy)
    assert load_snapshot(copy) is None


def test_a_damaged_snapshot_is_rebuilt_in_its_place(cache: Path) -> None:
    (snapshot,) = cache.iterdir()
    book = (snapshot / "book.json").read_bytes()
    _truncate(snapshot)
    with Devnet.start(cache_dir=cache) as devnet:
        assert devnet.origin == "deployed"
        assert Scenario(devnet).price("WETH") == 2500
    assert [*cache.iterdir()] == [snapshot]
    assert load_snapshot(snapshot) is not None
    assert (snapshot / "book.json").read_bytes() == book


def test_a_half_written_folder_beside_it_does_no_harm(cache: Path) -> None:
    leftover = cache / ".writing-leftover"
    leftover.mkdir()
    (leftover / "state.json").write_text("{")
    with Devnet.start(cache_dir=cache) as devnet:
        assert devnet.origin == "cached"
    (leftover / "state.json").unlink()
    leftover.rmdir()


def test_the_past_can_be_read_by_hash_after_saving_and_resuming(
    cache: Path, tmp_path: Path
) -> None:
    with Devnet.start(cache_dir=cache) as devnet:
        scenario, user = Scenario(devnet), devnet.accounts[4].address
        usdc, feed = devnet.book.tokens["USDC"], devnet.book.tokens["WETH"].feed
        expected = []
        for step in range(1, 6):
            scenario.set_price("WETH", Decimal(2000 + step))
            scenario.fund(user, {"USDC": 10})
            expected.append((_head(devnet), (2000 + step) * 10**8, step * 10**7))
        devnet.save(tmp_path / "saved")
        head = _head(devnet)
    with Devnet.resume(tmp_path / "saved") as devnet:
        assert devnet.origin == "resumed" and _head(devnet) == head
        for block_hash, answer, held in expected:
            block = {"blockHash": block_hash, "requireCanonical": True}
            rpc = devnet.rpc
            assert rpc.call_integer(feed, "latestAnswer()", block=block) == answer
            assert (
                rpc.call_integer(
                    usdc.address, "balanceOf(address)", [user], block=block
                )
                == held
            )
        Scenario(devnet).set_price("WETH", Decimal(1999))
        assert Scenario(devnet).price("WETH") == 1999


def test_resuming_from_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError) as caught:
        Devnet.resume(tmp_path)
    assert caught.value.folder == tmp_path


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SnapshotError, match="file"):
        Devnet.start(cache_dir=tmp_path / "file")


def test_two_first_starts_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ExitStack() as started:

        def start(_: int) -> Devnet:
            # Entered here: the one that starts is stopped also if the other does not.
            return started.enter_context(Devnet.start(cache_dir=tmp_path))

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(start, range(2))
        assert _head(first) == _head(second) and first.book == second.book
    (snapshot,) = tmp_path.iterdir()
    assert load_snapshot(snapshot) is not None


def test_the_key_depends_on_every_part() -> None:
    keys = {
        cache_key({"a": b"1", "b": b"2"}),
        cache_key({"a": b"2", "b": b"1"}),
        cache_key({"a": b"1"}),
        cache_key({"a": b"1", "b": b""}),
    }
    assert len(keys) == 4
    assert cache_key({"b": b"2", "a": b"1"}) in keys
