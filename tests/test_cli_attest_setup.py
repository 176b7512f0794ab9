"""`affiant attest workload` and `attest deploy`: what they refuse, write and deploy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner

from affiant.agents.errors import ConfigError
from affiant.agents.nodes.attest_settings import load_workload
from affiant.cli import app
from affiant.cli.deploying import DeploymentRefusedError
from affiant.encoding import ZERO_DIGEST, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.errors import QuoteUnavailableError
from affiant.inference.attestation.quote import TdReport
from affiant.onchain.attestation.asking import (
    PERMITTED_ATTRIBUTES,
    REGISTERS,
    SEPT_VE_DISABLE,
    measure,
    registers_of,
)
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.deploy import (
    INTEL_ROOT_KEY_HASH,
    attestation_address,
    deploy_attestation,
    deploy_tdx_attestation,
    deploy_tdx_verifier,
    plan_attestation,
)
from affiant.onchain.chain import Chain
from affiant.onchain.chains import CHAINS
from affiant.onchain.deploy import DeploymentError
from affiant.onchain.devnet.accounts import DEPLOYER, DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.mandate import Address

SEED = bytes(range(32))
ROOT = DevRoot(SEED)
ENGINE, OTHER = (to_hex(keccak256(name)) for name in (b"engine", b"other"))
REPORT = TdReport(DevTd().report(bytes(64)))
REGISTER = registers_of(REPORT)
FIRST, SECOND = sorted((DEV_ACCOUNTS[i].address for i in (1, 2)), key=str.lower)
SOURCES = Path(__file__).resolve().parent.parent / "contracts/attestation"


def run(*arguments: object) -> Any:
    """Run the command in this process."""
    environment = {"AFFIANT_PAYER_PASSWORD": "payer"}
    return CliRunner().invoke(app, list(map(str, arguments)), env=environment)


def told(result: Any) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "quote").write_bytes(ROOT.quote(bytes(64)))
    (tmp_path / "seed").write_text(SEED.hex())
    payer = Account.encrypt(DEV_ACCOUNTS[0].key, "payer", kdf="pbkdf2", iterations=1)
    (tmp_path / "payer").write_text(json.dumps(payer))
    return tmp_path


def ask(files: Path, *more: object) -> Any:
    return run("attest", "workload", files / "workload", "--json", *more)


def named(**changes: bytes | None) -> list[str]:
    """Return every register as an option, some of them changed or left out."""
    registers = {**REGISTER, **changes}
    return [
        word
        for name, value in registers.items()
        if value is not None
        for word in ("--register", f"{name}={value.hex()}")
    ]


# A workload is refused where nobody can have meant it.


@pytest.mark.parametrize(
    "sources",
    [
        (),
        ("--here", "--measurements", ENGINE),
        ("--measurements", ENGINE, "--register", "xfam=" + "00" * 8),
    ],
    ids=["none", "two", "register and hash"],
)
def test_workload_takes_measurements_from_one_place(
    files: Path, sources: tuple[str, ...]
) -> None:
    result = ask(files, "--engine", ENGINE, *sources)
    assert result.exit_code == 2 and "exactly one" in result.output
    assert not (files / "workload").exists()


NONSENSE = {
    "no hash": (("--measurements", "0x12"), "--measurements"),
    "measurements of nothing": (
        ("--measurements", to_hex(ZERO_DIGEST)),
        "`measurements`",
    ),
    "no engine": (("--engine", to_hex(ZERO_DIGEST)), "`engines`"),
    "an engine twice": (("--engine", ENGINE), "`engines`"),
    "a model that is none": (("--model", "gpt"), "--model"),
    "a program that is none": (("--program", "0x"), "--program"),
    "a status that is none": (("--status", "Fine"), "`statuses`"),
    "a status twice": (
        ("--status", "UpToDate", "--status", "UpToDate"),
        "`statuses`",
    ),
    "machines that are revoked": (("--status", "Revoked"), "`statuses`"),
    "a floor below zero": (("--evaluation-floor", "-1"), "`evaluationFloor`"),
    "a floor that does not fit": (("--evaluation-floor", "65536"), "`evaluationFloor`"),
    "endorsers, and none is needed": (("--endorser", FIRST), "`quorum`"),
    "more endorsers needed than there are": (
        ("--endorser", FIRST, "--quorum", "2"),
        "`quorum`",
    ),
    "a quorum of nobody": (("--quorum", "1"), "`quorum`"),
    "an endorser twice": (
        ("--endorser", FIRST, "--endorser", FIRST, "--quorum", "1"),
        "`endorsers`",
    ),
    "nobody as a guard": (("--guard", "0x" + "00" * 20), "`guards`"),
    "a guard that is no address": (("--guard", "0x12"), "--guard"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_workload_refuses_what_cannot_be_meant(files: Path, what: str) -> None:
    options, blamed = NONSENSE[what]
    measured = () if "--measurements" in options else ("--quote", files / "quote")
    result = ask(files, "--engine", ENGINE, *measured, *options)
    assert isinstance(result.exception, MalformedError), result.output
    assert blamed in str(result.exception)
    assert not (files / "workload").exists()


WRONG_REGISTERS = {
    "one is missing": (named(rtmr1=None), "rtmr1"),
    "debugging": (named(attributes=bytes([1, *REGISTER["attributes"][1:]])), "debug"),
    "faults that the host makes": (named(attributes=bytes(8)), "attributes"),
    "no firmware": (named(mrTd=bytes(48)), "mrTd"),
    "too short": (named(mrTd=bytes(47)), "mrTd"),
    "no such register": ([*named(), "--register", "rtmr4=" + "11" * 48], "rtmr4"),
    "twice": ([*named(), "--register", "xfam=" + "11" * 8], "xfam"),
    "no hexadecimal": ([*named(xfam=None), "--register", "xfam=zz"], "xfam"),
}


@pytest.mark.parametrize("what", WRONG_REGISTERS)
def test_workload_refuses_registers_of_no_td(files: Path, what: str) -> None:
    options, blamed = WRONG_REGISTERS[what]
    result = ask(files, "--engine", ENGINE, *options)
    assert isinstance(result.exception, MalformedError), result.output
    assert blamed in str(result.exception)
    assert not (files / "workload").exists()


def test_workload_refuses_what_is_no_quote_and_no_td(files: Path) -> None:
    result = ask(files, "--engine", ENGINE, "--quote", files / "seed")
    assert isinstance(result.exception, MalformedError)
    result = ask(files, "--engine", ENGINE, "--here", "--quotes", "dstack")
    assert isinstance(result.exception, QuoteUnavailableError)
    seed = ("--unsafe-dev-seed", files / "quote")
    assert isinstance(
        ask(files, "--engine", ENGINE, "--here", *seed).exception, ConfigError
    )


def test_workload_takes_no_other_workloads_place(files: Path) -> None:
    given = ("--engine", ENGINE, "--quote", files / "quote")
    told(ask(files, *given))
    before = (files / "workload").read_bytes()
    result = ask(files, *given, "--guard", FIRST)
    assert isinstance(result.exception, MalformedError)
    assert (files / "workload").read_bytes() == before


# What is written is what was asked.


def test_attributes_are_the_contracts() -> None:
    source = (SOURCES / "TdxQuote.sol").read_text()
    for value, name in (
        (PERMITTED_ATTRIBUTES, "PERMITTED_ATTRIBUTES"),
        (SEPT_VE_DISABLE, "SEPT_VE_DISABLE"),
    ):
        assert f"{name} = 0x{value.hex()};" in source


@pytest.mark.parametrize("whole", [False, True])
def test_measures_as_the_report_does(whole: bool) -> None:
    assert sum(REGISTERS.values()) == 400
    assert measure(REGISTER, whole=whole) == REPORT.measurements(whole=whole)


def test_workload_of_a_quote_of_here_and_of_registers_are_one(files: Path) -> None:
    ids = set()
    for source in (
        ("--quote", files / "quote"),
        ("--here", "--unsafe-dev-seed", files / "seed"),
        named(rtmr3=None),
        ("--measurements", to_hex(REPORT.measurements(whole=False))),
    ):
        (files / "workload").unlink(missing_ok=True)
        said = told(ask(files, "--engine", ENGINE, *source))
        assert to_hex(load_workload(files / "workload").id) == said["workload"]
        assert said["workload"] in said["words"][0]
        ids.add(said["workload"])
    assert len(ids) == 1


def test_workload_says_what_it_asks(files: Path) -> None:
    result = run(
        *("attest", "workload", files / "workload", "--quote", files / "quote"),
        *("--engine", ENGINE, "--engine", OTHER, "--all-registers"),
        *("--model", OTHER, "--status", "OutOfDate", "--evaluation-floor", 17),
        # In any order: the contract asks for the ascending one.
        *("--endorser", SECOND, "--endorser", FIRST, "--quorum", 2, "--guard", FIRST),
    )
    assert result.exit_code == 0, result.exception
    for words in (
        f"{ENGINE} or {OTHER}",
        f"Model: {OTHER}",
        "Program: any",
        "RTMR3 included",
        "TCB recovery 17",
        "A MACHINE THAT IS OutOfDate IS ACCEPTED",
        f"2 of {FIRST}, {SECOND}",
        f"{FIRST} may refuse",
    ):
        assert words in result.stdout
    assert "not verified" in result.stderr
    asked = load_workload(files / "workload")
    assert asked.endorsers == (FIRST, SECOND)
    assert asked.measurements == REPORT.measurements(whole=True)


# On a chain.


def test_a_development_root_goes_nowhere_near_money(files: Path) -> None:
    chains = [id for id, facts in CHAINS.items() if facts.real_money]
    # One that is known to the contract only, and one that nobody knows.
    for chain_id in (*chains, 137, 987_654_321):
        result = run(
            *("attest", "deploy", "--chain-url", "http://127.0.0.1:1"),
            *("--chain-id", chain_id, "--unsafe-dev-seed", files / "seed"),
            *("--payer", files / "payer", "--unaudited-production", "--send"),
        )
        assert isinstance(result.exception, DeploymentError | DeploymentRefusedError)


def where(world: Any) -> tuple[object, ...]:
    return ("--chain-url", world.anvil.url, "--chain-id", 31337)


@pytest.mark.anvil
def test_deploy_simulates_sends_once_and_finds(
    attestation_world: Any, files: Path
) -> None:
    world = attestation_world
    dev = ("--unsafe-dev-seed", files / "seed", "--json")
    said = told(run("attest", "deploy", *where(world), *dev))
    assert not said["deployed"]
    assert all(c["codeHash"] is None for c in said["contracts"].values())
    keyless = run("attest", "deploy", *where(world), *dev, "--send")
    assert keyless.exit_code == 2 and "--payer" in keyless.output

    sent = ("--payer", files / "payer", "--send")
    done = told(run("attest", "deploy", *where(world), *dev, *sent))
    assert done["deployed"] and done["tier"] == 0
    assert done["contract"] == attestation_address(ROOT.pki.root_key_hash)
    assert set(done["contracts"]) == {
        "TdxVerifier",
        "CertificateReader",
        "CollateralReader",
        "TdxAttestation",
    }
    payer = Address(world.payer.address)
    nonce = world.chain.nonce(payer)
    again = told(run("attest", "deploy", *where(world), *dev, *sent))
    assert again == done and world.chain.nonce(payer) == nonce
    # Whoever pays, it lies in the same place.
    other = Account.from_key(DEV_ACCOUNTS[1].key)
    client = deploy_attestation(
        world.chain, other, root_key_hash=ROOT.pki.root_key_hash
    )
    assert client.address == done["contract"]
    verifier = client.verifier()
    assert (verifier.tier(), verifier.root_key_hash()) == (0, ROOT.pki.root_key_hash)
    words = run("attest", "deploy", *where(world), "--unsafe-dev-seed", files / "seed")
    assert "NO HARDWARE PROTECTION" in words.stdout
    assert f"name {done['contract']}" in words.stdout


@pytest.mark.anvil
def test_deploy_is_for_intels_root_unless_told_otherwise(
    attestation_world: Any, files: Path
) -> None:
    world = attestation_world
    sent = ("--payer", files / "payer", "--send", "--json")
    done = told(run("attest", "deploy", *where(world), *sent))
    assert (done["tier"], done["rootKeyHash"]) == (2, to_hex(INTEL_ROOT_KEY_HASH))
    client = TdxAttestationClient(world.chain, done["contract"])
    assert client.verifier().description() == "Intel SGX Root CA"
    assert done["contract"] != attestation_address(ROOT.pki.root_key_hash)


@pytest.mark.anvil
def test_deploy_asks_for_a_flag_where_money_is(
    attestation_world: Any, files: Path
) -> None:
    rpc = attestation_world.anvil.rpc
    payer = Address(attestation_world.payer.address)
    before = attestation_world.chain.nonce(payer)
    rpc.request("anvil_setChainId", 1)
    try:
        result = run(
            *("attest", "deploy", "--chain-url", attestation_world.anvil.url),
            *("--chain-id", 1, "--payer", files / "payer", "--send"),
        )
    finally:
        rpc.request("anvil_setChainId", 31337)
    assert isinstance(result.exception, DeploymentRefusedError)
    assert "--unaudited-production" in str(result.exception)
    assert attestation_world.chain.nonce(payer) == before


@pytest.mark.anvil
def test_deploy_refuses_other_code_at_our_address(
    attestation_world: Any, files: Path
) -> None:
    world = attestation_world
    for planned in plan_attestation(ROOT.pki.root_key_hash):
        world.anvil.rpc.request("anvil_setCode", planned.address, "0x6000")
        result = run(
            *("attest", "deploy", *where(world)),
            *("--unsafe-dev-seed", files / "seed", "--payer", files / "payer"),
            "--send",
        )
        assert isinstance(result.exception, DeploymentError)
        assert planned.name in str(result.exception)
        world.anvil.rpc.request("anvil_setCode", planned.address, "0x")


@pytest.mark.anvil
def test_deploy_refuses_our_code_that_was_given_other_parts(
    attestation_world: Any, files: Path
) -> None:
    # The same code with other immutables cannot be there, unless the endpoint lies.
    world = attestation_world
    deployer = Account.from_key(DEPLOYER.key)
    root = ROOT.pki.root_key_hash
    deploy_attestation(world.chain, deployer, root_key_hash=root)
    other = deploy_tdx_verifier(world.chain, deployer, root_key_hash=keccak256(b"no"))
    foreign = deploy_tdx_attestation(world.chain, deployer, verifier=other)
    verifier, *_, attestation = plan_attestation(root)
    for planned, instead in ((attestation, foreign), (verifier, other)):
        code = to_hex(world.chain.code(planned.address))
        theirs = to_hex(world.chain.code(instead.address))
        world.anvil.rpc.request("anvil_setCode", planned.address, theirs)
        result = run(
            *("attest", "deploy", *where(world), "--unsafe-dev-seed", files / "seed")
        )
        assert isinstance(result.exception, DeploymentError), result.output
        assert planned.name in str(result.exception)
        world.anvil.rpc.request("anvil_setCode", planned.address, code)


@pytest.mark.anvil
def test_deploy_refuses_chains_that_verify_no_quote(files: Path) -> None:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=["--chain-id", "31337", "--hardfork", "prague"],
    )
    try:
        result = run(
            *("attest", "deploy", "--chain-url", anvil.url, "--chain-id", 31337),
            *("--unsafe-dev-seed", files / "seed", "--payer", files / "payer"),
            "--send",
        )
        chain = Chain.connect(anvil.url, expected_chain_id=31337)
        nonce = chain.nonce(Address(DEV_ACCOUNTS[0].address))
        chain.close()
    finally:
        anvil.stop()
    assert isinstance(result.exception, DeploymentRefusedError)
    assert "P-256" in str(result.exception) and nonce == 0
