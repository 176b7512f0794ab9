"""What is wrong with a configuration: all of it, where, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from affiant.agents.errors import ConfigError
from affiant.agents.settings.config import agent_reference, load_config
from affiant.agents.settings.config_report import ConfigFileError, hide_addresses
from affiant.agents.settings.keystore_mode import loose_permissions

GOOD = """\
[chain]
url = "http://127.0.0.1:8545"
id = 31337
timeout_seconds = 5
[node]
url = "http://127.0.0.1:8700"
[mandate]
file = "mandate.json"
[book]
file = "book.json"
[evidence]
url = "evidence"
[journal]
url = "journal.sqlite"
[operator]
keystore = "operator.json"
password_env = "OPERATOR_PASSWORD"
"""
SECRET = "hunter2-do-not-repeat"


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> ConfigFileError:
    with pytest.raises(ConfigFileError) as caught:
        load_config(written(folder, text))
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "line"),
    (
        (
            "timeout_seconds = 5",
            'timeout_seconds = "ten"',
            '4:19: chain.timeout_seconds: got "ten", expected a valid number',
        ),
        (
            "timeout_seconds = 5",
            "  timeout_second = 5",
            "4:3: chain.timeout_second: got an unknown key `timeout_second`, expected "
            "a known key; did you mean `timeout_seconds`?",
        ),
        ("id = 31337", "", "1:1: chain.id: got nothing, expected a value for `id`"),
        ("[node]", "[nodes]", "1:1: node: got nothing, expected a section `[node]`"),
        (
            "[node]",
            "[nodes]",
            "5:2: nodes: got an unknown key `nodes`, expected a known key; did you "
            "mean `node`?",
        ),
        (
            "id = 31337",
            "id = 31337 31338",
            "3:12: file: got no TOML (Expected newline or end of document after a "
            "statement), expected TOML",
        ),
        (
            "[node]",
            '[agent]\nklass = "x"\n[node]',
            "6:1: agent.klass: got an unknown key `klass`, expected a known key; did "
            "you mean `class`?",
        ),
        (
            '"http://127.0.0.1:8545"',
            '"env:NOT_SET_ANYWHERE"',
            "2:7: chain.url: got an environment variable `NOT_SET_ANYWHERE` that is "
            "not set, expected it to hold an address",
        ),
    ),
)
def test_problems_have_a_line_and_a_column(tmp_path: Path, old, new, line):
    error = refused(tmp_path, GOOD.replace(old, new))
    assert f"{tmp_path / 'agent.toml'}:{line}" in str(error).split("\n")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path):
    text = GOOD.replace("31337", '"31337"').replace("[mandate]", "[mandat]")
    error = refused(tmp_path, text + 'keystor = "x"\n')
    assert [problem.field for problem in error.problems] == [
        "mandate",
        "chain.id",
        "mandat",
        "operator.keystor",
    ]
    assert str(error).count("\n") == 3


def test_more_problems_than_anybody_reads_are_counted(tmp_path: Path):
    text = GOOD + "".join(f"a{number} = 1\n" for number in range(50))
    assert str(refused(tmp_path, text)).endswith("and 30 more")


@pytest.mark.parametrize(
    "name", ("password", "private_key", "mnemonic", "seed_phrase", "secret", "api_key")
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, name: str):
    error = refused(tmp_path, GOOD + f'{name} = "{SECRET}"\n')
    assert error.problems[0].field == f"operator.{name}"
    assert "`password_env`" in str(error) and "keystore" in str(error)
    assert SECRET not in str(error)
    assert SECRET not in repr(error.__cause__)


@pytest.mark.parametrize(
    "text",
    (
        GOOD.replace("http://127.0.0.1:8545", f"http://me:{SECRET}@127.0.0.1:8545"),
        GOOD.replace("http://127.0.0.1:8545", f"ftp://host/v2/{SECRET}"),
        GOOD.replace("http://127.0.0.1:8545", f"ftp://host?key={SECRET}"),
        GOOD.replace("OPERATOR_PASSWORD", f"{SECRET}!"),
    ),
)
def test_secrets_in_wrong_places_are_not_repeated(tmp_path: Path, text: str):
    assert SECRET not in str(refused(tmp_path, text))


def test_an_address_may_come_from_the_environment(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RPC", f"https://host.example/v2/{SECRET}")
    text = GOOD.replace("http://127.0.0.1:8545", "env:RPC")
    assert load_config(written(tmp_path, text)).chain.url.endswith(SECRET)


def test_a_bad_address_from_the_environment_is_named_by_its_variable(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setenv("RPC", f"ftp://host/{SECRET}")
    error = refused(tmp_path, GOOD.replace("http://127.0.0.1:8545", "env:RPC"))
    assert "2:7: chain.url: got the value of the environment variable `RPC`" in str(
        error
    )
    assert SECRET not in str(error)


def test_only_addresses_come_from_the_environment(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RPC", "x")
    text = GOOD.replace("operator.json", "env:RPC")
    config = load_config(written(tmp_path, text))
    assert config.operator.keystore == str(tmp_path / "env:RPC")


def test_bytes_that_are_no_text_have_a_place(tmp_path: Path):
    path = tmp_path / "agent.toml"
    path.write_bytes(b"# \xc3\xa9\n[chain]\nurl = \xff\n")
    with pytest.raises(ConfigFileError, match=r"agent\.toml:3:7: file: .*0xff"):
        load_config(path)


def test_values_within_values_come_to_an_end(tmp_path: Path):
    refused(tmp_path, "x = " + "[" * 20_000 + "]" * 20_000)


def test_the_agents_class_may_stand_in_the_file(tmp_path: Path):
    path = written(tmp_path, GOOD + '[agent]\nclass = "agent.py:Keeper"\n')
    assert agent_reference(path, None) == f"{tmp_path / 'agent.py'}:Keeper"
    assert agent_reference(path, "other.py") == "other.py"


def test_an_agents_class_is_named_somewhere(tmp_path: Path):
    with pytest.raises(ConfigError, match="agent.class"):
        agent_reference(written(tmp_path, GOOD), None)


@pytest.mark.parametrize(
    ("text", "shown"),
    (
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("at https://a.b/v3/KEY: no", "at https://a.b/... no"),
        ("https://me:pw@a.b", "https://...@a.b"),
        ("https://a.b?key=K and ws://c/d", "https://a.b and ws://c/..."),
        ("no address", "no address"),
    ),
)
def test_addresses_are_cut_down_to_their_host(text: str, shown: str):
    assert hide_addresses(text) == shown


@pytest.mark.parametrize(("mode", "loose"), ((0o600, False), (0o640, True)))
def test_keystores_that_others_may_read_are_told_of(tmp_path: Path, mode, loose):
    path = tmp_path / "key.json"
    path.write_text("{}")
    path.chmod(mode)
    assert (loose_permissions(path) is not None) is loose
    assert loose_permissions(tmp_path / "none") is None
