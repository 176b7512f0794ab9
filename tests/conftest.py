"""Where quotes that Intel signed are found, saying so when they are not; and a chain
on which keys can be attested under the development root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.encoding import keccak256
from affiant.inference.attestation.collateral_sources import DevCollateral
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.quote import TdReport
from affiant.inference.attestation.quoting import DevQuotes
from affiant.onchain.attestation.attesting import Attester, Serves
from affiant.onchain.attestation.binding import TdxWorkload
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.deploy import (
    deploy_tdx_attestation,
    deploy_tdx_verifier,
)
from affiant.onchain.chain import Chain
from affiant.onchain.devnet.accounts import DEPLOYER, DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.mandate import Address

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = ROOT / ".cache/vendor/dcap-qvl"
"""From the source archive of `dcap-qvl`; `make setup` fetches it."""


LONGEST = (
    "demo/test_demo.py",
    "audit/test_endorser_command.py",
    "demo/test_commands.py",
    "audit/explain/test_command.py",
    "audit/test_endorser_page.py",
    "inference/test_vllm.py",
    "audit/test_real_model.py",
    "inference/chat/test_page.py",
    "audit/test_endorser_planner.py",
    "inference/chat/test_serve.py",
    "test_packaging.py",
    "audit/test_replay_process.py",
    "agents/backtest/test_backtest.py",
    "audit/explain/test_example.py",
    "inference/test_model_coverage.py",
)
"""Files that take longest. Run by file on two cores, they must not come last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, in their order."""
    order = {ROOT / "tests" / name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tdx-vectors",
        metavar="FOLDER",
        help="quotes and collateral that Intel signed (NAME beside "
        "NAME_collateral.json); also AFFIANT_TDX_VECTORS, or ../shared/vectors/tdx",
    )


@pytest.fixture(scope="session")
def vendor_folders(request: pytest.FixtureRequest) -> list[Path]:
    """Every folder with vendor-signed data that is there, the one asked for first."""
    config = request.config
    asked = config.getoption("--tdx-vectors") or os.environ.get("AFFIANT_TDX_VECTORS")
    shared = Path(asked) if asked else ROOT.parent / "shared/vectors/tdx"
    nested = sorted(path for path in shared.glob("*") if path.is_dir())
    return [path for path in (shared, *nested, PACKAGED) if path.is_dir()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", ())
        if "vendor-signed" in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("NO VENDOR-SIGNED TDX DATA", red=True)
        terminalreporter.write_line(
            f"{len(skipped)} tests of data that Intel signed were SKIPPED; the rest "
            "ran on the development root. `make setup` fetches some of it where the "
            "package index has the source archive of dcap-qvl; --tdx-vectors FOLDER "
            "takes more."
        )


@dataclass
class AttestationWorld:
    """A chain with the development root's verifier and an attestation contract."""

    anvil: Anvil
    chain: Chain
    root: DevRoot
    client: TdxAttestationClient
    payer: LocalAccount
    workload: TdxWorkload
    serves: Serves

    @property
    def now(self) -> int:
        """Unix seconds of the newest block."""
        return self.chain.latest_block().timestamp

    def warp(self, timestamp: int) -> None:
        """Mine a block at unix second `timestamp`."""
        self.anvil.rpc.request("evm_setNextBlockTimestamp", timestamp)
        self.anvil.rpc.request("evm_mine")

    def attester(self, **changes: Any) -> Attester:
        """Return what attests keys here, all on the development root."""
        parts: dict[str, Any] = {
            "client": self.client,
            "workload": self.workload,
            "serves": self.serves,
            "provider": DevQuotes(self.root),
            "collateral": DevCollateral(self.root, clock=lambda: self.now),
            "payer": self.payer,
        }
        return Attester(**{**parts, **changes})


@pytest.fixture(scope="session")
def _attestation_world() -> Iterator[AttestationWorld]:
    engine, model = keccak256(b"an engine"), keccak256(b"a model")
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=[
            *("--chain-id", "31337", "--hardfork", "osaka"),
            *("--timestamp", "1763700000"),
        ],
    )
    try:
        with closing(Chain.connect(anvil.url, expected_chain_id=31337)) as chain:
            root = DevRoot(bytes(range(32)))
            deployer = Account.from_key(DEPLOYER.key)
            verifier = deploy_tdx_verifier(
                chain, deployer, root_key_hash=root.pki.root_key_hash
            )
            measured = TdReport(DevTd().report(bytes(64))).measurements(whole=False)
            guard = Account.from_key(DEV_ACCOUNTS[1].key)
            yield AttestationWorld(
                anvil=anvil,
                chain=chain,
                root=root,
                client=deploy_tdx_attestation(chain, deployer, verifier=verifier),
                payer=Account.from_key(DEV_ACCOUNTS[0].key),
                workload=TdxWorkload(
                    measurements=measured,
                    engines=(engine,),
                    guards=(Address(guard.address),),
                ),
                serves=Serves(model=model, engine=engine),
            )
    finally:
        anvil.stop()


@pytest.fixture
def attestation_world(
    _attestation_world: AttestationWorld,
) -> Iterator[AttestationWorld]:
    """A chain where nothing was attested yet; put back afterwards."""
    world = _attestation_world
    snapshot = world.anvil.rpc.request("evm_snapshot")
    yield world
    world.anvil.rpc.request("evm_revert", snapshot)
