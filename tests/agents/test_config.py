"""The configuration: what is wrong with it is named before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from affiant.agents.errors import ConfigError
from affiant.agents.settings.config import (
    load_book,
    load_config,
    load_mandate,
    read_password,
)

GOOD = """
[chain]
url = "http://127.0.0.1:8545"
id = 31337
timeout_seconds = 5
[node]
url = "http://127.0.0.1:8700"
[mandate]
file = "mandate.json"
[book]
file = "/etc/book.json"
[evidence]
url = "s3://bucket/evidence"
[journal]
url = "journal.sqlite"
[operator]
keystore = "keys/operator.json"
password_env = "OPERATOR_PASSWORD"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path):
    config = load_config(written(tmp_path, GOOD))
    assert config.mandate.file == str(tmp_path / "mandate.json")
    assert config.book.file == "/etc/book.json"
    assert config.evidence.url == "s3://bucket/evidence"
    assert config.operator.keystore == str(tmp_path / "keys/operator.json")
    assert config.chain.timeout_seconds == 5
    assert config.node.timeout_seconds == 120
    assert config.node.tokenizer is None
    assert config.endorsers.urls == ()


def test_endorsers_are_named_by_url(tmp_path: Path):
    text = GOOD + '[endorsers]\nurls = ["http://127.0.0.1:8800"]\nwait_seconds = 9\n'
    config = load_config(written(tmp_path, text))
    assert config.endorsers.urls == ("http://127.0.0.1:8800",)
    assert config.endorsers.wait_seconds == 9


def test_several_endpoints_and_nodes_are_named_by_urls(tmp_path: Path):
    text = GOOD.replace(
        'url = "http://127.0.0.1:8545"',
        'urls = ["http://127.0.0.1:8545", "https://rpc.example"]\n'
        "requests_per_second = 25\noperation_seconds = 20",
    ).replace('url = "http://127.0.0.1:8700"', 'urls = ["http://127.0.0.1:8700"]')
    config = load_config(written(tmp_path, text))
    assert config.chain.endpoints == ("http://127.0.0.1:8545", "https://rpc.example")
    assert (config.chain.requests_per_second, config.chain.operation_seconds) == (
        25,
        20,
    )
    assert config.node.addresses == ("http://127.0.0.1:8700",)


def test_transactions_have_limits_unless_the_file_says_others(tmp_path: Path):
    config = load_config(written(tmp_path, GOOD))
    assert config.chain.endpoints == ("http://127.0.0.1:8545",)
    assert config.transactions.confirmations == 1
    assert config.transactions.max_fees.max_fee == 2_000 * 10**9
    text = GOOD + "[transactions]\nconfirmations = 5\nmax_fee_gwei = 0.5\n"
    config = load_config(written(tmp_path, text))
    assert config.transactions.confirmations == 5
    assert config.transactions.max_fees.max_fee == 5 * 10**8


WRONG = {
    "no TOML": ("[chain", "TOML"),
    "nothing": ("", "chain"),
    "a field less": (GOOD.replace("id = 31337", ""), "chain.id"),
    "a field more": (GOOD + 'password = "secret"\n', "operator.password"),
    "an endorser that is no URL": (
        GOOD + '[endorsers]\nurls = ["endorser"]\n',
        "endorsers.urls.0",
    ),
    "too many endorsers": (
        GOOD + f"[endorsers]\nurls = {['http://127.0.0.1:1'] * 65}\n",
        "endorsers.urls",
    ),
    "no endpoint": (GOOD.replace('url = "http://127.0.0.1:8545"', ""), "chain"),
    "both url and urls": (
        GOOD.replace("id = 31337", 'id = 31337\nurls = ["http://127.0.0.1:1"]'),
        "either `url` or `urls`",
    ),
    "one endpoint twice": (
        GOOD.replace(
            'url = "http://127.0.0.1:8545"',
            'urls = ["http://127.0.0.1:1", "http://127.0.0.1:1"]',
        ),
        "each of `urls` once",
    ),
    "too many endpoints": (
        GOOD.replace(
            'url = "http://127.0.0.1:8545"',
            f"urls = {[f'http://127.0.0.1:{n}' for n in range(1, 18)]}",
        ),
        "chain.urls",
    ),
    "no node": (GOOD.replace('url = "http://127.0.0.1:8700"', ""), "node"),
    "no confirmation": (
        GOOD + "[transactions]\nconfirmations = 0\n",
        "transactions.confirmations",
    ),
    "no fee at all": (
        GOOD + "[transactions]\nmax_fee_gwei = 0\n",
        "transactions.max_fee_gwei",
    ),
    "a fee of all the money": (
        GOOD + "[transactions]\nmax_fee_gwei = 1e9\n",
        "transactions.max_fee_gwei",
    ),
    "no question ever": (
        GOOD.replace("timeout_seconds = 5", "requests_per_second = 0"),
        "chain.requests_per_second",
    ),
    "a section more": (GOOD + '[prompt]\ntext = "x"\n', "prompt"),
    "a chain id in words": (GOOD.replace("31337", '"31337"'), "chain.id"),
    "chain id 0": (GOOD.replace("31337", "0"), "chain.id"),
    "a file for a node": (GOOD.replace("http://127.0.0.1:8700", "/tmp"), "node.url"),
    "a password in an address": (
        GOOD.replace("http://127", "http://me:secret@127"),
        "chain.url",
    ),
    "a port that is none": (GOOD.replace(":8700", ":870000"), "node.url"),
    "no timeout": (GOOD.replace("seconds = 5", "seconds = 0"), "timeout_seconds"),
    "a secret for a variable": (
        GOOD.replace("OPERATOR_PASSWORD", "correct horse"),
        "password_env",
    ),
    "another version": (GOOD.replace("\n", '\nformat = "x"\n', 1), "format"),
}


@pytest.mark.parametrize("text, names", WRONG.values(), ids=list(WRONG))
def test_says_which_field_is_wrong(tmp_path: Path, text: str, names: str):
    with pytest.raises(ConfigError, match=names):
        load_config(written(tmp_path, text))


def test_says_which_file_is_missing(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere.toml.*No such file"):
        load_config(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="readable"):
        load_mandate(tmp_path)


@pytest.mark.parametrize("load", [load_mandate, load_book])
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b" " * 2_000_000])
def test_a_file_that_is_no_mandate_or_book_is_named(tmp_path: Path, load, data: bytes):
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="file.json"):
        load(path)


def test_the_password_comes_from_the_named_variable(monkeypatch):
    monkeypatch.setenv("SOME_PASSWORD", "correct horse")
    password = read_password("SOME_PASSWORD")
    assert password.get_secret_value() == "correct horse"
    assert "horse" not in repr(password)
    monkeypatch.setenv("SOME_PASSWORD", "")
    with pytest.raises(ConfigError, match="SOME_PASSWORD"):
        read_password("SOME_PASSWORD")
