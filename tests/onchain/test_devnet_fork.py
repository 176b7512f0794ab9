"""A fork continues its source's state under its own chain id and gate."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import socket
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from affiant.onchain.decision import domain_separator
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.anvil import HOST, free_port
from affiant.onchain.devnet.errors import (
    BookMismatchError,
    DevnetRpcError,
    SameChainIdError,
)
from affiant.onchain.devnet.fork import FORK_CHAIN_ID, chain_id_of, fork_chain_id
from affiant.onchain.devnet.up import describe, feeds_are_ours, read_book, write_book

pytestmark = pytest.mark.anvil

CHAIN_ID_PROBE = "0x4660005260206000f3"
"""CHAINID, stored to memory and returned."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with Devnet.start(cache_dir=tmp_path_factory.mktemp("devnet")) as devnet:
        scenario = Scenario(devnet)
        scenario.fund(devnet.accounts[4].address, {"USDC": 1234})
        scenario.set_price("WETH", Decimal(2222))
        yield devnet


@pytest.fixture(scope="module")
def fork(source: Devnet) -> Iterator[Devnet]:
    with Devnet.fork(source.url, source_book=source.book, clock="own") as devnet:
        yield devnet


def _evm_chain_id(devnet: Devnet) -> int:
    probe = "0x00000000000000000000000000000000000000AA"
    devnet.rpc.request("anvil_setCode", probe, CHAIN_ID_PROBE)
    return int(devnet.rpc.request("eth_call", {"to": probe}, "latest"), 16)


def test_a_fork_has_its_own_chain_id_outside_and_inside(
    source: Devnet, fork: Devnet
) -> None:
    stated = [int(d.rpc.request("eth_chainId"), 16) for d in (source, fork)]
    assert stated == [31337, FORK_CHAIN_ID]
    assert [_evm_chain_id(devnet) for devnet in (source, fork)] == stated
    assert fork.chain_id == fork.book.chain_id == FORK_CHAIN_ID


def test_a_fork_inherits_balances_prices_and_protocols(
    source: Devnet, fork: Devnet
) -> None:
    user, usdc = fork.accounts[4].address, fork.book.tokens["USDC"].address
    held = fork.rpc.call_integer(usdc, "balanceOf(address)", [user])
    assert held == 1234 * 10**6
    assert Scenario(fork).price("WETH") == 2222
    assert fork.book.tokens == source.book.tokens
    assert fork.book.uniswap == source.book.uniswap
    assert fork.book.aave == source.book.aave


def test_what_happens_on_a_fork_stays_there(source: Devnet, fork: Devnet) -> None:
    before = source.rpc.block_number()
    Scenario(fork).set_price("WETH", Decimal(3000))
    assert Scenario(fork).price("WETH") == 3000
    assert Scenario(fork).pool_price("WETH/USDC") == pytest.approx(Decimal(3000))
    assert Scenario(source).price("WETH") == 2222
    assert source.rpc.block_number() == before


def test_a_fork_has_its_own_gate_that_signs_for_its_own_chain(
    source: Devnet, fork: Devnet
) -> None:
    assert fork.book.gate != source.book.gate
    separators = []
    for devnet in (source, fork):
        (value,) = devnet.rpc.call(
            devnet.book.gate, "domainSeparator()", returns=["bytes32"]
        )
        assert value == domain_separator(
            chain_id=devnet.chain_id, gate=devnet.book.gate
        )
        separators.append(value)
    # The source's gate, inherited, computes another separator here as well: a decision
    # signed on the fork for it is worth nothing on the source.
    (inherited,) = fork.rpc.call(
        source.book.gate, "domainSeparator()", returns=["bytes32"]
    )
    assert inherited not in separators


def test_the_sources_chain_id_is_refused(source: Devnet) -> None:
    with pytest.raises(SameChainIdError) as caught:
        Devnet.fork(source.url, chain_id=31337)
    assert caught.value.chain_id == 31337 and caught.value.source == source.url


def test_the_default_id_differs_from_every_source() -> None:
    assert fork_chain_id(None, source_id=1, source="s") == FORK_CHAIN_ID
    assert fork_chain_id(None, source_id=FORK_CHAIN_ID, source="s") != FORK_CHAIN_ID
    assert fork_chain_id(7, source_id=1, source="s") == 7


def test_a_fork_of_a_fork_has_a_third_id(fork: Devnet) -> None:
    with Devnet.fork(fork.url, source_book=fork.book, clock="own") as second:
        assert second.chain_id not in (31337, fork.chain_id)
        assert Scenario(second).price("WETH") == Scenario(fork).price("WETH")


def test_a_fork_without_a_book_knows_only_our_contracts(source: Devnet) -> None:
    with Devnet.fork(source.url, chain_id=99, clock="own") as devnet:
        assert not devnet.book.tokens and devnet.book.aave is None
        assert len(devnet.rpc.request("eth_getCode", devnet.book.gate, "latest")) > 1000


def test_a_book_of_another_chain_is_refused(source: Devnet) -> None:
    book = dataclasses.replace(source.book, chain_id=5)
    with pytest.raises(BookMismatchError, match="chain id"):
        Devnet.fork(source.url, source_book=book)


def test_a_book_that_the_source_contradicts_is_refused(source: Devnet) -> None:
    weth = source.book.tokens["WETH"]
    wrong = {
        "decimals of WETH": dataclasses.replace(weth, decimals=6),
        "feed decimals of WETH": dataclasses.replace(weth, feed_decimals=18),
        "Aave tokens of WETH": dataclasses.replace(
            weth, a_token=weth.variable_debt, variable_debt=weth.a_token
        ),
    }
    for what, token in wrong.items():
        book = dataclasses.replace(
            source.book, tokens={**source.book.tokens, "WETH": token}
        )
        with pytest.raises(BookMismatchError, match=what):
            Devnet.fork(source.url, source_book=book, clock="own")


def test_a_source_that_does_not_answer_is_unavailable() -> None:
    for url in (f"http://{HOST}:{free_port()}", "ftp://127.0.0.1", "nowhere"):
        with pytest.raises(DevnetRpcError, match="eth_chainId"):
            Devnet.fork(url)


@pytest.mark.parametrize(
    "drop", [b"x", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["bytes", "interim answers"]
)
def test_a_source_that_drips_is_unavailable_in_time(drop: bytes) -> None:
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"" if drop != b"x" else b"HTTP/1.1 200 OK\r\n")
                for _ in range(200):
                    connection.sendall(drop)
                    over.wait(0.05)

        over = threading.Event()
        thread = threading.Thread(target=answer)
        thread.start()
        started = time.monotonic()
        with pytest.raises(DevnetRpcError, match="0.5 s"):
            chain_id_of(f"http://{HOST}:{listener.getsockname()[1]}", timeout=0.5)
        assert time.monotonic() - started < 3
        over.set()
        thread.join(5)


def test_up_says_where_everything_is_and_whose_keys_are_known(
    fork: Devnet, tmp_path: Path
) -> None:
    path = write_book(tmp_path / "books", fork.book)
    assert read_book(tmp_path / "books", chain_id=fork.chain_id) == fork.book
    assert read_book(tmp_path / "books", chain_id=1) is None
    path.write_text("{}")
    assert read_book(tmp_path / "books", chain_id=fork.chain_id) is None
    text = io.StringIO()
    describe(fork, console=Console(file=text, width=60), book_path=path)
    shown = text.getvalue()
    for part in (fork.url, str(fork.chain_id), "Everybody knows", "forked"):
        assert part in shown
    for account in fork.accounts:
        assert f"{account.address} {account.key}" in shown
    assert feeds_are_ours(fork)
