"""`affiant attest`, on the development root: what it prints, sends and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner

from affiant.agents.errors import ConfigError
from affiant.cli import app
from affiant.encoding import canonical_json, to_hex
from affiant.errors import MalformedError
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot
from affiant.inference.attestation.errors import (
    CollateralUnavailableError,
    QuoteRefusedError,
    QuoteUnavailableError,
)
from affiant.inference.keys import create_keystore
from affiant.onchain.attestation.binding import TdxWorkload
from affiant.onchain.attestation.doctor import diagnose
from affiant.onchain.chain import Chain
from affiant.onchain.devnet.accounts import DEPLOYER, DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules

NOW = 1_763_700_000
SEED = bytes(range(32))
ROOT = DevRoot(SEED)
ENV = {"AFFIANT_NODE_PASSWORD": "node", "AFFIANT_PAYER_PASSWORD": "payer"}


def run(*arguments: object, env: dict[str, str] | None = None) -> Any:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(map(str, arguments)), env=env or ENV)


def told(result: Any) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "quote").write_bytes(ROOT.quote(bytes(64)))
    (tmp_path / "collateral").write_bytes(ROOT.collateral(now=NOW).to_bytes())
    (tmp_path / "seed").write_text(SEED.hex())
    return tmp_path


# Offline.


def test_show_says_what_a_quote_says(files: Path) -> None:
    said = told(run("attest", "show", files / "quote", "--json"))
    assert said["version"] == 4
    assert said["reportData"] == "00" * 64
    assert "key" not in said
    assert "mrTd" in run("attest", "show", files / "quote").stdout


def test_show_refuses_what_is_no_quote(files: Path) -> None:
    result = run("attest", "show", files / "seed")
    assert isinstance(result.exception, MalformedError)
    assert run("attest", "show").exit_code == 2


def verify(files: Path, *more: object) -> Any:
    return run(
        *("attest", "verify", files / "quote", "--collateral", files / "collateral"),
        *("--json", *more),
    )


def test_verify_believes_a_development_root_only_when_told_to(files: Path) -> None:
    said = told(verify(files, "--at", NOW + 60, "--unsafe-dev-root"))
    assert said["status"] == "UpToDate"
    assert said["ppid"] == Machine().ppid.hex()
    assert "NO HARDWARE PROTECTION" in said["root"]
    refused = verify(files, "--at", NOW + 60)
    assert isinstance(refused.exception, QuoteRefusedError)


@pytest.mark.parametrize("at", [NOW - 60, NOW + 31 * 86_400])
def test_verify_is_as_of_a_time(files: Path, at: int) -> None:
    result = verify(files, "--at", at, "--unsafe-dev-root")
    assert isinstance(result.exception, QuoteRefusedError)


@pytest.mark.anvil
def test_verify_asks_what_a_workload_asks(files: Path, world: Any) -> None:
    more = ("--at", NOW + 60, "--unsafe-dev-root", "--workload", world.file)
    assert told(verify(files, *more))["status"] == "UpToDate"
    workload = json.loads(world.file.read_text())
    for name, value in (("measurements", "0x" + "11" * 32), ("evaluationFloor", 99)):
        world.file.write_bytes(canonical_json({**workload, name: value}))
        assert isinstance(verify(files, *more).exception, QuoteRefusedError)


def test_verify_refuses_statuses_that_do_not_exist(files: Path) -> None:
    result = verify(files, "--status", "Fine")
    assert result.exit_code == 2 and "Fine" in result.output


def test_verify_says_which_file_is_missing(files: Path) -> None:
    result = run("attest", "verify", files / "quote", "--collateral", files / "none")
    assert isinstance(result.exception, CollateralUnavailableError)


def test_it_ends_with_1_where_a_quote_is_refused(files: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "affiant.cli", "attest", "verify"),
            *(files / "quote", "--collateral", files / "collateral"),
            *("--at", str(NOW + 60)),
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 1
    assert "QuoteRefusedError" in done.stderr and not done.stdout


# On a chain.


class World:
    """A chain, and the files that commands read."""

    def __init__(self, attestation: Any, folder: Path) -> None:
        self.of = attestation
        self.folder = folder
        self.file = folder / "workload.json"
        self.write(attestation.workload)
        (folder / "seed").write_text(SEED.hex())
        self.key = create_keystore(folder / "node", "node", iterations=1)
        payer = Account.encrypt(
            DEV_ACCOUNTS[0].key, "payer", kdf="pbkdf2", iterations=1
        )
        (folder / "payer").write_text(json.dumps(payer))

    def write(self, workload: TdxWorkload) -> None:
        self.file.write_bytes(canonical_json(workload.to_json()))

    @property
    def where(self) -> tuple[object, ...]:
        return (
            *("--chain-url", self.of.anvil.url, "--chain-id", 31337),
            *("--contract", self.of.client.address),
        )

    def register(self, *more: object) -> Any:
        return run(
            *("attest", "register", *self.where, "--json"),
            *("--keystore", self.folder / "node", "--payer", self.folder / "payer"),
            *("--workload", self.file, "--unsafe-dev-seed", self.folder / "seed"),
            *("--model", to_hex(self.of.serves.model)),
            *("--engine", to_hex(self.of.serves.engine), *more),
        )

    def show(self) -> Any:
        return run(
            *("attest", "show", *self.where, "--json", "--key", self.key.address),
            *("--workload", self.file),
        )

    def refresh(self, *more: object) -> Any:
        return run(
            *("attest", "refresh", *self.where, "--json"),
            *("--payer", self.folder / "payer"),
            *("--unsafe-dev-seed", self.folder / "seed", *more),
        )


@pytest.fixture
def world(attestation_world: Any, tmp_path: Path) -> World:
    folder = tmp_path / "world"
    folder.mkdir()
    return World(attestation_world, folder)


@pytest.mark.anvil
def test_register_simulates_unless_told_to_send(world: World) -> None:
    said = told(world.register())
    assert not said["sent"]
    assert [step["what"] for step in said["transactions"]][-1] == "registration"
    shown = world.show()
    assert shown.exit_code == 1 and not json.loads(shown.stdout)["attested"]
    said = told(world.register("--send"))
    assert said["sent"] and said["tier"] == 0
    shown = told(world.show())
    assert shown["attested"] and shown["validUntil"] == said["validUntil"]
    assert shown["ppid"] == Machine().ppid.hex()


@pytest.mark.anvil
def test_refresh_pays_for_what_is_missing(world: World) -> None:
    simulated = told(world.refresh())
    assert "TCB info" in simulated["pieces"] and not simulated["sent"]
    assert told(world.refresh("--send"))["gas"] > 0
    assert told(world.refresh("--send"))["pieces"] == []
    told(world.register("--send"))
    more = ("--key", world.key.address, "--workload", world.file, "--send")
    assert told(world.refresh(*more))["validUntil"] > world.of.now
    assert world.refresh("--key", world.key.address).exit_code == 2


@pytest.mark.anvil
def test_refresh_needs_a_quote_to_ask_a_server(world: World) -> None:
    result = run(
        *("attest", "refresh", *world.where, "--payer", world.folder / "payer"),
        *("--collateral", "http://127.0.0.1:9"),
    )
    assert isinstance(result.exception, ConfigError)
    assert "kind of machine" in str(result.exception)


@pytest.mark.anvil
def test_register_without_a_td_says_so(world: World) -> None:
    result = run(
        *("attest", "register", *world.where, "--quotes", "dstack"),
        *("--keystore", world.folder / "node", "--payer", world.folder / "payer"),
        *("--workload", world.file, "--model", "0x" + "00" * 32),
        *("--engine", "0x" + "00" * 32),
    )
    assert isinstance(result.exception, QuoteUnavailableError)


@pytest.mark.anvil
@pytest.mark.parametrize(
    "seed", ["", "00", "zz" * 32, "00" * 33], ids=["none", "short", "no hex", "long"]
)
def test_a_seed_is_32_bytes(world: World, seed: str) -> None:
    (world.folder / "seed").write_text(seed)
    assert isinstance(world.register().exception, ConfigError)


@pytest.mark.anvil
def test_doctor_finds_what_is_missing_and_then_nothing(
    world: World, tmp_path: Path
) -> None:
    collateral = tmp_path / "collateral"
    collateral.write_bytes(ROOT.collateral(now=NOW).to_bytes())
    asked = ("attest", "doctor", *world.where, "--collateral", collateral, "--json")
    result = run(*asked)
    assert result.exit_code == 1
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert found["P-256 precompile"]["ok"]
    assert "NO HARDWARE PROTECTION" in found["root"]["detail"]
    for what in ("root certificate", "TCB info for 444556303030"):
        assert not found[what]["ok"] and found[what]["remedy"]
    assert not found["quotes"]["ok"], "this is no TD"
    told(world.refresh("--send"))
    now = world.of.now
    found_now = diagnose(
        world.of.chain,
        world.of.client.address,
        now=now,
        collateral=ROOT.collateral(now=NOW),
    )
    assert [finding.what for finding in found_now if not finding.ok] == []
    late = diagnose(world.of.chain, world.of.client.address, now=now + 301)
    assert [finding.what for finding in late if not finding.ok] == ["clock"]


@pytest.mark.anvil
def test_doctor_tells_other_contracts_apart(world: World) -> None:
    chain, now = world.of.chain, world.of.now
    nobody = diagnose(chain, DEPLOYER.address, now=now)
    assert [f.what for f in nobody if not f.ok] == ["attestation contract"]
    other = diagnose(chain, world.of.client.verifier().address, now=now)
    assert [f.what for f in other if not f.ok] == ["attestation contract"]


@pytest.mark.anvil
def test_doctor_finds_a_chain_without_the_precompile() -> None:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=["--chain-id", "31337", "--hardfork", "prague"],
    )
    try:
        with closing(Chain.connect(anvil.url, expected_chain_id=31337)) as chain:
            now = chain.latest_block().timestamp
            found = diagnose(chain, DEPLOYER.address, now=now)
    finally:
        anvil.stop()
    wrong = [finding.what for finding in found if not finding.ok]
    assert wrong == ["P-256 precompile", "attestation contract"]


def test_a_node_takes_a_keystore_or_attestation() -> None:
    given = (
        *("node", "--chain-url", "http://127.0.0.1:9", "--chain-id", "1"),
        *("--book", "b", "--model", "m", "--program", "p", "--evidence", "e"),
        *("--answered", "a"),
    )
    for more in ((), ("--keystore", "k", "--attestation", "0x" + "00" * 20)):
        result = run(*given, *more)
        assert result.exit_code == 2
        assert "--keystore or --attestation" in result.output.replace("\n", " ")
    attested = ("--attestation", "0x" + "00" * 20)
    for more, said in (
        ((), "--workload"),
        (("--workload", "w", "--payer", "p", "--quotes", "sgx"), "sgx"),
    ):
        result = run(*given, *attested, *more)
        assert result.exit_code == 2 and said in result.output
