"""Reads compiled protocols out of `node_modules`.

Nothing is copied: the protocols' licences allow use, and the bytes stay where npm put
them. The lockfile says which bytes those are; we trust npm's integrity check of it.
Libraries that a bytecode refers to are linked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from affiant.encoding import JsonValue, from_hex, keccak256
from affiant.errors import MalformedError
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.devnet.errors import ToolMissingError
from affiant.onchain.mandate import Address

MAX_ARTIFACT_BYTES = 16 * 1024 * 1024
"""Largest artifact file accepted, in bytes."""

_AAVE = "@aave/core-v3/artifacts/contracts"
_LOGIC = f"{_AAVE}/protocol/libraries/logic"
_CORE = "@uniswap/v3-core/artifacts/contracts"
_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"

PROTOCOL_PATHS: Mapping[str, str] = {
    "WETH9": "canonical-weth/build/contracts/WETH9.json",
    "MintableERC20": f"{_AAVE}/mocks/tokens/MintableERC20.sol/MintableERC20.json",
    "UniswapV3Factory": f"{_CORE}/UniswapV3Factory.sol/UniswapV3Factory.json",
    "SwapRouter": f"{_PERIPHERY}/SwapRouter.sol/SwapRouter.json",
    "QuoterV2": f"{_PERIPHERY}/lens/QuoterV2.sol/QuoterV2.json",
    "NonfungiblePositionManager": (
        f"{_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
    ),
    **{
        name: f"{_LOGIC}/{name}.sol/{name}.json"
        for name in (
            "SupplyLogic BorrowLogic LiquidationLogic EModeLogic BridgeLogic "
            "PoolLogic FlashLoanLogic ConfiguratorLogic"
        ).split()
    },
    **{
        name: f"{_AAVE}/protocol/{folder}/{name}.sol/{name}.json"
        for folder, names in (
            ("configuration", ("PoolAddressesProvider", "ACLManager")),
            (
                "pool",
                ("Pool", "PoolConfigurator", "DefaultReserveInterestRateStrategy"),
            ),
            ("tokenization", ("AToken", "StableDebtToken", "VariableDebtToken")),
        )
        for name in names
    },
    **{
        name: f"{_AAVE}/misc/{name}.sol/{name}.json"
        for name in ("AaveOracle", "AaveProtocolDataProvider")
    },
}
"""Where each protocol contract lies under `node_modules`."""

OWN_CONTRACTS = (
    "SettableFeed",
    "NodeRegistry",
    "ModelRegistry",
    "MandateChecks",
    "DecisionGate",
    "EpochDrawdown",
    "HealthFactorFloor",
    "OracleAgainstTwap",
    "RecipientIsAccount",
    "RecipientIsListed",
    "SafeSettings",
    "SpendRate",
)
"""Ours: the devnet's feed, and what makes up Affiant."""


@dataclass(frozen=True)
class Artifact:
    """A contract's creation code, before its libraries' addresses are filled in."""

    name: str
    bytecode: str
    """Hex without prefix; unlinked places hold placeholders."""
    links: tuple[tuple[str, int, int], ...]
    """(library, start, length) of each such place, in bytes."""

    def linked(self, libraries: Mapping[str, Address]) -> bytes:
        """Return the creation code with `libraries` filled in.

        Raises:
            ValueError: a library that the code needs is not given.
        """
        code = self.bytecode
        for library, start, length in self.links:
            if library not in libraries:
                raise ValueError(f"`{self.name}` needs the library `{library}`")
            address = libraries[library][2:].lower()
            code = code[: start * 2] + address + code[(start + length) * 2 :]
        return from_hex("0x" + code, what=f"bytecode of {self.name}")


@dataclass(frozen=True)
class Artifacts:
    """Everything that a local chain deploys, read once."""

    contracts: Mapping[str, Artifact]

    @property
    def hash(self) -> bytes:
        """keccak256 over every name and bytecode, sorted by name."""
        parts = [
            keccak256(name.encode()) + keccak256(artifact.bytecode.encode())
            for name, artifact in sorted(self.contracts.items())
        ]
        return keccak256(b"".join(parts))


def read_artifacts(*, node_modules: Path) -> Artifacts:
    """Read the protocols' and our own artifacts.

    Args:
        node_modules: folder that `npm ci` filled.

    Raises:
        ToolMissingError: a package is not installed.
        MalformedError: a file is no artifact.
    """
    contracts = {
        name: read_artifact(name, node_modules / path)
        for name, path in PROTOCOL_PATHS.items()
    }
    for name in OWN_CONTRACTS:
        code = load_artifact(name).bytecode.hex()
        contracts[name] = Artifact(name=name, bytecode=code, links=())
    return Artifacts(contracts=contracts)


def read_artifact(name: str, path: Path) -> Artifact:
    """Read one contract's artifact, as npm installed it.

    Raises:
        ToolMissingError: the package is not installed.
        MalformedError: the file is no artifact.
    """
    try:
        size = path.stat().st_size
        if size > MAX_ARTIFACT_BYTES:
            raise MalformedError(
                str(path),
                got=f"{size} bytes",
                expected=f"at most {MAX_ARTIFACT_BYTES}",
            )
        value: JsonValue = json.loads(path.read_bytes())
    except OSError as error:
        raise ToolMissingError(name, looked_at=str(path), remedy="npm ci") from error
    except ValueError as error:
        raise MalformedError(
            str(path), got=str(error)[:120], expected="JSON"
        ) from error
    code = value.get("bytecode") if isinstance(value, dict) else None
    if not isinstance(code, str) or len(code) < 4:
        raise MalformedError(str(path), got="no bytecode", expected="creation code")
    links = [
        (library, int(place["start"]), int(place["length"]))
        for libraries in value.get("linkReferences", {}).values()
        for library, places in libraries.items()
        for place in places
    ]
    return Artifact(
        name=name, bytecode=code.removeprefix("0x"), links=tuple(sorted(links))
    )
